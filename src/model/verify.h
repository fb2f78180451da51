/*
 * verify.h - the run of diffcut_model_verify: what each of its parts tells of its findings. Called by verify.c and
 * verify_parts.c.
 */
#ifndef DIFFCUT_MODEL_VERIFY_H
#define DIFFCUT_MODEL_VERIFY_H

#include "model/model.h"
#include "synth/synth_list.h"

typedef struct verify {
    const diffcut_verify_settings *settings;
    diffcut_finding_fn found; /* may be NULL */
    void *user;
    diffcut_verify_report report;
    diffcut_diagnostics *diag; /* of what ends the run: memory */
    /* Names of the component that is looked at, as the networks asked for them. */
    char (*asked)[WEIGHT_NAME_SIZE];
    size_t asked_count, asked_capacity;
} verify;

/* Passes a finding on; message in printf style. */
__attribute__((format(printf, 6, 7))) void verify_tell(verify *run, diffcut_finding_kind kind, bool problem,
                                                       const char *component, const char *name, const char *format,
                                                       ...);

/* UNet and first stage: every weight up to the default hook; then what else lies in the parts they use. */
diffcut_status verify_networks(verify *run, const diffcut_model *model);
/* An image encoder with its text tower: every weight, then what else lies in the towers that are used. */
diffcut_status verify_encoder(verify *run, const diffcut_model *model);
/* A text encoder against the whole network of its configuration, and its tokenizer's files. */
diffcut_status verify_text(verify *run, const diffcut_model *model, const char *encoder, const char *words);

#endif
