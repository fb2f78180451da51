/*
 * multipart.h - the photo in a form that was sent as multipart/form-data (RFC 7578, RFC 2046 section 5.1).
 *
 * Strict: one part, named "photo"; a missing boundary, header or end is refused. The whole body is in memory already,
 * its size being limited. Called by request.c.
 */
#ifndef DIFFCUT_TOOLS_SERVE_MULTIPART_H
#define DIFFCUT_TOOLS_SERVE_MULTIPART_H

#include "problem.h"

/* Where in the body the photo's bytes are. type is the request's Content-Type. */
bool multipart_photo(const char *type, const char *body, size_t size, const char **photo, size_t *photo_size,
                     problem *out);

#endif
