/* status.c - see status.h. */
#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

diffcut_status diag_fail(diffcut_diagnostics *diag, diffcut_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(diag->message, sizeof diag->message, format, args);
    va_end(args);
    return status;
}

diffcut_status diag_no_memory(diffcut_diagnostics *diag, size_t bytes, const char *what) {
    return diag_fail(diag, DIFFCUT_ERROR_MEMORY, "no memory for %s (%zu bytes)", what, bytes);
}

diffcut_status diag_prefix(diffcut_diagnostics *diag, diffcut_status status, const char *prefix) {
    char message[sizeof diag->message];
    memcpy(message, diag->message, sizeof message);
    return diag_fail(diag, status, "%.200s: %.300s", prefix, message);
}

void diag_clear(diffcut_diagnostics *diag) {
    diag->message[0] = '\0';
}

const char *diffcut_status_string(diffcut_status status) {
    static const char *const strings[DIFFCUT_STATUS_COUNT] = {
        [DIFFCUT_OK] = "success",
        [DIFFCUT_ERROR_ARGUMENT] = "invalid argument",
        [DIFFCUT_ERROR_MEMORY] = "out of memory",
        [DIFFCUT_ERROR_IO] = "input or output failed",
        [DIFFCUT_ERROR_FORMAT] = "malformed data",
        [DIFFCUT_ERROR_UNSUPPORTED] = "not supported",
        [DIFFCUT_ERROR_LIMIT] = "over a limit",
        [DIFFCUT_ERROR_MODEL] = "unusable model",
        [DIFFCUT_ERROR_NUMERIC] = "NaN or infinity",
        [DIFFCUT_ERROR_CANCELLED] = "cancelled",
        [DIFFCUT_ERROR_EXISTS] = "already exists",
    };
    if ((int)status < 0 || status >= DIFFCUT_STATUS_COUNT) {
        return "unknown status";
    }
    return strings[status];
}
