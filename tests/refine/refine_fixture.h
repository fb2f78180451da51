/* refine_fixture.h - what the tests of noise, resampling, concepts and refinement share. */
#ifndef DIFFCUT_TESTS_REFINE_FIXTURE_H
#define DIFFCUT_TESTS_REFINE_FIXTURE_H

#include "core/memory.h"
#include "core/work.h"
#include "golden.h"
#include "segment/features.h"
#include "test.h"

/* A work, and what it was told to do. */
typedef struct refine_work {
    work w;
    diffcut_diagnostics diag;
    const char *wanted; /* name of the dump to keep, or NULL */
    float *dumped;      /* for free() */
    size_t dumped_count;
    int calls_left; /* progress calls until it cancels; negative: never */
} refine_work;

/* A work of so many threads that keeps the dump of that name (NULL: none). Free with refine_work_free. */
void refine_work_init(refine_work *r, uint32_t threads, const char *wanted);
void refine_work_free(refine_work *r);

/* The paper's refinement at the photo's own size: iterations, dilations 1, 2, 4, 8, no median. */
diffcut_settings refine_settings(uint32_t iterations);

/* Uniform below `limit`, from a 64-bit state. */
uint32_t refine_random(uint64_t *state, uint32_t limit);

/* A photo of flat patches with noise on them. Free with mem_free(image.rgb). */
diffcut_image refine_photo(uint32_t width, uint32_t height, uint64_t seed);

/* Labels 0 .. count-1 in blocks of `block` pixels, at random. Free with mem_free(labels.data). */
diffcut_labels refine_labels(uint32_t width, uint32_t height, uint32_t count, uint32_t block, uint64_t seed);

/* An image, or a label map, from a golden tensor of u8 (height, width, 3), or integers (height, width). */
diffcut_image refine_golden_image(const golden_tensor *tensor);
diffcut_labels refine_golden_labels(const golden_tensor *tensor);

/* True when the labels equal want wherever `ambiguous` (may be NULL) is 0 within `margin` pixels; else prints. */
bool refine_labels_equal(const char *what, const diffcut_labels *got, const golden_tensor *want,
                         const golden_tensor *ambiguous, size_t margin);

#endif
