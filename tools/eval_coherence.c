/* eval_coherence.c - see eval_coherence.h. */
#include "eval_coherence.h"

#include <stdlib.h>
#include <string.h>

#include "interrupt.h"

static const char *const file_names[COHERENCE_KINDS] = {"coherence-model.json", "coherence-colour.json"};
static const diffcut_method kinds[COHERENCE_KINDS] = {DIFFCUT_METHOD_DIFFCUT, DIFFCUT_METHOD_COLOUR};

void coherence_curves_free(coherence_curves *curves) {
    for (int k = 0; k < COHERENCE_KINDS; k++) {
        diffcut_coherence_free(curves->counts[k]);
        free(curves->points[k]);
        text_free(&curves->names[k]);
    }
    *curves = (coherence_curves){0};
}

static void file_path(const char *folder, int kind, text *out) {
    text_clear(out);
    text_print(out, "%s/%s", folder, file_names[kind]);
}

diffcut_status eval_coherence_curve(const diffcut_coherence *counts, const char *name, eval_roc_point **points,
                                    eval_coherence *out, diffcut_diagnostics *diagnostics) {
    diffcut_coherence_report report;
    diffcut_coherence_get_report(counts, &report);
    size_t count = 0;
    diffcut_coherence_curve(counts, NULL, 0, &count);
    diffcut_roc_point *found = calloc(count, sizeof *found);
    eval_roc_point *made = calloc(count, sizeof *made);
    if (found == NULL || made == NULL) {
        free(found);
        free(made);
        (void)snprintf(diagnostics->message, sizeof diagnostics->message, "out of memory");
        return DIFFCUT_ERROR_MEMORY;
    }
    diffcut_coherence_curve(counts, found, count, &count);
    for (size_t i = 0; i < count; i++) {
        made[i] = (eval_roc_point){found[i].threshold, found[i].false_positive, found[i].true_positive};
    }
    free(found);
    *points = made;
    *out = (eval_coherence){.name = name,
                            .auc = report.auc,
                            .auc_error = report.auc_error,
                            .bin_width = report.bin_width,
                            .positive = report.positive,
                            .negative = report.negative,
                            .points = made,
                            .point_count = count};
    return DIFFCUT_OK;
}

/* The counts as curves. */
static diffcut_status draw(coherence_curves *c, const char *model, diffcut_diagnostics *diagnostics) {
    diffcut_status status = DIFFCUT_OK;
    for (int k = 0; k < COHERENCE_KINDS && status == DIFFCUT_OK; k++) {
        text_add(&c->names[k], k == 0 ? model : COHERENCE_COLOUR);
        status =
            eval_coherence_curve(c->counts[k], text_string(&c->names[k]), &c->points[k], &c->curves[k], diagnostics);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- measuring */

static int fail(const eval_run *run, const char *subject, const diffcut_diagnostics *diagnostics) {
    return engine_failed(&run->options.says, subject, diagnostics->message);
}

static int add_photo(eval_run *run, const diffcut_dataset_item *item, coherence_curves *c) {
    diffcut_diagnostics diagnostics = {{0}};
    int status = -1;
    for (int k = 0; k < COHERENCE_KINDS && status < 0; k++) {
        diffcut_features *features = NULL;
        diffcut_labels truth = {0};
        if (eval_photo_features(&run->bench, item, kinds[k], &features, &truth, &diagnostics) != DIFFCUT_OK ||
            diffcut_coherence_add(c->counts[k], features, &truth, run->options.settings.threads, &diagnostics) !=
                DIFFCUT_OK) {
            status = fail(run, item->photo, &diagnostics);
        }
        diffcut_labels_free(&truth);
        diffcut_features_free(features);
    }
    return status;
}

static int save(const eval_run *run, const coherence_curves *c) {
    diffcut_diagnostics diagnostics = {{0}};
    text path = {0};
    int status = -1;
    for (int k = 0; k < COHERENCE_KINDS && status < 0; k++) {
        diffcut_buffer file = {0};
        file_path(run->options.output, k, &path);
        if (diffcut_coherence_save(c->counts[k], &file, &diagnostics) != DIFFCUT_OK ||
            diffcut_write_file(text_string(&path), file.data, file.size, true, &diagnostics) != DIFFCUT_OK) {
            status = fail(run, NULL, &diagnostics);
        }
        diffcut_buffer_free(&file);
    }
    text_free(&path);
    return status;
}

static int create(const eval_run *run, coherence_curves *c) {
    diffcut_diagnostics diagnostics;
    diffcut_coherence_settings settings;
    diffcut_coherence_settings_init(&settings);
    settings.classes = diffcut_protocol_class_count(run->protocol);
    for (int k = 0; k < COHERENCE_KINDS; k++) {
        if (diffcut_coherence_create(&settings, &c->counts[k], &diagnostics) != DIFFCUT_OK) {
            return fail(run, NULL, &diagnostics);
        }
    }
    return -1;
}

int eval_coherence_measure(eval_run *run, coherence_curves *out) {
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_dataset_item item;
    coherence_curves made = {.counts = {NULL}};
    int status = create(run, &made);
    for (uint64_t i = 0; status < 0 && i < run->header.whole; i++) {
        if (interrupt_requested()) {
            status = interrupt_exit_code();
        } else if (diffcut_dataset_get(run->dataset, (size_t)i, &item, &diagnostics) != DIFFCUT_OK) {
            status = fail(run, NULL, &diagnostics);
        } else if (photo_set_has(&run->done, photo_id(item.name))) {
            status = add_photo(run, &item, &made);
        }
    }
    status = status < 0 ? save(run, &made) : status;
    if (status < 0 && draw(&made, text_string(&run->header.model), &diagnostics) != DIFFCUT_OK) {
        status = fail(run, NULL, &diagnostics);
    }
    if (status < 0) {
        *out = made;
    } else {
        coherence_curves_free(&made);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- merging */

static diffcut_status load(const char *path, diffcut_coherence **out, diffcut_diagnostics *diagnostics) {
    diffcut_buffer file = {0};
    diffcut_status status = diffcut_read_file(path, 0, &file, diagnostics);
    if (status == DIFFCUT_OK) {
        status = diffcut_coherence_load(file.data, file.size, path, out, diagnostics);
    }
    diffcut_buffer_free(&file);
    return status;
}

diffcut_status eval_coherence_merge(const char *const *folders, size_t count, const char *model,
                                    coherence_curves *out, diffcut_diagnostics *diagnostics) {
    coherence_curves made = {.counts = {NULL}};
    text path = {0};
    diffcut_status status = DIFFCUT_OK;
    for (size_t i = 0; i < count * COHERENCE_KINDS && status == DIFFCUT_OK; i++) {
        diffcut_coherence **sum = &made.counts[i % COHERENCE_KINDS];
        diffcut_coherence *part = NULL;
        file_path(folders[i / COHERENCE_KINDS], (int)(i % COHERENCE_KINDS), &path);
        status = load(text_string(&path), &part, diagnostics);
        if (status == DIFFCUT_OK && *sum == NULL) {
            *sum = part;
            part = NULL;
        } else if (status == DIFFCUT_OK) {
            status = diffcut_coherence_merge(*sum, part, diagnostics);
        }
        diffcut_coherence_free(part);
    }
    text_free(&path);
    if (status == DIFFCUT_OK) {
        status = draw(&made, model, diagnostics);
    }
    if (status == DIFFCUT_OK) {
        *out = made;
    } else {
        coherence_curves_free(&made);
    }
    return status;
}
