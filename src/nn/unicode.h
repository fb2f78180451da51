/*
 * unicode.h - what the tokenizer asks of Unicode: UTF-8, letters, numbers, spaces, lower case, NFC.
 *
 * After the Unicode Standard, sections 3.9 (UTF-8), 3.11 and 3.12 (normalization, Hangul) and its character database
 * in the version that unicode_tables.c names. Lower case is that of one code point: a sigma at a word's end is not
 * looked at. Called by nn/tokenizer and nn/tokenizer_clean.
 */
#ifndef DIFFCUT_NN_UNICODE_H
#define DIFFCUT_NN_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNICODE_NFC_GROWTH 4 /* code points that one may become in unicode_nfc, at most */
#define UNICODE_LOWER_GROWTH 2

/* Reads one code point at text[*at] and moves on; false, without moving, at a byte that starts no valid sequence
 * (shortest form, no surrogates, up to U+10FFFF). The text ends at its NUL. */
bool unicode_decode(const char *text, size_t *at, uint32_t *code);
/* Writes a code point as 1 .. 4 bytes; returns how many. */
size_t unicode_encode(uint32_t code, char out[4]);

bool unicode_is_letter(uint32_t code); /* general category L */
bool unicode_is_number(uint32_t code); /* N */
bool unicode_is_space(uint32_t code);  /* property White_Space */

/* out may not be in; both return how many code points they wrote, at most count times their growth. */
size_t unicode_lower(const uint32_t *in, size_t count, uint32_t *out);
/* Normalization form C. */
size_t unicode_nfc(const uint32_t *in, size_t count, uint32_t *out);

#endif
