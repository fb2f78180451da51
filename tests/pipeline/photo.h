/* photo.h - photos for the tests of the whole: a sample, and made-up ones. */
#ifndef DIFFCUT_TESTS_PHOTO_H
#define DIFFCUT_TESTS_PHOTO_H

#include "diffcut/diffcut.h"

/* A photo of samples/, decoded; fails the test when it cannot be read. */
diffcut_image photo_sample(const char *name);

/* Three flat regions with a little deterministic noise. */
diffcut_image photo_regions(uint32_t width, uint32_t height);

/* One colour. */
diffcut_image photo_constant(uint32_t width, uint32_t height, uint8_t value);

/* Asserts that two label maps are equal, naming the first pixel that is not. */
void photo_assert_same_labels(const diffcut_labels *a, const diffcut_labels *b);

#endif
