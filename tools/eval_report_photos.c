/*
 * eval_report_photos.c - the page's photos: the best, the median and the worst under the best setting, each with the
 * prediction and the ground truth beside it, as small pictures inside the page.
 *
 * The rows are read twice and never kept: the first pass keeps the few best and worst and counts mIoU in bins, the
 * second keeps those nearest the median. See eval_report_parts.h.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval_report_parts.h"

#define EACH 4          /* photos of each kind */
#define BINS 10000      /* of mIoU over 0 .. 1, to find the median */
#define THUMBNAIL 192   /* pixels of the longer side */
#define COLOR_SHARE 150 /* of 256: a class's colour over the photo */
#define LEGEND_MOST 8   /* classes named below a photo */

typedef struct pick {
    char *name;
    double miou, rank; /* the lower rank is kept */
    double accuracy;
    uint32_t segments;
} pick;

/* The picks of lowest rank, ascending; of equal rank, the name that sorts first. */
typedef struct picks {
    pick items[EACH];
    size_t count;
} picks;

static void free_picks(picks *p) {
    for (size_t i = 0; i < p->count; i++) {
        free(p->items[i].name);
    }
    p->count = 0;
}

/* False when memory ran out. */
static bool offer(picks *p, const eval_photo_row *row, double rank) {
    size_t at = p->count;
    while (at > 0 && (p->items[at - 1].rank > rank ||
                      (p->items[at - 1].rank == rank && strcmp(p->items[at - 1].name, row->name) > 0))) {
        at--;
    }
    if (at == EACH) {
        return true;
    }
    char *name = strdup(row->name);
    if (name == NULL) {
        return false;
    }
    if (p->count == EACH) {
        free(p->items[--p->count].name);
    }
    memmove(&p->items[at + 1], &p->items[at], (p->count - at) * sizeof *p->items);
    p->items[at] = (pick){name, row->miou, rank, row->accuracy, row->segments};
    p->count++;
    return true;
}

static bool holds(const picks *p, const char *name) {
    for (size_t i = 0; i < p->count; i++) {
        if (strcmp(p->items[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

typedef struct choice {
    picks best, median, worst;
    uint64_t count; /* photos with an mIoU under the setting */
} choice;

/* Calls offer for each row of the setting that has an mIoU. median NaN: the first pass. */
static bool pass(const eval_results *r, size_t setting, double median, choice *c, uint64_t *bins) {
    eval_photo_row row;
    int more = -1;
    bool good = r->photos.rewind(r->photos.user);
    while (good && (more = r->photos.next(r->photos.user, &row)) > 0) {
        if (row.setting != setting || !isfinite(row.miou)) {
            continue;
        }
        if (isnan(median)) {
            const double at = fmin(fmax(row.miou, 0), 1) * (BINS - 1);
            bins[(size_t)at]++;
            c->count++;
            good = offer(&c->best, &row, -row.miou) && offer(&c->worst, &row, row.miou);
        } else if (!holds(&c->best, row.name) && !holds(&c->worst, row.name)) {
            good = offer(&c->median, &row, fabs(row.miou - median));
        }
    }
    return good && more == 0;
}

static double median_of(const uint64_t *bins, uint64_t count) {
    uint64_t below = 0;
    size_t bin = 0;
    while (bin + 1 < BINS && (below += bins[bin]) * 2 < count) {
        bin++;
    }
    return (double)bin / (BINS - 1);
}

/* A photo that is among the best of few is not shown among the worst again. */
static void drop_repeated(choice *c) {
    size_t kept = 0;
    for (size_t i = 0; i < c->worst.count; i++) {
        if (holds(&c->best, c->worst.items[i].name)) {
            free(c->worst.items[i].name);
        } else {
            c->worst.items[kept++] = c->worst.items[i];
        }
    }
    c->worst.count = kept;
}

static bool choose(const eval_results *r, size_t setting, choice *c) {
    uint64_t *bins = calloc(BINS, sizeof *bins);
    bool good = bins != NULL && pass(r, setting, NAN, c, bins);
    if (good) {
        drop_repeated(c);
        good = pass(r, setting, median_of(bins, c->count), c, bins);
    }
    free(bins);
    return good;
}

/* ------------------------------------------------------------------------------------------------- pictures */

void eval_report_base64(text *out, const uint8_t *data, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        const size_t rest = size - i;
        const uint32_t three =
            (uint32_t)data[i] << 16 | (rest > 1 ? (uint32_t)data[i + 1] << 8 : 0) | (rest > 2 ? data[i + 2] : 0);
        const char four[4] = {digits[three >> 18], digits[three >> 12 & 63], rest > 1 ? digits[three >> 6 & 63] : '=',
                              rest > 2 ? digits[three & 63] : '='};
        text_add_bytes(out, four, sizeof four);
    }
}

/* Sides of the thumbnail: the longer is THUMBNAIL at most. */
static void thumbnail_size(const diffcut_image *image, uint32_t *width, uint32_t *height) {
    const uint32_t longer = image->width > image->height ? image->width : image->height;
    const uint32_t side = longer < THUMBNAIL ? longer : THUMBNAIL;
    const uint64_t w = (uint64_t)image->width * side / longer;
    const uint64_t h = (uint64_t)image->height * side / longer;
    *width = w > 0 ? (uint32_t)w : 1;
    *height = h > 0 ? (uint32_t)h : 1;
}

/* The mean of the pixels under each one of the smaller picture. */
static void shrink_image(const diffcut_image *image, uint32_t width, uint32_t height, uint8_t *rgb) {
    for (uint64_t y = 0; y < height; y++) {
        const uint64_t top = y * image->height / height;
        const uint64_t bottom = (y + 1) * image->height / height;
        for (uint64_t x = 0; x < width; x++) {
            const uint64_t left = x * image->width / width;
            const uint64_t right = (x + 1) * image->width / width;
            uint64_t sum[3] = {0, 0, 0};
            for (uint64_t row = top; row < bottom; row++) {
                for (uint64_t i = (row * image->width + left) * 3; i < (row * image->width + right) * 3; i += 3) {
                    for (size_t c = 0; c < 3; c++) {
                        sum[c] += image->rgb[i + c];
                    }
                }
            }
            const uint64_t count = (bottom - top) * (right - left);
            for (size_t c = 0; c < 3; c++) {
                rgb[(y * width + x) * 3 + c] = (uint8_t)((sum[c] + count / 2) / count);
            }
        }
    }
}

static uint32_t label_at(const diffcut_labels *labels, uint64_t x, uint64_t y, uint32_t width, uint32_t height) {
    const uint64_t column = (2 * x + 1) * labels->width / (2 * (uint64_t)width);
    const uint64_t row = (2 * y + 1) * labels->height / (2 * (uint64_t)height);
    return labels->data[row * labels->width + column];
}

/* The classes' colours over the photo; what has no class is dark. shades: (class_count), the colour of each class in
 * this photo. */
static void paint(const diffcut_labels *labels, const uint32_t *shades, size_t class_count, const uint8_t *photo,
                  uint32_t width, uint32_t height, uint8_t *rgb, uint32_t *small) {
    for (uint64_t y = 0; y < height; y++) {
        for (uint64_t x = 0; x < width; x++) {
            const size_t at = (size_t)(y * width + x);
            const uint32_t label = label_at(labels, x, y, width, height);
            uint8_t color[3] = {20, 20, 20};
            if (label < class_count) {
                diffcut_color(shades[label], color);
            }
            small[at] = label < class_count ? label : (uint32_t)class_count;
            for (size_t c = 0; c < 3; c++) {
                rgb[at * 3 + c] =
                    (uint8_t)((photo[at * 3 + c] * (256U - COLOR_SHARE) + color[c] * (uint32_t)COLOR_SHARE) / 256);
            }
        }
    }
}

static diffcut_status add_png(const diffcut_image *image, const diffcut_labels *labels, const char *what, text *out) {
    diffcut_overlay_settings settings = {.opacity = 0, .boundaries = labels->data != NULL};
    diffcut_labels none = {0};
    diffcut_buffer file = {0};
    diffcut_status status = DIFFCUT_OK;
    if (labels->data == NULL) {
        status = diffcut_labels_create(image->width, image->height, NULL, &none, NULL);
    }
    if (status == DIFFCUT_OK) {
        status = diffcut_encode_overlay_png(image, labels->data != NULL ? labels : &none, &settings, &file, NULL);
    }
    if (status == DIFFCUT_OK) {
        text_print(out,
                   "<figure><img width=\"%" PRIu32 "\" height=\"%" PRIu32 "\" alt=\"%s\" src=\"data:image/png;"
                   "base64,",
                   image->width, image->height, what);
        eval_report_base64(out, file.data, file.size);
        text_print(out, "\"/><figcaption>%s</figcaption></figure>", what);
    }
    diffcut_buffer_free(&file);
    diffcut_labels_free(&none);
    return status;
}

/* The photo, the prediction, the truth. */
static bool add_pictures(const eval_picture *p, const uint32_t *shades, size_t class_count, text *out) {
    uint32_t width = 0;
    uint32_t height = 0;
    thumbnail_size(&p->image, &width, &height);
    const size_t pixels = (size_t)width * height;
    uint8_t *photo = malloc(pixels * 3);
    uint8_t *painted = malloc(pixels * 3);
    uint32_t *small = malloc(pixels * sizeof *small);
    const diffcut_labels none = {0};
    diffcut_status status = photo != NULL && painted != NULL && small != NULL ? DIFFCUT_OK : DIFFCUT_ERROR_MEMORY;
    if (status == DIFFCUT_OK) {
        shrink_image(&p->image, width, height, photo);
        status = add_png(&(diffcut_image){width, height, photo}, &none, "photo", out);
    }
    for (int i = 0; i < 2 && status == DIFFCUT_OK; i++) {
        paint(i == 0 ? &p->prediction : &p->truth, shades, class_count, photo, width, height, painted, small);
        status = add_png(&(diffcut_image){width, height, painted},
                         &(diffcut_labels){width, height, (uint32_t)class_count + 1, small},
                         i == 0 ? "prediction" : "ground truth", out);
    }
    free(small);
    free(painted);
    free(photo);
    return status == DIFFCUT_OK;
}

/* Pixels of each class in prediction and truth together; areas: (class_count + 1), zero. */
static void measure_areas(const eval_picture *p, size_t class_count, uint64_t *areas) {
    const diffcut_labels *maps[2] = {&p->prediction, &p->truth};
    for (int m = 0; m < 2; m++) {
        for (size_t i = 0; i < (size_t)maps[m]->width * maps[m]->height; i++) {
            const uint32_t label = maps[m]->data[i];
            areas[label < class_count ? label : class_count]++;
        }
    }
}

/* Gives the classes that occur the first colours of the palette, the largest the first: they are told apart best.
 * Names the largest in legend. shades: (class_count). areas are used up. */
static void choose_shades(const eval_results *r, uint64_t *areas, uint32_t *shades, text *legend) {
    for (uint32_t shade = 0;; shade++) {
        size_t most = r->class_count;
        for (size_t c = 0; c < r->class_count; c++) {
            if (areas[c] > 0 && (most == r->class_count || areas[c] > areas[most])) {
                most = c;
            }
        }
        if (most == r->class_count) {
            return;
        }
        areas[most] = 0;
        shades[most] = shade;
        if (shade < LEGEND_MOST) {
            uint8_t color[3];
            diffcut_color(shade, color);
            text_print(legend, "<span><i style=\"background:#%02x%02x%02x\"></i>", color[0], color[1], color[2]);
            html_string(legend, r->class_names[most]);
            text_add(legend, "</span> ");
        }
    }
}

static bool add_shown(const eval_results *r, const eval_picture *p, text *out) {
    uint64_t *areas = calloc(r->class_count + 1, sizeof *areas);
    uint32_t *shades = calloc(r->class_count + 1, sizeof *shades);
    text legend = {0};
    bool good = areas != NULL && shades != NULL;
    if (good) {
        measure_areas(p, r->class_count, areas);
        choose_shades(r, areas, shades, &legend);
        text_add(out, "<div class=\"three\">");
        good = add_pictures(p, shades, r->class_count, out) && !legend.failed;
        text_print(out, "</div><p class=\"names\">%s</p>", text_string(&legend));
    }
    text_free(&legend);
    free(shades);
    free(areas);
    return good;
}

static bool is_picture(const eval_picture *p) {
    return p->image.rgb != NULL && p->prediction.data != NULL && p->truth.data != NULL && p->image.width > 0 &&
           p->image.height > 0 && p->prediction.width > 0 && p->prediction.height > 0 && p->truth.width > 0 &&
           p->truth.height > 0;
}

static bool add_photo(const eval_results *r, size_t setting, const pick *chosen, text *out) {
    eval_picture picture = {.image = {0}};
    text_add(out, "<article><h4><bdi>");
    html_string(out, chosen->name);
    text_print(out, "</bdi></h4><p>mIoU %.1f, %" PRIu32 " segments", chosen->miou * 100, chosen->segments);
    if (isfinite(chosen->accuracy)) {
        text_print(out, ", %.1f %% of pixels", chosen->accuracy * 100);
    }
    text_add(out, "</p>");
    bool good = true;
    if (r->photos.picture != NULL && r->photos.picture(r->photos.user, setting, chosen->name, &picture) &&
        is_picture(&picture)) {
        good = add_shown(r, &picture, out);
    } else {
        text_add(out, "<p class=\"soft\">The picture could not be made again.</p>");
    }
    text_add(out, "</article>\n");
    diffcut_image_free(&picture.image);
    diffcut_labels_free(&picture.prediction);
    diffcut_labels_free(&picture.truth);
    return good;
}

static bool add_kind(const eval_results *r, size_t setting, const char *title, const picks *p, text *out) {
    bool good = true;
    if (p->count > 0) {
        text_print(out, "<h3>%s</h3><div class=\"photos\">\n", title);
        for (size_t i = 0; i < p->count && good; i++) {
            good = add_photo(r, setting, &p->items[i], out);
        }
        text_add(out, "</div>\n");
    }
    return good;
}

bool eval_report_photos(const eval_results *results, text *out) {
    const size_t setting = eval_report_best(results);
    if (results->photos.next == NULL || setting == results->setting_count) {
        return true;
    }
    choice c = {.count = 0};
    bool good = choose(results, setting, &c);
    if (good && c.count > 0) {
        const bool few = c.count <= EACH;
        text_add(out, "<section><h2>Photos</h2><p>Under <b>");
        html_string(out, results->settings[setting].name);
        text_add(out, "</b>, by the mean IoU of the classes in each photo. What has no class, or is left out of the "
                      "score, is dark.</p>\n");
        good = add_kind(results, setting, few ? "All" : "Best", &c.best, out) &&
               add_kind(results, setting, "Around the median", &c.median, out) &&
               add_kind(results, setting, "Worst", &c.worst, out);
        text_add(out, "</section>\n");
    }
    free_picks(&c.best);
    free_picks(&c.median);
    free_picks(&c.worst);
    return good;
}
