/* single_file.c - see single_file.h. */
#include "model/single_file.h"

#include "model/layout_folder.h"
#include "model/names.h"

#include <stdio.h>
#include <string.h>

#define UNET "model.diffusion_model."
#define VAE "first_stage_model."

/* Stable Diffusion 2 was trained with the state before the last of OpenCLIP-H's 24 layers; diffusers leaves that
 * layer out, and so do files made from diffusers' folders. */
#define SD2_TEXT_LAYERS 23
#define ALL_LAYERS 10000

static bool has(const safetensors *file, const char *name) {
    return safetensors_find(file, name) != NULL;
}

static bool starts(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

static bool has_start(const safetensors *file, const char *start) {
    for (size_t i = 0; i < safetensors_count(file); i++) {
        if (starts(safetensors_at(file, i)->name, start)) {
            return true;
        }
    }
    return false;
}

static bool has_part(const safetensors *file, const char *part) {
    for (size_t i = 0; i < safetensors_count(file); i++) {
        if (strstr(safetensors_at(file, i)->name, part) != NULL) {
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------------------------------------- recognising */

/* Parts of names that show what a file without the known UNet is. */
static const struct sign {
    const char *part, *what;
} signs[] = {
    {"double_blocks.", "a Flux checkpoint, a transformer in place of the UNet"},
    {"joint_blocks.", "a Stable Diffusion 3 checkpoint, a transformer in place of the UNet"},
    {"transformer_blocks.0.attn.add_k_proj.", "a checkpoint with a transformer in place of the UNet"},
    {"lora_", "a LoRA, a change to a checkpoint; give the checkpoint that it was merged into"},
    {"control_model.", "a ControlNet, no checkpoint of its own"},
    {"down_blocks.0.", "one component of a diffusers folder; give the folder"},
};

static diffcut_status refuse_stranger(const safetensors *file, diffcut_diagnostics *diag) {
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (has_part(file, signs[i].part)) {
            return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: %s (its tensors are named %s...)",
                             safetensors_name(file), signs[i].what, signs[i].part);
        }
    }
    return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                     "%s: not a Stable Diffusion checkpoint: tensor " UNET "input_blocks.0.0.weight is missing",
                     safetensors_name(file));
}

/* Relatives that have a UNet of this layout, with inputs or conditions that are not built here. */
static diffcut_status refuse_relative(const safetensors *file, const safetensors_tensor *first,
                                      diffcut_diagnostics *diag) {
    const char *name = safetensors_name(file);
    if (has_part(file, ".time_stack.") || has_part(file, ".temporal_transformer.") || first->rank == 5) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: a video checkpoint, which is not supported", name);
    }
    if (first->rank == 4 && first->shape[1] == 9) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "%s: an inpainting checkpoint (%s takes 9 channels), which is not supported; use the "
                         "checkpoint it was made from",
                         name, first->name);
    }
    if (first->rank == 4 && first->shape[1] != 4) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: %s takes %zu channels, 4 are supported", name,
                         first->name, first->shape[1]);
    }
    if (has_start(file, "conditioner.embedders.0.model.")) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "%s: an SDXL refiner, which is not supported; use the SDXL base checkpoint", name);
    }
    if (has(file, UNET "label_emb.0.0.weight") && has_start(file, "cond_stage_model.")) {
        return diag_fail(
            diag, DIFFCUT_ERROR_UNSUPPORTED,
            "%s: an unCLIP checkpoint (" UNET "label_emb beside one text encoder), which is not supported", name);
    }
    return DIFFCUT_OK;
}

/* The first attention's proj_in, whichever block it is in. */
static const safetensors_tensor *first_projection(const safetensors *file) {
    for (size_t n = 1; n < NAMES_MAX_BLOCKS; n++) {
        char name[96];
        (void)snprintf(name, sizeof name, UNET "input_blocks.%zu.1.proj_in.weight", n);
        const safetensors_tensor *found = safetensors_find(file, name);
        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

diffcut_status single_file_identify(const safetensors *file, single_kind *kind, diffcut_diagnostics *diag) {
    const safetensors_tensor *first = safetensors_find(file, UNET "input_blocks.0.0.weight");
    if (first == NULL) {
        return refuse_stranger(file, diag);
    }
    diffcut_status status = refuse_relative(file, first, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const safetensors_tensor *projection = first_projection(file);
    if (projection == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "%s: no " UNET "input_blocks.*.1.proj_in.weight: a UNet without "
                         "attention is not supported",
                         safetensors_name(file));
    }
    *kind = has(file, UNET "label_emb.0.0.weight") ? SINGLE_SDXL : projection->rank == 4 ? SINGLE_SD1 : SINGLE_SD2;
    return DIFFCUT_OK;
}

diffcut_status single_file_identify_vae(const safetensors *file, single_kind *kind, diffcut_diagnostics *diag) {
    const char *name = safetensors_name(file);
    if (has(file, UNET "input_blocks.0.0.weight")) {
        return single_file_identify(file, kind, diag);
    }
    const safetensors_tensor *tiny = safetensors_find(file, "0.weight");
    tiny = tiny != NULL ? tiny : safetensors_find(file, "encoder.layers.0.weight");
    if (tiny == NULL && has(file, "1.weight")) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "%s: the decoder of an AutoencoderTiny; the encoder's file is needed", name);
    }
    if (tiny != NULL) {
        *kind = SINGLE_TAESD;
        return DIFFCUT_OK;
    }
    if (has(file, "encoder.conv_in.weight") || has(file, VAE "encoder.conv_in.weight")) {
        *kind = SINGLE_VAE;
        return DIFFCUT_OK;
    }
    return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                     "%s: not a first stage: neither encoder.conv_in.weight (AutoencoderKL) nor 0.weight "
                     "(AutoencoderTiny) is there",
                     name);
}

/* ------------------------------------------------------------------------------------------------- tensors */

/* What one component's names are read with. */
typedef struct reading {
    const char *prefix;
    enum reading_layout { READ_UNET, READ_VAE, READ_CLIP, READ_OPEN_CLIP, READ_TAESD } layout;
    size_t max_layers, levels;
    unet_places places;
} reading;

static name_form rename_key(const reading *how, const char *key, char *out) {
    switch (how->layout) {
    case READ_UNET:
        return names_unet(&how->places, key, out);
    case READ_VAE:
        return names_vae(how->levels, key, out);
    case READ_CLIP:
        return names_clip(key, out);
    case READ_OPEN_CLIP:
        return names_open_clip(how->max_layers, key, out);
    case READ_TAESD:
        return names_taesd(key, out);
    }
    return NAME_UNKNOWN;
}

static diffcut_status add_tensor(const safetensors *file, const reading *how, const safetensors_tensor *stored,
                                 tensor_table *table, diffcut_diagnostics *diag) {
    char name[NAMES_SIZE];
    name_form form = rename_key(how, stored->name + strlen(how->prefix), name);
    if (form == NAME_UNKNOWN) { /* EMA counters, position ids, losses */
        return DIFFCUT_OK;
    }
    if (form == NAME_STACKED) {
        return tensor_table_add_stacked(table, file, stored, name, diag);
    }
    safetensors_tensor tensor = *stored;
    if (how->layout == READ_VAE && tensor.rank == 4 && tensor.shape[2] == 1 && tensor.shape[3] == 1 &&
        names_is_vae_attention(name)) {
        tensor.rank = 2;
    }
    return tensor_table_add(table, file, &tensor, name, form == NAME_TRANSPOSED && tensor.rank == 2, diag);
}

/* How a component is to be read from this file; false when it has none. */
static bool choose(const safetensors *file, single_kind kind, const char *component, reading *how) {
    static const struct choice {
        const char *component, *prefix;
        enum reading_layout layout;
    } choices[] = {
        {"unet", UNET, READ_UNET},
        {"vae", VAE, READ_VAE},
        {"text_encoder", "cond_stage_model.transformer.", READ_CLIP},
        {"text_encoder", "cond_stage_model.model.", READ_OPEN_CLIP},
        {"text_encoder", "conditioner.embedders.0.transformer.", READ_CLIP},
        {"text_encoder_2", "conditioner.embedders.1.model.", READ_OPEN_CLIP},
    };
    how->max_layers = kind == SINGLE_SD2 ? SD2_TEXT_LAYERS : ALL_LAYERS;
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        if (strcmp(choices[i].component, component) == 0 && has_start(file, choices[i].prefix)) {
            how->prefix = choices[i].prefix;
            how->layout = choices[i].layout;
            return true;
        }
    }
    how->prefix = "";
    how->layout = kind == SINGLE_TAESD ? READ_TAESD : READ_VAE;
    return strcmp(component, "vae") == 0 && (kind == SINGLE_TAESD || kind == SINGLE_VAE);
}

bool single_file_has_diffusers_names(const safetensors *file) {
    return has(file, "encoder.layers.0.weight") || has_start(file, "encoder.down_blocks.");
}

diffcut_status single_file_load(const safetensors *file, single_kind kind, const char *component, tensor_table *table,
                                diffcut_diagnostics *diag) {
    diffcut_status status = DIFFCUT_OK;
    reading how;
    if (!choose(file, kind, component, &how)) {
        return DIFFCUT_OK;
    }
    if (how.prefix[0] == '\0' && single_file_has_diffusers_names(file)) {
        status = layout_folder_add(file, FOLDER_NAMES_VAE, table, diag);
        return status == DIFFCUT_OK ? tensor_table_sort(table, diag) : status;
    }
    if (how.layout == READ_UNET) {
        names_unet_places(file, how.prefix, &how.places);
    } else if (how.layout == READ_VAE) {
        how.levels = names_vae_levels(file, how.prefix);
    }
    for (size_t i = 0; i < safetensors_count(file) && status == DIFFCUT_OK; i++) {
        const safetensors_tensor *stored = safetensors_at(file, i);
        if (starts(stored->name, how.prefix)) {
            status = add_tensor(file, &how, stored, table, diag);
        }
    }
    return status == DIFFCUT_OK ? tensor_table_sort(table, diag) : status;
}
