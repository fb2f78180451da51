/*
 * palette.c - the colour of a label by rule (diffcut_color), and the label map as a PNG in these colours.
 *
 * The rule: hue and lightness of label k are the k-th point of the two-dimensional R2 sequence (M. Roberts, "The
 * Unreasonable Effectiveness of Quasirandom Sequences"), which keeps any number of first points far apart, in the
 * OKLCH space (B. Ottosson, "A perceptual color space for image processing"), where equal steps look equal. Chroma is
 * the same for all, less where the screen cannot show it. Labels that follow each other, which are neighbours in the
 * partition tree and often in the photo, are 88 degrees of hue apart, and nothing is near black or white.
 */
#include "io/palette.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "io/entry.h"
#include "io/png.h"
#include "segment/labels.h"

#define PALETTE_MAX_INDEXED 256
#define PALETTE_MAX_LABELS 65536

/* 1/g and 1/g^2 of the plastic number g, the root of g^3 = g + 1. */
#define R2_FIRST 0.75487766624669276
#define R2_SECOND 0.56984029099805327

#define HUE_OF_LABEL_0 0.70 /* of the full turn: blue */
#define LIGHTNESS_OF_LABEL_0 0.35
#define LIGHTNESS_LOW 0.54
#define LIGHTNESS_SPAN 0.33
#define CHROMA 0.155
#define CHROMA_STEP 0.97 /* factor until the screen can show the colour */
#define TWO_PI 6.283185307179586

/* OKLab to linear sRGB, the inverse matrices as its author gives them. False when a part is outside 0 .. 1. */
static bool oklab_to_linear(double lightness, double a, double b, double linear[3]) {
    double l = lightness + 0.3963377774 * a + 0.2158037573 * b;
    double m = lightness - 0.1055613458 * a - 0.0638541728 * b;
    double s = lightness - 0.0894841775 * a - 1.2914855480 * b;
    l = l * l * l;
    m = m * m * m;
    s = s * s * s;
    linear[0] = 4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s;
    linear[1] = -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s;
    linear[2] = -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s;
    return linear[0] >= 0 && linear[0] <= 1 && linear[1] >= 0 && linear[1] <= 1 && linear[2] >= 0 && linear[2] <= 1;
}

/* IEC 61966-2-1. */
static uint8_t linear_to_srgb8(double linear) {
    double value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055;
    return (uint8_t)lround(value * 255);
}

void palette_oklch(double lightness, double chroma, double turn, uint8_t rgb[3]) {
    const double hue = turn * TWO_PI;
    double linear[3];
    while (!oklab_to_linear(lightness, chroma * cos(hue), chroma * sin(hue), linear)) {
        chroma *= CHROMA_STEP; /* ends: grey of a lightness between 0 and 1 can be shown */
    }
    for (int c = 0; c < 3; c++) {
        rgb[c] = linear_to_srgb8(linear[c]);
    }
}

void diffcut_color(uint32_t label, uint8_t rgb[3]) {
    const double lightness = LIGHTNESS_LOW + LIGHTNESS_SPAN * fmod(LIGHTNESS_OF_LABEL_0 + label * R2_SECOND, 1.0);
    palette_oklch(lightness, CHROMA, fmod(HUE_OF_LABEL_0 + label * R2_FIRST, 1.0), rgb);
}

uint8_t *palette_colors(uint32_t count, diffcut_diagnostics *diag) {
    uint8_t *colors = mem_array(count, 3);
    if (colors == NULL) {
        (void)diag_no_memory(diag, (size_t)count * 3, "the palette");
        return NULL;
    }
    for (uint32_t label = 0; label < count; label++) {
        diffcut_color(label, colors + (size_t)label * 3);
    }
    return colors;
}

/* ------------------------------------------------------------------------------------------------- label PNG */

typedef struct label_rows {
    const diffcut_labels *labels;
    void *row; /* uint8_t or uint16_t */
} label_rows;

static const void *palette_row(void *context, uint32_t y) {
    const label_rows *rows = context;
    const uint32_t *from = rows->labels->data + (size_t)y * rows->labels->width;
    uint8_t *to = rows->row;
    for (uint32_t x = 0; x < rows->labels->width; x++) {
        to[x] = (uint8_t)from[x];
    }
    return to;
}

static const void *grey16_row(void *context, uint32_t y) {
    const label_rows *rows = context;
    const uint32_t *from = rows->labels->data + (size_t)y * rows->labels->width;
    uint16_t *to = rows->row;
    for (uint32_t x = 0; x < rows->labels->width; x++) {
        to[x] = (uint16_t)from[x];
    }
    return to;
}

diffcut_status diffcut_encode_labels_png(const diffcut_labels *labels, diffcut_buffer *out,
                                         diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    diffcut_status status = labels_check(labels, "diffcut_encode_labels_png", diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_encode_labels_png: out is NULL");
    }
    if (labels->count > PALETTE_MAX_LABELS) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "%lu labels; a 16-bit PNG holds at most %d",
                         (unsigned long)labels->count, PALETTE_MAX_LABELS);
    }
    bool indexed = labels->count <= PALETTE_MAX_INDEXED;
    uint8_t *colors = NULL;
    label_rows rows = {.labels = labels, .row = mem_array(labels->width, sizeof(uint16_t))};
    if (rows.row == NULL) {
        status = diag_no_memory(diag, labels->width * sizeof(uint16_t), "a row of labels");
        goto cleanup;
    }
    if (indexed) {
        colors = palette_colors(labels->count, diag);
        if (colors == NULL) {
            status = DIFFCUT_ERROR_MEMORY;
            goto cleanup;
        }
    }
    status = image_encode_png(indexed ? IMAGE_PNG_PALETTE : IMAGE_PNG_GREY16, labels->width, labels->height, colors,
                              labels->count, indexed ? palette_row : grey16_row, &rows, out, diag);
cleanup:
    mem_free(colors);
    mem_free(rows.row);
    return status;
}
