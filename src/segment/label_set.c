/* label_set.c - see label_set.h. Maps are runs of equal labels, so only the runs' values are sorted. */
#include "segment/label_set.h"

#include "core/memory.h"

#include <stdlib.h>

static int compare_labels(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

diffcut_status label_set_create(const uint32_t *data, size_t count, label_set *out, diffcut_diagnostics *diag) {
    size_t runs = count > 0 ? 1 : 0;
    for (size_t i = 1; i < count; i++) {
        runs += data[i] != data[i - 1];
    }
    uint32_t *labels = mem_array(runs, sizeof *labels);
    if (labels == NULL) {
        return diag_no_memory(diag, runs * sizeof *labels, "the labels of a map");
    }
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || data[i] != data[i - 1]) {
            labels[used++] = data[i];
        }
    }
    qsort(labels, used, sizeof *labels, compare_labels);
    size_t distinct = 0;
    for (size_t i = 0; i < used; i++) {
        if (i == 0 || labels[i] != labels[distinct - 1]) {
            labels[distinct++] = labels[i];
        }
    }
    *out = (label_set){labels, distinct};
    return DIFFCUT_OK;
}

void label_set_free(label_set *set) {
    mem_free(set->labels);
    *set = (label_set){0};
}

void label_set_indices(const label_set *set, size_t count, uint32_t *data) {
    size_t index = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t label = data[i];
        if (set->labels[index] != label) {
            size_t low = 0, high = set->count - 1;
            while (low < high) {
                size_t middle = (low + high) / 2;
                if (set->labels[middle] < label) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            index = low;
        }
        data[i] = (uint32_t)index;
    }
}
