/*
 * checkpoint.h - a model folder on disk, and the one lookup of its tensors.
 *
 * Knows where a component ("unet", later "vae", "text_encoder") keeps its configuration and weights; nobody else
 * does. Variants, shards, single files and the Hugging Face cache become further layouts behind checkpoint_find.
 * Immutable once open, readable from any thread. Called by model/model and nn/weights.
 */
#ifndef DIFFCUT_MODEL_CHECKPOINT_H
#define DIFFCUT_MODEL_CHECKPOINT_H

#include "io/json.h"
#include "io/safetensors.h"

typedef struct checkpoint checkpoint;

typedef struct checkpoint_settings {
    const char *variant; /* diffcut_model_settings */
    const char *config;
} checkpoint_settings;

/* Opens the model at path: a folder, a single file, or a name in the Hugging Face cache. DIFFCUT_ERROR_IO when the
 * path cannot be read, DIFFCUT_ERROR_MODEL when it is no checkpoint. settings may be NULL. */
diffcut_status checkpoint_open(const char *path, const checkpoint_settings *settings, checkpoint **out,
                               diffcut_diagnostics *diag);
/* Opens a component that stands alone, as a folder with its config.json or as a file: "vae" for another first stage.
 * Its names are then those of a whole model's: component "vae", "vae/config.json". */
diffcut_status checkpoint_open_component(const char *path, const char *component, const checkpoint_settings *settings,
                                         checkpoint **out, diffcut_diagnostics *diag);
/* NULL is allowed. */
void checkpoint_close(checkpoint *self);

/* The folder's absolute path. */
const char *checkpoint_path(const checkpoint *self);

/* True when the folder has a file of this name ("diffcut.json"). */
bool checkpoint_has(const checkpoint *self, const char *name);
/* Reads a JSON file of the folder; DIFFCUT_ERROR_MODEL when it is missing. */
diffcut_status checkpoint_json(const checkpoint *self, const char *name, json_document *out,
                               diffcut_diagnostics *diag);

/* True when there are weights of this component. */
bool checkpoint_has_component(const checkpoint *self, const char *component);
/* Maps a component's weights and checks their headers, once; DIFFCUT_ERROR_MODEL names what is missing. Not
 * thread-safe: called while the model is opened, or under its lock. */
diffcut_status checkpoint_require(checkpoint *self, const char *component, diffcut_diagnostics *diag);

/* A required component's tensor, by the name diffusers gives it. DIFFCUT_ERROR_MODEL names the file when there is
 * none. *file is what messages call the file it is in. */
diffcut_status checkpoint_find(const checkpoint *self, const char *component, const char *tensor,
                               const safetensors_tensor **out, const char **file, diffcut_diagnostics *diag);
/* All of a required component's tensors, in the order of their names; index is below the count. */
size_t checkpoint_count(const checkpoint *self, const char *component);
const safetensors_tensor *checkpoint_at(const checkpoint *self, const char *component, size_t index);
/* Elements of all of a component's tensors. */
uint64_t checkpoint_parameters(const checkpoint *self, const char *component);

#endif
