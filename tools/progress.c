/* progress.c - see progress.h. */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { BAR_CELLS = 24, REDRAW_MILLISECONDS = 100 };

double progress_clock(void) {
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

bool progress_possible(void) {
    const char *terminal = getenv("TERM");
    return isatty(STDERR_FILENO) == 1 && terminal != NULL && strcmp(terminal, "dumb") != 0;
}

void progress_start(progress *p, uint64_t total) {
    *p = (progress){.enabled = true, .total = total, .started = progress_clock()};
}

void progress_photo(progress *p, const char *name) {
    p->name = name;
    p->renamed = true;
}

void progress_photo_done(progress *p, bool worked) {
    p->done++;
    p->worked += worked ? 1 : 0;
}

void progress_erase(progress *p) {
    if (p->shown) {
        (void)fputs("\r\033[K", stderr);
        (void)fflush(stderr);
        p->shown = false;
    }
}

/* How much of a photo is done: the encoder is most of the work of a large model, the refinement of a small one. */
static double photo_fraction(diffcut_stage stage, double fraction) {
    static const double starts[DIFFCUT_STAGE_COUNT + 1] = {0.0, 0.70, 0.73, 0.80, 0.85, 1.0};
    const unsigned index = (unsigned)stage < DIFFCUT_STAGE_COUNT ? (unsigned)stage : 0;
    const double within = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
    return starts[index] + within * (starts[index + 1] - starts[index]);
}

static void add_time_left(text *out, double seconds) {
    const unsigned long whole = (unsigned long)(seconds + 0.5);
    if (whole >= 3600) {
        text_print(out, "%lu:%02lu:%02lu left", whole / 3600, whole / 60 % 60, whole % 60);
    } else {
        text_print(out, "%lu:%02lu left", whole / 60, whole % 60);
    }
}

static void add_bar(text *out, double share) {
    const int cells = (int)(share * BAR_CELLS);
    text_add(out, "[");
    for (int cell = 0; cell < BAR_CELLS; cell++) {
        text_add(out, cell < cells ? "#" : " ");
    }
    text_add(out, "] ");
}

/* The rate counts photos that took work, so that a resumed batch does not promise the speed of skipping. */
static void add_rate(const progress *p, double part, double now, text *out) {
    const double elapsed = now - p->started;
    const double worked = (double)p->worked + part;
    if (elapsed < 1 || worked < 0.05) {
        return;
    }
    const double rate = worked / elapsed; /* photos a second */
    text_print(out, rate >= 1 ? "  %.1f photos/s" : "  %.1f s/photo", rate >= 1 ? rate : 1 / rate);
    if (p->total > 0) {
        text_add(out, "  ");
        const double left = (double)p->total - (double)p->done - part;
        add_time_left(out, left > 0 ? left / rate : 0);
    }
}

void progress_render(const progress *p, diffcut_stage stage, double fraction, double now, unsigned columns,
                     text *out) {
    const double part = photo_fraction(stage, fraction);
    if (p->total > 0) {
        const double share = ((double)p->done + part) / (double)p->total;
        add_bar(out, share > 1 ? 1 : share);
        text_print(out, "%llu/%llu", (unsigned long long)p->done, (unsigned long long)p->total);
    } else {
        text_print(out, "%llu photos", (unsigned long long)p->done);
    }
    add_rate(p, part, now, out);
    text_print(out, "  %s: %s", p->name != NULL ? p->name : "", diffcut_stage_name(stage));
    for (size_t i = 0; i < out->length; i++) { /* names may hold anything: nothing may move the cursor */
        if ((unsigned char)out->data[i] < 0x20 || out->data[i] == 0x7F) {
            out->data[i] = '?';
        }
    }
    if (out->length >= columns && columns > 0) {
        out->length = columns - 1;
        out->data[out->length] = '\0';
    }
}

void progress_stage(progress *p, diffcut_stage stage, double fraction) {
    const double now = progress_clock();
    /* Each photo is named at least once, however quick it is. */
    if (!p->enabled || (p->shown && !p->renamed && (now - p->drawn) * 1000 < REDRAW_MILLISECONDS)) {
        return;
    }
    struct winsize window = {0};
    const bool sized = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0;
    text bar = {0};
    progress_render(p, stage, fraction, now, sized ? window.ws_col : 80, &bar);
    (void)fprintf(stderr, "\r%s\033[K", text_string(&bar));
    (void)fflush(stderr);
    text_free(&bar);
    p->shown = true;
    p->renamed = false;
    p->drawn = now;
}
