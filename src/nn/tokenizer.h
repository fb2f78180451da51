/*
 * tokenizer.h - CLIP's tokenizer: a text to a fixed number of token ids, by byte-level BPE (Sennrich et al. 2016;
 * Radford et al. 2019 for bytes; Radford et al. 2021 for CLIP's word pattern and "</w>").
 *
 * Words are: 's 't 're 've 'm 'll 'd, a run of letters, one number, a run of anything else but spaces. A word's bytes
 * are merged pair by pair, the most wanted pair first. Around the ids stand the beginning's and the end's; a text
 * that is too long loses its last tokens, never its end.
 *
 * Two rules prepare the text, because models were trained with two: transformers' CLIPTokenizer (NFC, lower case, and
 * special tokens recognised in the text), which diffusers' pipelines use, and open_clip's SimpleTokenizer (see
 * tokenizer_clean.h; padded with 0). Immutable once open; may be used from any thread. Called by model/context.
 */
#ifndef DIFFCUT_NN_TOKENIZER_H
#define DIFFCUT_NN_TOKENIZER_H

#include "nn/tokenizer_config.h"

#define TOKENIZER_MAX_TEXT 16384 /* bytes */

typedef enum tokenizer_rules { TOKENIZER_TRANSFORMERS, TOKENIZER_OPEN_CLIP } tokenizer_rules;

typedef struct tokenizer tokenizer;

/* ids is vocab.json's root; merges the size bytes of merges.txt, which messages call merges_name. Nothing of
 * them is kept. */
diffcut_status tokenizer_open(const tokenizer_config *config, json_view ids, const char *merges, size_t size,
                              const char *merges_name, tokenizer **out, diffcut_diagnostics *diag);
/* NULL is allowed. */
void tokenizer_close(tokenizer *self);

/* Fills ids[0 .. length of the configuration); *cut tells whether the text was too long. DIFFCUT_ERROR_ARGUMENT for a
 * text that is not UTF-8, DIFFCUT_ERROR_LIMIT for one of more than TOKENIZER_MAX_TEXT bytes. */
diffcut_status tokenizer_encode(const tokenizer *self, tokenizer_rules rules, const char *text, uint32_t *ids,
                                bool *cut, diffcut_diagnostics *diag);

/* The ids of "", which need no vocabulary where the pad is CLIP's end or its token 0; false for another pad. */
bool tokenizer_encode_nothing(const tokenizer_config *config, uint32_t *ids);

#endif
