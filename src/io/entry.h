/*
 * entry.h - what a public function without a session does with its diagnostics: a caller's NULL becomes a local one,
 * and the message is empty until something fails. Called by the public entry points of io/ and segment/labels.c.
 */
#ifndef DIFFCUT_IO_ENTRY_H
#define DIFFCUT_IO_ENTRY_H

#include "core/status.h"

static inline diffcut_diagnostics *entry_diag(diffcut_diagnostics *callers, diffcut_diagnostics *local) {
    diffcut_diagnostics *diag = callers != NULL ? callers : local;
    diag_clear(diag);
    return diag;
}

#endif
