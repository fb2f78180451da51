/*
 * photo.h - photos and files read from a path or, for "-", from standard input; results written to a path or stdout.
 *
 * Called by segment, features, cut, refine and bench.
 */
#ifndef DIFFCUT_TOOLS_PHOTO_H
#define DIFFCUT_TOOLS_PHOTO_H

#include "diffcut/diffcut.h"

/* How a path is called in messages: "standard input" for "-". */
const char *photo_name(const char *path);

/* The file's bytes (malloc'ed for "-", so both are freed by photo_bytes_free). */
typedef struct photo_bytes {
    uint8_t *data;
    size_t size;
    diffcut_buffer buffer; /* owns data where it came from a path */
} photo_bytes;

diffcut_status photo_read_bytes(const char *path, photo_bytes *out, diffcut_diagnostics *diagnostics);
void photo_bytes_free(photo_bytes *bytes);

/* Reads and decodes. file_bytes, the size of the file, may be NULL. */
diffcut_status photo_read(const char *path, const diffcut_decode_limits *limits, diffcut_image *out,
                          uint64_t *file_bytes, diffcut_diagnostics *diagnostics);

/* A label map as the file that a path's ending asks for: .npy an array, any other a PNG. */
diffcut_status photo_encode_labels(const char *path, const diffcut_labels *labels, diffcut_buffer *out,
                                   diffcut_diagnostics *diagnostics);

/* Writes a result to a path (whole or not at all) or, for "-", to stdout, which must be no terminal. */
diffcut_status photo_write_result(const char *path, const diffcut_buffer *result, bool replace,
                                  diffcut_diagnostics *diagnostics);

#endif
