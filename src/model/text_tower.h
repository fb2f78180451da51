/*
 * text_tower.h - a CLIP's text tower and the tokenizer it was trained with: texts in, vectors of the shared space
 * out.
 *
 * The tokenizer's files lie beside the weights (vocab.json, merges.txt and, of transformers, tokenizer_config.json
 * and special_tokens_map.json), or in a folder of their own where they do not. Called by model/encoder.
 */
#ifndef DIFFCUT_MODEL_TEXT_TOWER_H
#define DIFFCUT_MODEL_TEXT_TOWER_H

#include "nn/clip_text.h"
#include "nn/tokenizer.h"

typedef struct text_tower {
    bool present; /* the configuration describes it and its first tensor is there */
    clip_text network;
    tokenizer_rules rules;
    bool has_files;   /* of the tokenizer */
    char *folder;     /* of the tokenizer, where it is not the model's own */
    tokenizer *words; /* NULL until first used, under the owner's lock */
    tokenizer_config words_config;
} text_tower;

/* Fills an empty tower. config is that of a text tower in the checkpoint's component "encoder"; where its tensors are
 * not there, the tower stays empty. folder: of the tokenizer's files, DIFFCUT_ERROR_MODEL names one that it lacks. */
diffcut_status text_tower_open(checkpoint *source, const clip_text_config *config, tokenizer_rules rules,
                               const char *folder, text_tower *out, diffcut_diagnostics *diag);
/* An empty one is allowed. */
void text_tower_close(text_tower *self);

/* The folder that the tokenizer's files are in. */
const char *text_tower_folder(const text_tower *self);

/* Reads the tokenizer, once. Under the owner's lock. DIFFCUT_ERROR_MODEL names what is missing. */
diffcut_status text_tower_prepare(text_tower *self, diffcut_diagnostics *diag);

/* texts -> out (count, projected), not brought to length 1. truncated (count, or NULL) and *cut tell which texts were
 * too long, and how many. Prepared. */
diffcut_status text_tower_encode(const text_tower *self, backend *target, backend_stream *stream, const work *w,
                                 const char *const *texts, size_t count, float *out, bool *truncated, size_t *cut);

#endif
