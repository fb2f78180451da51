/* values.c - see values.h. */
#include "values.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool only(const char *string, const char *allowed) {
    return string[0] != '\0' && strspn(string, allowed) == strlen(string);
}

bool value_real(const char *string, double *out) {
    if (!only(string, "0123456789.+-eE")) {
        return false;
    }
    char *end = NULL;
    const double value = strtod(string, &end);
    if (*end != '\0' || !isfinite(value)) {
        return false;
    }
    *out = value;
    return true;
}

bool value_unsigned(const char *string, uint64_t *out) {
    if (!only(string, "0123456789")) {
        return false;
    }
    errno = 0;
    const unsigned long long value = strtoull(string, NULL, 10);
    if (errno != 0) {
        return false;
    }
    *out = value;
    return true;
}

bool value_signed(const char *string, int64_t *out) {
    uint64_t magnitude = 0;
    const bool negative = string[0] == '-';
    if (!value_unsigned(string + (negative ? 1 : 0), &magnitude) || magnitude > INT64_MAX) {
        return false;
    }
    *out = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

bool value_width_height(const char *string, uint32_t *width, uint32_t *height) {
    char side[24];
    const char *cross = strchr(string, 'x');
    if (cross == NULL || (size_t)(cross - string) >= sizeof side) {
        return false;
    }
    memcpy(side, string, (size_t)(cross - string));
    side[cross - string] = '\0';
    uint64_t w = 0;
    uint64_t h = 0;
    if (!value_unsigned(side, &w) || !value_unsigned(cross + 1, &h) || w == 0 || h == 0 || w > UINT32_MAX ||
        h > UINT32_MAX) {
        return false;
    }
    *width = (uint32_t)w;
    *height = (uint32_t)h;
    return true;
}

bool value_list_item(const char *string, size_t index, char *item, size_t item_size) {
    const char *start = string;
    for (size_t i = 0; i < index; i++) {
        start = strchr(start, ',');
        if (start == NULL) {
            return false;
        }
        start++;
    }
    const size_t length = strcspn(start, ",");
    if (length >= item_size) { /* longer than any value can be: kept invalid */
        item[0] = '\0';
        return true;
    }
    memcpy(item, start, length);
    item[length] = '\0';
    return true;
}

int value_choice(const char *string, const char *choices) {
    const size_t length = strcspn(string, "|");
    if (length == 0 || string[length] != '\0') {
        return -1;
    }
    int index = 0;
    for (const char *choice = choices; choice != NULL; index++) {
        if (strncmp(choice, string, length) == 0 && (choice[length] == '|' || choice[length] == '\0')) {
            return index;
        }
        choice = strchr(choice, '|');
        choice = choice != NULL ? choice + 1 : NULL;
    }
    return -1;
}
