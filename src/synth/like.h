/*
 * like.h - what a synthetic checkpoint is like: the configurations and tokenizer files of a known architecture, or of
 * a folder.
 *
 * The known ones are the published configurations (like/NAME.json, built in). A tokenizer's vocabulary there is the
 * 512 symbols of single bytes and the two markers, which is all that the empty prompt needs. Called by synth.c.
 */
#ifndef DIFFCUT_SYNTH_LIKE_H
#define DIFFCUT_SYNTH_LIKE_H

#include "io/json.h"

#define LIKE_MAX_FILES 16

typedef struct like_file {
    const char *name; /* "unet/config.json" */
    diffcut_buffer text;
} like_file;

typedef struct like {
    like_file files[LIKE_MAX_FILES];
    size_t count;
    bool bare_text[2]; /* the folder's text encoders name their tensors without "text_model." */
} like;

/* A built-in name, or else a folder. DIFFCUT_ERROR_ARGUMENT with the names when it is neither. */
diffcut_status like_open(const char *name, like *out, diffcut_diagnostics *diag);
void like_free(like *self);

/* NULL when there is no such file. */
const like_file *like_find(const like *self, const char *name);

#endif
