/*
 * output.h - where a photo's results go, which of them are there already, and writing them.
 *
 * The results of "garden/rose.jpg" below the folder OUT are OUT/garden/rose.png (label map), rose.overlay.png,
 * rose.json (summary), rose.coco.json, rose.npy (labels) and rose.features.npy; with several tau each but the
 * features exists once per tau: rose.tau0.3.png. A file that exists is kept unless replacing was asked for. Two
 * photos of one run never share a file: the second is told so. Called by segment.
 */
#ifndef DIFFCUT_TOOLS_OUTPUT_H
#define DIFFCUT_TOOLS_OUTPUT_H

#include "diffcut/diffcut.h"
#include "settings.h"
#include "table.h"
#include "text.h"

typedef enum output_kind {
    OUTPUT_LABELS,
    OUTPUT_OVERLAY,
    OUTPUT_COCO,
    OUTPUT_NPY,
    OUTPUT_FEATURES,
    OUTPUT_SUMMARY, /* last: written when all the others are */
    OUTPUT_KIND_COUNT
} output_kind;

/* The names of the kinds, for --outputs and JSON: "labels", "overlay", ... */
const char *output_kind_name(output_kind kind);

/* Reads "labels,json" into a set of 1 << kind; an option_parse_fn. */
bool output_parse_kinds(const char *argument, void *target, text *error);

typedef struct output_settings {
    const char *folder;
    unsigned kinds; /* set of 1 << output_kind */
    bool force;
    const settings_taus *taus;
    bool keys; /* names are WebDataset keys: see output_path */
} output_settings;

/* The path of one result; tau counts only where there are several and the kind depends on it. A WebDataset key ends
 * at the first dot of its last part: with `keys`, dots there are written %2E, as are "%", control characters and
 * bytes that are no UTF-8 anywhere in the name, so that different names have different keys. */
void output_path(const output_settings *s, const char *name, output_kind kind, double tau, text *out);

/* Claims the paths of a photo's results for it, as 64-bit hashes of them: 16 bytes each, of which only the first
 * mebibyte stays in memory (table.h). False when another photo of this run has one of them. */
bool output_claim(const output_settings *s, table *claims, const char *name, diffcut_diagnostics *diagnostics);

/* Calls fn for the path of each of a photo's results until it returns false; whether it never did. */
typedef bool (*output_each_fn)(void *user, const char *path);
bool output_each(const output_settings *s, const char *name, output_each_fn fn, void *user);

/* What is known of a photo's results before it is segmented. */
typedef enum output_state {
    OUTPUT_WANTED,  /* at least one is missing, or all are to be replaced */
    OUTPUT_PRESENT, /* all exist */
    OUTPUT_OTHERS /* the summary that exists is of another photo, or of another version of it: diagnostics says so */
} output_state;

/* Looks at the photo's results. base_name and bytes are the photo's. */
output_state output_look(const output_settings *s, const char *name, const char *base_name, uint64_t bytes,
                         diffcut_diagnostics *diagnostics);

/* Makes a folder and those above it; true if it is there afterwards. */
bool output_make_folder(const char *path, diffcut_diagnostics *diagnostics);

/* Writes one result, making its folder first. An existing one is kept unless force. */
diffcut_status output_write(const output_settings *s, const char *path, const void *data, size_t size,
                            diffcut_diagnostics *diagnostics);

/* After a write failed: whether the same bytes cannot be written to the output folder under another name either, so
 * that the next photo would fail in the same way (full disk, read-only folder). */
bool output_is_hopeless(const output_settings *s, size_t size);

/* Removes the temporary files that killed processes left in a folder, by the names that diffcut_write_file and
 * output_is_hopeless give them. Nobody may be writing there. */
void output_sweep(const char *folder);

bool output_exists(const char *path);

/* The COCO image id: the number that a photo is named by, as COCO's own are, else one made from its outputs' name,
 * the same in every run. */
uint64_t output_photo_id(const char *base_name, const char *name);

/* The lines of a summary that tell whose it is; output_look searches for them. */
void output_identity(const char *base_name, uint64_t bytes, text *out);

#endif
