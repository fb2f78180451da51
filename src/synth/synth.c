/*
 * synth.c - diffcut_model_synth: a checkpoint of random numbers with the files, names, shapes and types of a real
 * one.
 *
 * For measuring speed, memory and start-up on the real size without the real weights. What is in a network is listed
 * by synth_unet, synth_vae and synth_text from the very configuration that is written beside the weights.
 */
#include "core/memory.h"
#include "io/entry.h"
#include "synth/like.h"
#include "synth/synth_write.h"

#include <string.h>

/* The parts with weights, in the order in which they are written. */
static const struct part {
    const char *component, *config, *weights;
} parts[] = {
    {"unet", "unet/config.json", "unet/diffusion_pytorch_model.safetensors"},
    {"vae", "vae/config.json", "vae/diffusion_pytorch_model.safetensors"},
    {"text_encoder", "text_encoder/config.json", "text_encoder/model.safetensors"},
    {"text_encoder_2", "text_encoder_2/config.json", "text_encoder_2/model.safetensors"},
};
enum { PARTS = sizeof parts / sizeof *parts, PART_UNET = 0, PART_VAE = 1, PART_TEXT = 2 };

void diffcut_synth_settings_init(diffcut_synth_settings *settings) {
    if (settings != NULL) {
        *settings = (diffcut_synth_settings){.dtype = "f16"};
    }
}

static bool read_type(const char *name, dtype *out) {
    static const struct {
        const char *name;
        dtype type;
    } types[] = {{"f32", DTYPE_F32}, {"f16", DTYPE_F16}, {"bf16", DTYPE_BF16}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (name != NULL && strcmp(types[i].name, name) == 0) {
            *out = types[i].type;
            return true;
        }
    }
    return false;
}

/* Lists a part's tensors; an empty list where the configuration is not there. */
static diffcut_status list_part(const like *source, size_t part, synth_list *out, diffcut_diagnostics *diag) {
    const like_file *file = like_find(source, parts[part].config);
    json_document document;
    if (file == NULL) {
        return DIFFCUT_OK;
    }
    diffcut_status status = json_parse(file->text.data, file->text.size, file->name, &document, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (part == PART_UNET) {
        status = synth_unet(document.root, out, diag);
    } else if (part == PART_VAE) {
        status = synth_vae(document.root, out, diag);
    } else {
        status = synth_text(document.root, source->bare_text[part - PART_TEXT], out, diag);
    }
    json_document_free(&document);
    return status == DIFFCUT_OK ? synth_list_finish(out, diag) : status;
}

typedef struct synth_run {
    const diffcut_synth_settings *settings;
    dtype type;
    diffcut_synth_fn told;
    void *user;
    diffcut_synth_part part; /* the one being written */
} synth_run;

static int tell(void *user, uint64_t bytes) {
    synth_run *run = user;
    run->part.bytes_written = bytes;
    return run->told != NULL ? run->told(run->user, &run->part) : 0;
}

/* Describes a part; its first call to the caller says that nothing is written yet. */
static diffcut_status start_part(synth_run *run, const char *component, const synth_list *list,
                                 diffcut_diagnostics *diag) {
    run->part = (diffcut_synth_part){.component = component, .tensors = list->count};
    for (size_t i = 0; i < list->count; i++) {
        run->part.parameters += list->tensors[i].elements;
    }
    run->part.bytes = run->part.parameters * dtype_size(run->type);
    return tell(run, 0) == 0 ? DIFFCUT_OK : diag_fail(diag, DIFFCUT_ERROR_CANCELLED, "%s: cancelled", component);
}

/* Every part's weights; with output NULL they are only described. */
static diffcut_status write_parts(synth_run *run, const synth_list lists[PARTS], synth_output *output,
                                  diffcut_diagnostics *diag) {
    diffcut_status status = DIFFCUT_OK;
    for (size_t i = 0; i < PARTS && status == DIFFCUT_OK; i++) {
        if (lists[i].count == 0) {
            continue;
        }
        status = start_part(run, parts[i].component, &lists[i], diag);
        if (status == DIFFCUT_OK && output != NULL) {
            status = synth_output_weights(output, parts[i].weights, parts[i].component, &lists[i], run->type,
                                          run->settings->seed, tell, run, diag);
        }
    }
    return status;
}

static diffcut_status write_all(synth_run *run, const like *source, const synth_list lists[PARTS], const char *folder,
                                diffcut_diagnostics *diag) {
    synth_output output;
    diffcut_status status = synth_output_open(folder, run->settings->replace, &output, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    for (size_t i = 0; i < source->count && status == DIFFCUT_OK; i++) {
        const like_file *file = &source->files[i];
        status = synth_output_file(&output, file->name, file->text.data, file->text.size, diag);
    }
    if (status == DIFFCUT_OK) {
        status = write_parts(run, lists, &output, diag);
    }
    if (status == DIFFCUT_OK) {
        status = synth_output_finish(&output, diag);
    }
    synth_output_close(&output);
    return status;
}

diffcut_status diffcut_model_synth(const char *architecture, const char *folder,
                                   const diffcut_synth_settings *settings, diffcut_synth_fn told, void *user,
                                   diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    diffcut_synth_settings defaults;
    diffcut_synth_settings_init(&defaults);
    synth_run run = {.settings = settings != NULL ? settings : &defaults, .told = told, .user = user};
    if (architecture == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_model_synth: architecture is NULL");
    }
    if (!read_type(run.settings->dtype, &run.type)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "dtype is \"%.40s\"; f16, bf16 and f32 are known",
                         run.settings->dtype != NULL ? run.settings->dtype : "NULL");
    }
    like source;
    synth_list lists[PARTS] = {{.count = 0}};
    diffcut_status status = like_open(architecture, &source, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    for (size_t i = 0; i < PARTS && status == DIFFCUT_OK; i++) {
        status = list_part(&source, i, &lists[i], diag);
    }
    if (status == DIFFCUT_OK && folder == NULL) {
        status = write_parts(&run, lists, NULL, diag);
    } else if (status == DIFFCUT_OK) {
        status = write_all(&run, &source, lists, folder, diag);
    }
    for (size_t i = 0; i < PARTS; i++) {
        synth_list_free(&lists[i]);
    }
    like_free(&source);
    return status;
}
