/*
 * spng_context.h - libspng on our allocator, and its errors as ours. Called by png_read.c and png_write.c only.
 */
#ifndef DIFFCUT_IO_SPNG_CONTEXT_H
#define DIFFCUT_IO_SPNG_CONTEXT_H

#include <spng.h>

#include "core/status.h"

/* flags as spng_ctx_new's; NULL when there is no memory. Freed by spng_ctx_free. */
spng_ctx *spng_context_new(int flags);

/* A libspng error code as a status with a message. */
diffcut_status spng_context_fail(int code, diffcut_diagnostics *diag);

#endif
