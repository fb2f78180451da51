/*
 * checkpoint_internal.h - what checkpoint_open.c makes and checkpoint.c answers from.
 */
#ifndef DIFFCUT_MODEL_CHECKPOINT_INTERNAL_H
#define DIFFCUT_MODEL_CHECKPOINT_INTERNAL_H

#include "model/checkpoint.h"
#include "model/layout_folder.h"
#include "model/single_file.h"

#define CHECKPOINT_PARTS 5
#define CHECKPOINT_ENCODER "encoder" /* the component of an image encoder's folder */
#define CHECKPOINT_OPEN_CLIP_CONFIG "open_clip_config.json"

/* Where diffusers' layout keeps a component. */
typedef struct checkpoint_layout {
    const char *component, *sub, *stem;
    folder_names names;
} checkpoint_layout;

extern const checkpoint_layout checkpoint_layouts[CHECKPOINT_PARTS];

/* A component's tensors. */
typedef struct checkpoint_part {
    tensor_table table;
    char label[512]; /* what messages call its weights */
    bool ready;
} checkpoint_part;

struct checkpoint {
    char *path;        /* absolute: the folder or the file */
    char *folder;      /* the same folder, or the one the file is in */
    char *name;        /* checkpoint_name */
    char *variant;     /* as asked for, or NULL */
    char *config;      /* folder of a single file's configurations, or NULL */
    const char *alone; /* "vae/": the folder is this component's own, and its files lie in it; else NULL */
    checkpoint_kind encoder;
    double scaling_factor;
    safetensors *single; /* NULL for a folder */
    single_kind kind;
    checkpoint_part parts[CHECKPOINT_PARTS];
};

/* NULL when there is no such component. */
const checkpoint_layout *checkpoint_layout_of(const char *component);

/* The path of a file, that is there, in the model's folder or the folder of configurations. */
diffcut_status checkpoint_locate(const checkpoint *self, const char *name, char **path, diffcut_diagnostics *diag);

#endif
