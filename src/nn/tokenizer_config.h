/*
 * tokenizer_config.h - a tokenizer folder's special tokens and length: tokenizer_config.json, and
 * special_tokens_map.json for what the former leaves out. Called by model/context and nn/tokenizer.
 */
#ifndef DIFFCUT_NN_TOKENIZER_CONFIG_H
#define DIFFCUT_NN_TOKENIZER_CONFIG_H

#include "io/json.h"

#define TOKENIZER_SPECIAL_SIZE 64
#define TOKENIZER_MAX_LENGTH 4096

/* CLIP's ids and texts of the beginning and the end, those of every vocabulary made for it. */
#define TOKENIZER_BOS "<|startoftext|>"
#define TOKENIZER_EOS "<|endoftext|>"
#define TOKENIZER_BOS_ID 49406
#define TOKENIZER_EOS_ID 49407

typedef enum tokenizer_role { ROLE_BOS, ROLE_EOS, ROLE_UNKNOWN, ROLE_PAD, TOKENIZER_ROLES } tokenizer_role;

/* A token that stands for itself wherever its text occurs: in the text as given, or in its normalised form. */
typedef struct tokenizer_special {
    char text[TOKENIZER_SPECIAL_SIZE];
    bool normalized;
} tokenizer_special;

typedef struct tokenizer_config {
    tokenizer_special specials[TOKENIZER_ROLES];
    uint32_t length; /* ids of every text: longer ones are cut, shorter ones padded; at least 2 */
} tokenizer_config;

/* CLIP's own: pad is the end's text, or "!" (token 0), as OpenCLIP's encoders were trained with. */
void tokenizer_config_init(bool pads_with_zero, uint32_t length, tokenizer_config *out);

/* Reads what the two files say over `base`; either view's node may be NULL. */
diffcut_status tokenizer_config_read(json_view config, json_view map, const tokenizer_config *base,
                                     tokenizer_config *out, diffcut_diagnostics *diag);

#endif
