/*
 * eval.h - the evaluation part of DiffCut's public interface: data sets, the features cache, the peers' methods,
 * scores, similarity and coherence.
 *
 * Part of diffcut.h, which includes it; errors, threads and ownership are as said there.
 */
#ifndef DIFFCUT_EVAL_H
#define DIFFCUT_EVAL_H

#include "diffcut.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------- data sets
 * Photos with ground truth, found in the layouts of the data sets' own downloads. */

typedef struct diffcut_dataset diffcut_dataset;

typedef struct diffcut_dataset_settings {
    const char *split;  /* "val", "train", ...; NULL: "val". "generic" has none and takes NULL only */
    const char *list;   /* a file of names, one a line, in place of the set's own list; NULL: the set's own, and where
                           it has none all photos of the split */
    const char *images; /* "generic": the folder of photos, below the set's folder or absolute; NULL: "images" */
    const char *labels; /* "generic": that of the label PNGs; NULL: "labels", "annotations" or "masks" */
} diffcut_dataset_settings;

DIFFCUT_API void diffcut_dataset_settings_init(diffcut_dataset_settings *settings);

/* What is known of a set before it is looked for. Strings are static. */
typedef struct diffcut_dataset_kind {
    const char *name;     /* "voc", "context", "coco-object", "coco-stuff-27", "cityscapes", "ade20k", "generic" */
    const char *title;    /* "PASCAL VOC 2012" */
    const char *protocol; /* its diffcut_protocol_open name */
    const char *layout;   /* what is looked for, in a line */
} diffcut_dataset_kind;

/* The index-th kind; false past the last, kind then being as it was. */
DIFFCUT_API bool diffcut_dataset_kind_at(size_t index, diffcut_dataset_kind *kind);

/* Finds a set below a folder, which may be the download's own or the one above it, and lists its photos: in the
 * list's order, or sorted by name where folders are walked. Memory: the names. DIFFCUT_ERROR_ARGUMENT: no such set.
 * DIFFCUT_ERROR_IO: its folders are not there (the message has the places looked at) or cannot be read.
 * DIFFCUT_ERROR_FORMAT: an empty list, a name that is listed twice or leaves the folder, two photos of one name.
 * settings may be NULL. */
DIFFCUT_API diffcut_status diffcut_dataset_open(const char *name, const char *folder,
                                                const diffcut_dataset_settings *settings, diffcut_dataset **out,
                                                diffcut_diagnostics *diagnostics);
/* NULL is allowed. */
DIFFCUT_API void diffcut_dataset_close(diffcut_dataset *dataset);

/* What was found. Strings belong to the data set. */
typedef struct diffcut_dataset_info {
    const char *name, *title, *protocol;
    const char *split;  /* "" for "generic" */
    const char *photos; /* folder */
    const char *labels; /* folder */
    const char *list;   /* file; "" where the folder of photos was walked */
    size_t count;       /* photos */
} diffcut_dataset_info;

DIFFCUT_API void diffcut_dataset_get_info(const diffcut_dataset *dataset, diffcut_dataset_info *info);

#define DIFFCUT_PATH_SIZE 4096

typedef struct diffcut_dataset_item {
    char
        name[DIFFCUT_PATH_SIZE]; /* of the pair, unique in the set: the photo's path without what all photos end in */
    char photo[DIFFCUT_PATH_SIZE]; /* neither file need exist: a list may name what was not downloaded */
    char labels[DIFFCUT_PATH_SIZE];
} diffcut_dataset_item;

/* The index-th pair, index < count. Thread-safe. */
DIFFCUT_API diffcut_status diffcut_dataset_get(const diffcut_dataset *dataset, size_t index,
                                               diffcut_dataset_item *item, diffcut_diagnostics *diagnostics);

/* ------------------------------------------------------------------------------------------------- features cache
 * Features on disk, found by what they were computed from. Any number of processes may share a folder. */

#define DIFFCUT_FINGERPRINT_SIZE 65 /* 64 hexadecimal digits and NUL */

/* SHA-256 (FIPS 180-4) of bytes, written as fingerprints are: how `diffcut segment` knows photos and results again.
 */
DIFFCUT_API void diffcut_sha256(const void *data, size_t size, char digest[DIFFCUT_FINGERPRINT_SIZE]);

/* What a model computes with, as one number: SHA-256 over its configurations, backend, precision, and its tensors'
 * names, types, shapes and values (of more than 64 MiB of weights, blocks spread over each tensor). Equal files give
 * equal fingerprints wherever they lie. */
DIFFCUT_API diffcut_status diffcut_model_fingerprint(const diffcut_model *model,
                                                     char fingerprint[DIFFCUT_FINGERPRINT_SIZE],
                                                     diffcut_diagnostics *diagnostics);

typedef struct diffcut_cache_key {
    uint8_t bytes[32];
} diffcut_cache_key;

/* The key of a photo's features: SHA-256 over the version of the library, the fingerprint, every field of the
 * settings that features depend on (size, resample, timesteps, noise, seed, average, hook, prompt, tile), the photo's
 * bytes and a word on how it was prepared (cropped, ...; NULL is ""). */
DIFFCUT_API diffcut_status diffcut_cache_key_make(const char *fingerprint, const diffcut_settings *settings,
                                                  const void *photo, size_t size, const char *preparation,
                                                  diffcut_cache_key *out, diffcut_diagnostics *diagnostics);

typedef struct diffcut_cache diffcut_cache;

/* Opens a folder, which is made if missing. max_bytes: when a new entry takes the sum of sizes over it, those used
 * longest ago are removed; 0: no limit. One thread uses a cache at a time. */
DIFFCUT_API diffcut_status diffcut_cache_open(const char *folder, uint64_t max_bytes, diffcut_cache **out,
                                              diffcut_diagnostics *diagnostics);
DIFFCUT_API void diffcut_cache_close(diffcut_cache *cache);

/* Looks an entry up: *out is NULL when there is none. An entry that is truncated, altered or of another key is
 * removed and counts as none. DIFFCUT_ERROR_MEMORY is the only failure besides wrong arguments. */
DIFFCUT_API diffcut_status diffcut_cache_get(diffcut_cache *cache, const diffcut_cache_key *key,
                                             diffcut_features **out, diffcut_diagnostics *diagnostics);

/* Keeps features. Entries appear whole or not at all. DIFFCUT_ERROR_IO, as on a full disk, harms nothing but this
 * entry; one that is larger than the limit is DIFFCUT_ERROR_LIMIT. */
DIFFCUT_API diffcut_status diffcut_cache_put(diffcut_cache *cache, const diffcut_cache_key *key,
                                             const diffcut_features *features, diffcut_diagnostics *diagnostics);

typedef struct diffcut_cache_stats {
    uint64_t hits, misses; /* of diffcut_cache_get; a damaged entry is a miss */
    uint64_t damaged;      /* removed because of what was in them */
    uint64_t stored, evicted;
    uint64_t bytes; /* of all entries, as far as this process knows */
} diffcut_cache_stats;

DIFFCUT_API void diffcut_cache_get_stats(const diffcut_cache *cache, diffcut_cache_stats *stats);

/* ------------------------------------------------------------------------------------------------- methods
 * For evaluation: DiffCut's peers, on the same features or on the same network. See doc/METHOD.md. */

typedef enum diffcut_method {
    DIFFCUT_METHOD_DIFFCUT = 0,  /* recursive Normalized Cut, as diffcut_tree_build and diffcut_tree_cut */
    DIFFCUT_METHOD_AUTOSC = 1,   /* spectral clustering, the number of clusters by the largest relative eigengap */
    DIFFCUT_METHOD_TOKENCUT = 2, /* one object and the rest (Wang et al., CVPR 2022) */
    DIFFCUT_METHOD_MASKCUT = 3,  /* up to `masks` objects and the rest (Wang et al., "CutLER", CVPR 2023) */
    DIFFCUT_METHOD_KMEANS = 4,   /* k-means on the unit features */
    DIFFCUT_METHOD_COLOUR = 5,  /* DiffCut's cut on diffcut_features_from_colour: what a photo's colours alone give */
    DIFFCUT_METHOD_DIFFSEG = 6, /* self-attention maps of the whole UNet (Tian et al., CVPR 2024): diffcut_diffseg */
    DIFFCUT_METHOD_MASKCLIP = 7, /* classes from a CLIP's dense map and a list of names (Zhou et al., ECCV 2022):
                                    diffcut_classifier_map */
    DIFFCUT_METHOD_COUNT
} diffcut_method;

/* "diffcut", "autosc", ...; NULL for a value out of range. */
DIFFCUT_API const char *diffcut_method_name(diffcut_method method);

/* DIFFCUT_ERROR_ARGUMENT lists those that exist. */
DIFFCUT_API diffcut_status diffcut_method_find(const char *name, diffcut_method *out,
                                               diffcut_diagnostics *diagnostics);

typedef struct diffcut_cluster_settings {
    diffcut_method method;
    bool reference;    /* AUTOSC: as published, the vectors of the last exponent tried (15) rather than of the one
                          that decided. DIFFCUT and COLOUR take diffcut_settings' own. Default false */
    double threshold;  /* TOKENCUT, MASKCUT: -1 .. 1, the cosine above which two tokens are alike; default 0.2 for
                          TokenCut, 0.15 for MaskCut */
    bool weighted;     /* TOKENCUT: pairs from the threshold up keep their cosine as weight, not 1; default false */
    uint32_t masks;    /* MASKCUT: 1 .. 64 attempts at finding an object; default 5 */
    uint32_t clusters; /* KMEANS, AUTOSC: how many, at most as many as tokens; 0 (default): KMEANS by the
                          silhouette, AUTOSC by the eigengap */
    uint32_t max_clusters; /* KMEANS with clusters 0: 2 .. 256, the most that is tried; default 16 */
    uint32_t restarts;     /* KMEANS: 1 .. 64 starts, of which the best is kept; default 8 */
    uint64_t seed;         /* KMEANS: of the starts; default 42 */
} diffcut_cluster_settings;

/* The defaults of a method. */
DIFFCUT_API void diffcut_cluster_settings_init(diffcut_cluster_settings *cluster, diffcut_method method);

/* DIFFCUT_ERROR_ARGUMENT with the field's name, value and range if one is out of range. */
DIFFCUT_API diffcut_status diffcut_cluster_settings_check(const diffcut_cluster_settings *cluster,
                                                          diffcut_diagnostics *diagnostics);

/* Segments of a feature grid by any method but DIFFSEG and MASKCLIP, one label a token, numbered 0 .. count - 1. Of
 * settings, alpha, tau, min_tokens and reference (DIFFCUT, COLOUR) and eigen_solver (all but KMEANS) are used.
 * TOKENCUT: 1 is the object, 0 the rest. MASKCUT: the objects are 1 and up in the order in which they were found, 0
 * the rest. A constant map is one segment, whatever the method. Memory: tokens^2 floats; AUTOSC tokens^2 * 8 bytes
 * beside them and time that grows with tokens^3; KMEANS needs neither. */
DIFFCUT_API diffcut_status diffcut_features_cluster(diffcut_session *session, const diffcut_features *features,
                                                    const diffcut_settings *settings,
                                                    const diffcut_cluster_settings *cluster, diffcut_labels *tokens);

/* Features of a photo's colours, for COLOUR or any other method: the photo, averaged over a grid of width x height
 * tokens, as CIELAB colour (D65; each of L, a, b divided by 100) and position (-1/2 .. 1/2 along the longer side,
 * times position_weight, 0 .. 100). These 5 numbers are lifted to the unit sphere in 6 dimensions by the inverse
 * stereographic projection, so that the cosine falls with their distance. The session needs no model. */
DIFFCUT_API diffcut_status diffcut_features_from_colour(diffcut_session *session, const diffcut_image *image,
                                                        uint32_t width, uint32_t height, double position_weight,
                                                        diffcut_features **out);

#define DIFFCUT_DIFFSEG_MAX_ROUNDS 16

typedef struct diffcut_diffseg_settings {
    int32_t timestep;                              /* 0 .. 999; default 300 */
    uint32_t points;                               /* anchors a side, 1 .. 64; default 16 */
    uint32_t round_count;                          /* 1 .. DIFFCUT_DIFFSEG_MAX_ROUNDS rounds of merging; default 3 */
    double thresholds[DIFFCUT_DIFFSEG_MAX_ROUNDS]; /* > 0: maps whose symmetric KL divergence is below are merged, one
                                                      a round; default 1 */
    uint32_t label_size; /* 64 .. 4096: the longer side of the label map that is made; default 512 */
    bool reference;      /* as published: the first round compares in half precision, and a later round may merge a
                            map that an earlier one of the round has taken already; default false */
} diffcut_diffseg_settings;

DIFFCUT_API void diffcut_diffseg_settings_init(diffcut_diffseg_settings *diffseg);

/* DIFFCUT_ERROR_ARGUMENT with the field's name, value and range if one is out of range. */
DIFFCUT_API diffcut_status diffcut_diffseg_settings_check(const diffcut_diffseg_settings *diffseg,
                                                          diffcut_diagnostics *diagnostics);

/* DiffSeg's label map of a photo: all self-attention maps of the whole UNet (encoder, middle and decoder) at one
 * timestep of the latent without noise, aggregated by resolution, merged from a grid of anchors. Of settings, the
 * size fields, resample, prompt and tile are used. For models with a first stage of latents and a decoder (SD 1.x,
 * SD 2.x, SDXL and its relatives); DIFFCUT_ERROR_MODEL names what a checkpoint lacks. out: label_size on its longer
 * side. Memory: (tokens of the finest attention)^2 floats for the aggregate. */
DIFFCUT_API diffcut_status diffcut_diffseg(diffcut_session *session, const diffcut_image *image,
                                           const diffcut_settings *settings, const diffcut_diffseg_settings *diffseg,
                                           diffcut_labels *out);

/* ------------------------------------------------------------------------------------------------- evaluation
 * Label maps against ground truth. A protocol says which raw label values are which class; measuring a photo matches
 * its segments to classes and counts; a score is the sum over photos. All sums are whole numbers, so photos and parts
 * may be added and merged in any order with the same result to the last bit.
 *
 *   prediction, truth --diffcut_score_measure--> photo --diffcut_score_add--> score --diffcut_score_report--> figures
 */

/* Which raw value of a label file is which class. */
typedef enum diffcut_label_values {
    DIFFCUT_VALUES_DATASET = 0,   /* as the data set's own files have them */
    DIFFCUT_VALUES_FROM_ZERO = 1, /* class k is k; 255 is what has no class */
    DIFFCUT_VALUES_FROM_ONE = 2,  /* class k is k + 1; 0 is what has no class, 255 is left out */
    DIFFCUT_VALUES_DETAIL = 3     /* "context" only: the 459 ids of Pascal-Context; all others have no class */
} diffcut_label_values;

/* A benchmark's classes and rules. Immutable; may be shared by threads. */
typedef struct diffcut_protocol diffcut_protocol;

typedef struct diffcut_protocol_settings {
    bool reference; /* ties, left-over segments, mappings and resampling of the published code; default false. Every
                       difference is in doc/EVALUATION.md */
    diffcut_label_values label_values;
    int64_t ignore;           /* a raw value that is left out besides the protocol's own; -1 (default): none */
    uint32_t classes;         /* "generic" only: how many, 1 .. 65536 */
    const char *const *names; /* "generic" only: (classes); NULL: "0", "1", ... */
    const uint32_t *values;   /* "generic" only: (classes) raw value of each, 0 .. 65535; NULL: 0 .. classes-1 */
    int64_t background;       /* "generic" only: the raw value of the class that segments matching no other class are
                                 merged into before they are matched; -1 (default): none */
} diffcut_protocol_settings;

DIFFCUT_API void diffcut_protocol_settings_init(diffcut_protocol_settings *settings);

/* name: "voc" (20 classes and background), "context" (59 and background), "coco-object" (80 and background),
 * "coco-stuff-27", "cityscapes" (27), "ade20k" (150) or "generic". settings may be NULL except for "generic", whose
 * arrays are copied. */
DIFFCUT_API diffcut_status diffcut_protocol_open(const char *name, const diffcut_protocol_settings *settings,
                                                 diffcut_protocol **out, diffcut_diagnostics *diagnostics);
DIFFCUT_API void diffcut_protocol_free(diffcut_protocol *protocol);

/* The index-th protocol's name, NULL past the last. */
DIFFCUT_API const char *diffcut_protocol_list(size_t index);

DIFFCUT_API const char *diffcut_protocol_name(const diffcut_protocol *protocol);
DIFFCUT_API bool diffcut_protocol_is_reference(const diffcut_protocol *protocol);
/* The background included. */
DIFFCUT_API uint32_t diffcut_protocol_class_count(const diffcut_protocol *protocol);
/* NULL for an index that is no class. The name belongs to the protocol. */
DIFFCUT_API const char *diffcut_protocol_class_name(const diffcut_protocol *protocol, uint32_t index);
/* The class that is matched in a second pass, -1 where there is none. */
DIFFCUT_API int32_t diffcut_protocol_background(const diffcut_protocol *protocol);

/* Raw labels to classes 0 .. class_count-1; what is left out becomes class_count. out->count is class_count + 1.
 * DIFFCUT_ERROR_FORMAT names the first pixel whose value is in no class of the protocol. */
DIFFCUT_API diffcut_status diffcut_protocol_map(const diffcut_protocol *protocol, const diffcut_labels *raw,
                                                diffcut_labels *out, diffcut_diagnostics *diagnostics);

/* A label map at another size by nearest: with reference the index is floor(i * scale), else floor((i + 0.5) *
 * scale), which does not shift the map by half a pixel. */
DIFFCUT_API diffcut_status diffcut_labels_resize(const diffcut_labels *labels, uint32_t width, uint32_t height,
                                                 bool reference, diffcut_labels *out,
                                                 diffcut_diagnostics *diagnostics);

/* Preparation of a photo and its labels as the paper does it: the centre square of side min(width, height) - 1,
 * labels by nearest (half-pixel centres) to the network's size and from there by plain nearest to the size they are
 * compared at. */
typedef struct diffcut_eval_settings {
    uint32_t input_size; /* side of the network's input; default 1024 */
    uint32_t size;       /* side at which maps are refined and compared; default 128 */
} diffcut_eval_settings;

DIFFCUT_API void diffcut_eval_settings_init(diffcut_eval_settings *settings);

typedef struct diffcut_eval_photo {
    diffcut_image image;  /* the centre square at its own size: features from it with DIFFCUT_SIZE_SQUARE, input_size
                             and DIFFCUT_RESAMPLE_BILINEAR are the paper's */
    diffcut_labels truth; /* raw values, size x size; empty when no labels were given */
    diffcut_labels truth_full; /* raw values of the centre square at its own size; empty when no labels were given */
    float *small;              /* (size, size, 3) RGB in [0, 1]: the square at input_size, then at size, both bilinear
                                  without antialias: what the paper refines on */
    uint32_t size;
} diffcut_eval_photo;

/* labels may be NULL, else has the image's size (DIFFCUT_ERROR_FORMAT). settings may be NULL. */
DIFFCUT_API diffcut_status diffcut_eval_prepare(const diffcut_image *image, const diffcut_labels *labels,
                                                const diffcut_eval_settings *settings, diffcut_eval_photo *out,
                                                diffcut_diagnostics *diagnostics);
DIFFCUT_API void diffcut_eval_photo_free(diffcut_eval_photo *photo);

/* PAMR on photo->small, then the median filter, of labels of size x size. Uses the settings' iterations, dilations
 * and median; the paper's evaluation takes 10 iterations, dilations 1,2,4,8 and median 3. */
DIFFCUT_API diffcut_status diffcut_eval_refine(diffcut_session *session, const diffcut_eval_photo *photo,
                                               const diffcut_labels *labels, const diffcut_settings *settings,
                                               diffcut_labels *out);

/* The first pass of a protocol with a background: segments that match no other class become one, numbered as the
 * largest label + 1. Of another protocol: a copy. The paper refines between the passes: merge, refine, then measure
 * with background_merged. truth has raw values; it is brought to the prediction's size. */
DIFFCUT_API diffcut_status diffcut_protocol_merge_background(const diffcut_protocol *protocol,
                                                             const diffcut_labels *prediction,
                                                             const diffcut_labels *truth, diffcut_labels *out,
                                                             diffcut_diagnostics *diagnostics);

typedef struct diffcut_score_settings {
    bool full_resolution; /* compare at the truth's size, to which the prediction is brought; else at the
                             prediction's, to which the truth is. Default false */
    bool boundary;        /* boundary IoU and F too; default false */
    double band;          /* of boundary IoU: width as a share of the diagonal, above 0 .. 0.5; default 0.02 */
    double tolerance;     /* of boundary F: distance as a share of the diagonal, above 0 .. 0.5; default 0.0075 */
    uint32_t replicates;  /* of the bootstrap, 0 .. 100000; default 1000. Memory: 16 bytes a replicate and class */
    uint64_t seed;        /* of the bootstrap; default 0 */
} diffcut_score_settings;

DIFFCUT_API void diffcut_score_settings_init(diffcut_score_settings *settings);

typedef struct diffcut_score_input {
    const char *name; /* of the photo: the bootstrap draws by it, whatever the order; must be unique in a set */
    const diffcut_labels *prediction;
    const diffcut_labels *truth; /* raw values */
    bool background_merged;      /* the first pass is done: diffcut_protocol_merge_background */
    bool named;                  /* the prediction's labels are the protocol's classes: nothing is matched. A label
                                    that is no class is DIFFCUT_ERROR_ARGUMENT */
} diffcut_score_input;

/* Counts of a class in a photo, in pixels. Only classes with a count other than 0 are listed. */
typedef struct diffcut_class_counts {
    uint32_t index; /* of the class */
    uint64_t tp, fp, fn;
    uint64_t band_intersection, band_union; /* of boundary IoU */
} diffcut_class_counts;

/* All that is measured on one photo. Figures that do not exist are NaN. */
typedef struct diffcut_score_photo {
    char *name;
    uint64_t pixels;              /* that are compared: not left out */
    uint64_t correct;             /* sum of tp */
    uint64_t unassigned_pixels;   /* of them, in segments that have no class */
    uint32_t segments;            /* labels that occur in the prediction */
    uint32_t unassigned;          /* of them, those that have no class */
    diffcut_class_counts *counts; /* (class_count of them), ascending */
    size_t count;
    int32_t *cluster_of;                     /* (classes) label of the prediction assigned to each class, as
                                                matched (after merging), -1: none */
    int32_t *class_of;                       /* (labels) class of each label of the prediction, -1: none */
    size_t classes, labels;                  /* sizes of the two; 0 after diffcut_score_photo_decode */
    uint64_t edges, edges_found;             /* boundary pixels of the prediction; those near one of the truth */
    uint64_t truth_edges, truth_edges_found; /* and the other way round */
    double miou;                             /* mean over the classes listed */
    double pixel_accuracy;
    double ari;                      /* adjusted Rand index of the prediction and the truth */
    double boundary_iou, boundary_f; /* NaN without settings.boundary */
} diffcut_score_photo;

/* Matches and counts one photo. Needs no score and keeps nothing: photos may be measured by several threads. The
 * figures are of the compared pixels only. settings may be NULL. Release with diffcut_score_photo_free. */
DIFFCUT_API diffcut_status diffcut_score_measure(const diffcut_protocol *protocol,
                                                 const diffcut_score_settings *settings,
                                                 const diffcut_score_input *input, diffcut_score_photo *out,
                                                 diffcut_diagnostics *diagnostics);
DIFFCUT_API void diffcut_score_photo_free(diffcut_score_photo *photo);

/* A photo's figures as one line of JSON without its newline, and back: for a journal of what is done. The matching
 * (cluster_of, class_of) is not kept. */
DIFFCUT_API diffcut_status diffcut_score_photo_encode(const diffcut_score_photo *photo, diffcut_buffer *out,
                                                      diffcut_diagnostics *diagnostics);
DIFFCUT_API diffcut_status diffcut_score_photo_decode(const void *data, size_t size, diffcut_score_photo *out,
                                                      diffcut_diagnostics *diagnostics);

/* The sum over photos; its memory does not grow with them. One thread at a time. */
typedef struct diffcut_score diffcut_score;

/* The protocol must outlive the score. settings may be NULL. */
DIFFCUT_API diffcut_status diffcut_score_create(const diffcut_protocol *protocol,
                                                const diffcut_score_settings *settings, diffcut_score **out,
                                                diffcut_diagnostics *diagnostics);
DIFFCUT_API void diffcut_score_free(diffcut_score *score);

DIFFCUT_API diffcut_status diffcut_score_add(diffcut_score *score, const diffcut_score_photo *photo,
                                             diffcut_diagnostics *diagnostics);

/* Adds the sums of another score of the same protocol and settings (DIFFCUT_ERROR_ARGUMENT names what differs). */
DIFFCUT_API diffcut_status diffcut_score_merge(diffcut_score *into, const diffcut_score *from,
                                               diffcut_diagnostics *diagnostics);

/* The sums as JSON, and back into a new score. protocol must be the one they were made with. name is for messages. */
DIFFCUT_API diffcut_status diffcut_score_save(const diffcut_score *score, diffcut_buffer *out,
                                              diffcut_diagnostics *diagnostics);
DIFFCUT_API diffcut_status diffcut_score_load(const diffcut_protocol *protocol, const void *data, size_t size,
                                              const char *name, diffcut_score **out,
                                              diffcut_diagnostics *diagnostics);

typedef struct diffcut_class_score {
    const char *name; /* belongs to the protocol */
    uint64_t tp, fp, fn;
    double iou;          /* tp / (tp + fp + fn); NaN for a class that does not occur */
    double boundary_iou; /* NaN without settings.boundary */
    uint64_t photos;     /* whose truth has it */
} diffcut_class_score;

/* Figures that do not exist (no photo, or not asked for) are NaN. */
typedef struct diffcut_score_report {
    uint64_t photos;
    uint64_t empty;             /* of them, those with no pixel to compare: all left out */
    uint64_t pixels, correct;   /* compared; right */
    uint64_t unassigned_pixels; /* compared, in segments that have no class */
    double miou;                /* mean of iou over the classes that occur */
    double miou_low, miou_high; /* 95 % interval over photos: percentiles of a Poisson bootstrap */
    uint32_t classes_in_mean;
    double pixel_accuracy;
    double mean_photo_miou; /* means over the photos that are not empty */
    double ari;
    double segments;                                        /* mean number of segments over all photos */
    double boundary_iou;                                    /* mean over the classes that occur */
    double boundary_precision, boundary_recall, boundary_f; /* of the summed counts */
    diffcut_class_score *classes;                           /* (class_count) */
    uint32_t class_count;
} diffcut_score_report;

DIFFCUT_API diffcut_status diffcut_score_report_make(const diffcut_score *score, diffcut_score_report *out,
                                                     diffcut_diagnostics *diagnostics);
DIFFCUT_API void diffcut_score_report_free(diffcut_score_report *report);

/* ------------------------------------------------------------------------------------------------- similarity
 * How alike patches are by their features: cosine similarity, -1 .. 1. The UNet's own features or any others. */

/* Similarity of one token (y * width + x) of `features` to every token of `other`, which may be `features` itself:
 * out[0 .. height * width - 1] of `other`, row-major. Both have as many channels. A token whose features are all 0
 * is like nothing: 0. */
DIFFCUT_API diffcut_status diffcut_similarity(const diffcut_features *features, uint32_t token,
                                              const diffcut_features *other, float *out,
                                              diffcut_diagnostics *diagnostics);

typedef struct diffcut_heatmap_settings {
    float low, high;        /* values of the colour map's two ends; those beyond take an end's colour. Both 0
                               (default): the least and the largest of the values */
    float opacity;          /* 0 .. 1 of the colours over the photo, which is shown in grey; default 0.7 */
    bool legend;            /* a strip below the photo with the colour map and its values; default true */
    int64_t mark_x, mark_y; /* a pixel of the photo to mark by a ring; below 0 (default): none */
} diffcut_heatmap_settings;

DIFFCUT_API void diffcut_heatmap_settings_init(diffcut_heatmap_settings *settings);

/* The colour map: 0 .. 1 (what is beyond is clamped, NaN is grey) from dark violet over green to light yellow, of
 * lightness that rises evenly. */
DIFFCUT_API void diffcut_heat_color(float value, uint8_t rgb[3]);

/* RGB PNG of the photo under the values (height x width of any size, finite, brought to the photo's size bilinearly),
 * of the photo's size plus, where asked for, the legend below. settings may be NULL. */
DIFFCUT_API diffcut_status diffcut_encode_heatmap_png(const diffcut_image *image, const float *values, uint32_t width,
                                                      uint32_t height, const diffcut_heatmap_settings *settings,
                                                      diffcut_buffer *out, diffcut_diagnostics *diagnostics);

/* ------------------------------------------------------------------------------------------------- coherence
 * Whether like features mean like things: over pairs of tokens, "both of one class" is told from "of two" by their
 * cosine similarity. Similarities are counted in bins, so that memory stays the same for any number of photos and
 * counts merge exactly in any order. */

typedef struct diffcut_coherence diffcut_coherence;

typedef struct diffcut_coherence_settings {
    uint32_t bins;       /* 2 .. 1048576 equal ones over -1 .. 1; default 4000: 0.0005 wide */
    uint32_t classes;    /* > 0: labels from here on are ignored, tokens that lie mostly on such count for nothing.
                            Must be set */
    uint32_t max_tokens; /* 2 .. 16384: of a photo with more tokens that count, these many are drawn, the same in
                           every run, and all their pairs are counted; default 1024: 523776 pairs */
    uint64_t seed;       /* of that draw, together with the photo's labels; default 0 */
} diffcut_coherence_settings;

DIFFCUT_API void diffcut_coherence_settings_init(diffcut_coherence_settings *settings);
DIFFCUT_API diffcut_status diffcut_coherence_create(const diffcut_coherence_settings *settings,
                                                    diffcut_coherence **out, diffcut_diagnostics *diagnostics);
DIFFCUT_API void diffcut_coherence_free(diffcut_coherence *coherence);

/* Adds a photo's pairs of tokens. truth covers the same photo at any size of at least the grid's; a token's class is
 * the one that most of its pixels have (the lowest on ties). threads as in a session; the counts do not depend on it.
 */
DIFFCUT_API diffcut_status diffcut_coherence_add(diffcut_coherence *coherence, const diffcut_features *features,
                                                 const diffcut_labels *truth, uint32_t threads,
                                                 diffcut_diagnostics *diagnostics);

/* Adds the counts of another with the same settings. */
DIFFCUT_API diffcut_status diffcut_coherence_merge(diffcut_coherence *into, const diffcut_coherence *from,
                                                   diffcut_diagnostics *diagnostics);

typedef struct diffcut_coherence_report {
    uint64_t photos;             /* added */
    uint64_t positive, negative; /* pairs of one class, and of two */
    double auc;       /* area under the ROC curve; pairs in one bin count half. NaN when there are none of a kind */
    double auc_error; /* how far, at most, it is from that of the unbinned similarities */
    double bin_width; /* 2 / bins */
} diffcut_coherence_report;

DIFFCUT_API void diffcut_coherence_get_report(const diffcut_coherence *coherence, diffcut_coherence_report *out);

/* One end of a bin. Pairs at or above the threshold are called positive. */
typedef struct diffcut_roc_point {
    double threshold;
    double false_positive, true_positive; /* rates; 0 where there are no pairs of the kind */
} diffcut_roc_point;

/* The curve from (0, 0) to (1, 1), without points that lie on the line between their neighbours' ends in empty bins:
 * the first min(room, *count) go to points, which may be NULL. */
DIFFCUT_API void diffcut_coherence_curve(const diffcut_coherence *coherence, diffcut_roc_point *points, size_t room,
                                         size_t *count);

/* A curve of a figure. */
typedef struct diffcut_roc_curve {
    const char *name; /* of the features, UTF-8 */
    double auc;       /* told beside the name unless NaN */
    const diffcut_roc_point *points;
    size_t count;
} diffcut_roc_curve;

#define DIFFCUT_MAX_ROC_CURVES 16

/* RGB PNG of 1 .. DIFFCUT_MAX_ROC_CURVES curves in one figure, with axes and a legend. */
DIFFCUT_API diffcut_status diffcut_encode_roc_png(const diffcut_roc_curve *curves, size_t count, diffcut_buffer *out,
                                                  diffcut_diagnostics *diagnostics);

/* The counts as JSON, and back. */
DIFFCUT_API diffcut_status diffcut_coherence_save(const diffcut_coherence *coherence, diffcut_buffer *out,
                                                  diffcut_diagnostics *diagnostics);
DIFFCUT_API diffcut_status diffcut_coherence_load(const void *data, size_t size, const char *name,
                                                  diffcut_coherence **out, diffcut_diagnostics *diagnostics);

#ifdef __cplusplus
}
#endif

#endif /* DIFFCUT_EVAL_H */
