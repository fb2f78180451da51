/*
 * naming.h - a CLIP, a list of classes and the segments that they name: what label, eval --open-vocabulary and serve
 * share.
 */
#ifndef DIFFCUT_TOOLS_NAMING_H
#define DIFFCUT_TOOLS_NAMING_H

#include "console.h"
#include "options.h"
#include "settings.h"

enum { NAMING_TOP = 5 }; /* classes told of a segment */

typedef struct naming_options {
    const char *classes, *classes_file, *vocabulary; /* one of them */
    const char *templates, *background;
    const char *clip, *clip_variant, *clip_tokenizer;
    uint32_t clip_size; /* 0: the encoder's own */
    bool clip_raw;
    const char *names_cache;
    bool no_names_cache;
} naming_options;

extern const option naming_class_rows[]; /* --classes, --classes-file, --vocabulary, --background */
extern const option
    naming_clip_rows[]; /* --clip, --clip-variant, --clip-tokenizer, --clip-size, --clip-raw, --templates, ... */

typedef struct naming {
    diffcut_model *clip;
    diffcut_session *session;
    diffcut_encoder_settings encoder;
    diffcut_templates *templates; /* NULL: the paper's */
    diffcut_vocabulary *vocabulary;
    diffcut_classifier *classifier;
} naming;

/* What is wrong with the line; -1, or the exit status after it was said. */
int naming_check_line(const command *self, const naming_options *options);

/* Reads the list, opens the CLIP, embeds the names. classes: the list, or NULL for what the options name. Returns -1,
 * or the exit status after a failure, which was reported. Release with naming_close in any case. */
int naming_open(naming *n, const naming_options *options, const char *vocabulary, const settings_options *settings,
                const console *says);
void naming_close(naming *n);

/* The names' embeddings, n->classifier, from n's session, templates and vocabulary and the cache that the options
 * name; what naming_open does last. */
diffcut_status naming_embed(naming *n, const naming_options *options, diffcut_diagnostics *diagnostics);

/* A label map's segments with their names. */
typedef struct named_segments {
    uint32_t count;         /* of the map's labels */
    uint32_t *class_of;     /* (count); of a label that does not occur: 0 */
    diffcut_match *matches; /* (count, NAMING_TOP) */
    size_t *match_counts;   /* (count); 0 for a label that does not occur */
    diffcut_labels classes; /* the map with its segments' classes */
    double seconds;
} named_segments;

/* Names the segments of a photo; labels has any size. The message is without the photo's name. */
diffcut_status naming_apply(naming *n, const diffcut_image *image, const diffcut_labels *labels, named_segments *out,
                            diffcut_diagnostics *diagnostics);
void named_segments_free(named_segments *named);

/* MaskCLIP: a class for every pixel of a width x height map. */
diffcut_status naming_map(naming *n, const diffcut_image *image, uint32_t width, uint32_t height, uint32_t threads,
                          diffcut_labels *out, diffcut_diagnostics *diagnostics);

/* The first names of all classes; (*count) of them, freed with free. NULL without memory. */
const char **naming_names(const naming *n, size_t *count);

/* "class": 2, "name": "dog", "synonym": "puppy", ... */
void naming_match(const naming *n, const diffcut_match *match, text *out);

/* "clip": {...}, "classes": [...]: what segments were named by, for a summary. */
void naming_describe(const naming *n, text *out);

#endif
