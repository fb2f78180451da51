/*
 * encoder.h - the part of DiffCut's public interface for image encoders and for images and texts in one space (CLIP).
 *
 * diffcut_model_open also opens image encoders: DINOv2, ViT (DINO), CLIP's and SigLIP's vision towers in
 * transformers' layout (config.json, model.safetensors), and CLIP in open_clip's (open_clip_config.json,
 * open_clip_model.safetensors) with a ViT or a ConvNeXt trunk. Every function that takes a session with a model then
 * works on their last layer's patch tokens: diffcut_features_compute, diffcut_segment, similarity, evaluation. What
 * only a diffusion model has (timesteps, noise, prompt, tiles, diffcut_diffseg) is refused by name.
 *
 * A CLIP can do more, which is here: texts, images, segments and single positions as unit vectors of one space, whose
 * dot products say how well they go together.
 *
 *   names --diffcut_text_embed--> (names, width)    image, labels --diffcut_regions_embed--> (segments, width)
 *
 * Part of diffcut.h, which includes it; errors, threads and ownership are as said there.
 */
#ifndef DIFFCUT_ENCODER_H
#define DIFFCUT_ENCODER_H

#include "diffcut.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a model is as an encoder. Strings belong to the model. */
typedef struct diffcut_encoder_info {
    const char *kind;    /* "dinov2", "vit", "clip", "siglip" or "convnext": told from the configuration */
    uint32_t image_size; /* pixels a side that it was trained at */
    uint32_t stride;     /* input pixels per side of a position of its dense map */
    uint32_t channels;   /* of the dense map, diffcut_features_compute's */
    float mean[3];       /* of the channels R, G, B in [0, 1]: input is (x - mean) / deviation */
    float deviation[3];
    uint32_t embedding;   /* width of the space that images and texts share; 0: it has none, and what embeds is
                             DIFFCUT_ERROR_UNSUPPORTED */
    bool has_text;        /* the text tower is there */
    bool has_tokenizer;   /* so are vocab.json and merges.txt, without which texts cannot be read */
    uint32_t text_length; /* tokens of a text at most, its start and end included; 0 without a text tower */
    float logit_scale;    /* min(exp(logit_scale), 100): what cosines are multiplied by before a softmax over names;
                             0 where the checkpoint has none */
} diffcut_encoder_info;

/* False for a model that is no image encoder, info then being as it was. Thread-safe. */
DIFFCUT_API bool diffcut_model_get_encoder_info(const diffcut_model *model, diffcut_encoder_info *info);

/* How an image goes into an encoder. */
typedef struct diffcut_encoder_settings {
    diffcut_size_mode size_mode; /* default DIFFCUT_SIZE_SQUARE, as CLIP was trained */
    uint32_t size;             /* 1 .. 16384 pixels; used by LONG_SIDE and SQUARE; rounded to the encoder's stride */
    uint32_t size_width;       /* used by EXACT */
    uint32_t size_height;      /* used by EXACT */
    diffcut_resample resample; /* default DIFFCUT_RESAMPLE_ANTIALIAS */
    bool normalize;            /* true (default): (x - mean) / deviation, as the encoder was trained; false: x in
                                  [0, 1] as it is, as the paper's open-vocabulary evaluation does */
} diffcut_encoder_settings;

/* Fills every default. size: 1024 for a convolutional trunk (the paper's), else the size that the model was trained
 * at; 1024 where model is NULL or no encoder. */
DIFFCUT_API void diffcut_encoder_settings_init(diffcut_encoder_settings *settings, const diffcut_model *model);

#define DIFFCUT_MAX_TEXTS 1048576

/* Texts (UTF-8) as unit vectors: out[i * embedding ..] is texts[i]'s. 0 .. DIFFCUT_MAX_TEXTS texts, which go through
 * the text tower many at a time; equal texts give equal bits however they are mixed with others. A text of more than
 * text_length tokens loses its last ones: truncated[i] (NULL: not asked for) is then true, and the session's note
 * tells how many were cut. Progress is told as DIFFCUT_STAGE_FEATURES. out and truncated are unchanged on failure.
 * DIFFCUT_ERROR_MODEL: no text tower or no tokenizer, the message names the files. DIFFCUT_ERROR_ARGUMENT: a text
 * that is not UTF-8 (its number is told). DIFFCUT_ERROR_LIMIT: one of more than 16384 bytes. */
DIFFCUT_API diffcut_status diffcut_text_embed(diffcut_session *session, const char *const *texts, size_t count,
                                              float *out, bool *truncated);

/* A whole image as one unit vector: out[0 .. embedding-1]. settings may be NULL. */
DIFFCUT_API diffcut_status diffcut_image_embed(diffcut_session *session, const diffcut_image *image,
                                               const diffcut_encoder_settings *settings, float *out);

/* Each segment of an image as a unit vector: out[label * embedding ..], labels->count of them. The mean of the dense
 * map over a segment, each position weighted by the share of its square that the segment covers, goes through the
 * encoder's heads to the shared space. The dense map is, of a convolutional trunk, its last stage's output, and of a
 * ViT what MaskCLIP takes: value and output projection of the last attention, without what follows in that layer.
 * labels may be of any size and is stretched over the image. A label that does not occur gets zeros. settings may be
 * NULL. out is unchanged on failure. */
DIFFCUT_API diffcut_status diffcut_regions_embed(diffcut_session *session, const diffcut_image *image,
                                                 const diffcut_labels *labels,
                                                 const diffcut_encoder_settings *settings, float *out);

/* Each position of that dense map through the heads: features of `embedding` channels, not brought to length 1.
 * settings may be NULL. DIFFCUT_ERROR_LIMIT where the map has more positions than features can (16384). */
DIFFCUT_API diffcut_status diffcut_dense_embed(diffcut_session *session, const diffcut_image *image,
                                               const diffcut_encoder_settings *settings, diffcut_features **out);

#ifdef __cplusplus
}
#endif

#endif /* DIFFCUT_ENCODER_H */
