/*
 * fuzz_tar.c - the reader of tar archives on any bytes, handed over in pieces of any size: it ends, with an error
 * that says where; and what the writer makes of its members reads back the same.
 */
#include <stdlib.h>
#include <string.h>

#include "tar_read.h"
#include "tar_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct stream {
    const uint8_t *data;
    size_t size, at, piece;
} stream;

static ssize_t read_stream(void *user, void *data, size_t size) {
    stream *s = user;
    size_t count = s->size - s->at < size ? s->size - s->at : size;
    count = count < s->piece ? count : s->piece;
    memcpy(data, s->data + s->at, count);
    s->at += count;
    return (ssize_t)count;
}

static void check(int kept) {
    if (!kept) {
        __builtin_trap();
    }
}

/* All members; those of plain files are written to `out` again. */
static tar_result read_all(stream s, text *out, size_t *files) {
    tar_reader reader;
    tar_result result;
    tar_open(&reader, read_stream, &s);
    while ((result = tar_next(&reader)) != TAR_END && result != TAR_BAD) {
        check(reader.name.length > 0 && strlen(text_string(&reader.name)) > 0);
        if (result == TAR_FILE && reader.size % 3 != 0) { /* others are passed over */
            uint8_t *bytes = tar_data(&reader);
            check(bytes != NULL || reader.message.length > 0);
            if (bytes != NULL) {
                tar_add_file(out, text_string(&reader.name), bytes, (size_t)reader.size);
                (*files)++;
            }
            free(bytes);
        }
    }
    check(result == TAR_END || reader.message.length > 0);
    check(tar_next(&reader) == result);
    tar_close(&reader);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    text written = {0};
    text again = {0};
    size_t files = 0;
    size_t files_again = 0;
    (void)read_all((stream){data, size, 0, size > 0 ? 1 + data[0] * (size_t)7 : 1}, &written, &files);
    tar_add_end(&written);
    const stream second = {(const uint8_t *)written.data, written.length, 0, 1 << 20};
    check(read_all(second, &again, &files_again) == TAR_END && files == files_again);
    tar_add_end(&again);
    check(again.length == written.length && memcmp(again.data, written.data, again.length) == 0);
    text_free(&written);
    text_free(&again);
    return 0;
}
