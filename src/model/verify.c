/*
 * verify.c - diffcut_model_verify: opens a checkpoint without the check that stops at the first fault, then lets each
 * part name all of its own (verify_parts.c).
 */
#include "model/verify.h"

#include "core/memory.h"
#include "io/entry.h"

#include <stdarg.h>
#include <stdio.h>

const char *diffcut_finding_name(diffcut_finding_kind kind) {
    static const char *const names[DIFFCUT_FINDING_COUNT] = {
        [DIFFCUT_FINDING_FILE] = "file",       [DIFFCUT_FINDING_CONFIG] = "config",
        [DIFFCUT_FINDING_MISSING] = "missing", [DIFFCUT_FINDING_SHAPE] = "shape",
        [DIFFCUT_FINDING_TYPE] = "type",       [DIFFCUT_FINDING_EXTRA] = "extra",
        [DIFFCUT_FINDING_VALUES] = "values",
    };
    return (unsigned)kind < DIFFCUT_FINDING_COUNT ? names[kind] : "unknown";
}

void diffcut_verify_settings_init(diffcut_verify_settings *settings) {
    *settings = (diffcut_verify_settings){.values = false};
    diffcut_model_settings_init(&settings->model);
}

void verify_tell(verify *run, diffcut_finding_kind kind, bool problem, const char *component, const char *name,
                 const char *format, ...) {
    char message[sizeof((diffcut_diagnostics *)NULL)->message];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    run->report.problems += problem ? 1 : 0;
    if (run->found != NULL) {
        const diffcut_finding finding = {kind, problem, component, name, message};
        run->found(run->user, &finding);
    }
}

static diffcut_status verify_model(verify *run, const diffcut_model *model) {
    if (model->encoder != NULL) {
        return verify_encoder(run, model);
    }
    if (!checkpoint_has(model->source, "scheduler/scheduler_config.json")) {
        verify_tell(run, DIFFCUT_FINDING_FILE, false, "", NULL,
                    "there is no scheduler/scheduler_config.json: Stable Diffusion's own schedule is taken");
    }
    diffcut_status status = verify_networks(run, model);
    bool prompted = model->settings.context_tokens == 0 && run->settings->model.context == NULL;
    if (status == DIFFCUT_OK && prompted && model->settings.family != MODEL_PIXEL) {
        status = verify_text(run, model, "text_encoder", "tokenizer");
    }
    if (status == DIFFCUT_OK && prompted && model->settings.family == MODEL_SDXL) {
        status = verify_text(run, model, "text_encoder_2", "tokenizer_2");
    }
    return status;
}

/* Opens the checkpoint by itself: what is none at all cannot be verified. *usable is false when it lacks the files
 * without which there is nothing to compare. */
static diffcut_status verify_files(verify *run, const char *path, bool *usable) {
    checkpoint *source = NULL;
    const checkpoint_settings layout = {.variant = run->settings->model.variant,
                                        .config = run->settings->model.config};
    diffcut_status status = checkpoint_open(path, &layout, &source, run->diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    diffcut_diagnostics message;
    const char *component = checkpoint_get_kind(source) == CHECKPOINT_DIFFUSION ? "unet" : "encoder";
    const checkpoint_text config = checkpoint_config_name(source, component);
    *usable = checkpoint_has(source, config.text);
    if (!*usable) {
        verify_tell(run, DIFFCUT_FINDING_FILE, true, component, NULL, "there is no %s", config.text);
    }
    status = checkpoint_require(source, component, &message);
    if (status != DIFFCUT_OK && status != DIFFCUT_ERROR_MEMORY) {
        verify_tell(run, DIFFCUT_FINDING_FILE, true, component, NULL, "%s", message.message);
        *usable = false;
        status = DIFFCUT_OK;
    }
    checkpoint_close(source);
    return status == DIFFCUT_OK ? status : diag_fail(run->diag, status, "%s", message.message);
}

static diffcut_status verify_path(verify *run, const char *path) {
    bool usable = false;
    diffcut_model *model = NULL;
    diffcut_status status = verify_files(run, path, &usable);
    if (status != DIFFCUT_OK || !usable) {
        return status;
    }
    status = model_open_unchecked(path, &run->settings->model, &model, run->diag);
    if (status == DIFFCUT_OK) {
        status = verify_model(run, model);
        diffcut_model_release(model);
    } else if (status != DIFFCUT_ERROR_MEMORY && status != DIFFCUT_ERROR_ARGUMENT) { /* the checkpoint's fault */
        bool file = status == DIFFCUT_ERROR_IO || status == DIFFCUT_ERROR_FORMAT;
        verify_tell(run, file ? DIFFCUT_FINDING_FILE : DIFFCUT_FINDING_CONFIG, true, "", NULL, "%s",
                    run->diag->message);
        diag_clear(run->diag);
        status = DIFFCUT_OK;
    }
    return status;
}

diffcut_status diffcut_model_verify(const char *path, const diffcut_verify_settings *settings,
                                    diffcut_finding_fn found, void *user, diffcut_verify_report *report,
                                    diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    diffcut_verify_settings defaults;
    diffcut_verify_settings_init(&defaults);
    verify run = {.settings = settings != NULL ? settings : &defaults, .found = found, .user = user, .diag = diag};
    char *embedded = NULL;
    if (report == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_model_verify: report is NULL");
    }
    diffcut_status status = path == NULL ? model_find_embedded(&embedded, diag) : DIFFCUT_OK;
    if (status == DIFFCUT_OK) {
        status = verify_path(&run, path != NULL ? path : embedded);
    }
    if (status == DIFFCUT_OK) {
        *report = run.report;
    }
    mem_free(run.asked);
    mem_free(embedded);
    return status;
}
