/*
 * model.h - a checkpoint, opened: configuration, network, defaults; shared by sessions.
 *
 * Opening checks every tensor that the default hook needs by its header; weights are read and prepared when they are
 * first computed with (model_prepare), and further ones when a deeper hook is first asked for, each once. Called by
 * the public functions here, nn/encode and the pipeline.
 */
#ifndef DIFFCUT_MODEL_MODEL_H
#define DIFFCUT_MODEL_MODEL_H

#include "model/checkpoint.h"
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
    unet *network;
    first_stage *first_stage;
    model_settings settings;
    scheduler noise;
    unet_hook hook;       /* default */
    weight_totals needed; /* up to it */
    uint64_t parameters;  /* of the whole UNet file */
    dtype precision;      /* of the UNet's products */

    pthread_mutex_t preparing; /* guards what follows, and the unprepared part of network and context */
    unet_context *context;     /* NULL until it is first needed */
};

/* Makes first stage, network and the prompt's context ready up to the hook. *context is given back with
 * model_release_context. Thread-safe. */
diffcut_status model_prepare(const diffcut_model *model, backend_stream *stream, const work *w, const unet_hook *hook,
                             const char *prompt, unet_context **context);
/* NULL is allowed. Thread-safe. */
void model_release_context(const diffcut_model *model, unet_context *context);

/* Where the embedded model lies (find.c); the caller frees *path with mem_free. DIFFCUT_ERROR_IO lists the
 * places looked at. */
diffcut_status model_find_embedded(char **path, diffcut_diagnostics *diag);

#endif
