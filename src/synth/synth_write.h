/*
 * synth_write.h - a folder that appears whole or not at all: files are written beside it, in a folder of another
 * name, and take their places at the end.
 *
 * Unlike diffcut_write_file nothing is flushed to the disk: gigabytes of numbers that can be made again are not worth
 * the wait. Called by synth.c.
 */
#ifndef DIFFCUT_SYNTH_WRITE_H
#define DIFFCUT_SYNTH_WRITE_H

#include "core/dtype.h"
#include "synth/synth_list.h"

#define SYNTH_MAX_FILES 48 /* folders included */

typedef struct synth_output {
    char *target;    /* the folder asked for */
    char *temporary; /* where it grows; NULL once it has its name */
    bool merge;      /* the folder is there and its files are replaced one by one */
    size_t count;
    struct synth_entry {
        char name[64]; /* below the folder; a sub-folder comes before what is in it */
        bool folder;
    } made[SYNTH_MAX_FILES];
} synth_output;

/* With replace false, a folder that holds something is DIFFCUT_ERROR_EXISTS. */
diffcut_status synth_output_open(const char *folder, bool replace, synth_output *out, diffcut_diagnostics *diag);
/* A small file: "unet/config.json". */
diffcut_status synth_output_file(synth_output *self, const char *name, const void *data, size_t size,
                                 diffcut_diagnostics *diag);

/* Told the bytes of data so far; non-zero cancels. */
typedef int (*synth_written_fn)(void *user, uint64_t bytes);
/* A safetensors file of random numbers: the list's tensors in its order. */
diffcut_status synth_output_weights(synth_output *self, const char *name, const char *component,
                                    const synth_list *list, dtype type, uint64_t seed, synth_written_fn written,
                                    void *user, diffcut_diagnostics *diag);

/* Gives the files their names. */
diffcut_status synth_output_finish(synth_output *self, diffcut_diagnostics *diag);
/* Removes what has not got its name, and frees. */
void synth_output_close(synth_output *self);

#endif
