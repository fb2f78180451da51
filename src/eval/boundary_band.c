/*
 * boundary_band.c - see boundary.h: the bands of boundary IoU.
 *
 * A pixel is inside its class, and in no band, when the square of side 2 * width + 1 around it is all of one value:
 * when its row is so to both sides, and the rows above and below are. Both are runs, counted in two sweeps each.
 */
#include "eval/boundary.h"

#include "core/memory.h"

typedef struct band_scratch {
    uint8_t *row_inside; /* (height, width): `width` equal neighbours to the left and to the right */
    uint32_t *run;       /* (width): equal pixels with row_inside above, or below, this one */
} band_scratch;

static void find_rows(const uint32_t *map, size_t width, size_t height, uint32_t band, uint8_t *row_inside) {
    for (size_t y = 0; y < height; y++) {
        const uint32_t *row = map + y * width;
        uint8_t *inside = row_inside + y * width;
        size_t start = 0;
        for (size_t x = 1; x <= width; x++) {
            if (x < width && row[x] == row[start]) {
                continue;
            }
            for (size_t i = start; i < x; i++) {
                inside[i] = i - start >= band && x - 1 - i >= band;
            }
            start = x;
        }
    }
}

/* in_band (height, width): 1 where the pixel is in its value's band. */
static void find_band(const uint32_t *map, size_t width, size_t height, uint32_t band, band_scratch *scratch,
                      uint8_t *in_band) {
    find_rows(map, width, height, band, scratch->row_inside);
    for (size_t x = 0; x < width; x++) {
        scratch->run[x] = 0;
    }
    for (size_t y = 0; y < height; y++) { /* run: such pixels up to here */
        for (size_t x = 0; x < width; x++) {
            size_t i = y * width + x;
            bool goes_on = y > 0 && map[i] == map[i - width];
            scratch->run[x] = scratch->row_inside[i] ? (goes_on ? scratch->run[x] : 0) + 1 : 0;
            in_band[i] = scratch->run[x] <= band;
        }
    }
    for (size_t x = 0; x < width; x++) {
        scratch->run[x] = 0;
    }
    for (size_t y = height; y-- > 0;) {
        for (size_t x = 0; x < width; x++) {
            size_t i = y * width + x;
            bool goes_on = y + 1 < height && map[i] == map[i + width];
            scratch->run[x] = scratch->row_inside[i] ? (goes_on ? scratch->run[x] : 0) + 1 : 0;
            in_band[i] = in_band[i] || scratch->run[x] <= band;
        }
    }
}

diffcut_status boundary_bands(const diffcut_labels *prediction, const diffcut_labels *truth, uint32_t classes,
                              uint32_t width, uint64_t *intersection, uint64_t *united, diffcut_diagnostics *diag) {
    size_t columns = truth->width, rows = truth->height, pixels = columns * rows;
    uint32_t *cut = mem_array(pixels, sizeof *cut); /* the prediction, left out where the truth is */
    uint8_t *predicted = mem_array(pixels, 1);
    uint8_t *expected = mem_array(pixels, 1);
    band_scratch scratch = {mem_array(pixels, 1), mem_array(columns, sizeof *scratch.run)};
    diffcut_status status = DIFFCUT_OK;
    if (cut == NULL || predicted == NULL || expected == NULL || scratch.row_inside == NULL || scratch.run == NULL) {
        status = diag_no_memory(diag, pixels * sizeof *cut, "comparing boundaries");
        goto cleanup;
    }
    for (size_t i = 0; i < pixels; i++) {
        cut[i] = truth->data[i] == classes ? classes : prediction->data[i];
    }
    find_band(cut, columns, rows, width, &scratch, predicted);
    find_band(truth->data, columns, rows, width, &scratch, expected);
    for (uint32_t c = 0; c < classes; c++) {
        intersection[c] = 0;
        united[c] = 0;
    }
    for (size_t i = 0; i < pixels; i++) {
        uint32_t wanted = truth->data[i], got = cut[i];
        if (wanted == classes) {
            continue;
        }
        bool both = expected[i] && predicted[i] && got == wanted;
        intersection[wanted] += both;
        united[wanted] += expected[i];
        if (predicted[i] && !both && got < classes) {
            united[got]++;
        }
    }
cleanup:
    mem_free(scratch.run);
    mem_free(scratch.row_inside);
    mem_free(expected);
    mem_free(predicted);
    mem_free(cut);
    return status;
}
