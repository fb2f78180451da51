/* refine_fixture.c - see refine_fixture.h. */
#include "refine_fixture.h"

#include <stdio.h>
#include <string.h>

static void keep_dump(void *user, const char *name, const float *data, const size_t *shape, size_t rank) {
    refine_work *r = user;
    if (strcmp(name, r->wanted) != 0) {
        return;
    }
    size_t count = 1;
    for (size_t i = 0; i < rank; i++) {
        count *= shape[i];
    }
    free(r->dumped);
    r->dumped = malloc(count * sizeof *data);
    assert_non_null(r->dumped);
    memcpy(r->dumped, data, count * sizeof *data);
    r->dumped_count = count;
}

static int count_progress(void *user, diffcut_stage stage, double fraction) {
    refine_work *r = user;
    (void)stage;
    assert_true(fraction >= 0.0 && fraction <= 1.0);
    return r->calls_left >= 0 && r->calls_left-- == 0;
}

void refine_work_init(refine_work *r, uint32_t threads, const char *wanted) {
    *r = (refine_work){.wanted = wanted, .calls_left = -1};
    r->w = (work){.threads = threads,
                  .diag = &r->diag,
                  .stage = DIFFCUT_STAGE_REFINE,
                  .progress = count_progress,
                  .progress_user = r,
                  .dump = wanted != NULL ? keep_dump : NULL,
                  .dump_user = r};
}

void refine_work_free(refine_work *r) {
    free(r->dumped);
    r->dumped = NULL;
}

diffcut_settings refine_settings(uint32_t iterations) {
    return (diffcut_settings){
        .refine = true, .iterations = iterations, .dilations = {1, 2, 4, 8}, .dilation_count = 4};
}

uint32_t refine_random(uint64_t *state, uint32_t limit) {
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)((*state >> 33) % limit);
}

diffcut_image refine_photo(uint32_t width, uint32_t height, uint64_t seed) {
    diffcut_image image = {width, height, mem_array((size_t)width * height, 3)};
    assert_non_null(image.rgb);
    uint64_t state = seed;
    uint8_t colours[64][3];
    for (size_t i = 0; i < 64 * 3; i++) {
        colours[i / 3][i % 3] = (uint8_t)refine_random(&state, 226);
    }
    for (size_t i = 0; i < (size_t)width * height; i++) {
        size_t patch = (i % width) / 23 * 7 + i / width / 17 * 3;
        for (size_t c = 0; c < 3; c++) {
            image.rgb[i * 3 + c] = (uint8_t)(colours[patch % 64][c] + refine_random(&state, 30));
        }
    }
    return image;
}

diffcut_labels refine_labels(uint32_t width, uint32_t height, uint32_t count, uint32_t block, uint64_t seed) {
    diffcut_labels labels = {width, height, count, mem_array((size_t)width * height, sizeof(uint32_t))};
    assert_non_null(labels.data);
    for (size_t i = 0; i < (size_t)width * height; i++) {
        uint64_t state = seed + (i % width) / block * 1000003 + i / width / block * 7919;
        (void)refine_random(&state, count);
        labels.data[i] = refine_random(&state, count);
    }
    return labels;
}

diffcut_image refine_golden_image(const golden_tensor *tensor) {
    assert_int_equal(tensor->rank, 3);
    diffcut_image image = {(uint32_t)tensor->shape[1], (uint32_t)tensor->shape[0], mem_array(tensor->count, 1)};
    assert_non_null(image.rgb);
    memcpy(image.rgb, tensor->data, tensor->count);
    return image;
}

static uint32_t label_at(const golden_tensor *tensor, size_t i) {
    if (strcmp(tensor->dtype, "U8") == 0) {
        return tensor->data[i];
    }
    assert_string_equal(tensor->dtype, "I32");
    uint32_t value;
    memcpy(&value, tensor->data + i * sizeof value, sizeof value);
    return value;
}

diffcut_labels refine_golden_labels(const golden_tensor *tensor) {
    assert_int_equal(tensor->rank, 2);
    diffcut_labels labels = {(uint32_t)tensor->shape[1], (uint32_t)tensor->shape[0], 0,
                             mem_array(tensor->count, sizeof(uint32_t))};
    assert_non_null(labels.data);
    for (size_t i = 0; i < tensor->count; i++) {
        labels.data[i] = label_at(tensor, i);
        labels.count = labels.data[i] >= labels.count ? labels.data[i] + 1 : labels.count;
    }
    return labels;
}

static bool is_ambiguous(const golden_tensor *ambiguous, size_t i, size_t margin) {
    size_t width = ambiguous->shape[1], height = ambiguous->shape[0], y = i / width, x = i % width;
    for (size_t v = y > margin ? y - margin : 0; v <= y + margin && v < height; v++) {
        for (size_t u = x > margin ? x - margin : 0; u <= x + margin && u < width; u++) {
            if (ambiguous->data[v * width + u] != 0) {
                return true;
            }
        }
    }
    return false;
}

bool refine_labels_equal(const char *what, const diffcut_labels *got, const golden_tensor *want,
                         const golden_tensor *ambiguous, size_t margin) {
    size_t differing = 0, excused = 0, first = 0;
    if (want->shape[0] != got->height || want->shape[1] != got->width) {
        print_error("%s: %ux%u labels, not %zux%zu\n", what, got->width, got->height, want->shape[1], want->shape[0]);
        return false;
    }
    for (size_t i = 0; i < want->count; i++) {
        if (got->data[i] == label_at(want, i)) {
            continue;
        }
        if (ambiguous != NULL && is_ambiguous(ambiguous, i, margin)) {
            excused++;
        } else if (differing++ == 0) {
            first = i;
        }
    }
    if (differing > 0) {
        print_error(
            "%s: %zu of %zu labels differ (%zu more where it is ambiguous), first at y %zu, x %zu: %u, not %u\n",
            what, differing, want->count, excused, first / got->width, first % got->width, got->data[first],
            label_at(want, first));
    }
    return differing == 0;
}
