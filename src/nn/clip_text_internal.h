/* clip_text_internal.h - one pass of a text encoder over several texts: what clip_text.c and clip_text_embed.c share.
 */
#ifndef DIFFCUT_NN_CLIP_TEXT_INTERNAL_H
#define DIFFCUT_NN_CLIP_TEXT_INTERNAL_H

#include "nn/clip_text.h"

/* Texts of one length, one after the other. */
typedef struct clip_text_group {
    size_t first; /* row of the first one's first token */
    uint32_t texts, length;
    uint32_t end; /* of each text, the token whose vector is pooled */
} clip_text_group;

typedef struct clip_text_batch {
    const uint32_t *ids; /* (rows): checked */
    size_t rows;
    const clip_text_group *groups; /* that fill the rows */
    size_t group_count;
} clip_text_batch;

diffcut_status clip_text_check_ids(const clip_text *self, const uint32_t *ids, size_t count,
                                   diffcut_diagnostics *diag);

/* vectors: out->tokens (rows, width) are asked for, else NULL; out->pooled (texts, projected) where self->pooled. */
diffcut_status clip_text_pass(const clip_text *self, backend *target, backend_stream *stream, const work *w,
                              const clip_text_batch *batch, bool vectors, layer_tap_fn tap, void *tap_user,
                              clip_text_output *out);

#endif
