/* boundary.c - see boundary.h: boundary F. The bands are in boundary_band.c. */
#include "eval/boundary.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"

uint32_t boundary_pixels(uint32_t width, uint32_t height, double share) {
    double pixels = floor(share * sqrt((double)width * width + (double)height * height) + 0.5);
    return pixels >= 1.0 ? (uint32_t)pixels : 1;
}

/* edges (height, width): 1 at edge pixels. */
static void find_edges(const diffcut_labels *map, const uint32_t *truth, uint32_t left_out, uint8_t *edges) {
    size_t width = map->width, pixels = width * map->height;
    memset(edges, 0, pixels);
    for (size_t i = 0; i < pixels; i++) {
        if (truth[i] == left_out) {
            continue;
        }
        bool right = (i + 1) % width != 0 && truth[i + 1] != left_out && map->data[i + 1] != map->data[i];
        bool below = i + width < pixels && truth[i + width] != left_out && map->data[i + width] != map->data[i];
        edges[i] = right || below;
    }
}

/* along (width): the distance to the nearest edge pixel of the row, reach + 1 where it is farther. */
static void row_distances(const uint8_t *edges, size_t width, uint32_t reach, uint32_t *along) {
    uint32_t since = reach + 1;
    for (size_t x = 0; x < width; x++) {
        since = edges[x] ? 0 : since <= reach ? since + 1 : since;
        along[x] = since;
    }
    since = reach + 1;
    for (size_t x = width; x-- > 0;) {
        since = edges[x] ? 0 : since <= reach ? since + 1 : since;
        along[x] = since < along[x] ? since : along[x];
    }
}

static bool within_reach(const uint32_t *along, size_t width, size_t height, size_t x, size_t y, uint32_t reach) {
    size_t first = y > reach ? y - reach : 0;
    size_t last = y + reach < height ? y + reach : height - 1;
    for (size_t row = first; row <= last; row++) {
        uint64_t dx = along[row * width + x];
        uint64_t dy = row > y ? row - y : y - row;
        if (dx <= reach && dx * dx + dy * dy <= (uint64_t)reach * reach) {
            return true;
        }
    }
    return false;
}

/* How many edge pixels of one map have one of the other, whose row distances are given, within reach. */
static void count_found(const uint8_t *edges, const uint32_t *along, size_t width, size_t height, uint32_t reach,
                        uint64_t *total, uint64_t *found) {
    for (size_t y = 0; y < height; y++) {
        for (size_t x = 0; x < width; x++) {
            if (edges[y * width + x]) {
                ++*total;
                *found += within_reach(along, width, height, x, y, reach);
            }
        }
    }
}

diffcut_status boundary_compare(const diffcut_labels *prediction, const diffcut_labels *truth, uint32_t left_out,
                                uint32_t reach, boundary_counts *out, diffcut_diagnostics *diag) {
    size_t width = truth->width, height = truth->height;
    uint8_t *predicted = mem_array(height, width);
    uint8_t *true_edges = mem_array(height, width);
    uint32_t *along = mem_array(height, width * sizeof *along);
    diffcut_status status = DIFFCUT_OK;
    if (predicted == NULL || true_edges == NULL || along == NULL) {
        status = diag_no_memory(diag, height * width * sizeof *along, "comparing boundaries");
    } else {
        boundary_counts counts = {0};
        find_edges(prediction, truth->data, left_out, predicted);
        find_edges(truth, truth->data, left_out, true_edges);
        for (size_t y = 0; y < height; y++) {
            row_distances(true_edges + y * width, width, reach, along + y * width);
        }
        count_found(predicted, along, width, height, reach, &counts.edges, &counts.found);
        for (size_t y = 0; y < height; y++) {
            row_distances(predicted + y * width, width, reach, along + y * width);
        }
        count_found(true_edges, along, width, height, reach, &counts.truth_edges, &counts.truth_found);
        *out = counts;
    }
    mem_free(along);
    mem_free(true_edges);
    mem_free(predicted);
    return status;
}
