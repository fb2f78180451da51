/* hash.c - see hash.h. The names are those of FIPS 180-4, sections 4 to 6. */
#include "hub/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint32_t rotate_left(uint32_t x, unsigned count) {
    return x << count | x >> (32 - count);
}

static uint32_t rotate_right(uint32_t x, unsigned count) {
    return x >> count | x << (32 - count);
}

static uint32_t big_endian(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Section 6.2.2; the constants are the first 32 bits of the cube roots' fractions of the first 64 primes. */
static void sha256_block(uint32_t state[8], const uint8_t block[HASH_BLOCK]) {
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
    uint32_t w[64];
    for (size_t t = 0; t < 16; t++) {
        w[t] = big_endian(block + 4 * t);
    }
    for (size_t t = 16; t < 64; t++) {
        const uint32_t s0 = rotate_right(w[t - 15], 7) ^ rotate_right(w[t - 15], 18) ^ w[t - 15] >> 3;
        const uint32_t s1 = rotate_right(w[t - 2], 17) ^ rotate_right(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = w[t - 16] + s0 + w[t - 7] + s1;
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (size_t t = 0; t < 64; t++) {
        const uint32_t sum1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
        const uint32_t first = h + sum1 + ((e & f) ^ (~e & g)) + k[t] + w[t];
        const uint32_t sum0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
        const uint32_t second = sum0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + first;
        d = c;
        c = b;
        b = a;
        a = first + second;
    }
    const uint32_t worked[8] = {a, b, c, d, e, f, g, h};
    for (size_t i = 0; i < 8; i++) {
        state[i] += worked[i];
    }
}

/* Section 6.1.2. */
static void sha1_block(uint32_t state[8], const uint8_t block[HASH_BLOCK]) {
    uint32_t w[80];
    for (size_t t = 0; t < 16; t++) {
        w[t] = big_endian(block + 4 * t);
    }
    for (size_t t = 16; t < 80; t++) {
        w[t] = rotate_left(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (size_t t = 0; t < 80; t++) {
        uint32_t mixed;
        if (t < 20) {
            mixed = ((b & c) ^ (~b & d)) + 0x5a827999;
        } else if (t < 40) {
            mixed = (b ^ c ^ d) + 0x6ed9eba1;
        } else if (t < 60) {
            mixed = ((b & c) ^ (b & d) ^ (c & d)) + 0x8f1bbcdc;
        } else {
            mixed = (b ^ c ^ d) + 0xca62c1d6;
        }
        const uint32_t next = rotate_left(a, 5) + mixed + e + w[t];
        e = d;
        d = c;
        c = rotate_left(b, 30);
        b = a;
        a = next;
    }
    const uint32_t worked[5] = {a, b, c, d, e};
    for (size_t i = 0; i < 5; i++) {
        state[i] += worked[i];
    }
}

static void add_block(hash *h, const uint8_t block[HASH_BLOCK]) {
    if (h->kind == HASH_SHA256) {
        sha256_block(h->state, block);
    } else {
        sha1_block(h->state, block);
    }
}

void hash_start(hash *h, hash_kind kind) {
    static const uint32_t sha256[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    static const uint32_t sha1[8] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    *h = (hash){.kind = kind};
    memcpy(h->state, kind == HASH_SHA256 ? sha256 : sha1, sizeof h->state);
}

void hash_start_git_blob(hash *h, uint64_t size) {
    char head[32];
    const int length = snprintf(head, sizeof head, "blob %" PRIu64, size);
    hash_start(h, HASH_SHA1);
    hash_add(h, head, (size_t)length + 1); /* with its NUL */
}

void hash_add(hash *h, const void *data, size_t size) {
    const uint8_t *at = data;
    const size_t held = h->bytes % HASH_BLOCK;
    h->bytes += size;
    if (held > 0) {
        const size_t wanted = HASH_BLOCK - held;
        const size_t taken = size < wanted ? size : wanted;
        memcpy(h->block + held, at, taken);
        if (taken < wanted) {
            return;
        }
        add_block(h, h->block);
        at += taken;
        size -= taken;
    }
    for (; size >= HASH_BLOCK; size -= HASH_BLOCK, at += HASH_BLOCK) {
        add_block(h, at);
    }
    if (size > 0) {
        memcpy(h->block, at, size);
    }
}

void hash_finish(hash *h, char text[HASH_TEXT_SIZE]) {
    const uint64_t bits = h->bytes * 8;
    const size_t held = h->bytes % HASH_BLOCK;
    /* Section 5.1.1: a one, zeros, and the length in bits at the end of a block. */
    uint8_t padding[2 * HASH_BLOCK] = {0x80};
    const size_t length = held < HASH_BLOCK - 8 ? HASH_BLOCK - held : 2 * HASH_BLOCK - held;
    for (size_t i = 0; i < 8; i++) {
        padding[length - 1 - i] = (uint8_t)(bits >> (8 * i));
    }
    hash_add(h, padding, length);
    for (size_t i = 0; i < (size_t)h->kind / 4; i++) {
        (void)snprintf(text + 8 * i, 9, "%08" PRIx32, h->state[i]);
    }
}
