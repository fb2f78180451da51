/* tar_read.c - see tar_read.h. */
#include "tar_read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAME = 1 << 16, MAX_EXTENDED = 1 << 20, PIECE = 1 << 18 };

/* A header block: offsets and sizes of its fields. */
enum { NAME_AT = 0, NAME_SIZE = 100, SIZE_AT = 124, TIME_AT = 136, NUMBER_SIZE = 12 };
enum { SUM_AT = 148, SUM_SIZE = 8, TYPE_AT = 156, MAGIC_AT = 257, PREFIX_AT = 345, PREFIX_SIZE = 155 };

/* What extended headers say of the next member. */
typedef struct pending {
    text name; /* "" where nothing was said */
    bool has_size, has_time;
    uint64_t size;
    int64_t modified;
} pending;

void tar_open(tar_reader *reader, tar_read_fn read, void *user) {
    *reader = (tar_reader){.read = read, .user = user};
}

void tar_close(tar_reader *reader) {
    text_free(&reader->name);
    text_free(&reader->message);
    text_free(&reader->extended);
    *reader = (tar_reader){0};
}

static tar_result bad(tar_reader *reader, const char *what) {
    reader->ended = true;
    text_clear(&reader->message);
    text_print(&reader->message, "byte %" PRIu64 ": %s", reader->offset, what);
    return TAR_BAD;
}

/* Exactly size bytes; fewer only at the end. False on an error, which is reported. */
static bool fill(tar_reader *reader, void *data, size_t size, size_t *got) {
    uint8_t *at = data;
    *got = 0;
    while (*got < size) {
        const ssize_t count = reader->read(reader->user, at + *got, size - *got);
        if (count < 0) {
            (void)bad(reader, strerror(errno));
            return false;
        }
        if (count == 0) {
            break;
        }
        *got += (size_t)count;
        reader->offset += (uint64_t)count;
    }
    return true;
}

/* Passes over the rest of the member and its padding. */
static bool skip_rest(tar_reader *reader) {
    uint8_t waste[16384];
    uint64_t left = reader->left + reader->padding;
    reader->left = 0;
    reader->padding = 0;
    while (left > 0) {
        const size_t wanted = left < sizeof waste ? (size_t)left : sizeof waste;
        size_t got = 0;
        if (!fill(reader, waste, wanted, &got)) {
            return false;
        }
        if (got < wanted) {
            (void)bad(reader, "the archive ends within a member");
            return false;
        }
        left -= got;
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------- fields */

/* Octal digits between spaces, ended by a space, NUL or the field's end. An empty field is 0, as old archives have
 * it. */
static bool octal(const uint8_t *field, size_t size, uint64_t *out) {
    size_t i = 0;
    uint64_t value = 0;
    while (i < size && field[i] == ' ') {
        i++;
    }
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++) {
        if (value >> 59 != 0) {
            return false;
        }
        value = value << 3 | (uint64_t)(field[i] - '0');
    }
    for (; i < size; i++) {
        if (field[i] != ' ' && field[i] != '\0') {
            return false;
        }
    }
    *out = value;
    return true;
}

/* Octal, or as GNU tar writes what does not fit: the top bit of the first byte set, the rest a big-endian number. */
static bool number(const uint8_t *field, uint64_t *out) {
    if (field[0] != 0x80) {
        return octal(field, NUMBER_SIZE, out);
    }
    uint64_t value = 0;
    for (size_t i = 1; i < NUMBER_SIZE; i++) {
        if (value >> 55 != 0) {
            return false;
        }
        value = value << 8 | field[i];
    }
    *out = value;
    return true;
}

/* The sum of the block's bytes, its own field counted as spaces. */
static bool sum_is_right(const uint8_t block[TAR_BLOCK]) {
    uint64_t stated = 0;
    uint64_t sum = 0;
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        sum += i >= SUM_AT && i < SUM_AT + SUM_SIZE ? ' ' : block[i];
    }
    return octal(block + SUM_AT, SUM_SIZE, &stated) && stated == sum;
}

static bool is_zero(const uint8_t block[TAR_BLOCK]) {
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        if (block[i] != 0) {
            return false;
        }
    }
    return true;
}

static void add_field(text *out, const uint8_t *field, size_t size) {
    text_add_bytes(out, field, strnlen((const char *)field, size));
}

/* ------------------------------------------------------------------------------------------------- extended headers
 */

/* The data of an extended header, NUL behind it. */
static bool read_extended(tar_reader *reader, uint64_t most) {
    if (reader->size > most) {
        (void)bad(reader, "an extended header is too large");
        return false;
    }
    char piece[4096];
    text_clear(&reader->extended);
    while (reader->left > 0) {
        const size_t wanted = reader->left < sizeof piece ? (size_t)reader->left : sizeof piece;
        size_t got = 0;
        if (!fill(reader, piece, wanted, &got)) {
            return false;
        }
        text_add_bytes(&reader->extended, piece, got);
        reader->left -= got;
        if (got < wanted) {
            (void)bad(reader, "the archive ends within an extended header");
            return false;
        }
    }
    if (reader->extended.failed) {
        (void)bad(reader, "no memory for an extended header");
    }
    return !reader->ended && skip_rest(reader);
}

static bool digits(const char *value, size_t length, uint64_t *out) {
    uint64_t number = 0;
    size_t i = 0;
    for (; i < length && value[i] >= '0' && value[i] <= '9' && number < UINT64_C(1) << 58; i++) {
        number = number * 10 + (uint64_t)(value[i] - '0');
    }
    *out = number;
    return i > 0 && i == length;
}

/* One record's key and value: keeps what matters here. */
static bool take_record(tar_reader *reader, const char *key, size_t key_length, const char *value, size_t length,
                        pending *next) {
    const bool is_path = key_length == 4 && memcmp(key, "path", 4) == 0;
    if (key_length >= 11 && memcmp(key, "GNU.sparse.", 11) == 0) {
        (void)bad(reader, "sparse files are not read");
        return false;
    }
    if (is_path) {
        text_clear(&next->name);
        text_add_bytes(&next->name, value, length);
        if (length == 0 || length > MAX_NAME || memchr(value, '\0', length) != NULL) {
            (void)bad(reader, "an extended header's path is none");
            return false;
        }
    } else if (key_length == 4 && memcmp(key, "size", 4) == 0) {
        next->has_size = digits(value, length, &next->size);
        if (!next->has_size) {
            (void)bad(reader, "an extended header's size is no number");
            return false;
        }
    } else if (key_length == 5 && memcmp(key, "mtime", 5) == 0) {
        uint64_t seconds = 0;
        const char *dot = memchr(value, '.', length);
        next->has_time = digits(value, dot != NULL ? (size_t)(dot - value) : length, &seconds);
        next->modified = (int64_t)seconds;
    }
    return true;
}

/* Records "LENGTH KEY=VALUE\n", LENGTH counting all of it. */
static bool take_pax(tar_reader *reader, pending *next) {
    const char *at = text_string(&reader->extended);
    const char *end = at + reader->extended.length;
    while (at < end) {
        uint64_t length = 0;
        const char *space = memchr(at, ' ', (size_t)(end - at));
        if (space == NULL || !digits(at, (size_t)(space - at), &length) || length > (uint64_t)(end - at) ||
            length < (uint64_t)(space - at) + 3 || at[length - 1] != '\n') {
            (void)bad(reader, "a broken extended header");
            return false;
        }
        const char *key = space + 1;
        const char *last = at + length - 1; /* the newline */
        const char *equals = memchr(key, '=', (size_t)(last - key));
        if (equals == NULL) {
            (void)bad(reader, "a broken extended header");
            return false;
        }
        if (!take_record(reader, key, (size_t)(equals - key), equals + 1, (size_t)(last - equals - 1), next)) {
            return false;
        }
        at += length;
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------- members */

/* A block with the right checksum; zeros end the archive, by two blocks of them. */
static tar_result read_header(tar_reader *reader, uint8_t block[TAR_BLOCK]) {
    for (int zeros = 0;;) {
        size_t got = 0;
        if (!fill(reader, block, TAR_BLOCK, &got)) {
            return TAR_BAD;
        }
        if (got < TAR_BLOCK) {
            return bad(reader, reader->offset == 0 ? "the archive is empty"
                                                   : "the archive ends without its closing blocks: cut short?");
        }
        if (!is_zero(block)) {
            return zeros > 0 ? bad(reader, "a single block of zeros") : TAR_FILE;
        }
        if (++zeros == 2) {
            reader->ended = true;
            return TAR_END;
        }
    }
}

/* Size and type of the block's member; extended headers read too. */
static bool take_header(tar_reader *reader, const uint8_t block[TAR_BLOCK]) {
    uint64_t modified = 0;
    if (!sum_is_right(block)) {
        (void)bad(reader, reader->offset == TAR_BLOCK ? "not a tar archive" : "a header's checksum is wrong");
        return false;
    }
    if (!number(block + SIZE_AT, &reader->size) || reader->size > UINT64_C(1) << 60) {
        (void)bad(reader, "a header's size is no number");
        return false;
    }
    reader->modified = number(block + TIME_AT, &modified) && modified <= INT64_MAX ? (int64_t)modified : 0;
    reader->type = block[TYPE_AT] == 0 ? '0' : (char)block[TYPE_AT];
    return true;
}

static void set_data(tar_reader *reader, uint64_t size) {
    reader->size = size;
    reader->left = size;
    reader->padding = (unsigned)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}

/* The name in the header: with its prefix where the magic is POSIX's own. */
static void take_name(tar_reader *reader, const uint8_t block[TAR_BLOCK], const pending *next) {
    text_clear(&reader->name);
    if (next->name.length > 0) {
        text_add(&reader->name, text_string(&next->name));
        return;
    }
    if (memcmp(block + MAGIC_AT, "ustar\0", 6) == 0 && block[PREFIX_AT] != 0) {
        add_field(&reader->name, block + PREFIX_AT, PREFIX_SIZE);
        text_add(&reader->name, "/");
    }
    add_field(&reader->name, block + NAME_AT, NAME_SIZE);
}

static tar_result take_member(tar_reader *reader, const uint8_t block[TAR_BLOCK], const pending *next) {
    take_name(reader, block, next);
    if (reader->name.failed) {
        return bad(reader, "no memory for a name");
    }
    if (reader->name.length == 0) {
        return bad(reader, "a member without a name");
    }
    reader->modified = next->has_time ? next->modified : reader->modified;
    switch (reader->type) {
    case '0':
    case '7': /* "contiguous": a plain file anywhere but on the system it was made for */
        set_data(reader, next->has_size ? next->size : reader->size);
        return TAR_FILE;
    case '1':
        if (reader->size > 0) {
            return bad(reader, "a hard link with data");
        }
        break;
    case 'S':
        return bad(reader, "sparse files are not read");
    case 'M':
        return bad(reader, "archives of several volumes are not read");
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case 'V': /* their sizes mean no data */
        break;
    default:
        return bad(reader, "a member of unknown kind");
    }
    set_data(reader, 0);
    return TAR_OTHER;
}

/* An extended header's content, into `next`. False where it is none that is known, or is broken. */
static bool take_extended(tar_reader *reader, pending *next, bool *taken) {
    *taken = true;
    switch (reader->type) {
    case 'x':
    case 'g': /* what holds for the whole archive names no member; a sparse file is refused wherever it is said */
        if (!read_extended(reader, MAX_EXTENDED)) {
            return false;
        }
        if (reader->type == 'g') {
            pending all = {0};
            const bool fine = take_pax(reader, &all);
            text_free(&all.name);
            return fine;
        }
        return take_pax(reader, next);
    case 'L':
    case 'K': /* GNU tar's long name of the next member, or of what it links to */
        if (!read_extended(reader, MAX_NAME)) {
            return false;
        }
        if (reader->type == 'L') {
            text_clear(&next->name);
            text_add(&next->name, text_string(&reader->extended));
        }
        return true;
    default:
        *taken = false;
        return true;
    }
}

tar_result tar_next(tar_reader *reader) {
    uint8_t block[TAR_BLOCK];
    pending next = {0};
    tar_result result = TAR_BAD;
    bool taken = true;
    if (reader->ended) {
        return reader->message.length > 0 ? TAR_BAD : TAR_END;
    }
    if (!skip_rest(reader)) {
        return TAR_BAD;
    }
    while (taken) {
        result = read_header(reader, block);
        if (result != TAR_FILE) {
            break;
        }
        result = TAR_BAD;
        if (!take_header(reader, block)) {
            break;
        }
        set_data(reader, reader->size);
        if (!take_extended(reader, &next, &taken)) {
            break;
        }
        if (!taken) {
            result = next.name.failed ? bad(reader, "no memory for a name") : take_member(reader, block, &next);
        }
    }
    text_free(&next.name);
    return result;
}

uint8_t *tar_data(tar_reader *reader) {
    size_t capacity = 0;
    size_t size = 0;
    uint8_t *data = NULL;
    do {
        const size_t more = reader->left < PIECE ? (size_t)reader->left : PIECE;
        if (size + more >= capacity) { /* one byte more, so that an empty file has memory too */
            capacity = 2 * (size + more) + 1;
            uint8_t *larger = realloc(data, capacity);
            if (larger == NULL) {
                (void)bad(reader, "no memory for a member");
                break;
            }
            data = larger;
        }
        size_t got = 0;
        if (!fill(reader, data + size, more, &got)) {
            break;
        }
        size += got;
        reader->left -= got;
        if (got < more) {
            (void)bad(reader, "the archive ends within a member");
            break;
        }
    } while (reader->left > 0);
    if (!reader->ended) {
        return data;
    }
    free(data);
    return NULL;
}
