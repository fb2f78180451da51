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
#include "nn/scheduler.h"
#include "nn/unet.h"

#include <pthread.h>
#include <stdatomic.h>

struct diffcut_model {
    atomic_uint owners;
    checkpoint *source;
    backend *backend;
    unet *network;
    model_settings settings;
    scheduler noise;
    unet_hook hook;       /* default */
    weight_totals needed; /* up to it */
    uint64_t parameters;  /* of the whole UNet file */

    pthread_mutex_t preparing; /* guards what follows, and the unprepared part of network and context */
    unet_context *context;     /* NULL until it is first needed */
};

/* Makes network and context ready up to the hook. Thread-safe. */
diffcut_status model_prepare(const diffcut_model *model, backend_stream *stream, const unet_hook *hook,
                             const unet_context **context, diffcut_diagnostics *diag);

/* Where the embedded model lies (find.c); the caller frees *path with mem_free. DIFFCUT_ERROR_IO lists the
 * places looked at. */
diffcut_status model_find_embedded(char **path, diffcut_diagnostics *diag);

#endif
