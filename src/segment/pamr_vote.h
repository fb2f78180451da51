/*
 * pamr_vote.h - refined masks to labels: the largest mask at every pixel of the photo.
 *
 * The masks are brought to the photo's size by bilinear interpolation before they are compared, so that borders are
 * smooth however small the working size is. Called by pamr.c, once for every batch of masks.
 */
#ifndef DIFFCUT_SEGMENT_PAMR_VOTE_H
#define DIFFCUT_SEGMENT_PAMR_VOTE_H

#include "segment/pamr_tiles.h"

typedef struct pamr_vote {
    uint32_t width, height; /* of the photo */
    upsample_tap *x, *y;    /* (width), (height): into the working image */
    size_t *start_x;        /* (tiles_x + 1): the first pixel of each tile's column */
    size_t *start_y;        /* (tiles_y + 1) */
    float *best;            /* (height, width): largest mask so far; NULL where one batch holds every mask */
    size_t scratch_floats;
    float *scratch;   /* (threads, scratch_floats) */
    uint32_t *labels; /* (height, width); the caller's */
} pamr_vote;

/* labels: filled with what stands where no mask does. batches: how many calls of pamr_vote_count follow. Release
 * with pamr_vote_free, also after a failure. */
diffcut_status pamr_vote_create(const work *w, const pamr_tiles *tiles, uint32_t width, uint32_t height,
                                size_t batches, uint32_t *labels, pamr_vote *out);
void pamr_vote_free(pamr_vote *vote);

/* Mask m stands for numbers[m]; the first wins on ties, in this batch and before it. */
void pamr_vote_count(pamr_vote *vote, const pamr_tiles *tiles, uint32_t threads, const uint32_t *numbers);

#endif
