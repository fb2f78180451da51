/*
 * unicode_tables.h - the tables behind unicode.c, each sorted by its first field. Called by unicode.c only.
 */
#ifndef DIFFCUT_NN_UNICODE_TABLES_H
#define DIFFCUT_NN_UNICODE_TABLES_H

#include <stddef.h>
#include <stdint.h>

typedef struct unicode_range {
    uint32_t first, last;
} unicode_range;

/* Every `step`-th code point becomes itself + distance. */
typedef struct unicode_case {
    uint32_t first, last;
    uint32_t step;
    int32_t distance;
} unicode_case;

/* Canonical combining class; 0 where there is no entry. */
typedef struct unicode_class {
    uint32_t first, last;
    uint32_t value;
} unicode_class;

/* Canonical decomposition; second is 0 when it is one code point. */
typedef struct unicode_pair {
    uint32_t code, first, second;
} unicode_pair;

extern const unicode_range unicode_letters[], unicode_numbers[];
extern const size_t unicode_letters_count, unicode_numbers_count;
extern const unicode_case unicode_lower_case[];
extern const size_t unicode_lower_case_count;
extern const unicode_class unicode_classes[];
extern const size_t unicode_classes_count;
extern const unicode_pair unicode_pairs[];
extern const size_t unicode_pairs_count;
/* Places in unicode_pairs of those that compose again, sorted by (first, second). */
extern const uint16_t unicode_composites[];
extern const size_t unicode_composites_count;

#endif
