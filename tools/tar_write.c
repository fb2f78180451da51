/* tar_write.c - see tar_write.h. */
#include "tar_write.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 512, SHORT_NAME = 100 };

/* Numbers are octal digits that fill their field but for its last byte. 8 GiB and more do not fit twelve. */
static void put_octal(char *field, size_t size, uint64_t value) {
    char digits[32];
    (void)snprintf(digits, sizeof digits, "%0*llo", (int)size - 1, (unsigned long long)value);
    memcpy(field, digits, size - 1);
}

static void add_header(text *out, const char *name, char type, size_t size) {
    char block[BLOCK] = {0};
    const size_t length = strlen(name);
    memcpy(block, name, length < SHORT_NAME ? length : SHORT_NAME);
    put_octal(block + 100, 8, 0644); /* mode */
    put_octal(block + 108, 8, 0);    /* owner, group */
    put_octal(block + 116, 8, 0);
    put_octal(block + 124, 12, size);
    put_octal(block + 136, 12, 0); /* time */
    memset(block + 148, ' ', 8);
    block[156] = type;
    memcpy(block + 257,
           "ustar\0"
           "00",
           8);
    unsigned sum = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        sum += (unsigned char)block[i];
    }
    put_octal(block + 148, 7, sum); /* six digits, NUL, space */
    block[154] = '\0';
    text_add_bytes(out, block, sizeof block);
}

static void add_data(text *out, const void *data, size_t size) {
    static const char zeros[BLOCK];
    text_add_bytes(out, data, size);
    text_add_bytes(out, zeros, (BLOCK - size % BLOCK) % BLOCK);
}

/* "LENGTH path=NAME\n", whose length counts its own digits. */
static void add_long_name(text *out, const char *name) {
    text record = {0};
    const size_t rest = strlen(" path=\n") + strlen(name);
    size_t length = rest + 1;
    while ((size_t)snprintf(NULL, 0, "%zu", length) + rest != length) {
        length++;
    }
    text_print(&record, "%zu path=", length);
    text_add(&record, name);
    text_add(&record, "\n");
    out->failed = out->failed || record.failed;
    add_header(out, "pax/header", 'x', record.length);
    add_data(out, text_string(&record), record.length);
    text_free(&record);
}

void tar_add_file(text *out, const char *name, const void *data, size_t size) {
    if (strlen(name) > SHORT_NAME) {
        add_long_name(out, name);
    }
    add_header(out, name, '0', size);
    add_data(out, data, size);
}

void tar_add_end(text *out) {
    static const char zeros[2 * BLOCK];
    text_add_bytes(out, zeros, sizeof zeros);
}
