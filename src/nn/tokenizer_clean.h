/*
 * tokenizer_clean.h - how open_clip's tokenizer cleans a text before it is split: after ftfy's fix_text (ligatures,
 * full and half width, straight quotes, line breaks, control characters, NFC) come HTML entities, twice, and lower
 * case.
 *
 * Followed: all of these. Not followed: ftfy's guess that a text was decoded in a wrong encoding ("schÃ¶n"), its
 * terminal escapes, half-width Hangul, and Python's final sigma. HTML entities are the 252 of HTML 4 and numbers, not
 * the 2,231 of HTML 5. Called by nn/tokenizer.
 */
#ifndef DIFFCUT_NN_TOKENIZER_CLEAN_H
#define DIFFCUT_NN_TOKENIZER_CLEAN_H

#include <stddef.h>
#include <stdint.h>

#define TOKENIZER_CLEAN_GROWTH 8 /* code points of room for each byte that the text has in UTF-8 */

/* Cleans count code points of text in place; text and scratch both have that room. Returns how many are left. Spaces
 * at the ends and runs of them are left alone: words do not see them. */
size_t tokenizer_clean(uint32_t *text, size_t count, uint32_t *scratch);

#endif
