/*
 * status.h - the one error path: a status returned, one message kept.
 *
 * Every function in src/ that can fail takes a diffcut_diagnostics (never NULL inside the library; the public entry
 * points replace a caller's NULL by a local one) and returns `return diag_fail(diag, STATUS, "what, where", ...)`.
 * Called by every room.
 */
#ifndef DIFFCUT_CORE_STATUS_H
#define DIFFCUT_CORE_STATUS_H

#include "diffcut/diffcut.h"

/* Writes the message (printf style, cut to the buffer) and returns status. */
__attribute__((format(printf, 3, 4))) diffcut_status diag_fail(diffcut_diagnostics *diag, diffcut_status status,
                                                               const char *format, ...);

/* DIFFCUT_ERROR_MEMORY with the size that was asked for and what it was for. */
diffcut_status diag_no_memory(diffcut_diagnostics *diag, size_t bytes, const char *what);

/* Puts "prefix: " before the message already there: a caller adds the file or the layer. Returns status. */
diffcut_status diag_prefix(diffcut_diagnostics *diag, diffcut_status status, const char *prefix);

void diag_clear(diffcut_diagnostics *diag);

#endif
