/*
 * maskcut.c - see maskcut.h.
 *
 * Which side of a cut is the object: that of the entry of the largest magnitude, unless three or four of the map's
 * corners lie on it, for an object is rarely at three corners. A find is dropped when it overlaps the one before it
 * by more than half or is smaller than a hundredth of the map. After a dropped find the next attempt meets the same
 * graph, and, having no find before it to overlap with, may keep what was dropped: so the published code does, too.
 */
#include "segment/maskcut.h"

#include "core/memory.h"
#include "segment/affinity.h"

#include <string.h>

#define OBJECT_CORNERS 3              /* from so many corners on a side is the background */
#define SMALLEST_SHARE_RECIPROCAL 100 /* of the map: a find of this share or less is dropped */

/* What the attempts on one map share. */
typedef struct maskcut_state {
    uint32_t height, width;
    size_t tokens;
    uint8_t *masked; /* (tokens) in any find so far that was kept */
    uint8_t *last;   /* (tokens) the last attempt's find; empty when it was dropped */
    uint8_t *find;   /* (tokens) */
    uint32_t *queue; /* (tokens) */
} maskcut_state;

static bool background(const uint8_t *side, uint32_t height, uint32_t width) {
    size_t last_row = (size_t)(height - 1) * width;
    int corners = side[0] + side[width - 1] + side[last_row] + side[last_row + width - 1];
    return corners >= OBJECT_CORNERS;
}

static bool overlaps(const uint8_t *a, const uint8_t *b, size_t tokens) {
    size_t both = 0, either = 0;
    for (size_t i = 0; i < tokens; i++) {
        both += (a[i] & b[i]) != 0;
        either += (a[i] | b[i]) != 0;
    }
    return 2 * both > either;
}

/* What is new of a find goes to out; the find becomes the last one. */
static void keep_find(maskcut_state *state, size_t attempt, size_t size, uint8_t *out) {
    bool dropped = attempt > 0 && (overlaps(state->last, state->find, state->tokens) ||
                                   size * SMALLEST_SHARE_RECIPROCAL <= state->tokens);
    if (dropped) {
        memset(state->find, 0, state->tokens);
    }
    for (size_t i = 0; i < state->tokens; i++) {
        out[i] = state->find[i] != 0 && state->masked[i] == 0;
        state->masked[i] |= state->find[i];
        state->last[i] = state->find[i];
    }
}

/* The object side of a cut, and its connected part about the seed. Returns the part's size. */
static size_t find_object(maskcut_state *state, tokencut_scratch *scratch) {
    int sign = 1;
    if (background(scratch->side, state->height, state->width)) {
        for (size_t i = 0; i < state->tokens; i++) {
            scratch->side[i] = !scratch->side[i];
        }
        sign = -1;
    }
    return tokencut_component(scratch->side, state->height, state->width,
                              tokencut_seed(scratch->vector, state->tokens, sign), state->queue, state->find);
}

static diffcut_status attempt_all(const work *w, const float *cosines, const tokencut_rules *rules, size_t attempts,
                                  maskcut_state *state, tokencut_scratch *scratch, uint8_t *out) {
    bool cut = true;
    diffcut_status status = DIFFCUT_OK;
    memset(out, 0, attempts * state->tokens);
    for (size_t i = 0; i < attempts && cut && status == DIFFCUT_OK; i++) {
        double fraction = (double)i / (double)attempts;
        status = work_progress(w, fraction);
        if (status == DIFFCUT_OK) {
            status =
                tokencut_cut(w, cosines, i > 0 ? state->masked : NULL, rules, state->tokens, fraction, scratch, &cut);
        }
        if (status == DIFFCUT_OK && cut) {
            size_t size = find_object(state, scratch);
            keep_find(state, i, size, out + i * state->tokens);
        }
    }
    return status;
}

diffcut_status maskcut_objects(const work *w, const diffcut_features *features, const tokencut_rules *rules,
                               size_t attempts, uint8_t *out) {
    size_t tokens = (size_t)features->height * features->width;
    maskcut_state state = {.height = features->height, .width = features->width, .tokens = tokens};
    float *cosines = NULL;
    tokencut_scratch scratch = {0};
    diffcut_status status = DIFFCUT_OK;
    if (tokens > 1) {
        status = affinity_cosines(w, features, &cosines);
    }
    if (status != DIFFCUT_OK || cosines == NULL) {
        if (status == DIFFCUT_OK) {
            memset(out, 0, attempts * tokens);
        }
        return status;
    }
    state.masked = mem_array_zero(tokens, 3);
    state.queue = mem_array(tokens, sizeof *state.queue);
    if (state.masked == NULL || state.queue == NULL) {
        status = diag_no_memory(w->diag, tokens * sizeof *state.queue, "the objects' tokens");
        goto cleanup;
    }
    state.last = state.masked + tokens;
    state.find = state.last + tokens;
    status = tokencut_scratch_create(tokens, w->diag, &scratch);
    if (status == DIFFCUT_OK) {
        status = attempt_all(w, cosines, rules, attempts, &state, &scratch, out);
    }
cleanup:
    tokencut_scratch_free(&scratch);
    mem_free(state.queue);
    mem_free(state.masked);
    mem_free(cosines);
    return status;
}
