/*
 * about.h - what is known of a checkpoint beside its networks: how its files are laid out, how large they are, its
 * licence, its text encoders. Called by model/model for diffcut_model_get_info.
 */
#ifndef DIFFCUT_MODEL_ABOUT_H
#define DIFFCUT_MODEL_ABOUT_H

#include "model/checkpoint.h"

#define ABOUT_TEXT_SIZE 128

typedef struct model_about {
    const char *layout;            /* "folder", "sharded", "single file" */
    char variant[ABOUT_TEXT_SIZE]; /* "fp16", ...; "" for the plain weights */
    bool cached;                   /* it lies in the Hugging Face cache */
    char license[ABOUT_TEXT_SIZE]; /* as README.md's front matter names it; "" */
    const char *license_file;      /* "LICENSE.md", ...; "" */
    uint64_t parameters, bytes;    /* of all components whose files are there and can be read */
    uint32_t text_encoders;
} model_about;

/* The main network's component is required already. Components that cannot be read are left out: nothing here is a
 * reason to fail but memory. */
diffcut_status model_about_read(checkpoint *source, model_about *out, diffcut_diagnostics *diag);

/* The licence that a README's front matter names; "" when it has none. text ends with NUL. */
void about_license(const char *text, char out[ABOUT_TEXT_SIZE]);
/* "fp16" of "unet/diffusion_pytorch_model.fp16-00001-of-00003.safetensors"; "" of the plain name. */
void about_variant(const char *file, char out[ABOUT_TEXT_SIZE]);

#endif
