/*
 * similarity_heatmap.c - values over a photo as a picture for people: diffcut_encode_heatmap_png.
 *
 * The photo in grey below the colours of the values (brought to its size bilinearly), a ring at the chosen pixel, and
 * below it a strip with the colour map, its two ends and the middle as numbers. Called by `diffcut similarity`.
 */
#include "eval/similarity_heatmap.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/upsample.h"
#include "io/entry.h"
#include "io/png.h"

#define RING_SCALE 60 /* the ring's radius is the shorter side over this, at least RING_LEAST pixels */
#define RING_LEAST 4
#define LEGEND_SCALE 320     /* pixels of width for each step of the legend's size */
#define LEGEND_MAX 16        /* steps, however wide the photo */
#define LEGEND_MARGIN 3      /* pixels a step */
#define LEGEND_BAR 8         /* height of the bar, pixels a step */
#define LEGEND_TICKS_ROOM 96 /* pixels a step: below, only the numbers that fit are drawn */

typedef struct heatmap {
    const diffcut_image *image;
    const float *values; /* (height, width) */
    size_t width, height;
    diffcut_heatmap_settings settings;
    double low, scale; /* (value - low) * scale is 0 .. 1 */
    upsample_tap *across, *down;
    uint8_t colors[SIMILARITY_COLORS * 3];
    uint8_t *row;            /* one row of the picture */
    similarity_canvas strip; /* the legend, height 0 without */
} heatmap;

void diffcut_heatmap_settings_init(diffcut_heatmap_settings *settings) {
    if (settings != NULL) {
        *settings = (diffcut_heatmap_settings){.opacity = 0.7F, .legend = true, .mark_x = -1, .mark_y = -1};
    }
}

/* ------------------------------------------------------------------------------------------------- the photo */

/* Rec. 709 luma of the gamma-coded values, in 1/256. */
static uint32_t grey_of(const uint8_t *rgb) {
    return (54U * rgb[0] + 183U * rgb[1] + 19U * rgb[2] + 128) / 256;
}

static const uint8_t *color_at(const heatmap *h, uint32_t x, uint32_t y) {
    const upsample_tap *a = &h->across[x];
    const upsample_tap *d = &h->down[y];
    const float *upper = h->values + d->low * h->width;
    const float *lower = h->values + d->high * h->width;
    const float above = upper[a->low] + a->fraction * (upper[a->high] - upper[a->low]);
    const float below = lower[a->low] + a->fraction * (lower[a->high] - lower[a->low]);
    const double value = ((double)above + (double)d->fraction * ((double)below - (double)above) - h->low) * h->scale;
    const double clamped = value > 0 ? (value < 1 ? value : 1) : 0;
    return h->colors + (size_t)lrint(clamped * (SIMILARITY_COLORS - 1)) * 3;
}

/* 0: no ring here, 1: its dark edge, 2: its white line. */
static int ring_at(const heatmap *h, uint32_t x, uint32_t y) {
    const uint32_t shorter = h->image->width < h->image->height ? h->image->width : h->image->height;
    const double radius = fmax((double)shorter / RING_SCALE, RING_LEAST);
    const double line = radius / 4;
    const double off =
        fabs(hypot((double)x - (double)h->settings.mark_x, (double)y - (double)h->settings.mark_y) - radius);
    return off <= line ? 2 : off <= 2 * line ? 1 : 0;
}

static void photo_row(const heatmap *h, uint32_t y) {
    const uint8_t *photo = h->image->rgb + (size_t)y * h->image->width * 3;
    const uint32_t opacity = (uint32_t)lrintf(h->settings.opacity * 256);
    const bool marked = h->settings.mark_x >= 0 && h->settings.mark_y >= 0;
    for (uint32_t x = 0; x < h->image->width; x++) {
        const uint8_t *color = color_at(h, x, y);
        const uint32_t grey = grey_of(photo + (size_t)x * 3);
        const int ring = marked ? ring_at(h, x, y) : 0;
        for (size_t c = 0; c < 3; c++) {
            const uint32_t mixed = (grey * (256 - opacity) + color[c] * opacity + 128) / 256;
            h->row[(size_t)x * 3 + c] = ring == 2 ? 255 : ring == 1 ? 0 : (uint8_t)mixed;
        }
    }
}

static const void *heatmap_row(void *context, uint32_t y) {
    const heatmap *h = context;
    if (y < h->image->height) {
        photo_row(h, y);
        return h->row;
    }
    return h->strip.rgb + (size_t)(y - h->image->height) * h->strip.width * 3;
}

/* ------------------------------------------------------------------------------------------------- legend */

/* A number under the bar, its middle at x where that fits the width. */
static void draw_number(similarity_canvas *strip, double value, size_t x, size_t y, size_t scale) {
    static const uint8_t ink[3] = {32, 32, 32};
    char number[32];
    (void)snprintf(number, sizeof number, "%.2f", fabs(value) < 0.005 ? 0.0 : value);
    const size_t width = similarity_text_width(number, scale);
    const size_t margin = LEGEND_MARGIN * scale;
    size_t start = x > width / 2 + margin ? x - width / 2 : margin;
    if (start + width + margin > strip->width) {
        start = strip->width > width + margin ? strip->width - width - margin : 0;
    }
    similarity_draw_text(strip, number, start, y, scale, ink);
}

static size_t legend_scale(uint32_t width) {
    const size_t scale = width / LEGEND_SCALE + 1;
    return scale < LEGEND_MAX ? scale : LEGEND_MAX;
}

static diffcut_status draw_legend(heatmap *h, diffcut_diagnostics *diag) {
    const size_t scale = legend_scale(h->image->width);
    const size_t margin = LEGEND_MARGIN * scale;
    const size_t bar = LEGEND_BAR * scale;
    similarity_canvas *strip = &h->strip;
    *strip = (similarity_canvas){.width = h->image->width};
    const size_t height = 3 * margin + bar + SIMILARITY_DIGIT_HEIGHT * scale;
    size_t size;
    if (!mem_mul(height * 3, strip->width, &size) || (strip->rgb = mem_array(size, 1)) == NULL) {
        return diag_no_memory(diag, height * 3 * strip->width, "the legend");
    }
    strip->height = height;
    memset(strip->rgb, 255, size);
    const size_t last = strip->width > 2 * margin ? strip->width - margin - 1 : strip->width - 1;
    const size_t first = strip->width > 2 * margin ? margin : 0;
    for (size_t y = margin; y < margin + bar; y++) {
        for (size_t x = first; x <= last; x++) {
            const size_t color = last > first ? (x - first) * (SIMILARITY_COLORS - 1) / (last - first) : 0;
            memcpy(strip->rgb + (y * strip->width + x) * 3, h->colors + color * 3, 3);
        }
    }
    const double span = 1 / h->scale;
    const size_t y = 2 * margin + bar;
    draw_number(strip, h->low, first, y, scale);
    if (strip->width >= LEGEND_TICKS_ROOM * scale) {
        draw_number(strip, h->low + span / 2, (first + last) / 2, y, scale);
    }
    if (strip->width >= LEGEND_TICKS_ROOM * scale / 2) {
        draw_number(strip, h->low + span, last, y, scale);
    }
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- entry */

static diffcut_status heatmap_check(const heatmap *h, diffcut_diagnostics *diag) {
    if (h->image == NULL || h->image->rgb == NULL || h->image->width == 0 || h->image->height == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_encode_heatmap_png: the image is empty");
    }
    if (h->values == NULL || h->width == 0 || h->height == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_encode_heatmap_png: there are no values");
    }
    for (size_t i = 0; i < h->width * h->height; i++) {
        if (!isfinite(h->values[i])) {
            return diag_fail(diag, DIFFCUT_ERROR_NUMERIC,
                             "diffcut_encode_heatmap_png: %s at row %zu, column %zu of the values",
                             isnan(h->values[i]) ? "NaN" : "infinity", i / h->width, i % h->width);
        }
    }
    const diffcut_heatmap_settings *s = &h->settings;
    if (!(s->opacity >= 0 && s->opacity <= 1)) { /* also refuses NaN */
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "opacity is %g, outside 0 .. 1", (double)s->opacity);
    }
    const bool by_values = s->low == 0 && s->high == 0;
    if (!by_values && !(isfinite(s->low) && isfinite(s->high) && s->low < s->high)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "low is %g and high %g: low must be less", (double)s->low,
                         (double)s->high);
    }
    if (s->mark_x >= (int64_t)h->image->width || s->mark_y >= (int64_t)h->image->height) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "the mark at %" PRId64 ",%" PRId64 " is outside the photo of %" PRIu32 "x%" PRIu32,
                         s->mark_x, s->mark_y, h->image->width, h->image->height);
    }
    return DIFFCUT_OK;
}

/* The range of the colour map; a constant map gets one of width 1 around its value. */
static void find_range(heatmap *h) {
    double low = (double)h->settings.low;
    double high = (double)h->settings.high;
    if (low == 0 && high == 0) {
        low = high = (double)h->values[0];
        for (size_t i = 1; i < h->width * h->height; i++) {
            low = fmin(low, (double)h->values[i]);
            high = fmax(high, (double)h->values[i]);
        }
        if (!(high > low)) {
            low -= 0.5;
            high += 0.5;
        }
    }
    h->low = low;
    h->scale = 1 / (high - low);
}

static diffcut_status heatmap_encode(heatmap *h, diffcut_buffer *out, diffcut_diagnostics *diag) {
    diffcut_status status = DIFFCUT_OK;
    const uint32_t width = h->image->width;
    const uint32_t height = h->image->height;
    h->row = mem_array(width, 3);
    h->across = mem_array(width, sizeof *h->across);
    h->down = mem_array(height, sizeof *h->down);
    if (h->row == NULL || h->across == NULL || h->down == NULL) {
        status = diag_no_memory(diag, (size_t)width * 3 + ((size_t)width + height) * sizeof *h->down, "a heat map");
        goto cleanup;
    }
    upsample_half_pixel((uint32_t)h->width, width, h->across);
    upsample_half_pixel((uint32_t)h->height, height, h->down);
    similarity_color_table(h->colors);
    find_range(h);
    if (h->settings.legend) {
        status = draw_legend(h, diag);
        if (status != DIFFCUT_OK) {
            goto cleanup;
        }
    }
    if (h->strip.height > UINT32_MAX - height) {
        status =
            diag_fail(diag, DIFFCUT_ERROR_LIMIT, "a heat map of %" PRIu32 " rows has no room for its legend", height);
        goto cleanup;
    }
    status = image_encode_png(IMAGE_PNG_RGB, width, height + (uint32_t)h->strip.height, NULL, 0, heatmap_row, h, out,
                              diag);
cleanup:
    mem_free(h->strip.rgb);
    mem_free(h->down);
    mem_free(h->across);
    mem_free(h->row);
    return status;
}

diffcut_status diffcut_encode_heatmap_png(const diffcut_image *image, const float *values, uint32_t width,
                                          uint32_t height, const diffcut_heatmap_settings *settings,
                                          diffcut_buffer *out, diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    heatmap h = {.image = image, .values = values, .width = width, .height = height};
    diffcut_heatmap_settings_init(&h.settings);
    if (settings != NULL) {
        h.settings = *settings;
    }
    const diffcut_status status = heatmap_check(&h, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_encode_heatmap_png: out is NULL");
    }
    return heatmap_encode(&h, out, diag);
}
