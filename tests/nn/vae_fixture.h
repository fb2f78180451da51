/*
 * vae_fixture.h - first stages for tests: those of golden folders, and small ones of random numbers made here.
 * Used by the first-stage tests of nn.
 */
#ifndef DIFFCUT_TESTS_NN_VAE_FIXTURE_H
#define DIFFCUT_TESTS_NN_VAE_FIXTURE_H

#include "nn/first_stage.h"

/* A small AutoencoderKL: 4 blocks of 16, 16, 24, 24 channels; and an AutoencoderTiny of 8 channels. */
extern const char vae_kl_config[];
extern const char vae_tiny_config[];

/* A temporary folder with vae/config.json and, when the configuration can be read, random weights for it. path has
 * room for size bytes; remove it with vae_remove. */
void vae_make(const char *config, char *path, size_t size);
void vae_remove(const char *path);
/* Replaces the only occurrence of `from` in a copy of a configuration; the caller frees it with free(). */
char *vae_replace(const char *config, const char *from, const char *to);
/* Sets element `index` of a tensor of a made folder. */
void vae_poke(const char *path, const char *name, size_t index, float value);

/* An opened first stage with what it needs. */
typedef struct vae {
    backend *backend;
    backend_stream *stream;
    checkpoint *source;
    first_stage *stage;
    diffcut_diagnostics diag;
} vae;

/* Opens a first stage that stands alone, and prepares it; leaves the message in diag on failure. Close it in any
 * case. */
diffcut_status vae_open(const char *path, const char *backend_name, uint32_t threads, vae *out);
void vae_close(vae *self);

/* A smooth picture with a little noise, (height, width, 3) in [0, 1]; freed with mem_free. */
float *vae_picture(uint32_t height, uint32_t width);
/* Encodes; fails the running test on an error. The caller frees the latent with mem_free. */
float *vae_encode(vae *self, const float *image, uint32_t height, uint32_t width, uint32_t tile, size_t *elements);

#endif
