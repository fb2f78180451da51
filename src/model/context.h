/*
 * context.h - where a model's text context comes from: text encoders of the checkpoint, a context file, or zeros.
 *
 * Which encoders a UNet was trained with shows in its configuration: with the added condition two, of which the
 * tokens' penultimate states stand side by side and the second gives the pooled text (SDXL); else one, of which the
 * normed output is taken (Stable Diffusion 1 and 2). Opening checks configurations only and never fails because
 * encoders are not there: whoever asks for a text then is told which files are missing. Called by model/model under
 * its lock.
 */
#ifndef DIFFCUT_MODEL_CONTEXT_H
#define DIFFCUT_MODEL_CONTEXT_H

#include "backend/backend.h"
#include "core/work.h"
#include "model/checkpoint.h"
#include "model/context_file.h"
#include "model/settings.h"
#include "nn/weights.h"

typedef struct context_source context_source;

/* source, config and settings must outlive it. file: NULL, or a context file to take instead. Maps the encoders'
 * weights where they are there and are to be used. */
diffcut_status context_source_open(checkpoint *source, const unet_config *config, const model_settings *settings,
                                   const char *file, context_source **out, diffcut_diagnostics *diag);
/* NULL is allowed. */
void context_source_close(context_source *self);
/* DTYPE_F32, the default, or DTYPE_BF16: of the products in the text encoders' linear layers and attention. */
void context_source_set_precision(context_source *self, dtype precision);

/* "zeros", "text encoders", "file" or "missing". */
const char *context_source_name(const context_source *self);

/* False for a model that was trained without text: its context is zeros. */
bool context_source_has_text(const context_source *self);

/* Every weight of the encoders that will be used; none for the other kinds. Stops at the first status that is not
 * DIFFCUT_OK. */
diffcut_status context_source_visit(const context_source *self, weight_visit_fn visit, void *user);

/* Reads the tokenizer of the index-th encoder, which only a prompt that is not empty needs. */
diffcut_status context_source_check_words(const context_source *self, size_t index, diffcut_diagnostics *diag);

/* The context of a prompt ("" is a prompt like any other); *out is freed with context_arrays_free. *cut_to is the
 * number of tokens that the prompt was cut to, 0 when all of it was used. */
diffcut_status context_source_encode(const context_source *self, backend *target, backend_stream *stream,
                                     const work *w, const char *prompt, context_arrays *out, uint32_t *cut_to);

#endif
