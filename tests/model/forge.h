/*
 * forge.h - makes safetensors files for the tests: with data, or sparse ones of any size that hold names and shapes
 * only; and folders of them. Fails the running test on trouble. Used by the tests of model's layouts.
 */
#ifndef DIFFCUT_TESTS_MODEL_FORGE_H
#define DIFFCUT_TESTS_MODEL_FORGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORGE_PATH 1024

typedef struct forge {
    char *header;
    size_t used, capacity;
    uint64_t bytes; /* of data so far */
    struct forge_piece {
        const void *data;
        uint64_t start, bytes;
    } * pieces; /* those with data */
    size_t pieces_used, pieces_capacity;
} forge;

/* Adds a tensor with a printf-style name; data NULL leaves a hole. Data stay the caller's until forge_write. */
__attribute__((format(printf, 6, 7))) void forge_tensor(forge *self, const char *dtype, size_t rank,
                                                        const size_t *shape, const void *data, const char *format,
                                                        ...);
/* Writes folder/name and empties the forge. */
void forge_write(forge *self, const char *folder, const char *name);

/* Full-size checkpoints in the original names, f16, as holes. */
typedef struct forge_unet {
    const char *prefix;
    size_t in_channels, levels, layers, context, label; /* label 0: no added condition */
    size_t channels[4];
    size_t depth[4]; /* transformer blocks of each attention on the way down; 0: no attention */
    size_t up_depth; /* on the way up, where there is attention */
    bool linear, middle_attention;
} forge_unet;

void forge_add_unet(forge *self, const forge_unet *unet);
void forge_add_autoencoder(forge *self, const char *prefix);
void forge_add_clip(forge *self, const char *prefix);
void forge_add_open_clip(forge *self, const char *prefix, size_t width, size_t layers);

/* A fresh folder for the test, and its removal. */
void forge_folder(char *path, size_t size);
void forge_remove(const char *path);
/* A file of text, and a link; folders on the way to them are made. */
void forge_text(const char *folder, const char *name, const char *text);
void forge_link(const char *target, const char *folder, const char *name);

#endif
