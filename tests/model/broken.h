/*
 * broken.h - makes broken copies of tests/data/tiny-pixel, or of an image encoder, in a temporary folder. Used by the
 * tests of model.
 */
#ifndef DIFFCUT_TESTS_MODEL_BROKEN_H
#define DIFFCUT_TESTS_MODEL_BROKEN_H

#include <stddef.h>

#define BROKEN_WEIGHTS "unet/diffusion_pytorch_model.safetensors"

/* A fresh copy; path has room for size bytes. Fails the running test on trouble. */
void broken_copy(char *path, size_t size);
/* The same of a folder of tests/data/encoders. */
void broken_copy_encoder(const char *name, char *path, size_t size);
/* Removes it. */
void broken_remove(const char *path);

/* Replaces a file of the folder by these bytes. */
void broken_write(const char *folder, const char *name, const void *data, size_t size);
/* Reads a file of the folder; the caller frees it with free(). */
char *broken_read(const char *folder, const char *name, size_t *size);
/* Replaces the only occurrence of `from` in a file; lengths may differ, and the
 * header length of the weights is kept right. */
void broken_replace(const char *folder, const char *name, const char *from, const char *to);

#endif
