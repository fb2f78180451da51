/*
 * overlay.c - the photo with its segments, for people to look at: diffcut_encode_overlay_png.
 *
 * Each segment's colour is laid over the photo; the lines between segments are white with a thin dark edge, so that
 * they are seen on any photo, and grow with it: one pixel up to about 700 pixels of the shorter side.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "io/entry.h"
#include "io/overlay.h"
#include "io/palette.h"
#include "io/png.h"
#include "segment/labels.h"

#define LINE_SCALE 700 /* pixels of the shorter side for each pixel of line */
#define LINE_WHITE 255
#define LINE_OPACITY 230 /* of 255 */
#define EDGE_OPACITY 100 /* of 255, black */
#define LINE_MAX 32      /* pixels, however large the photo */

enum { MARK_NONE = 0, MARK_EDGE = 1, MARK_LINE = 2 };

typedef struct overlay {
    const diffcut_image *image;
    const diffcut_labels *labels;
    const uint8_t *colors; /* (count, 3) */
    uint8_t *marks;        /* (height, width) of MARK_..., NULL: no lines */
    uint32_t opacity;      /* of 256 */
    uint8_t *row;          /* (width, 3) */
} overlay;

void diffcut_overlay_settings_init(diffcut_overlay_settings *settings) {
    if (settings != NULL) {
        *settings = (diffcut_overlay_settings){.opacity = 0.5F, .boundaries = true};
    }
}

/* ------------------------------------------------------------------------------------------------- lines */

/* Marks each pixel whose right or lower neighbour has another label: a closed line one pixel wide. */
static void mark_boundaries(const diffcut_labels *labels, uint8_t *marks) {
    size_t width = labels->width;
    for (size_t y = 0; y < labels->height; y++) {
        const uint32_t *row = labels->data + y * width;
        const uint32_t *below = y + 1 < labels->height ? row + width : row;
        for (size_t x = 0; x < width; x++) {
            size_t right = x + 1 < width ? x + 1 : x;
            marks[y * width + x] = row[x] != row[right] || row[x] != below[x] ? MARK_LINE : MARK_NONE;
        }
    }
}

/* One line of pixels, `step` apart: positions `before` ahead of a set one and `after` past it become set. Running
 * counts make the cost independent of the reach. */
static void widen_line(const uint8_t *from, size_t count, size_t step, size_t before, size_t after, uint8_t *to) {
    size_t set = 0; /* in the window i - after .. i + before */
    for (size_t i = 0; i < before && i < count; i++) {
        set += from[i * step] != 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (i + before < count) {
            set += from[(i + before) * step] != 0;
        }
        if (i > after) {
            set -= from[(i - after - 1) * step] != 0;
        }
        to[i * step] = set > 0;
    }
}

/* Grows the set pixels to all sides by a rectangle, rows into scratch, columns back. */
static void widen(uint8_t *marks, size_t width, size_t height, size_t before, size_t after, uint8_t *scratch) {
    for (size_t y = 0; y < height; y++) {
        widen_line(marks + y * width, width, 1, before, after, scratch + y * width);
    }
    for (size_t x = 0; x < width; x++) {
        widen_line(scratch + x, height, width, before, after, marks + x);
    }
}

/* marks: (height, width), the result; scratch as large. */
static void draw_marks(const diffcut_labels *labels, uint8_t *marks, uint8_t *scratch, uint8_t *edge) {
    size_t width = labels->width;
    size_t height = labels->height;
    size_t shorter = width < height ? width : height;
    size_t line = shorter / LINE_SCALE + 1;
    line = line < LINE_MAX ? line : LINE_MAX;
    mark_boundaries(labels, marks);
    if (line > 1) {
        widen(marks, width, height, (line - 1) / 2, line / 2, scratch);
    }
    memcpy(edge, marks, width * height);
    size_t margin = (line + 2) / 3;
    widen(edge, width, height, margin, margin, scratch);
    for (size_t i = 0; i < width * height; i++) {
        marks[i] = marks[i] != 0 ? MARK_LINE : edge[i] != 0 ? MARK_EDGE : MARK_NONE;
    }
}

/* ------------------------------------------------------------------------------------------------- colours */

static const void *overlay_row(void *context, uint32_t y) {
    const overlay *o = context;
    size_t first = (size_t)y * o->image->width;
    for (size_t x = 0; x < o->image->width; x++) {
        const uint8_t *photo = o->image->rgb + (first + x) * 3;
        const uint8_t *color = o->colors + (size_t)o->labels->data[first + x] * 3;
        int mark = o->marks != NULL ? o->marks[first + x] : MARK_NONE;
        for (size_t c = 0; c < 3; c++) {
            uint32_t value = (photo[c] * (256 - o->opacity) + color[c] * o->opacity + 128) / 256;
            if (mark == MARK_LINE) {
                value = (value * (255 - LINE_OPACITY) + LINE_WHITE * LINE_OPACITY + 127) / 255;
            } else if (mark == MARK_EDGE) {
                value = (value * (255 - EDGE_OPACITY) + 127) / 255;
            }
            o->row[x * 3 + c] = (uint8_t)value;
        }
    }
    return o->row;
}

diffcut_status overlay_check(const char *caller, const diffcut_image *image, const diffcut_labels *labels,
                             const diffcut_overlay_settings *settings, diffcut_diagnostics *diag) {
    diffcut_status status = labels_check(labels, caller, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (image == NULL || image->rgb == NULL || image->width != labels->width || image->height != labels->height) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "%s: the image is %" PRIu32 "x%" PRIu32 ", the labels are %" PRIu32 "x%" PRIu32, caller,
                         image != NULL ? image->width : 0, image != NULL ? image->height : 0, labels->width,
                         labels->height);
    }
    if (!(settings->opacity >= 0 && settings->opacity <= 1)) { /* also refuses NaN */
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "opacity is %g, outside 0 .. 1", (double)settings->opacity);
    }
    return DIFFCUT_OK;
}

/* The row and, where they are asked for, the lines; release both with overlay_end. */
static diffcut_status overlay_begin(overlay *o, bool boundaries, diffcut_diagnostics *diag) {
    const size_t pixels = (size_t)o->image->width * o->image->height;
    o->row = mem_array(o->image->width, 3);
    if (o->row == NULL) {
        return diag_no_memory(diag, (size_t)o->image->width * 3, "a row of the overlay");
    }
    if (boundaries) {
        o->marks = mem_array(pixels, 3); /* the marks and two of scratch */
        if (o->marks == NULL) {
            return diag_no_memory(diag, pixels * 3, "the overlay's lines");
        }
        draw_marks(o->labels, o->marks, o->marks + pixels, o->marks + 2 * pixels);
    }
    return DIFFCUT_OK;
}

static void overlay_end(overlay *o) {
    mem_free(o->marks);
    mem_free(o->row);
}

static diffcut_status overlay_encode(overlay *o, bool boundaries, diffcut_buffer *out, diffcut_diagnostics *diag) {
    uint8_t *colors = palette_colors(o->labels->count, diag);
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    if (colors != NULL) {
        o->colors = colors;
        status = overlay_begin(o, boundaries, diag);
    }
    if (status == DIFFCUT_OK) {
        status =
            image_encode_png(IMAGE_PNG_RGB, o->image->width, o->image->height, NULL, 0, overlay_row, o, out, diag);
    }
    overlay_end(o);
    mem_free(colors);
    return status;
}

static uint32_t opacity_of(const diffcut_overlay_settings *settings) {
    return (uint32_t)lrintf(settings->opacity * 256);
}

diffcut_status overlay_paint(const diffcut_image *image, const diffcut_labels *labels, const uint8_t *colors,
                             const diffcut_overlay_settings *settings, uint8_t *rgb, diffcut_diagnostics *diag) {
    const size_t row_bytes = (size_t)image->width * 3;
    overlay o = {.image = image, .labels = labels, .colors = colors, .opacity = opacity_of(settings)};
    const diffcut_status status = overlay_begin(&o, settings->boundaries, diag);
    for (uint32_t y = 0; y < image->height && status == DIFFCUT_OK; y++) {
        memcpy(rgb + y * row_bytes, overlay_row(&o, y), row_bytes);
    }
    overlay_end(&o);
    return status;
}

diffcut_status diffcut_encode_overlay_png(const diffcut_image *image, const diffcut_labels *labels,
                                          const diffcut_overlay_settings *settings, diffcut_buffer *out,
                                          diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    diffcut_overlay_settings used;
    diffcut_overlay_settings_init(&used);
    if (settings != NULL) {
        used = *settings;
    }
    diffcut_status status = overlay_check("diffcut_encode_overlay_png", image, labels, &used, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_encode_overlay_png: out is NULL");
    }
    overlay o = {.image = image, .labels = labels, .opacity = opacity_of(&used)};
    return overlay_encode(&o, used.boundaries, out, diag);
}
