/*
 * verify_parts.c - the components of a checkpoint against what is asked of them. See verify.h.
 *
 * Needed is what the networks themselves say (unet_visit, first_stage_visit). What a whole network of a configuration
 * has, from the lists that synthetic checkpoints are made of, tells a superfluous tensor from one of a part that is
 * not needed.
 */
#include "model/verify.h"

#include "core/finite.h"
#include "core/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_PREFIX "text_model."

/* ------------------------------------------------------------------------------------------------- names */

/* Notes a name that a network asked for. */
static diffcut_status note(verify *run, const char *name) {
    if (run->asked_count == run->asked_capacity) {
        size_t capacity = run->asked_capacity > 0 ? 2 * run->asked_capacity : 256;
        void *grown = mem_array_grow(run->asked, run->asked_count, capacity, sizeof *run->asked);
        if (grown == NULL) {
            return diag_no_memory(run->diag, capacity * sizeof *run->asked, "the names of tensors");
        }
        run->asked = grown;
        run->asked_capacity = capacity;
    }
    (void)snprintf(run->asked[run->asked_count++], sizeof *run->asked, "%s", name);
    return DIFFCUT_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(a, b);
}

static bool was_asked(const verify *run, const char *name) {
    return run->asked_count > 0 && bsearch(name, run->asked, run->asked_count, sizeof *run->asked, by_name) != NULL;
}

/* A name starts each tensor of a list. */
static const synth_tensor *listed(const synth_list *list, const char *name) {
    return list->count > 0 ? bsearch(name, list->tensors, list->count, sizeof *list->tensors, by_name) : NULL;
}

/* ------------------------------------------------------------------------------------------------- tensors */

static void check_values(verify *run, const char *component, const char *name, const safetensors_tensor *stored,
                         const char *file) {
    size_t bad =
        run->settings->values ? finite_first_bad(stored->type, stored->data, stored->elements) : stored->elements;
    if (bad < stored->elements) {
        verify_tell(run, DIFFCUT_FINDING_VALUES, true, component, name,
                    "%s: tensor %s holds NaN or infinity (element %zu of %zu)", file, name, bad, stored->elements);
    }
}

static void misshapen(verify *run, const checkpoint *source, const char *component, const char *name,
                      const safetensors_tensor *stored, const char *file, const size_t *shape, size_t rank) {
    char has[96];
    char needs[96];
    safetensors_shape_text(stored->shape, stored->rank, has, sizeof has);
    safetensors_shape_text(shape, rank, needs, sizeof needs);
    verify_tell(run, DIFFCUT_FINDING_SHAPE, true, component, name, "%s: tensor %s has shape %s, %s asks for %s", file,
                name, has, checkpoint_config_name(source, component).text, needs);
}

/* What can be said of a tensor before its shape; NULL when there is no more to say. */
static const safetensors_tensor *look_up(verify *run, const checkpoint *source, const char *component,
                                         const char *name, const char **file) {
    const safetensors_tensor *stored;
    diffcut_diagnostics message;
    if (checkpoint_find(source, component, name, &stored, file, &message) != DIFFCUT_OK) {
        verify_tell(run, DIFFCUT_FINDING_MISSING, true, component, name, "%s", message.message);
        return NULL;
    }
    if (stored->type == DTYPE_OTHER) {
        verify_tell(run, DIFFCUT_FINDING_TYPE, true, component, name,
                    "%s: tensor %s has dtype %s; F32, F16 and BF16 are supported", *file, name, stored->type_name);
        return NULL;
    }
    return stored;
}

typedef struct visit {
    verify *run;
    const checkpoint *source;
} visit;

/* A bias or a scale: (out). */
static diffcut_status visit_vector(const visit *v, const char *component, const char *name, size_t out) {
    verify *run = v->run;
    const size_t shape[1] = {out};
    const char *file;
    diffcut_status status = note(run, name);
    const safetensors_tensor *stored = look_up(run, v->source, component, name, &file);
    if (stored != NULL && (stored->rank != 1 || stored->shape[0] != out)) {
        misshapen(run, v->source, component, name, stored, file, shape, 1);
    } else if (stored != NULL) {
        run->report.parameters_needed += stored->elements;
        check_values(run, component, name, stored, file);
    }
    return status;
}

/* One part of a need: its weight, in whatever form the network takes it, and its bias. */
static diffcut_status visit_part(const visit *v, const char *component, const char *prefix, const weight_need *need,
                                 size_t part) {
    verify *run = v->run;
    char name[WEIGHT_NAME_SIZE];
    const char *file;
    diffcut_diagnostics message;
    weight_totals totals = {0};
    weight_need alone = *need;
    memset(alone.parts, 0, sizeof alone.parts);
    alone.parts[0] = need->parts[part];
    alone.bias = false;
    alone.scale = NULL;
    weight_name(prefix, need, part, false, name);
    diffcut_status status = note(run, name);
    const safetensors_tensor *stored = look_up(run, v->source, component, name, &file);
    if (stored != NULL && weight_check(v->source, component, prefix, &alone, &totals, &message) != DIFFCUT_OK) {
        verify_tell(run, DIFFCUT_FINDING_SHAPE, true, component, name, "%s", message.message);
    } else if (stored != NULL) {
        check_values(run, component, name, stored, file);
    }
    run->report.parameters_needed += totals.parameters;
    if (status == DIFFCUT_OK && need->bias) {
        weight_name(prefix, need, part, true, name);
        status = visit_vector(v, component, name, need->out);
    }
    if (status == DIFFCUT_OK && need->scale != NULL) {
        (void)snprintf(name, sizeof name, "%s%s", prefix, need->scale);
        status = visit_vector(v, component, name, need->out);
    }
    return status;
}

static diffcut_status visit_need(void *user, const char *component, const char *prefix, const weight_need *need) {
    diffcut_status status = DIFFCUT_OK;
    for (size_t p = 0; p < WEIGHT_MAX_PARTS && need->parts[p] != NULL && status == DIFFCUT_OK; p++) {
        status = visit_part(user, component, prefix, need, p);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- networks */

static bool starts_with_any(const char *name, const char *const *prefixes) {
    for (; *prefixes != NULL; prefixes++) {
        if (strncmp(name, *prefixes, strlen(*prefixes)) == 0) {
            return true;
        }
    }
    return false;
}

/* The whole network of a component's configuration; empty where it is none that can be listed. */
static diffcut_status list_whole(verify *run, const checkpoint *source, const char *component, synth_list *out) {
    diffcut_diagnostics message;
    json_document document;
    char name[64];
    (void)snprintf(name, sizeof name, "%s/config.json", component);
    if (!checkpoint_has(source, name)) {
        return DIFFCUT_OK;
    }
    diffcut_status status = checkpoint_json(source, name, &document, &message);
    if (status == DIFFCUT_OK) {
        if (strcmp(component, "unet") == 0) {
            status = synth_unet(document.root, out, &message);
        } else if (strcmp(component, "vae") == 0) {
            status = synth_vae(document.root, out, &message);
        } else {
            status = synth_text(document.root, true, out, &message);
        }
        json_document_free(&document);
    }
    if (status == DIFFCUT_OK) {
        status = synth_list_finish(out, &message);
    }
    if (status != DIFFCUT_OK) {
        synth_list_free(out);
    }
    return status != DIFFCUT_ERROR_MEMORY ? DIFFCUT_OK : diag_fail(run->diag, status, "%s", message.message);
}

/* What messages call the file that a tensor is in. */
static const char *file_of(const checkpoint *source, const char *component, const char *name) {
    const safetensors_tensor *tensor_there;
    const char *file;
    diffcut_diagnostics ignored;
    bool found = checkpoint_find(source, component, name, &tensor_there, &file, &ignored) == DIFFCUT_OK;
    return found ? file : component;
}

/* What lies in the file beside what was asked for: superfluous in a needed part, else only counted. */
static diffcut_status look_for_extra(verify *run, const checkpoint *source, const char *component,
                                     const char *const *needed_parts) {
    synth_list whole = {.count = 0};
    diffcut_status status = list_whole(run, source, component, &whole);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (run->asked_count > 0) {
        qsort(run->asked, run->asked_count, sizeof *run->asked, by_name);
    }
    for (size_t i = 0; i < checkpoint_count(source, component); i++) {
        const char *name = checkpoint_at(source, component, i)->name;
        if (was_asked(run, name)) {
            continue;
        }
        if (listed(&whole, name) == NULL && starts_with_any(name, needed_parts)) {
            verify_tell(run, DIFFCUT_FINDING_EXTRA, true, component, name,
                        "%s: tensor %s is none of this network's, as %s describes it",
                        file_of(source, component, name), name, checkpoint_config_name(source, component).text);
        } else {
            run->report.tensors_skipped++;
        }
    }
    run->report.tensors_needed += run->asked_count;
    run->asked_count = 0;
    synth_list_free(&whole);
    return DIFFCUT_OK;
}

diffcut_status verify_networks(verify *run, const diffcut_model *model) {
    static const char *const unet_parts[] = {"conv_in.", "time_embedding.", "add_embedding.", "down_blocks.", NULL};
    static const char *const vae_parts[] = {"encoder.", "quant_conv.", NULL};
    visit v = {run, model->source};
    diffcut_status status = unet_visit(model->network, model->hook.step + 1, visit_need, &v);
    if (status == DIFFCUT_OK) {
        status = look_for_extra(run, model->source, "unet", unet_parts);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    v.source = model->other != NULL ? model->other : model->source;
    status = first_stage_visit(model->first_stage, visit_need, &v);
    if (status == DIFFCUT_OK && run->asked_count > 0) {
        status = look_for_extra(run, v.source, "vae", vae_parts);
    }
    return status;
}

diffcut_status verify_encoder(verify *run, const diffcut_model *model) {
    /* Layers: pooling heads, masks and classifiers beside them are other parts' business. */
    static const char *const parts[] = {"encoder.layer.", "vision_model.encoder.layers.", "visual.trunk.stages.",
                                        "text_model.encoder.layers.", NULL};
    visit v = {run, model->source};
    diffcut_status status = model_encoder_visit(model->encoder, visit_need, &v);
    if (status == DIFFCUT_OK) {
        status = look_for_extra(run, model->source, "encoder", parts);
    }
    if (status == DIFFCUT_OK && model->encoder->text.present && !model->encoder->text.has_files) {
        verify_tell(run, DIFFCUT_FINDING_FILE, false, "encoder", NULL,
                    "there are no vocab.json and merges.txt, which texts need: take a folder that has them "
                    "(--tokenizer)");
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- text */

static bool need_file(verify *run, const checkpoint *source, const char *component, const char *folder,
                      const char *file) {
    char name[64];
    (void)snprintf(name, sizeof name, "%s/%s", folder, file);
    if (checkpoint_has(source, name)) {
        return true;
    }
    verify_tell(run, DIFFCUT_FINDING_FILE, true, component, NULL, "there is no %s, which a prompt needs", name);
    return false;
}

/* Buffers that some versions of transformers have stored among the weights. */
static bool is_buffer(const char *name) {
    static const char positions[] = "position_ids";
    size_t length = strlen(name);
    size_t tail = sizeof positions - 1;
    return (length >= tail && strcmp(name + length - tail, positions) == 0) || strcmp(name, "logit_scale") == 0;
}

/* Without the prefix that only some checkpoints have. */
static const char *bare(const char *name) {
    size_t length = sizeof TEXT_PREFIX - 1;
    return strncmp(name, TEXT_PREFIX, length) == 0 ? name + length : name;
}

static void check_text_tensor(verify *run, const checkpoint *source, const char *component,
                              const safetensors_tensor *stored, const char *file, const synth_tensor *asked) {
    if (stored->type == DTYPE_OTHER) {
        verify_tell(run, DIFFCUT_FINDING_TYPE, true, component, stored->name,
                    "%s: tensor %s has dtype %s; F32, F16 and BF16 are supported", file, stored->name,
                    stored->type_name);
    } else if (stored->rank != asked->rank ||
               memcmp(stored->shape, asked->shape, asked->rank * sizeof *asked->shape) != 0) {
        misshapen(run, source, component, stored->name, stored, file, asked->shape, asked->rank);
    } else {
        run->report.parameters_needed += stored->elements;
        check_values(run, component, stored->name, stored, file);
    }
}

/* The file's tensors against the list, then the list's against the file's. */
static diffcut_status compare_text(verify *run, const checkpoint *source, const char *component,
                                   const synth_list *whole) {
    diffcut_status status = DIFFCUT_OK;
    for (size_t i = 0; i < checkpoint_count(source, component) && status == DIFFCUT_OK; i++) {
        const safetensors_tensor *stored = checkpoint_at(source, component, i);
        const char *file = file_of(source, component, stored->name);
        const synth_tensor *asked = listed(whole, bare(stored->name));
        if (asked != NULL) {
            check_text_tensor(run, source, component, stored, file, asked);
            status = note(run, asked->name);
        } else if (is_buffer(stored->name)) {
            run->report.tensors_skipped++;
        } else {
            verify_tell(run, DIFFCUT_FINDING_EXTRA, true, component, stored->name,
                        "%s: tensor %s is none of this network's, as %s/config.json describes it", file, stored->name,
                        component);
        }
    }
    if (run->asked_count > 0) {
        qsort(run->asked, run->asked_count, sizeof *run->asked, by_name);
    }
    for (size_t i = 0; i < whole->count && status == DIFFCUT_OK; i++) {
        if (!was_asked(run, whole->tensors[i].name)) {
            verify_tell(run, DIFFCUT_FINDING_MISSING, true, component, whole->tensors[i].name,
                        "%s: tensor %s is missing", component, whole->tensors[i].name);
        }
    }
    run->report.tensors_needed += whole->count;
    run->asked_count = 0;
    return status;
}

diffcut_status verify_text(verify *run, const diffcut_model *model, const char *encoder, const char *words) {
    checkpoint *source = model->source;
    diffcut_diagnostics message;
    bool described = need_file(run, source, encoder, encoder, "config.json");
    (void)need_file(run, source, encoder, words, "vocab.json");
    (void)need_file(run, source, encoder, words, "merges.txt");
    diffcut_status status = checkpoint_require(source, encoder, &message);
    if (status == DIFFCUT_ERROR_MEMORY) {
        return diag_fail(run->diag, status, "%s", message.message);
    }
    if (status != DIFFCUT_OK) {
        verify_tell(run, DIFFCUT_FINDING_FILE, true, encoder, NULL, "%s", message.message);
        return DIFFCUT_OK;
    }
    synth_list whole = {.count = 0};
    status = list_whole(run, source, encoder, &whole);
    if (status == DIFFCUT_OK && whole.count > 0) {
        status = compare_text(run, source, encoder, &whole);
    } else if (status == DIFFCUT_OK && described) {
        verify_tell(run, DIFFCUT_FINDING_CONFIG, true, encoder, NULL,
                    "%s/config.json does not describe a CLIP text encoder", encoder);
    }
    synth_list_free(&whole);
    return status;
}
