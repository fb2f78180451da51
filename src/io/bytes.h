/*
 * bytes.h - a growing run of bytes, the sink of every encoder.
 *
 * Failure is sticky: once an allocation fails, appending does nothing, and bytes_finish reports it. So an encoder
 * appends freely and checks once. Called by png, npy, coco,
 * safetensors_write.
 */
#ifndef DIFFCUT_IO_BYTES_H
#define DIFFCUT_IO_BYTES_H

#include "core/status.h"

typedef struct bytes {
    uint8_t *data;
    size_t size, capacity;
    size_t wanted; /* what the failed allocation asked for; 0 while there was none */
} bytes;

/* False once an allocation has failed. */
bool bytes_ok(const bytes *sink);

/* Makes room for `more` further bytes at once. */
bool bytes_reserve(bytes *sink, size_t more);
void bytes_append(bytes *sink, const void *data, size_t size);
void bytes_text(bytes *sink, const char *text);
void bytes_number(bytes *sink, uint64_t number);

/* count values of 32 bits (float, int32), little-endian whatever the machine. */
void bytes_items32(bytes *sink, const void *items, size_t count);

/* A JSON string with its quotes. Each byte that is not part of valid UTF-8 becomes U+FFFD, so the result is valid
 * JSON whatever a file is called. */
void bytes_json_string(bytes *sink, const char *text);

/* Hands the bytes to *out, or frees them and returns DIFFCUT_ERROR_MEMORY; the sink is empty afterwards. */
diffcut_status bytes_finish(bytes *sink, const char *what, diffcut_buffer *out, diffcut_diagnostics *diag);
void bytes_free(bytes *sink);

#endif
