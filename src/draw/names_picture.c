/*
 * names_picture.c - the photo under its classes with their names: diffcut_encode_names_png.
 *
 * A name stands on each larger region, on a label of its class's colour, where it covers the region best; one that
 * finds no clear place is tried smaller, then left to the legend, which lists every class that occurs with its share
 * of the photo. Letters grow with the photo, so that a picture reads the same at any size.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "draw/canvas.h"
#include "draw/names_place.h"
#include "io/entry.h"
#include "io/overlay.h"
#include "io/palette.h"
#include "io/png.h"

#define LETTER_SHARE 34.0    /* of the geometric mean of the sides: one letter's size in it */
#define LETTER_MIN 11.0      /* pixels an em: smaller is not read */
#define SMALLER 0.75         /* the next size that is tried, */
#define SMALLEST 0.45        /* down to this share of the first */
#define REGION_SHARE 0.004   /* of the photo: smaller regions get no name of their own */
#define NAME_WIDTH_SHARE 0.6 /* of the photo's width: longer names are cut short */
#define COVER_SHARE 0.7      /* of a name's label that lies on its region */
#define LABEL_OPACITY 0.92
#define MAX_NAMES 200           /* written on the photo */
#define LEGEND_HEIGHT_SHARE 1.0 /* of the photo's height, at most */
#define LEGEND_SHORT 6          /* entries: a longer legend cuts names for a second column */
#define LEGEND_COLUMN 16.0      /* letters that a column has at least then */
#define MAX_SIDE 65535U

static const uint8_t dark[3] = {20, 20, 22};
static const uint8_t light[3] = {255, 255, 255};
static const uint8_t faint[3] = {105, 105, 112};

/* A class that occurs. */
typedef struct entry {
    uint32_t class;
    uint64_t area; /* pixels */
} entry;

typedef struct picture {
    const diffcut_image *image;
    const diffcut_labels *labels;
    const char *const *names;
    const uint8_t *colors;
    double size; /* of letters: pixels an em */
    entry *entries;
    size_t entry_count;
    /* the legend */
    double row, column; /* pixels of an entry */
    size_t columns, rows, shown;
    canvas canvas;
} picture;

void diffcut_names_settings_init(diffcut_names_settings *settings) {
    if (settings != NULL) {
        *settings = (diffcut_names_settings){.names = true, .legend = true};
        diffcut_overlay_settings_init(&settings->overlay);
    }
}

/* Black or white, whichever is read better on the colour: by relative luminance (WCAG 2.1), whose contrasts with both
 * are equal at 0.179. */
static const uint8_t *ink_on(const uint8_t rgb[3]) {
    double linear[3];
    for (int c = 0; c < 3; c++) {
        const double value = rgb[c] / 255.0;
        linear[c] = value <= 0.03928 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4);
    }
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.179 ? dark : light;
}

/* ------------------------------------------------------------------------------------------------- names */

/* Writes one name, at this size or smaller, unless there is no room. */
static diffcut_status write_name(picture *p, names_places *places, const names_region *region, double size,
                                 diffcut_diagnostics *diag) {
    char *shown = NULL;
    double text_width = 0;
    bool found = false;
    names_box box;
    diffcut_status status =
        canvas_fit_text(&p->canvas, p->names[region->label], size, p->image->width * NAME_WIDTH_SHARE, &shown, diag);
    if (status == DIFFCUT_OK) {
        status = canvas_text_width(&p->canvas, shown, size, &text_width, diag);
    }
    const double pad = size * 0.35;
    const double height = size * 1.35;
    if (status == DIFFCUT_OK) {
        status = names_places_find(places, region, text_width + 2 * pad, height, size * 0.2, COVER_SHARE, &box,
                                   &found, diag);
    }
    if (status == DIFFCUT_OK && found) {
        const uint8_t *color = p->colors + (size_t)region->label * 3;
        const double baseline = box.y + (height + p->canvas.font.cap_height / p->canvas.font.em * size) / 2;
        status =
            canvas_rectangle(&p->canvas, box.x, box.y, box.width, box.height, size * 0.3, color, LABEL_OPACITY, diag);
        if (status == DIFFCUT_OK) {
            status = canvas_text(&p->canvas, shown, box.x + pad, baseline, size, ink_on(color), diag);
        }
    }
    mem_free(shown);
    const double least = fmax(LETTER_MIN, p->size * SMALLEST);
    if (status == DIFFCUT_OK && !found && size > least) {
        return write_name(p, places, region, fmax(size * SMALLER, least), diag);
    }
    return status;
}

static diffcut_status write_names(picture *p, diffcut_diagnostics *diag) {
    names_places places;
    diffcut_status status = names_places_open(p->labels, &places, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const double least = REGION_SHARE * places.width * places.height;
    for (size_t i = 0; i < places.region_count && i < MAX_NAMES && status == DIFFCUT_OK; i++) {
        if (places.regions[i].area < least) {
            break;
        }
        status = write_name(p, &places, &places.regions[i], p->size, diag);
    }
    names_places_free(&places);
    return status;
}

/* ------------------------------------------------------------------------------------------------- legend */

static int largest_first(const void *left, const void *right) {
    const entry *a = left;
    const entry *b = right;
    if (a->area != b->area) {
        return a->area < b->area ? 1 : -1;
    }
    return (a->class > b->class) - (a->class < b->class);
}

static diffcut_status list_entries(picture *p, diffcut_diagnostics *diag) {
    const size_t pixels = (size_t)p->labels->width * p->labels->height;
    p->entries = mem_array_zero(p->labels->count, sizeof *p->entries);
    if (p->entries == NULL) {
        return diag_no_memory(diag, p->labels->count * sizeof *p->entries, "a legend");
    }
    for (size_t i = 0; i < pixels; i++) {
        p->entries[p->labels->data[i]].area++;
    }
    for (uint32_t c = 0; c < p->labels->count; c++) {
        p->entries[c].class = c;
    }
    qsort(p->entries, p->labels->count, sizeof *p->entries, largest_first);
    while (p->entry_count < p->labels->count && p->entries[p->entry_count].area > 0) {
        p->entry_count++;
    }
    return DIFFCUT_OK;
}

/* "12 %", "< 1 %". */
static void share_text(const picture *p, size_t index, char out[24]) {
    const double share =
        100.0 * (double)p->entries[index].area / ((double)p->labels->width * (double)p->labels->height);
    (void)snprintf(out, 24, share < 1 ? "< 1 %%" : "%.0f %%", share);
}

/* The widest entry decides on the columns; as many rows as the legend may have. */
static diffcut_status lay_out_legend(picture *p, const canvas *measure, diffcut_diagnostics *diag) {
    double widest = 0;
    double share_width = 0;
    diffcut_status status = canvas_text_width(measure, "< 1 %", p->size, &share_width, diag);
    for (size_t i = 0; i < p->entry_count && status == DIFFCUT_OK; i++) {
        double width = 0;
        status = canvas_text_width(measure, p->names[p->entries[i].class], p->size, &width, diag);
        widest = fmax(widest, width);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    const double room = p->image->width - p->size; /* half a letter free at both sides */
    p->row = ceil(p->size * 1.6);
    p->column = fmin(widest + share_width + 2.6 * p->size, fmax(room, 1));
    if (p->entry_count > LEGEND_SHORT && room / 2 >= LEGEND_COLUMN * p->size) {
        p->column = fmin(p->column, room / 2);
    }
    p->columns = (size_t)fmax(1, floor(room / p->column));
    const size_t most = (size_t)fmax(1, floor(p->image->height * LEGEND_HEIGHT_SHARE / p->row));
    p->rows = (p->entry_count + p->columns - 1) / p->columns;
    p->rows = p->rows < most ? p->rows : most;
    p->shown = p->rows * p->columns < p->entry_count ? p->rows * p->columns - 1 : p->entry_count;
    return DIFFCUT_OK;
}

static diffcut_status draw_entry(picture *p, size_t index, double x, double y, diffcut_diagnostics *diag) {
    const uint32_t class = p->entries[index].class;
    const double swatch = p->size * 0.95;
    const double baseline = y + (p->row + p->canvas.font.cap_height / p->canvas.font.em * p->size) / 2;
    char share[24];
    char *shown = NULL;
    double share_width = 0;
    double width = 0;
    share_text(p, index, share);
    diffcut_status status = canvas_rectangle(&p->canvas, x, y + (p->row - swatch) / 2, swatch, swatch, swatch * 0.2,
                                             p->colors + (size_t) class * 3, 1, diag);
    if (status == DIFFCUT_OK) {
        status = canvas_text_width(&p->canvas, share, p->size, &share_width, diag);
    }
    const double text_x = x + 1.4 * p->size;
    const double room = p->column - 2.6 * p->size - share_width;
    if (status == DIFFCUT_OK) {
        status = canvas_fit_text(&p->canvas, p->names[class], p->size, room, &shown, diag);
    }
    if (status == DIFFCUT_OK) {
        status = canvas_text(&p->canvas, shown, text_x, baseline, p->size, dark, diag);
    }
    if (status == DIFFCUT_OK) {
        status = canvas_text_width(&p->canvas, shown, p->size, &width, diag);
    }
    if (status == DIFFCUT_OK) {
        status = canvas_text(&p->canvas, share, text_x + width + 0.5 * p->size, baseline, p->size, faint, diag);
    }
    mem_free(shown);
    return status;
}

static diffcut_status draw_legend(picture *p, diffcut_diagnostics *diag) {
    const double top = p->image->height + p->size * 0.4;
    diffcut_status status = DIFFCUT_OK;
    for (size_t i = 0; i < p->shown && status == DIFFCUT_OK; i++) { /* down the columns, the largest first */
        status = draw_entry(p, i, p->size / 2 + (double)(i / p->rows) * p->column,
                            top + (double)(i % p->rows) * p->row, diag);
    }
    if (status == DIFFCUT_OK && p->shown < p->entry_count) {
        char rest[48];
        (void)snprintf(rest, sizeof rest, "and %zu more", p->entry_count - p->shown);
        const double x = p->size / 2 + (double)(p->shown / p->rows) * p->column;
        const double y = top + (double)(p->shown % p->rows) * p->row;
        status = canvas_text(&p->canvas, rest, x, y + p->row * 0.7, p->size, faint, diag);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- the picture */

static const void *canvas_row(void *context, uint32_t y) {
    const canvas *c = context;
    return c->rgb + (size_t)y * c->width * 3;
}

static diffcut_status draw_picture(picture *p, const diffcut_names_settings *settings, diffcut_diagnostics *diag) {
    const canvas measure = {0};
    canvas ruler = measure;
    double legend = 0;
    p->size = fmax(LETTER_MIN, sqrt((double)p->image->width * p->image->height) / LETTER_SHARE);
    diffcut_status status = font_open(&ruler.font, diag);
    if (status == DIFFCUT_OK && settings->legend) {
        status = list_entries(p, diag);
        if (status == DIFFCUT_OK) {
            status = lay_out_legend(p, &ruler, diag);
        }
        legend = (double)p->rows * p->row + ceil(p->size * 0.8);
    }
    if (status == DIFFCUT_OK && p->image->height + legend > MAX_SIDE) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "a picture of %" PRIu32 "x%" PRIu32 " has no room for a legend",
                         p->image->width, p->image->height);
    }
    if (status == DIFFCUT_OK) {
        status = canvas_create(p->image->width, p->image->height + (size_t)legend, &p->canvas, diag);
    }
    if (status == DIFFCUT_OK) {
        status = overlay_paint(p->image, p->labels, p->colors, &settings->overlay, p->canvas.rgb, diag);
    }
    if (status == DIFFCUT_OK && settings->names) {
        status = write_names(p, diag);
    }
    return status == DIFFCUT_OK && settings->legend ? draw_legend(p, diag) : status;
}

static diffcut_status check_names(const diffcut_labels *labels, const char *const *names, size_t count,
                                  diffcut_diagnostics *diag) {
    if (names == NULL || count < labels->count) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_encode_names_png: %zu names for labels 0 .. %" PRIu32,
                         names == NULL ? 0 : count, labels->count - 1);
    }
    for (uint32_t c = 0; c < labels->count; c++) {
        if (names[c] == NULL) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_encode_names_png: names[%" PRIu32 "] is NULL", c);
        }
    }
    return DIFFCUT_OK;
}

diffcut_status diffcut_encode_names_png(const diffcut_image *image, const diffcut_labels *labels,
                                        const char *const *names, size_t count,
                                        const diffcut_names_settings *settings, diffcut_buffer *out,
                                        diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    diffcut_names_settings used;
    diffcut_names_settings_init(&used);
    if (settings != NULL) {
        used = *settings;
    }
    diffcut_status status = overlay_check("diffcut_encode_names_png", image, labels, &used.overlay, diag);
    if (status == DIFFCUT_OK) {
        status = check_names(labels, names, count, diag);
    }
    if (status == DIFFCUT_OK && out == NULL) {
        status = diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_encode_names_png: out is NULL");
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    uint8_t *colors = palette_colors(labels->count, diag);
    if (colors == NULL) {
        return DIFFCUT_ERROR_MEMORY;
    }
    picture p = {.image = image, .labels = labels, .names = names, .colors = colors};
    status = draw_picture(&p, &used, diag);
    if (status == DIFFCUT_OK) {
        status = image_encode_png(IMAGE_PNG_RGB, (uint32_t)p.canvas.width, (uint32_t)p.canvas.height, NULL, 0,
                                  canvas_row, &p.canvas, out, diag);
    }
    canvas_free(&p.canvas);
    mem_free(p.entries);
    mem_free(colors);
    return status;
}
