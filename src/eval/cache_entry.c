/* cache_entry.c - see cache_entry.h. */
#include "eval/cache_entry.h"

#include "core/memory.h"
#include "segment/features.h"

#include <string.h>

#define KEY_AT 8
#define SIDES_AT 40
#define CHECKSUM_AT 56
#define MAX_CHANNELS ((uint32_t)1 << 20)

static const char magic[KEY_AT] = {'D', 'C', 'F', 'E', 'A', 'T', '1', '\n'};

/* Odd constants from the binary digits of pi: any odd multiplier is a bijection, these mix well. */
static const uint64_t lane_multiplier = UINT64_C(0x243F6A8885A308D3);
static const uint64_t end_multiplier = UINT64_C(0x13198A2E03707345);

static uint64_t read_le64(const uint8_t *bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < 8; i++) {
        value |= (uint64_t)bytes[i] << 8 * i;
    }
    return value;
}

static void write_le(uint8_t *bytes, uint64_t value, size_t count) {
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(value >> 8 * i);
    }
}

static uint64_t rotate(uint64_t x, unsigned count) {
    return x << count | x >> (64 - count);
}

/* Each step is a bijection of the lane for a given word, so that no single changed word can go unseen. */
static uint64_t mix(uint64_t lane, uint64_t word) {
    return rotate((lane ^ word) * lane_multiplier, 29);
}

uint64_t cache_checksum(const uint8_t *data, size_t size, uint64_t seed) {
    uint64_t lanes[4] = {seed, seed + 1, seed + 2, seed + 3};
    size_t at = 0;
    for (; at + 32 <= size; at += 32) {
        for (size_t i = 0; i < 4; i++) {
            lanes[i] = mix(lanes[i], read_le64(data + at + 8 * i));
        }
    }
    uint8_t rest[32] = {0};
    memcpy(rest, data + at, size - at);
    for (size_t i = 0; i < 4; i++) {
        lanes[i] = mix(lanes[i], read_le64(rest + 8 * i));
    }
    uint64_t sum = size;
    for (size_t i = 0; i < 4; i++) {
        sum = (sum ^ lanes[i]) * end_multiplier;
        sum ^= sum >> 32;
    }
    return sum;
}

/* Over the header before the checksum, then the values. */
static uint64_t entry_checksum(const uint8_t *file, size_t size) {
    return cache_checksum(file + CACHE_HEADER_BYTES, size - CACHE_HEADER_BYTES, cache_checksum(file, CHECKSUM_AT, 0));
}

/* Float32 to and from little-endian words; on the machines there are, the same bytes. */
static void copy_words(void *out, const void *in, size_t count) {
    const uint16_t probe = 1;
    uint8_t first;
    memcpy(&first, &probe, 1);
    if (first == 1) {
        memcpy(out, in, count * sizeof(float));
        return;
    }
    const uint8_t *from = in;
    uint8_t *to = out;
    for (size_t i = 0; i < 4 * count; i++) {
        to[i] = from[i ^ 3];
    }
}

diffcut_status cache_entry_encode(const diffcut_cache_key *key, const diffcut_features *features, uint8_t **file,
                                  size_t *size, diffcut_diagnostics *diag) {
    const size_t values = (size_t)features->height * features->width * features->channels;
    const size_t bytes = CACHE_HEADER_BYTES + values * sizeof(float); /* features in memory: no overflow */
    uint8_t *out = mem_array(bytes, 1);
    if (out == NULL) {
        return diag_no_memory(diag, bytes, "a cache entry");
    }
    memset(out, 0, CACHE_HEADER_BYTES);
    memcpy(out, magic, sizeof magic);
    memcpy(out + KEY_AT, key->bytes, sizeof key->bytes);
    write_le(out + SIDES_AT, features->height, 4);
    write_le(out + SIDES_AT + 4, features->width, 4);
    write_le(out + SIDES_AT + 8, features->channels, 4);
    copy_words(out + CACHE_HEADER_BYTES, features->data, values);
    write_le(out + CHECKSUM_AT, entry_checksum(out, bytes), 8);
    *file = out;
    *size = bytes;
    return DIFFCUT_OK;
}

diffcut_status cache_entry_decode(const diffcut_cache_key *key, const uint8_t *file, size_t size,
                                  diffcut_features **out, diffcut_diagnostics *diag) {
    if (size < CACHE_HEADER_BYTES || memcmp(file, magic, sizeof magic) != 0 ||
        memcmp(file + KEY_AT, key->bytes, sizeof key->bytes) != 0 ||
        read_le64(file + CHECKSUM_AT) != entry_checksum(file, size)) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "a damaged or foreign cache entry");
    }
    const uint64_t sides = read_le64(file + SIDES_AT);
    const uint32_t height = (uint32_t)sides;
    const uint32_t width = (uint32_t)(sides >> 32);
    const uint32_t channels = (uint32_t)read_le64(file + SIDES_AT + 8);
    const uint64_t tokens = (uint64_t)height * width;
    if (height == 0 || width == 0 || channels == 0 || tokens > FEATURES_MAX_TOKENS || channels > MAX_CHANNELS ||
        tokens * channels * sizeof(float) != size - CACHE_HEADER_BYTES) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "a cache entry of another size than it says");
    }
    const size_t values = (size_t)(tokens * channels);
    diffcut_features *features = mem_array_zero(1, sizeof *features);
    float *data = mem_array(values, sizeof *data);
    if (features == NULL || data == NULL) {
        mem_free(features);
        mem_free(data);
        return diag_no_memory(diag, values * sizeof *data, "features");
    }
    copy_words(data, file + CACHE_HEADER_BYTES, values);
    *features = (diffcut_features){.height = height, .width = width, .channels = channels, .data = data};
    *out = features;
    return DIFFCUT_OK;
}
