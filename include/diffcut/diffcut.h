/*
 * diffcut.h - the public interface of DiffCut.
 *
 * DiffCut splits a photo into its meaningful regions with no labels, no prompt and no training: features of a
 * text-to-image diffusion model's UNet encoder, an affinity between their patches, recursive Normalized Cut
 * (Couairon et al., "DiffCut", NeurIPS 2024), concepts at full resolution and PAMR refinement.
 *
 * The flow, each arrow one function:
 *
 *   file --diffcut_decode_image--> image --diffcut_features_compute--> features --diffcut_tree_build--> tree
 *   tree --diffcut_tree_cut(tau)--> token labels --diffcut_labels_assign--> label map --diffcut_labels_refine-->
 *   label map --diffcut_encode_...--> PNG, JSON, npy
 *
 * diffcut_segment() does all of it in one call.
 *
 * Errors: every function that can fail returns a diffcut_status and changes no output on failure. A function that
 * takes a session leaves its message in the session (diffcut_session_message); the others take an optional
 * diffcut_diagnostics. Nothing in the library exits, aborts or prints.
 *
 * NULL: what frees, closes or fills in defaults takes it and does nothing. A missing pointer is
 * DIFFCUT_ERROR_ARGUMENT where a status is returned; functions that only tell something (diffcut_features_height)
 * need what they ask about.
 *
 * Threads: a model is immutable and may be used by any number of sessions at once. A session, and the trees made
 * with it, belong to one thread at a time. Functions on plain data (images, labels, encoders) have no shared state.
 * Results do not depend on the number of threads.
 *
 * Compiles as C11 and as C++.
 */
#ifndef DIFFCUT_DIFFCUT_H
#define DIFFCUT_DIFFCUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DIFFCUT_VERSION_MAJOR 0
#define DIFFCUT_VERSION_MINOR 1
#define DIFFCUT_VERSION_PATCH 0

#if defined(__GNUC__)
#define DIFFCUT_API __attribute__((visibility("default")))
#else
#define DIFFCUT_API
#endif

/* ------------------------------------------------------------------------------------------------- status */

typedef enum diffcut_status {
    DIFFCUT_OK = 0,
    DIFFCUT_ERROR_ARGUMENT = 1,    /* a value outside its range, or a missing pointer */
    DIFFCUT_ERROR_MEMORY = 2,      /* an allocation failed */
    DIFFCUT_ERROR_IO = 3,          /* a file could not be opened, read or written; the message has the reason */
    DIFFCUT_ERROR_FORMAT = 4,      /* a file's content is truncated, corrupt or not of the expected kind */
    DIFFCUT_ERROR_UNSUPPORTED = 5, /* valid, but nothing this version can do */
    DIFFCUT_ERROR_LIMIT = 6,       /* larger than a stated limit */
    DIFFCUT_ERROR_MODEL = 7,       /* a checkpoint lacks a file or tensor, or has one of the wrong shape or type */
    DIFFCUT_ERROR_NUMERIC = 8,     /* NaN or infinity where numbers are needed */
    DIFFCUT_ERROR_CANCELLED = 9,   /* the progress callback asked to stop */
    DIFFCUT_ERROR_EXISTS = 10,     /* the output is there already and replacing was not asked for */
    DIFFCUT_STATUS_COUNT
} diffcut_status;

/* A short English description of a status; never NULL, also for values out of range. */
DIFFCUT_API const char *diffcut_status_string(diffcut_status status);

/* "0.1.0". */
DIFFCUT_API const char *diffcut_version(void);

/* One line about the build: compiler, libraries and their versions, instruction set in use. */
DIFFCUT_API const char *diffcut_build_info(void);

/* Where functions without a session say what was wrong and where. The caller owns it; the message is always
 * NUL-terminated, and empty after success. */
typedef struct diffcut_diagnostics {
    char message[512];
} diffcut_diagnostics;

/* Bytes owned by the caller; release with diffcut_buffer_free. */
typedef struct diffcut_buffer {
    uint8_t *data;
    size_t size;
} diffcut_buffer;

DIFFCUT_API void diffcut_buffer_free(diffcut_buffer *buffer);

/* ------------------------------------------------------------------------------------------------- files */

/* Reads a whole file. max_bytes 0 means the default limit of 1 GiB; a larger file is DIFFCUT_ERROR_LIMIT. */
DIFFCUT_API diffcut_status diffcut_read_file(const char *path, size_t max_bytes, diffcut_buffer *out,
                                             diffcut_diagnostics *diagnostics);

/* Writes a file so that it is either whole or absent: to a temporary name in the same folder, flushed, then renamed.
 * With replace false an existing file is kept and DIFFCUT_ERROR_EXISTS returned. */
DIFFCUT_API diffcut_status diffcut_write_file(const char *path, const void *data, size_t size, bool replace,
                                              diffcut_diagnostics *diagnostics);

/* ------------------------------------------------------------------------------------------------- images */

/* 8-bit RGB, rows top to bottom without padding: rgb[(y * width + x) * 3 + channel]. */
typedef struct diffcut_image {
    uint32_t width;
    uint32_t height;
    uint8_t *rgb;
} diffcut_image;

/* A copy of height x width x 3 bytes. */
DIFFCUT_API diffcut_status diffcut_image_create(uint32_t width, uint32_t height, const uint8_t *rgb,
                                                diffcut_image *out, diffcut_diagnostics *diagnostics);
DIFFCUT_API void diffcut_image_free(diffcut_image *image);

typedef struct diffcut_decode_limits {
    uint64_t max_pixels; /* width * height; default 268435456 (2^28) */
} diffcut_decode_limits;

DIFFCUT_API void diffcut_decode_limits_init(diffcut_decode_limits *limits);

/* Decodes JPEG (baseline, progressive, grey, CMYK and YCCK), PNG (every colour type, 1 to 16 bits, interlaced; 16
 * bits are rounded to 8) and WebP (still). EXIF orientation is applied, alpha is composed over white. The kind is
 * told from the content, not from a name. name is used in messages only and may be NULL; so may limits. The header is
 * checked against the limits before any pixel memory is taken. */
DIFFCUT_API diffcut_status diffcut_decode_image(const void *data, size_t size, const char *name,
                                                const diffcut_decode_limits *limits, diffcut_image *out,
                                                diffcut_diagnostics *diagnostics);

/* ------------------------------------------------------------------------------------------------- label maps */

/* data[y * width + x] in 0 .. count-1. A label below count need not occur. */
typedef struct diffcut_labels {
    uint32_t width;
    uint32_t height;
    uint32_t count;
    uint32_t *data;
} diffcut_labels;

/* A copy of height x width labels; data NULL makes a map of zeros. count is set to the largest label + 1. */
DIFFCUT_API diffcut_status diffcut_labels_create(uint32_t width, uint32_t height, const uint32_t *data,
                                                 diffcut_labels *out, diffcut_diagnostics *diagnostics);
DIFFCUT_API void diffcut_labels_free(diffcut_labels *labels);

/* Renumbers the labels that occur to 0 .. n-1, keeping their order; count becomes n. */
DIFFCUT_API diffcut_status diffcut_labels_compact(diffcut_labels *labels, diffcut_diagnostics *diagnostics);

typedef struct diffcut_segment_info {
    uint32_t label;
    uint64_t area;                /* pixels */
    uint32_t x, y, width, height; /* bounding box; all 0 when the area is 0 */
    float mean_rgb[3];            /* 0 .. 255; 0 when no image was given */
} diffcut_segment_info;

/* Fills info[0 .. labels->count-1]. image may be NULL, else it has the labels' size. */
DIFFCUT_API diffcut_status diffcut_labels_describe(const diffcut_labels *labels, const diffcut_image *image,
                                                   diffcut_segment_info *info, diffcut_diagnostics *diagnostics);

/* Reads a label PNG: palette or grey, 1 to 16 bits, the stored index being the label. name is for messages. */
DIFFCUT_API diffcut_status diffcut_decode_labels(const void *data, size_t size, const char *name,
                                                 const diffcut_decode_limits *limits, diffcut_labels *out,
                                                 diffcut_diagnostics *diagnostics);

/* ------------------------------------------------------------------------------------------------- encoders
 * Each makes the bytes of a file; write them with diffcut_write_file. */

/* Indexed palette PNG up to 256 labels, 16-bit grey PNG beyond (at most 65536). Colour of label k: diffcut_color. */
DIFFCUT_API diffcut_status diffcut_encode_labels_png(const diffcut_labels *labels, diffcut_buffer *out,
                                                     diffcut_diagnostics *diagnostics);

/* The palette's colour of a label: distinct neighbours, the same in every output. */
DIFFCUT_API void diffcut_color(uint32_t label, uint8_t rgb[3]);

typedef struct diffcut_overlay_settings {
    float opacity;   /* 0 .. 1 of the segments' colours over the photo; default 0.5 */
    bool boundaries; /* draw the lines between segments; default true */
} diffcut_overlay_settings;

DIFFCUT_API void diffcut_overlay_settings_init(diffcut_overlay_settings *settings);

/* RGB PNG of the photo with its segments. labels has the image's size. */
DIFFCUT_API diffcut_status diffcut_encode_overlay_png(const diffcut_image *image, const diffcut_labels *labels,
                                                      const diffcut_overlay_settings *settings, diffcut_buffer *out,
                                                      diffcut_diagnostics *diagnostics);

/* COCO-style JSON: {"images": [...], "annotations": [...], "categories": [...]}, one annotation a segment that
 * occurs, compressed RLE as pycocotools writes it (column-major counts), bbox, area, category_id 1. */
DIFFCUT_API diffcut_status diffcut_encode_coco_json(const diffcut_labels *labels, uint64_t image_id,
                                                    const char *file_name, diffcut_buffer *out,
                                                    diffcut_diagnostics *diagnostics);

/* npy version 1.0: int32 [height, width]. */
DIFFCUT_API diffcut_status diffcut_encode_labels_npy(const diffcut_labels *labels, diffcut_buffer *out,
                                                     diffcut_diagnostics *diagnostics);

/* npy version 1.0 of any float32 array, C order; rank 1 .. 8. */
DIFFCUT_API diffcut_status diffcut_encode_npy(const float *data, const size_t *shape, size_t rank,
                                              diffcut_buffer *out, diffcut_diagnostics *diagnostics);

/* ------------------------------------------------------------------------------------------------- features */

/* A grid of feature vectors, height x width x channels, float32, row-major: token y * width + x. Immutable. */
typedef struct diffcut_features diffcut_features;

/* Features of any model. data (height * width * channels floats) is copied. NaN or infinity is
 * DIFFCUT_ERROR_NUMERIC and names the token. At most 16384 tokens (the affinity has tokens^2 entries). */
DIFFCUT_API diffcut_status diffcut_features_create(uint32_t height, uint32_t width, uint32_t channels,
                                                   const float *data, diffcut_features **out,
                                                   diffcut_diagnostics *diagnostics);

/* From the bytes of an npy file: [h, w, c], or [tokens, c] of a square grid; float16, float32 or float64, C order. */
DIFFCUT_API diffcut_status diffcut_decode_features_npy(const void *data, size_t size, const char *name,
                                                       diffcut_features **out, diffcut_diagnostics *diagnostics);
/* float32 [h, w, c]. */
DIFFCUT_API diffcut_status diffcut_encode_features_npy(const diffcut_features *features, diffcut_buffer *out,
                                                       diffcut_diagnostics *diagnostics);

/* The features of one hook at one timestep, on the hook's own grid: diffcut_features_compute_parts. */
typedef struct diffcut_features_part {
    char name[128]; /* "t50/down_blocks.2.attentions.1.transformer_blocks.3.attn1": timestep and module */
    int32_t timestep;
    diffcut_features *features;
} diffcut_features_part;

/* Frees the list and its features. NULL is allowed. */
DIFFCUT_API void diffcut_features_parts_free(diffcut_features_part *parts, size_t count);

/* A word about a file, for its reader. */
typedef struct diffcut_note {
    const char *key;
    const char *value;
} diffcut_note;

/* safetensors: one float32 tensor [h, w, c] a part, by the parts' names, and the notes as "__metadata__". A name or
 * key that is given twice is DIFFCUT_ERROR_ARGUMENT. */
DIFFCUT_API diffcut_status diffcut_encode_parts_safetensors(const diffcut_features_part *parts, size_t count,
                                                            const diffcut_note *notes, size_t note_count,
                                                            diffcut_buffer *out, diffcut_diagnostics *diagnostics);

DIFFCUT_API void diffcut_features_free(diffcut_features *features);
DIFFCUT_API uint32_t diffcut_features_height(const diffcut_features *features);
DIFFCUT_API uint32_t diffcut_features_width(const diffcut_features *features);
DIFFCUT_API uint32_t diffcut_features_channels(const diffcut_features *features);
DIFFCUT_API const float *diffcut_features_data(const diffcut_features *features);

/* ------------------------------------------------------------------------------------------------- models */

/* A checkpoint, opened: immutable, shared by any number of sessions, reference-counted. */
typedef struct diffcut_model diffcut_model;

/* Of the products in the UNet and the text encoders. In bf16 their operands are rounded to 8 bits of mantissa and
 * summed in float32; convolutions by Winograd's method and all else, the first stage and the cut included, are
 * float32 always. */
typedef enum diffcut_precision {
    DIFFCUT_PRECISION_AUTO = 0, /* bf16 for large models where the processor multiplies it, else float32 */
    DIFFCUT_PRECISION_F32 = 1,
    DIFFCUT_PRECISION_BF16 = 2 /* on any processor; backend "ref" has none */
} diffcut_precision;

typedef struct diffcut_model_settings {
    const char *backend; /* "cpu" (default) or "ref", the plain C one that the others are checked against */
    const char
        *variant; /* which of a folder's weights: "fp16", "bf16", ...; NULL: the plain ones, else fp16, else bf16 */
    const char *config; /* of a single file: a folder with its configurations (unet/config.json, ...) and tokenizers;
                           NULL: told from its tensors */
    const char *first_stage; /* another first stage than the model's own: a folder or file of an AutoencoderTiny or
                                AutoencoderKL; NULL: the model's own */
    const char *context;     /* a file of what diffcut_context_save makes, instead of the text encoders: its prompt is
                                then the only one that can be asked for; NULL: none */
    const char *tokenizer;   /* of a CLIP: a folder with vocab.json and merges.txt, instead of those beside its
                                weights; NULL: its own */
    diffcut_precision precision; /* default DIFFCUT_PRECISION_AUTO */
} diffcut_model_settings;

DIFFCUT_API void diffcut_model_settings_init(diffcut_model_settings *settings);

/* Opens a checkpoint: a folder in diffusers' layout (optionally with diffcut.json, the model's own defaults), a
 * single safetensors file in the original layout, or, where there is no such path, "org/name" or "org/name@revision"
 * in the Hugging Face cache. path NULL is the embedded model, looked for in $DIFFCUT_MODELS and beside the library
 * (../share/diffcut/models). settings may be NULL. Thread-safe. */
DIFFCUT_API diffcut_status diffcut_model_open(const char *path, const diffcut_model_settings *settings,
                                              diffcut_model **out, diffcut_diagnostics *diagnostics);
/* Adds an owner. Thread-safe. */
DIFFCUT_API diffcut_model *diffcut_model_retain(diffcut_model *model);
/* Drops an owner; the last one frees the model. NULL is allowed. Thread-safe. */
DIFFCUT_API void diffcut_model_release(diffcut_model *model);

/* What is known of a checkpoint. Strings belong to the model. */
typedef struct diffcut_model_info {
    const char *name;              /* diffcut.json's name, or the folder's, file's or cache's */
    const char *path;              /* the folder or file */
    const char *family;            /* "pixel", "sd", "sdxl": told from the configuration, never from a name */
    const char *first_stage;       /* "pixel_unshuffle", ... */
    const char *backend;           /* which backend holds it */
    const char *precision;         /* "f32" or "bf16": of its products; what DIFFCUT_PRECISION_AUTO came to */
    const char *dtype;             /* of the weights on disk: "F32", "F16", "BF16" or "mixed" */
    const char *hook;              /* default hook, diffusers' module name */
    uint32_t size;                 /* default long side in pixels */
    uint32_t multiple;             /* pixels: input sides are rounded to it, so that all tokens cover equally many */
    int32_t timestep;              /* default timestep */
    double alpha, tau;             /* defaults of the cut */
    uint64_t parameters_needed;    /* of the tensors that the features need */
    uint64_t parameters_total;     /* of all tensors in the files of all components that are there */
    uint64_t bytes_needed;         /* on disk */
    uint32_t feature_channels;     /* channels at the default hook */
    uint32_t feature_stride;       /* input pixels per token side at the default hook */
    uint64_t bytes_total;          /* on disk, as parameters_total */
    const char *layout;            /* "folder", "sharded" or "single file" */
    const char *variant;           /* of the weights: "fp16", "bf16", ...; "" for the plain ones */
    bool cached;                   /* it lies in the Hugging Face cache */
    const char *license;           /* as the front matter of its README.md names it; "" when it does not */
    const char *license_file;      /* "LICENSE.md", ...; "" when there is none */
    uint32_t text_encoders;        /* how many are there */
    uint32_t text_encoders_needed; /* how many a prompt takes; 0 where the model is not prompted */
} diffcut_model_info;

DIFFCUT_API void diffcut_model_get_info(const diffcut_model *model, diffcut_model_info *info);

/* A module of the network whose output can be taken as features. */
typedef struct diffcut_hook_info {
    char name[96];     /* diffusers' module name, which diffcut_settings' hook takes */
    uint32_t channels; /* of its output */
    uint32_t stride;   /* input pixels per token side */
} diffcut_hook_info;

/* The index-th hook in the order of computation; false past the last one, info then being as it was. */
DIFFCUT_API bool diffcut_model_hook(const diffcut_model *model, size_t index, diffcut_hook_info *info);

/* Making and checking checkpoints. */

typedef struct diffcut_synth_settings {
    const char *dtype; /* of the weights: "f16" (default), "bf16" or "f32" */
    uint64_t seed;     /* of the numbers; default 0 */
    bool replace;      /* files of a folder that is there are replaced; others in it stay. Default false */
} diffcut_synth_settings;

DIFFCUT_API void diffcut_synth_settings_init(diffcut_synth_settings *settings);

/* How far diffcut_model_synth is with a part. */
typedef struct diffcut_synth_part {
    const char *component; /* "unet", "vae", "text_encoder", "text_encoder_2" */
    uint64_t tensors, parameters;
    uint64_t bytes; /* of its weights on disk, headers left out */
    uint64_t bytes_written;
} diffcut_synth_part;

/* Called at each part's start (bytes_written 0) and while it is written. Non-zero cancels. */
typedef int (*diffcut_synth_fn)(void *user, const diffcut_synth_part *part);

/* Writes a checkpoint of random numbers, in every other respect like a real one: configurations, names, shapes and
 * types of the whole networks, so that speed, memory and start-up can be measured. architecture: "ssd-1b", "vega",
 * "sd1", "sd2", "sdxl-base", or a folder whose configurations and tokenizers are taken. The folder appears whole or
 * not at all; one that holds something is DIFFCUT_ERROR_EXISTS unless settings->replace. folder NULL: the parts are
 * only told to the callback. The same seed gives the same bytes everywhere. settings and told may be NULL. */
DIFFCUT_API diffcut_status diffcut_model_synth(const char *architecture, const char *folder,
                                               const diffcut_synth_settings *settings, diffcut_synth_fn told,
                                               void *user, diffcut_diagnostics *diagnostics);

typedef enum diffcut_finding_kind {
    DIFFCUT_FINDING_FILE = 0,    /* a file is missing or cannot be read */
    DIFFCUT_FINDING_CONFIG = 1,  /* a configuration contradicts itself or is not built */
    DIFFCUT_FINDING_MISSING = 2, /* a tensor that the network needs */
    DIFFCUT_FINDING_SHAPE = 3,   /* a tensor of another shape than the configuration asks for */
    DIFFCUT_FINDING_TYPE = 4,    /* a tensor of a type that is not computed with */
    DIFFCUT_FINDING_EXTRA = 5,   /* a tensor in a needed part that the network of this configuration does not have */
    DIFFCUT_FINDING_VALUES = 6,  /* NaN or infinity */
    DIFFCUT_FINDING_COUNT
} diffcut_finding_kind;

/* "file", "config", "missing", ...; never NULL. */
DIFFCUT_API const char *diffcut_finding_name(diffcut_finding_kind kind);

typedef struct diffcut_finding {
    diffcut_finding_kind kind;
    bool problem;          /* else a remark: nothing is wrong with it */
    const char *component; /* "unet", "vae", "text_encoder", ...; "" for the model as a whole */
    const char *tensor;    /* as diffusers names it; NULL when it is about a file */
    const char *message;
} diffcut_finding;

/* Called for each finding; its strings are valid during the call. */
typedef void (*diffcut_finding_fn)(void *user, const diffcut_finding *finding);

typedef struct diffcut_verify_settings {
    diffcut_model_settings model;
    bool values; /* also read the needed weights and look for NaN and infinity. Default false */
} diffcut_verify_settings;

DIFFCUT_API void diffcut_verify_settings_init(diffcut_verify_settings *settings);

typedef struct diffcut_verify_report {
    uint64_t problems;          /* findings that are */
    uint64_t tensors_needed;    /* by UNet and first stage up to the default hook, and by the text encoders */
    uint64_t tensors_skipped;   /* there, and of parts that are not needed: middle block, decoders */
    uint64_t parameters_needed; /* of the needed tensors that are right */
} diffcut_verify_report;

/* Runs a checkpoint's structure against what its networks need and names everything that is missing, superfluous or
 * of the wrong kind. DIFFCUT_OK when it could be looked at, whatever was found. path as in diffcut_model_open;
 * settings and found may be NULL. */
DIFFCUT_API diffcut_status diffcut_model_verify(const char *path, const diffcut_verify_settings *settings,
                                                diffcut_finding_fn found, void *user, diffcut_verify_report *report,
                                                diffcut_diagnostics *diagnostics);

/* ------------------------------------------------------------------------------------------------- downloads
 * The only part of the library that uses the network. It needs libcurl, which is opened when it is first called. */

typedef enum diffcut_pull_event {
    DIFFCUT_PULL_PLANNED = 0, /* once for each file that is needed, before the first download */
    DIFFCUT_PULL_BYTES = 1,   /* now and then, at most every 50 ms, also while nothing comes */
    DIFFCUT_PULL_WAITING = 2, /* another process downloads this file; its result will be used */
    DIFFCUT_PULL_REMARK = 3,  /* something failed and is tried again; message says what */
    DIFFCUT_PULL_FINISHED = 4 /* a file is in the cache, whole and checked */
} diffcut_pull_event;

typedef struct diffcut_pull_progress {
    diffcut_pull_event event;
    const char *file;    /* its path in the repository; NULL while the repository is asked what it has */
    const char *message; /* of a remark, else NULL */
    bool here;           /* the file was in the cache, whole, before this call */
    uint64_t file_bytes; /* the file's size */
    uint64_t file_done;  /* of them in the cache */
    uint64_t bytes;      /* all files' */
    uint64_t done;
} diffcut_pull_progress;

/* Called from the thread that pulls; the structure is valid during the call. Non-zero cancels. */
typedef int (*diffcut_pull_fn)(void *user, const diffcut_pull_progress *progress);

typedef struct diffcut_pull_settings {
    const char *revision; /* branch, tag or commit; NULL: "main" */
    const char *variant;  /* of the weights: "fp16", "bf16", ..., "plain" for those without one; NULL: fp16, else
                             plain, else bf16 (weights are computed with in float32 whichever they are) */
    const char *file;     /* of a repository of single-file checkpoints: this one; NULL: the only one */
    const char *endpoint; /* NULL: $HF_ENDPOINT, else https://huggingface.co */
    const char *token;    /* "": none; NULL: $HF_TOKEN, else the one that `hf auth login` stored */
    const char *cache;    /* root of the cache; NULL: $HF_HUB_CACHE, else $HF_HOME/hub, else
                             ~/.cache/huggingface/hub */
    bool plan_only;       /* find out what would be downloaded; nothing is written */
    uint32_t timeout;     /* 1 .. 86400 seconds without a byte until a connection is given up; default 30 */
    uint32_t retries;     /* 0 .. 1000: how often a fault that may pass is tried again; default 5 */
    diffcut_pull_fn progress;
    void *progress_user;
} diffcut_pull_settings;

DIFFCUT_API void diffcut_pull_settings_init(diffcut_pull_settings *settings);

typedef struct diffcut_pull_result {
    char path[4096];   /* the model's folder in the cache (or, planned, where it would be): for diffcut_model_open */
    char commit[41];   /* which version of the repository it is */
    char license[129]; /* the identifier that the repository states; "" where it states none */
    uint64_t files;    /* needed */
    uint64_t bytes;    /* of them all */
    uint64_t received; /* that came over the network in this call; planned, those that would come */
} diffcut_pull_result;

/* Downloads the files of ORG/NAME that are needed, and no others, into the Hugging Face cache, where Python finds
 * them too; what is there already is not downloaded again. A download that breaks off leaves its part and goes on
 * from there the next time. Every file's size and hash are checked before it gets its name. Two pulls at once share
 * the work. settings may be NULL. Thread-safe with libcurl 7.84 or newer. DIFFCUT_ERROR_UNSUPPORTED: no libcurl, or
 * HF_HUB_OFFLINE is set. DIFFCUT_ERROR_IO: network, disk, or the server says no (the message has what to do).
 * DIFFCUT_ERROR_FORMAT: what came is not what the repository says it has. DIFFCUT_ERROR_MODEL: the repository has no
 * model that can be read. */
DIFFCUT_API diffcut_status diffcut_model_pull(const char *name, const diffcut_pull_settings *settings,
                                              diffcut_pull_result *result, diffcut_diagnostics *diagnostics);

/* ------------------------------------------------------------------------------------------------- settings */

typedef enum diffcut_size_mode {
    DIFFCUT_SIZE_LONG_SIDE = 0, /* the photo keeps its shape; its longer side becomes `size` */
    DIFFCUT_SIZE_SQUARE = 1,    /* size x size whatever the photo's shape, as the paper does */
    DIFFCUT_SIZE_EXACT = 2,     /* size_width x size_height */
    DIFFCUT_SIZE_NATIVE = 3     /* the photo's own size; an error when it is no multiple of the first stage's */
} diffcut_size_mode;

typedef enum diffcut_resample {
    DIFFCUT_RESAMPLE_ANTIALIAS = 0, /* triangle filter widened by the scale: no aliasing when shrinking */
    DIFFCUT_RESAMPLE_BILINEAR = 1   /* two taps a side, half-pixel centres, no antialias: the paper's numbers */
} diffcut_resample;

typedef enum diffcut_eigen_solver {
    DIFFCUT_EIGEN_AUTO = 0, /* iterative; dense for small nodes and where the iteration does not converge */
    DIFFCUT_EIGEN_DENSE = 1 /* LAPACK at every node: the slow truth */
} diffcut_eigen_solver;

/* Whose stream of normal numbers the noise is drawn from, so that it equals torch.randn's. */
typedef enum diffcut_noise {
    DIFFCUT_NOISE_CPU = 0, /* a CPU generator: MT19937, Box-Muller */
    DIFFCUT_NOISE_CUDA = 1 /* a CUDA generator: Philox 4x32-10, up to the rounding of a GPU's fast sine (1e-6). A GPU
                              that cannot hold one thread for each value of the latent (65536 at 1024x1024) fills the
                              rest in an order of its own; here it is always as on one that can */
} diffcut_noise;

#define DIFFCUT_MAX_DILATIONS 16
#define DIFFCUT_MAX_TIMESTEPS 16

typedef struct diffcut_settings {
    /* photo to network input */
    diffcut_size_mode size_mode;
    uint32_t size;        /* pixels; used by LONG_SIDE and SQUARE; rounded to the network's multiple */
    uint32_t size_width;  /* used by EXACT */
    uint32_t size_height; /* used by EXACT */
    diffcut_resample resample;
    /* features */
    int32_t timesteps[DIFFCUT_MAX_TIMESTEPS]; /* 0 .. 999; the features of several are concatenated by channels */
    uint32_t timestep_count;                  /* 1 .. DIFFCUT_MAX_TIMESTEPS */
    diffcut_noise noise;                      /* whose stream of random numbers; default DIFFCUT_NOISE_CPU */
    uint64_t seed;                            /* of the noise; default 42 */
    uint32_t average;   /* 1 .. 1024: features are the mean over this many draws of noise; default 1 */
    const char *hook;   /* names of 1 .. 64 hooks (diffcut_model_hook), separated by commas, whose features are
                           concatenated by channels; short forms ("down.2.attentions.1.blocks.3.attn1") and whole
                           blocks ("down_blocks.2") are understood; NULL for the model's default; must outlive the
                           call */
    const char *prompt; /* text context, UTF-8; NULL or "" is the paper's empty prompt, and the only one for a model
                           that was trained without text; must outlive the call */
    uint32_t tile;      /* 64 .. 16384 input pixels, rounded down to what the first stage divides by: it encodes
                           longer sides in tiles of at most this side, overlapping by a quarter, and blends their
                           latents. Its norms and attention see a tile, so the result differs a little from a whole
                           one's. No effect on pixel_unshuffle. 0 (default): always whole */
    /* cut */
    double alpha;        /* > 0: exponent of the affinity */
    double tau;          /* 0 .. 1: a node splits while its Ncut cost is below */
    uint32_t min_tokens; /* no side of a split is smaller than this; 0 and 1 mean no minimum */
    bool reference;      /* the published code's dropped rows (see doc/METHOD.md); default false */
    diffcut_eigen_solver eigen_solver;
    /* refinement (PAMR) */
    bool refine;                               /* default true */
    uint32_t iterations;                       /* 0 .. 1000; default 30 */
    uint32_t dilations[DIFFCUT_MAX_DILATIONS]; /* pixels, 1 .. 1024; default 1,2,4,8 */
    uint32_t dilation_count;                   /* 1 .. DIFFCUT_MAX_DILATIONS */
    uint32_t median;      /* side of the median filter on label numbers: 0 or 1 off, else odd up to 15; default 3 */
    uint32_t refine_size; /* long side, in pixels, at which labels are refined before they are brought to the
                             photo's size; 0 is the photo's own; default 512 */
} diffcut_settings;

/* Fills every default: the model's own (its diffcut.json), the paper's where it has none or model is NULL
 * (size 1024 or 512 by family, timestep 50, alpha 10, tau 0.5). */
DIFFCUT_API void diffcut_settings_init(diffcut_settings *settings, const diffcut_model *model);

/* DIFFCUT_ERROR_ARGUMENT with the field's name, value and range if one is out of range. */
DIFFCUT_API diffcut_status diffcut_settings_check(const diffcut_settings *settings, diffcut_diagnostics *diagnostics);

/* ------------------------------------------------------------------------------------------------- sessions */

/* One thread's working memory. */
typedef struct diffcut_session diffcut_session;

typedef enum diffcut_stage {
    DIFFCUT_STAGE_FEATURES = 0, /* resize, first stage, noise, UNet encoder */
    DIFFCUT_STAGE_AFFINITY = 1,
    DIFFCUT_STAGE_CUT = 2,
    DIFFCUT_STAGE_ASSIGN = 3, /* concepts and their argmax */
    DIFFCUT_STAGE_REFINE = 4,
    DIFFCUT_STAGE_COUNT
} diffcut_stage;

DIFFCUT_API const char *diffcut_stage_name(diffcut_stage stage);

/* Called now and then from the thread that works; fraction 0 .. 1 of the stage. Non-zero cancels: the running
 * function returns DIFFCUT_ERROR_CANCELLED and changes nothing. */
typedef int (*diffcut_progress_fn)(void *user, diffcut_stage stage, double fraction);

/* Receives every intermediate stage as it is made: name ("image", "latent", "noisy", "unet.conv_in", ...,
 * "features", "affinity", "tokens_tau_0.5", ...), float32 data, shape and rank. The data is valid during the call. */
typedef void (*diffcut_dump_fn)(void *user, const char *name, const float *data, const size_t *shape, size_t rank);

/* One operation of a network, after it was computed. Strings are valid during the call. */
typedef struct diffcut_operation {
    const char *kind;  /* "conv2d", "depthwise", "linear", "attention", "group_norm", "layer_norm", "add" */
    const char *shape; /* "128x128x320 -> 128x128x320, 3x3" */
    double flop;       /* multiplications and additions of products, as computed directly; 0 where there are none */
    double seconds;
} diffcut_operation;

/* Receives every operation of the networks in turn; for measuring. */
typedef void (*diffcut_operation_fn)(void *user, const diffcut_operation *operation);

typedef struct diffcut_session_settings {
    uint32_t threads; /* 0: as many as the process may use (OMP_NUM_THREADS, affinity, cgroup quota) */
    diffcut_progress_fn progress;
    void *progress_user;
    diffcut_dump_fn dump;
    void *dump_user;
    diffcut_operation_fn operation;
    void *operation_user;
} diffcut_session_settings;

DIFFCUT_API void diffcut_session_settings_init(diffcut_session_settings *settings);

/* model may be NULL for a session that only cuts, assigns and refines; else it is retained. settings may be NULL. */
DIFFCUT_API diffcut_status diffcut_session_open(diffcut_model *model, const diffcut_session_settings *settings,
                                                diffcut_session **out, diffcut_diagnostics *diagnostics);
DIFFCUT_API void diffcut_session_close(diffcut_session *session);

/* What the last failing call on this session said; "" after success. Also carries notes ("the eigen-solver did not
 * converge at 3 nodes; the dense one was used") through diffcut_session_note. Owned by the session. */
DIFFCUT_API const char *diffcut_session_message(const diffcut_session *session);
DIFFCUT_API const char *diffcut_session_note(const diffcut_session *session);

/* Seconds spent in each stage since the session was opened or the times were reset. */
DIFFCUT_API void diffcut_session_times(const diffcut_session *session, double seconds[DIFFCUT_STAGE_COUNT]);
DIFFCUT_API void diffcut_session_reset_times(diffcut_session *session);

/* Bytes of the networks' activations that diffcut_features_compute will have at once for this image, at most: summed
 * up from the networks' layers, before anything runs. Weights, scratch memory and the picture itself come on top.
 * DIFFCUT_ERROR_ARGUMENT or DIFFCUT_ERROR_LIMIT where that call would give it. */
DIFFCUT_API diffcut_status diffcut_session_plan(diffcut_session *session, const diffcut_image *image,
                                                const diffcut_settings *settings, uint64_t *bytes);

/* The most floating-point operations a second that the session's model's backend reaches now, with the session's
 * threads, in one large product of matrices that suits it: what the networks' operations are measured by. Takes about
 * a second. */
DIFFCUT_API diffcut_status diffcut_session_peak(diffcut_session *session, double *flops);

/* ------------------------------------------------------------------------------------------------- steps */

/* The UNet encoder's features of a photo. Uses the settings' size fields, resample, timesteps, noise, seed, average,
 * hook, prompt and tile. Several timesteps and hooks are concatenated by channels, all hooks of the first timestep in
 * their order, then those of the next; where the hooks' grids differ, on the finest, to which the others are brought
 * bilinearly (half-pixel centres). With average, each is the mean over that many successive draws of one generator.
 */
DIFFCUT_API diffcut_status diffcut_features_compute(diffcut_session *session, const diffcut_image *image,
                                                    const diffcut_settings *settings, diffcut_features **out);

#define DIFFCUT_MAX_BATCH 64

/* The same for 1 .. DIFFCUT_MAX_BATCH images at once: out[i] is images[i]'s features, equal to the bit to what
 * diffcut_features_compute makes of it. Images that come to one input size go through the UNet together; the first
 * stage takes them one by one. Memory grows with the batch. With a dump callback they are computed one after the
 * other. An image that fails fails the batch: out is then as it was. */
DIFFCUT_API diffcut_status diffcut_features_compute_batch(diffcut_session *session,
                                                          const diffcut_image *const *images, size_t count,
                                                          const diffcut_settings *settings, diffcut_features **out);

/* As diffcut_features_compute, not concatenated: one part a timestep and hook, in the same order, each on its own
 * grid. The caller frees them with diffcut_features_parts_free. */
DIFFCUT_API diffcut_status diffcut_features_compute_parts(diffcut_session *session, const diffcut_image *image,
                                                          const diffcut_settings *settings,
                                                          diffcut_features_part **out, size_t *count);

/* The session's model's text context of a prompt (NULL is "") as the bytes of a file, for diffcut_model_settings'
 * context where the text encoders are not: safetensors with "context" [tokens, channels] and, for the SDXL family,
 * "pooled" [channels], both float32, and the prompt in its metadata. DIFFCUT_ERROR_MODEL names the text encoders'
 * files that are missing; DIFFCUT_ERROR_ARGUMENT for a model without text. A prompt of more than 77 tokens is cut,
 * which the session's note tells. */
DIFFCUT_API diffcut_status diffcut_context_save(diffcut_session *session, const char *prompt, diffcut_buffer *out);

/* The partition tree of a feature grid: recursive Normalized Cut, computed on demand. Whether a node splits depends
 * on its own cost only, so one tree serves every tau. */
typedef struct diffcut_tree diffcut_tree;

/* A node. The root is node 0; children follow their parent. */
typedef struct diffcut_tree_node {
    double cost;      /* least Ncut cost of splitting it; +infinity where it cannot be split or is not solved yet */
    int32_t positive; /* index of the child above the threshold, -1 while there is none */
    int32_t negative; /* index of the other child, or -1 */
    uint32_t tokens;  /* how many tokens it holds */
    uint32_t level;   /* depth below the root */
} diffcut_tree_node;

/* Builds the tree down to settings->tau. Uses alpha, tau, min_tokens, reference, eigen_solver. The features are not
 * needed afterwards. Memory: tokens^2 floats, held until the tree is freed. */
DIFFCUT_API diffcut_status diffcut_tree_build(diffcut_session *session, const diffcut_features *features,
                                              const diffcut_settings *settings, diffcut_tree **out);
DIFFCUT_API void diffcut_tree_free(diffcut_tree *tree);

/* The segments at tau (0 .. 1), one label a token, on the feature grid; expands the tree where needed. Labels are
 * numbered in the published code's order. Equal to running the recursion at that tau from the start. */
DIFFCUT_API diffcut_status diffcut_tree_cut(diffcut_session *session, diffcut_tree *tree, double tau,
                                            diffcut_labels *out);

/* The nodes so far; the pointer is valid until the tree is expanded or freed. */
DIFFCUT_API const diffcut_tree_node *diffcut_tree_nodes(const diffcut_tree *tree, size_t *count);

/* The tokens of a node, ascending; owned by the tree, valid until it is freed. The list is made on first request;
 * NULL, with a count of 0, for a node that is not there or when memory runs out. */
DIFFCUT_API const uint32_t *diffcut_tree_node_tokens(const diffcut_tree *tree, size_t node, size_t *count);

/* Concepts: unit features averaged over each segment of `tokens` (a label map on the features' grid), not
 * re-normalised; each pixel of a width x height map takes the concept with the largest dot product with the
 * bilinearly upsampled unit features (half-pixel centres; the first on ties). Labels keep their numbers. */
DIFFCUT_API diffcut_status diffcut_labels_assign(diffcut_session *session, const diffcut_features *features,
                                                 const diffcut_labels *tokens, uint32_t width, uint32_t height,
                                                 diffcut_labels *out);

/* PAMR refinement of any label map on a photo (single-stage pixel-adaptive mask refinement, Araslanov & Roth, CVPR
 * 2020), then the median filter. Uses iterations, dilations, median, refine_size. The labels may be of another size
 * than the photo; the result has the photo's. */
DIFFCUT_API diffcut_status diffcut_labels_refine(diffcut_session *session, const diffcut_image *image,
                                                 const diffcut_labels *labels, const diffcut_settings *settings,
                                                 diffcut_labels *out);

/* Token labels to a finished label map of the photo's size: assign, then refine if the settings say so. */
DIFFCUT_API diffcut_status diffcut_labels_finish(diffcut_session *session, const diffcut_image *image,
                                                 const diffcut_features *features, const diffcut_labels *tokens,
                                                 const diffcut_settings *settings, diffcut_labels *out);

/* A photo in, its label map out: features, tree, cut at settings->tau, finish. */
DIFFCUT_API diffcut_status diffcut_segment(diffcut_session *session, const diffcut_image *image,
                                           const diffcut_settings *settings, diffcut_labels *out);

#ifdef __cplusplus
}
#endif

#include "encoder.h"
#include "eval.h"
#include "vocabulary.h"

#endif /* DIFFCUT_DIFFCUT_H */
