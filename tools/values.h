/*
 * values.h - strict reading of numbers and lists from option arguments.
 *
 * The whole argument must be the value: no spaces, no trailing letters, no "nan", "inf" or hexadecimal. Called by
 * options.c and the option rows that have a form of their own.
 */
#ifndef DIFFCUT_TOOLS_VALUES_H
#define DIFFCUT_TOOLS_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool value_real(const char *string, double *out);
bool value_unsigned(const char *string, uint64_t *out);
bool value_signed(const char *string, int64_t *out);

/* "WxH" with both sides above 0. */
bool value_width_height(const char *string, uint32_t *width, uint32_t *height);

/* Copies the comma-separated item `index` of string into item; false when there is no such item. Empty items are
 * returned as "", so that "1,,2" is seen as the mistake it is. */
bool value_list_item(const char *string, size_t index, char *item, size_t item_size);

/* The index of string in "one|two|three", -1 if it is none of them. */
int value_choice(const char *string, const char *choices);

#endif
