/*
 * context_file.h - a prompt's text context as a file: safetensors with "context" (tokens, channels) and, for the SDXL
 * family, "pooled" (width), and what it is in __metadata__: format "diffcut-context", version, family, prompt, and
 * shapes ("77x2048+1280"). Made where the text encoders are, used where they are not. Called by model/context and the
 * pipeline.
 */
#ifndef DIFFCUT_MODEL_CONTEXT_FILE_H
#define DIFFCUT_MODEL_CONTEXT_FILE_H

#include "core/status.h"

/* What the UNet is told of a text. */
typedef struct context_arrays {
    float *data; /* (tokens, channels) */
    uint32_t tokens, channels;
    float *pooled; /* (pooled_width); NULL and 0 where there is no added condition */
    uint32_t pooled_width;
} context_arrays;

/* Frees both arrays. */
void context_arrays_free(context_arrays *arrays);

/* Makes the file's bytes, which the caller frees with diffcut_buffer_free. */
diffcut_status context_file_write(const context_arrays *arrays, const char *family, const char *prompt,
                                  diffcut_buffer *out, diffcut_diagnostics *diag);

/* Reads a file: *out is freed with context_arrays_free, *prompt and *family with mem_free. DIFFCUT_ERROR_FORMAT for
 * what is no such file or is damaged, DIFFCUT_ERROR_UNSUPPORTED for another version's, DIFFCUT_ERROR_NUMERIC for NaN
 * or infinity. */
diffcut_status context_file_read(const char *path, context_arrays *out, char **family, char **prompt,
                                 diffcut_diagnostics *diag);

#endif
