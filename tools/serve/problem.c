/* problem.c - see problem.h. */
#include "problem.h"

#include <stdarg.h>
#include <stdio.h>

#include "console.h"

bool problem_set(problem *p, unsigned status, const char *code, const char *field, const char *format, ...) {
    *p = (problem){.status = status, .code = code};
    if (field != NULL) {
        (void)snprintf(p->field, sizeof p->field, "%s", field);
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(p->message, sizeof p->message, format, args);
    va_end(args);
    return false;
}

void problem_from_status(problem *p, diffcut_status status, const char *message) {
    switch (status) {
    case DIFFCUT_ERROR_ARGUMENT:
        (void)problem_set(p, 422, "bad_value", NULL, "%s", message);
        return;
    case DIFFCUT_ERROR_FORMAT:
        (void)problem_set(p, 422, "not_a_photo", "photo", "%s", message);
        return;
    case DIFFCUT_ERROR_UNSUPPORTED:
        (void)problem_set(p, 422, "unsupported", NULL, "%s", message);
        return;
    case DIFFCUT_ERROR_LIMIT:
        (void)problem_set(p, 413, "too_large", "photo", "%s", message);
        return;
    case DIFFCUT_ERROR_MEMORY:
        (void)problem_set(p, 503, "out_of_memory", NULL, "there is not enough memory for this now");
        p->retry_after = 5;
        break;
    case DIFFCUT_ERROR_CANCELLED:
        (void)problem_set(p, 503, "cancelled", NULL, "the work was cancelled");
        return;
    default:
        (void)problem_set(p, 500, "failed", NULL, "the server could not do this; its log says why");
        break;
    }
    const console says = {0};
    console_error(&says, "serve", message);
}

void problem_fields(const problem *p, text *out) {
    text_add(out, "{\"code\": ");
    json_string(out, p->code);
    text_add(out, ", \"message\": ");
    json_string(out, p->message);
    text_add(out, ", \"field\": ");
    if (p->field[0] != '\0') {
        json_string(out, p->field);
    } else {
        text_add(out, "null");
    }
    text_add(out, "}");
}

void problem_json(const problem *p, text *out) {
    text_add(out, "{\"error\": ");
    problem_fields(p, out);
    text_add(out, "}\n");
}
