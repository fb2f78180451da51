/*
 * checkpoint.h - a model on disk, and the one lookup of its tensors and configurations.
 *
 * Whatever the layout (diffusers folder, variants, shards, a single file in the original names, an image encoder of
 * transformers or open_clip, the Hugging Face cache), a component's ("unet", "vae", "text_encoder", "text_encoder_2",
 * "encoder") tensors have the names that diffusers and transformers give them today, and are views into the mapped
 * files. Immutable once what is needed is required, readable from any
 * thread. Called by model/model, nn/weights and the networks.
 */
#ifndef DIFFCUT_MODEL_CHECKPOINT_H
#define DIFFCUT_MODEL_CHECKPOINT_H

#include "io/json.h"
#include "io/safetensors.h"

typedef struct checkpoint checkpoint;

typedef struct checkpoint_settings {
    const char *variant; /* diffcut_model_settings */
    const char *config;
    /* Of an autoencoder that stands alone in a file, which does not say it: that of the UNet it is to feed. 0: not
     * known. */
    double scaling_factor;
} checkpoint_settings;

/* Opens the model at path: a folder, a single file, or, where there is no such path, a name in the Hugging Face
 * cache. DIFFCUT_ERROR_IO when the path cannot be read, DIFFCUT_ERROR_MODEL when it is no checkpoint,
 * DIFFCUT_ERROR_UNSUPPORTED when it is of a kind that is known and not read. settings may be NULL. */
diffcut_status checkpoint_open(const char *path, const checkpoint_settings *settings, checkpoint **out,
                               diffcut_diagnostics *diag);
/* Opens a component that stands alone, as a folder with its config.json or as a file: "vae" for another first stage.
 * Its names are then those of a whole model's: component "vae", "vae/config.json". */
diffcut_status checkpoint_open_component(const char *path, const char *component, const checkpoint_settings *settings,
                                         checkpoint **out, diffcut_diagnostics *diag);
/* NULL is allowed. */
void checkpoint_close(checkpoint *self);

/* The absolute path of the folder or file. */
const char *checkpoint_path(const checkpoint *self);
/* What to call it where it has no name of its own: the folder's or file's, or "org/name" in the Hugging Face cache.
 */
const char *checkpoint_name(const checkpoint *self);

/* True when there is a file of this name ("diffcut.json", "tokenizer/vocab.json"), or for a single file a
 * configuration that its tensors tell. */
bool checkpoint_has(const checkpoint *self, const char *name);
/* Reads a configuration; DIFFCUT_ERROR_MODEL when it is missing, or cannot be told from a single file's tensors. */
diffcut_status checkpoint_json(const checkpoint *self, const char *name, json_document *out,
                               diffcut_diagnostics *diag);
/* Where a file lies that is no configuration ("tokenizer/merges.txt"); the caller frees *path with mem_free.
 * DIFFCUT_ERROR_MODEL when it is missing. */
diffcut_status checkpoint_path_of(const checkpoint *self, const char *name, char **path, diffcut_diagnostics *diag);

/* A component's configuration, as messages call it: "unet/config.json", "open_clip_config.json". */
typedef struct checkpoint_text {
    char text[64];
} checkpoint_text;
checkpoint_text checkpoint_config_name(const checkpoint *self, const char *component);

/* What kind of folder it is. An image encoder's is one component, "encoder", of which CLIP's text is a part. */
typedef enum checkpoint_kind {
    CHECKPOINT_DIFFUSION,    /* or a single file of one */
    CHECKPOINT_TRANSFORMERS, /* config.json, model.safetensors */
    CHECKPOINT_OPEN_CLIP     /* open_clip_config.json, open_clip_model.safetensors */
} checkpoint_kind;
checkpoint_kind checkpoint_get_kind(const checkpoint *self);

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
/* Gives the tensor's pages back to the system: its numbers are not needed for now. They can be read again any time,
 * at the cost of fetching them. Thread-safe. */
void checkpoint_release(const checkpoint *self, const safetensors_tensor *tensor);

#endif
