/*
 * clip_text_embed.c - the pooled vectors of many texts. See clip_text.h.
 *
 * Texts are put in the order of their lengths and cut into passes of a bounded number of tokens; in a pass, those of
 * one length are a group. Called by model/text_tower.
 */
#include "nn/clip_text_internal.h"

#include "core/memory.h"

#include <stdlib.h>
#include <string.h>

#define PASS_ROWS 32768 /* tokens of a pass, about: of which a width of 1280 keeps some 800 MB */

/* A text's place among the others, by length, then by its place in the list. */
typedef struct placed {
    size_t length, index;
} placed;

static int by_length(const void *a, const void *b) {
    const placed *first = a;
    const placed *second = b;
    if (first->length != second->length) {
        return first->length < second->length ? -1 : 1;
    }
    return first->index < second->index ? -1 : 1;
}

/* What a list of texts goes through a pass with. */
typedef struct embedding {
    const clip_text *self;
    const clip_text_ids *texts;
    placed *order;
    uint32_t *ids;           /* of a pass */
    clip_text_group *groups; /* at most one a length */
} embedding;

/* Texts order[from ..] to a pass of at most PASS_ROWS tokens, at least one; their count. */
static size_t fill_pass(embedding *e, size_t from, size_t count, clip_text_batch *batch) {
    *batch = (clip_text_batch){.ids = e->ids, .groups = e->groups};
    size_t taken = 0;
    for (; from + taken < count; taken++) {
        const placed *text = &e->order[from + taken];
        if (taken > 0 && batch->rows + text->length > PASS_ROWS) {
            break;
        }
        clip_text_group *last = batch->group_count > 0 ? &e->groups[batch->group_count - 1] : NULL;
        if (last == NULL || last->length != text->length) {
            last = &e->groups[batch->group_count++];
            *last = (clip_text_group){
                .first = batch->rows, .length = (uint32_t)text->length, .end = (uint32_t)text->length - 1};
        }
        last->texts++;
        memcpy(e->ids + batch->rows, e->texts[text->index].ids, text->length * sizeof *e->ids);
        batch->rows += text->length;
    }
    return taken;
}

static diffcut_status run_passes(embedding *e, backend *target, backend_stream *stream, const work *w, size_t count,
                                 float *out) {
    size_t width = e->self->config.projected;
    for (size_t done = 0; done < count;) {
        clip_text_batch batch;
        clip_text_output made;
        size_t taken = fill_pass(e, done, count, &batch);
        const work part = work_part(w, (double)done / (double)count, (double)(done + taken) / (double)count);
        diffcut_status status = clip_text_pass(e->self, target, stream, &part, &batch, false, NULL, NULL, &made);
        if (status != DIFFCUT_OK) {
            return status;
        }
        for (size_t i = 0; i < taken; i++) {
            memcpy(out + e->order[done + i].index * width, made.pooled + i * width, width * sizeof *out);
        }
        mem_free(made.pooled);
        done += taken;
    }
    return DIFFCUT_OK;
}

diffcut_status clip_text_embed(const clip_text *self, backend *target, backend_stream *stream, const work *w,
                               const clip_text_ids *texts, size_t count, float *out) {
    embedding e = {.self = self, .texts = texts};
    diffcut_status status = DIFFCUT_OK;
    for (size_t i = 0; i < count && status == DIFFCUT_OK; i++) {
        status = clip_text_check_ids(self, texts[i].ids, texts[i].count, w->diag);
    }
    if (status != DIFFCUT_OK || count == 0) {
        return status;
    }
    e.order = mem_array(count, sizeof *e.order);
    e.ids = mem_array(PASS_ROWS + (size_t)self->config.positions, sizeof *e.ids);
    e.groups = mem_array((size_t)self->config.positions, sizeof *e.groups);
    if (e.order == NULL || e.ids == NULL || e.groups == NULL) {
        status = diag_no_memory(w->diag, count * sizeof *e.order, "the texts' order");
    } else {
        for (size_t i = 0; i < count; i++) {
            e.order[i] = (placed){texts[i].count, i};
        }
        qsort(e.order, count, sizeof *e.order, by_length);
        status = run_passes(&e, target, stream, w, count, out);
    }
    mem_free(e.order);
    mem_free(e.ids);
    mem_free(e.groups);
    return status;
}
