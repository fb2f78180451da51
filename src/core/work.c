/* work.c - see work.h. */
#include "core/work.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

double work_clock(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void work_leave(work *w) {
    double now = work_clock();
    if (w->seconds != NULL) {
        w->seconds[w->stage] += now - w->entered;
    }
    w->entered = now;
}

void work_enter(work *w, diffcut_stage stage) {
    work_leave(w);
    w->stage = stage;
}

diffcut_status work_progress(const work *w, double fraction) {
    double whole = w->before + fraction * (1.0 - w->before - w->after);
    if (w->progress != NULL && w->progress(w->progress_user, w->stage, whole) != 0) {
        return diag_fail(w->diag, DIFFCUT_ERROR_CANCELLED, "cancelled during %s", diffcut_stage_name(w->stage));
    }
    return DIFFCUT_OK;
}

work work_part(const work *w, double from, double to) {
    double span = 1.0 - w->before - w->after;
    work part = *w;
    part.before = w->before + from * span;
    part.after = w->after + (1.0 - to) * span;
    return part;
}

void work_dump(const work *w, const char *name, const float *data, const size_t *shape, size_t rank) {
    if (w->dump != NULL) {
        w->dump(w->dump_user, name, data, shape, rank);
    }
}

bool work_dumps(const work *w) {
    return w->dump != NULL;
}

void work_note(const work *w, const char *format, ...) {
    if (w->note == NULL) {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(w->note->message, sizeof w->note->message, format, args);
    va_end(args);
}

const char *diffcut_stage_name(diffcut_stage stage) {
    static const char *const names[DIFFCUT_STAGE_COUNT] = {"features", "affinity", "cut", "assign", "refine"};
    return (int)stage >= 0 && stage < DIFFCUT_STAGE_COUNT ? names[stage] : "unknown";
}
