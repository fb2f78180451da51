/*
 * tokenizer_config.c - see tokenizer_config.h.
 *
 * A special token is an object with its content and whether its text is looked for in normalised text, or only its
 * text; then an entry of added_tokens_decoder with that content says the rest, and without one the text is looked for
 * as given. Several roles may share a text: the last one that says so decides, as in transformers.
 */
#include "nn/tokenizer_config.h"

#include <stdio.h>
#include <string.h>

static const char *const keys[TOKENIZER_ROLES] = {
    [ROLE_BOS] = "bos_token", [ROLE_EOS] = "eos_token", [ROLE_UNKNOWN] = "unk_token", [ROLE_PAD] = "pad_token"};

void tokenizer_config_init(bool pads_with_zero, uint32_t length, tokenizer_config *out) {
    *out = (tokenizer_config){.length = length};
    const char *const texts[TOKENIZER_ROLES] = {[ROLE_BOS] = TOKENIZER_BOS,
                                                [ROLE_EOS] = TOKENIZER_EOS,
                                                [ROLE_UNKNOWN] = TOKENIZER_EOS,
                                                [ROLE_PAD] = pads_with_zero ? "!" : TOKENIZER_EOS};
    for (size_t role = 0; role < TOKENIZER_ROLES; role++) {
        (void)snprintf(out->specials[role].text, TOKENIZER_SPECIAL_SIZE, "%s", texts[role]);
        out->specials[role].normalized = role != ROLE_PAD;
    }
}

/* What added_tokens_decoder says of a text; false when there is no entry. */
static bool decoder_says(json_view config, const char *text, bool *normalized) {
    diffcut_diagnostics ignored;
    json_view decoder;
    bool present = false;
    if (json_get_object(config, "added_tokens_decoder", &present, &decoder, &ignored) != DIFFCUT_OK || !present) {
        return false;
    }
    void *place = NULL;
    const char *id;
    json_view entry;
    while (json_next(decoder, &place, &id, &entry)) {
        const char *content = NULL;
        if (entry.node != NULL &&
            json_get_text(entry, "content", true, NULL, TOKENIZER_SPECIAL_SIZE - 1, &content, &ignored) ==
                DIFFCUT_OK &&
            strcmp(content, text) == 0) {
            return json_get_flag(entry, "normalized", false, normalized, &ignored) == DIFFCUT_OK;
        }
    }
    return false;
}

static diffcut_status read_special(json_view view, json_view config, const char *key, tokenizer_special *out,
                                   diffcut_diagnostics *diag) {
    const char *text = NULL;
    bool normalized = false;
    bool present = false;
    json_view object;
    diffcut_status status;
    if (json_is_text(view, key)) {
        status = json_get_text(view, key, true, NULL, TOKENIZER_SPECIAL_SIZE - 1, &text, diag);
        if (status == DIFFCUT_OK && config.node != NULL) {
            (void)decoder_says(config, text, &normalized);
        }
    } else {
        status = json_get_object(view, key, &present, &object, diag);
        if (status == DIFFCUT_OK) {
            status = json_get_text(object, "content", true, NULL, TOKENIZER_SPECIAL_SIZE - 1, &text, diag);
        }
        if (status == DIFFCUT_OK) {
            status = json_get_flag(object, "normalized", false, &normalized, diag);
        }
    }
    if (status == DIFFCUT_OK) {
        (void)snprintf(out->text, sizeof out->text, "%s", text);
        out->normalized = normalized;
    }
    return status;
}

/* Roles of one text agree: the last one given decides. */
static void settle(tokenizer_config *config) {
    for (size_t role = TOKENIZER_ROLES; role-- > 1;) {
        for (size_t other = 0; other < role; other++) {
            if (strcmp(config->specials[role].text, config->specials[other].text) == 0) {
                config->specials[other].normalized = config->specials[role].normalized;
            }
        }
    }
}

diffcut_status tokenizer_config_read(json_view config, json_view map, const tokenizer_config *base,
                                     tokenizer_config *out, diffcut_diagnostics *diag) {
    tokenizer_config result = *base;
    diffcut_status status = DIFFCUT_OK;
    for (size_t role = 0; role < TOKENIZER_ROLES && status == DIFFCUT_OK; role++) {
        if (config.node != NULL && json_has(config, keys[role])) {
            status = read_special(config, config, keys[role], &result.specials[role], diag);
        } else if (map.node != NULL && json_has(map, keys[role])) {
            status = read_special(map, config, keys[role], &result.specials[role], diag);
        }
    }
    if (status == DIFFCUT_OK && config.node != NULL) {
        status =
            json_get_uint(config, "model_max_length", &base->length, 2, TOKENIZER_MAX_LENGTH, &result.length, diag);
    }
    if (status == DIFFCUT_OK) {
        settle(&result);
        *out = result;
    }
    return status;
}
