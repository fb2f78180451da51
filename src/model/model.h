/*
 * model.h - a checkpoint, opened: configuration, network, defaults; shared by sessions. Either a diffusion model or
 * an image encoder.
 *
 * Opening checks every tensor that the default hook needs by its header; weights are read and prepared when they are
 * first computed with (model_prepare_...), and further ones when a deeper hook is first asked
 * for, each once. Called by the public functions here, nn/encode and the pipeline.
 */
#ifndef DIFFCUT_MODEL_MODEL_H
#define DIFFCUT_MODEL_MODEL_H

#include "model/about.h"
#include "model/context.h"
#include "model/context_cache.h"
#include "model/encoder.h"
#include "model/settings.h"
#include "nn/first_stage.h"
#include "nn/scheduler.h"
#include "nn/unet.h"

#include <pthread.h>
#include <stdatomic.h>

struct diffcut_model {
    atomic_uint owners;
    checkpoint *source;
    checkpoint *other; /* of a first stage that is not the model's own, else NULL */
    backend *backend;
    model_encoder *encoder; /* of an image encoder, which has none of the diffusion model's parts; else NULL */
    unet *network;
    first_stage *first_stage;
    model_settings settings;
    scheduler noise;
    unet_hook hook;       /* default */
    weight_totals needed; /* up to it */
    model_about about;
    dtype precision; /* of the UNet's and the text encoders' products */

    context_source *text;      /* where contexts come from */
    pthread_mutex_t preparing; /* guards what follows, and the unprepared part of network and contexts */
    context_cache contexts;
};

/* Computes the prompt's context and keeps it: so that a prompt that cannot be encoded is told before the first stage
 * has run, and the encoders' memory is gone by then. Thread-safe. */
diffcut_status model_prepare_text(const diffcut_model *model, backend_stream *stream, const work *w,
                                  const char *prompt);
/* Makes the first stage ready. Apart from the rest, so that it can run before the network's weights take their
 * memory: its own activations are the largest. Thread-safe. */
diffcut_status model_prepare_first_stage(const diffcut_model *model, const work *w);
/* Makes network and the prompt's context ready up to the hook. *context is given back with
 * model_release_context. Thread-safe. */
diffcut_status model_prepare(const diffcut_model *model, backend_stream *stream, const work *w, const unet_hook *hook,
                             const char *prompt, unet_context **context);
/* Makes an image encoder ready; head: for the space it shares with texts, too. Thread-safe. */
diffcut_status model_prepare_encoder(const diffcut_model *model, const work *w, bool head);
/* Makes a text tower's tokenizer ready. DIFFCUT_ERROR_MODEL names what is missing. Thread-safe. */
diffcut_status model_prepare_words(const diffcut_model *model, const work *w);
/* A prompt's context as arrays, for diffcut_context_save; freed with context_arrays_free. Thread-safe. */
diffcut_status model_encode_text(const diffcut_model *model, backend_stream *stream, const work *w,
                                 const char *prompt, context_arrays *out);
/* NULL is allowed. Thread-safe. */
void model_release_context(const diffcut_model *model, unet_context *context);

/* DIFFCUT_ERROR_UNSUPPORTED for an image encoder: it has no noise, no text context, no attention maps of a UNet. */
diffcut_status model_need_diffusion(const diffcut_model *model, const char *what, diffcut_diagnostics *diag);

/* Opens all but the weights: configurations are read, tensors not yet looked for. The caller releases it. */
diffcut_status model_open_unchecked(const char *path, const diffcut_model_settings *settings, diffcut_model **out,
                                    diffcut_diagnostics *diag);

/* Where the embedded model lies (find.c); the caller frees *path with mem_free. DIFFCUT_ERROR_IO lists the
 * places looked at. */
diffcut_status model_find_embedded(char **path, diffcut_diagnostics *diag);

#endif
