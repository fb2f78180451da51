/*
 * vocabulary.h - the part of DiffCut's public interface for names: lists of classes, their embeddings by a CLIP's
 * text tower, segments named by them, pictures with the names.
 *
 *   "sky,tree,dog|puppy" --diffcut_vocabulary_parse--> vocabulary --diffcut_classifier_open--> classifier
 *   image, segments --diffcut_regions_embed (encoder.h)--> embeddings --diffcut_classifier_name--> names
 *
 * Part of diffcut.h, which includes it; errors, threads and ownership are as said there.
 */
#ifndef DIFFCUT_VOCABULARY_H
#define DIFFCUT_VOCABULARY_H

#include "diffcut.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------- class lists */

/* Classes in their order, each with one name or several (synonyms). Immutable; may be shared by threads. Not empty;
 * no name occurs twice (A-Z and a-z are the same), names are UTF-8 of 1 .. 1024 bytes on one line. */
typedef struct diffcut_vocabulary diffcut_vocabulary;

#define DIFFCUT_MAX_CLASSES 65536
#define DIFFCUT_MAX_NAMES 1048576 /* with all synonyms */

/* "sky,tree,dog|puppy": classes separated by commas, synonyms by bars; blanks around names do not count. A last class
 * called "void" is no class to be found: see diffcut_vocabulary_void. */
DIFFCUT_API diffcut_status diffcut_vocabulary_parse(const char *classes, diffcut_vocabulary **out,
                                                    diffcut_diagnostics *diagnostics);

/* The same from a file's bytes, a class a line; empty lines, and those that start with #, do not count, nor does a
 * byte order mark. name is for messages, which have the line. DIFFCUT_ERROR_FORMAT: not UTF-8 (UTF-16 and Latin-1 are
 * told as what they look like). */
DIFFCUT_API diffcut_status diffcut_vocabulary_decode(const void *data, size_t size, const char *name,
                                                     diffcut_vocabulary **out, diffcut_diagnostics *diagnostics);

/* A benchmark's classes with the synonyms that are published for it: "voc" (background and 20), "context" (background
 * and 59), "coco" (background and 80), "ade20k" (150), "cityscapes" (27). */
DIFFCUT_API diffcut_status diffcut_vocabulary_open(const char *name, diffcut_vocabulary **out,
                                                   diffcut_diagnostics *diagnostics);
/* The index-th benchmark's name, NULL past the last. */
DIFFCUT_API const char *diffcut_vocabulary_list(size_t index);

/* A copy with one class more, in front of the others: what belongs to none of them. names: as one class of
 * diffcut_vocabulary_parse. DIFFCUT_ERROR_ARGUMENT where a name is in the list already. */
DIFFCUT_API diffcut_status diffcut_vocabulary_with_background(const diffcut_vocabulary *vocabulary, const char *names,
                                                              diffcut_vocabulary **out,
                                                              diffcut_diagnostics *diagnostics);

/* NULL is allowed. */
DIFFCUT_API void diffcut_vocabulary_free(diffcut_vocabulary *vocabulary);

/* How many classes; "void" counts. */
DIFFCUT_API uint32_t diffcut_vocabulary_class_count(const diffcut_vocabulary *vocabulary);
/* The class's first name; NULL for an index that is no class. Strings belong to the vocabulary. */
DIFFCUT_API const char *diffcut_vocabulary_class_name(const diffcut_vocabulary *vocabulary, uint32_t index);
/* The names of all classes, one after the other, and the class of each; (*count) of them. */
DIFFCUT_API const char *const *diffcut_vocabulary_names(const diffcut_vocabulary *vocabulary,
                                                        const uint32_t **classes, size_t *count);
/* The class in front that stands for what is in no other (a benchmark's, or diffcut_vocabulary_with_background's);
 * -1: none. It is found like any other. */
DIFFCUT_API int32_t diffcut_vocabulary_background(const diffcut_vocabulary *vocabulary);
/* The last class if it is called "void": it is scored, but nothing is ever named by it. -1: none. */
DIFFCUT_API int32_t diffcut_vocabulary_void(const diffcut_vocabulary *vocabulary);

/* ------------------------------------------------------------------------------------------------- templates */

/* Sentences that a name is put into: "a photo of a {}.". Immutable. */
typedef struct diffcut_templates diffcut_templates;

#define DIFFCUT_MAX_TEMPLATES 1024

/* From a file's bytes, a template a line, each with {} once. NULL for data: the paper's 14. name is for messages. */
DIFFCUT_API diffcut_status diffcut_templates_decode(const void *data, size_t size, const char *name,
                                                    diffcut_templates **out, diffcut_diagnostics *diagnostics);
DIFFCUT_API void diffcut_templates_free(diffcut_templates *templates);
DIFFCUT_API size_t diffcut_templates_count(const diffcut_templates *templates);
/* NULL past the last. */
DIFFCUT_API const char *diffcut_templates_at(const diffcut_templates *templates, size_t index);

/* ------------------------------------------------------------------------------------------------- classifiers */

/* A vocabulary as vectors: of each name the mean, brought to length 1, of its templates' unit vectors. Immutable; may
 * be shared by threads. */
typedef struct diffcut_classifier diffcut_classifier;

typedef struct diffcut_classifier_settings {
    const diffcut_templates *templates; /* NULL (default): the paper's 14 */
    const char *cache; /* folder in which embeddings are kept, made if missing; NULL (default): none. A
                          folder that cannot be used costs time, not the result: the session's note
                          tells */
} diffcut_classifier_settings;

DIFFCUT_API void diffcut_classifier_settings_init(diffcut_classifier_settings *settings);

/* Embeds all names with the session's model, a CLIP with a text tower and a tokenizer. What is in the cache under the
 * model's fingerprint, the templates and the names is taken from there. Names are kept in blocks, so that a run that
 * was stopped goes on and a list that grows is not done anew. Names of more tokens than the text tower takes lose
 * their last ones; the session's note tells the first of them. settings may be NULL. */
DIFFCUT_API diffcut_status diffcut_classifier_open(diffcut_session *session, const diffcut_vocabulary *vocabulary,
                                                   const diffcut_classifier_settings *settings,
                                                   diffcut_classifier **out);

/* From embeddings of one's own: (names, width) as diffcut_vocabulary_names has them; brought to length 1. scale: what
 * cosines are multiplied by before the softmax, above 0. */
DIFFCUT_API diffcut_status diffcut_classifier_create(const diffcut_vocabulary *vocabulary, const float *embeddings,
                                                     uint32_t width, float scale, diffcut_classifier **out,
                                                     diffcut_diagnostics *diagnostics);
DIFFCUT_API void diffcut_classifier_free(diffcut_classifier *classifier);

typedef struct diffcut_classifier_info {
    uint32_t classes, names;
    uint32_t width;          /* of the embeddings */
    float scale;             /* min(exp(logit_scale), 100) of the model */
    uint32_t truncated;      /* names of which at least one sentence was cut */
    uint32_t cached;         /* names whose embedding came from the cache */
    const float *embeddings; /* (names, width), unit vectors; belongs to the classifier */
} diffcut_classifier_info;

DIFFCUT_API void diffcut_classifier_get_info(const diffcut_classifier *classifier, diffcut_classifier_info *info);

/* A class as a name for something. */
typedef struct diffcut_match {
    uint32_t index;     /* of the class */
    uint32_t name;      /* which of all names (diffcut_vocabulary_names) was the nearest of the class's */
    float cosine;       /* with that one: -1 .. 1 */
    double probability; /* softmax of scale * cosine over all classes but void */
} diffcut_match;

/* The classes nearest to an embedding (width floats of any length but 0), best first, the lower index on ties,
 * without void: (*count) of them, at most room. *count is 0 for an embedding of zeros, of which nothing can be said.
 */
DIFFCUT_API diffcut_status diffcut_classifier_name(const diffcut_classifier *classifier, const float *embedding,
                                                   diffcut_match *matches, size_t room, size_t *count,
                                                   diffcut_diagnostics *diagnostics);

/* MaskCLIP: each position of a map of embeddings (diffcut_dense_embed) is compared with all classes; the cosines are
 * brought to width x height bilinearly (half-pixel centres), and each pixel takes its best class, the lowest on ties.
 * Labels are classes; void is left out. */
DIFFCUT_API diffcut_status diffcut_classifier_map(const diffcut_classifier *classifier,
                                                  const diffcut_features *embeddings, uint32_t width, uint32_t height,
                                                  uint32_t threads, diffcut_labels *out,
                                                  diffcut_diagnostics *diagnostics);

/* ------------------------------------------------------------------------------------------------- pictures */

typedef struct diffcut_names_settings {
    diffcut_overlay_settings overlay;
    bool names;  /* written on the regions; default true */
    bool legend; /* a strip below the photo with each class's colour, name and share; default true */
} diffcut_names_settings;

DIFFCUT_API void diffcut_names_settings_init(diffcut_names_settings *settings);

/* RGB PNG of the photo under its classes, named: labels are classes (of the image's size), names[0 .. count-1] their
 * names in UTF-8 (Latin, Greek and Cyrillic letters are drawn, others as boxes), count at least labels->count. No two
 * names overlap; those that find no place are in the legend only. settings may be NULL. */
DIFFCUT_API diffcut_status diffcut_encode_names_png(const diffcut_image *image, const diffcut_labels *labels,
                                                    const char *const *names, size_t count,
                                                    const diffcut_names_settings *settings, diffcut_buffer *out,
                                                    diffcut_diagnostics *diagnostics);

#ifdef __cplusplus
}
#endif

#endif /* DIFFCUT_VOCABULARY_H */
