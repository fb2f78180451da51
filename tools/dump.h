/*
 * dump.h - every stage of a photo as .npy files, through the library's dump callback.
 *
 * FOLDER/NAME/image.npy, ..., features.npy, ...; what depends on tau carries it where there are several:
 * refined.tau0.3.npy. Existing files are replaced. Called by segment for --dump.
 */
#ifndef DIFFCUT_TOOLS_DUMP_H
#define DIFFCUT_TOOLS_DUMP_H

#include "diffcut/diffcut.h"
#include "text.h"

typedef struct dump {
    const char *folder; /* --dump's argument; NULL: nothing is dumped */
    text path;          /* of the photo's folder */
    text suffix;        /* put after a stage's name: ".tau0.3" */
    bool failed;        /* a file could not be written: message says why; the run of this photo is to stop */
    char message[512];
} dump;

/* Starts a photo's dumps. */
void dump_begin(dump *d, const char *name);
/* From here on stages belong to one tau of several. */
void dump_tau(dump *d, double tau);
void dump_free(dump *d);

/* The diffcut_dump_fn; user is the dump. */
void dump_stage(void *user, const char *name, const float *data, const size_t *shape, size_t rank);

#endif
