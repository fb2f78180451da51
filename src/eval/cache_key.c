/*
 * cache_key.c - diffcut_cache_key_make: what features were computed from, as one number.
 *
 * The key's text is written field by field, never as the bytes of a structure, so that padding and field order of a
 * build do not enter. CACHE_RULES rises when the meaning of a key changes. Called by whoever caches features.
 */
#include "hub/hash.h"
#include "io/entry.h"

#include <stdio.h>
#include <string.h>

#define CACHE_RULES "diffcut features 1"

static void add_text(hash *h, const char *text) {
    hash_add(h, text, strlen(text) + 1);
}

static void add_field(hash *h, const char *name, uint64_t value) {
    char text[64];
    (void)snprintf(text, sizeof text, "%s=%llu", name, (unsigned long long)value);
    add_text(h, text);
}

/* Only the fields that count: a width that size_mode leaves unused must not make a second entry. */
static void add_settings(hash *h, const diffcut_settings *settings) {
    add_field(h, "size_mode", (uint64_t)settings->size_mode);
    if (settings->size_mode == DIFFCUT_SIZE_EXACT) {
        add_field(h, "width", settings->size_width);
        add_field(h, "height", settings->size_height);
    } else if (settings->size_mode != DIFFCUT_SIZE_NATIVE) {
        add_field(h, "size", settings->size);
    }
    add_field(h, "resample", (uint64_t)settings->resample);
    for (uint32_t i = 0; i < settings->timestep_count && i < DIFFCUT_MAX_TIMESTEPS; i++) {
        add_field(h, "timestep", (uint64_t)(uint32_t)settings->timesteps[i]);
    }
    add_field(h, "noise", (uint64_t)settings->noise);
    add_field(h, "seed", settings->seed);
    add_field(h, "average", settings->average);
    add_field(h, "tile", settings->tile);
    add_text(h, settings->hook != NULL ? settings->hook : "");
    add_text(h, settings->prompt != NULL ? settings->prompt : "");
}

static uint8_t digit(char hexadecimal) {
    return (uint8_t)(hexadecimal <= '9' ? hexadecimal - '0' : hexadecimal - 'a' + 10);
}

diffcut_status diffcut_cache_key_make(const char *fingerprint, const diffcut_settings *settings, const void *photo,
                                      size_t size, const char *preparation, diffcut_cache_key *out,
                                      diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (fingerprint == NULL || settings == NULL || out == NULL || (photo == NULL && size > 0)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_cache_key_make: an argument is NULL");
    }
    hash h;
    hash_start(&h, HASH_SHA256);
    add_text(&h, CACHE_RULES);
    add_text(&h, diffcut_version());
    add_text(&h, fingerprint);
    add_settings(&h, settings);
    add_text(&h, preparation != NULL ? preparation : "");
    add_field(&h, "photo", size);
    hash_add(&h, photo, size);
    char text[HASH_TEXT_SIZE];
    hash_finish(&h, text);
    for (size_t i = 0; i < sizeof out->bytes; i++) {
        out->bytes[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
    }
    return DIFFCUT_OK;
}

void diffcut_sha256(const void *data, size_t size, char digest[DIFFCUT_FINGERPRINT_SIZE]) {
    hash h;
    hash_start(&h, HASH_SHA256);
    hash_add(&h, data, size);
    hash_finish(&h, digest);
}
