/* checkpoint.c - see checkpoint.h; opening is in checkpoint_open.c. */
#include "model/checkpoint_internal.h"

#include "core/memory.h"
#include "model/single_config.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const checkpoint_layout checkpoint_layouts[CHECKPOINT_PARTS] = {
    {"unet", "unet/", "diffusion_pytorch_model", FOLDER_NAMES_AS_THEY_ARE},
    {"vae", "vae/", "diffusion_pytorch_model", FOLDER_NAMES_VAE},
    {"text_encoder", "text_encoder/", "model", FOLDER_NAMES_CLIP},
    {"text_encoder_2", "text_encoder_2/", "model", FOLDER_NAMES_CLIP},
    {CHECKPOINT_ENCODER, "", "model", FOLDER_NAMES_ENCODER},
};

/* open_clip's own layout has another name for the same component; its older name is looked for, too. */
static const checkpoint_layout open_clip = {CHECKPOINT_ENCODER, "", "open_clip_model", FOLDER_NAMES_OPEN_CLIP};
static const checkpoint_layout open_clip_older = {CHECKPOINT_ENCODER, "", "open_clip_pytorch_model",
                                                  FOLDER_NAMES_OPEN_CLIP};

const checkpoint_layout *checkpoint_layout_of(const char *component) {
    for (size_t i = 0; i < CHECKPOINT_PARTS; i++) {
        if (strcmp(checkpoint_layouts[i].component, component) == 0) {
            return &checkpoint_layouts[i];
        }
    }
    return NULL;
}

/* A component's tensors; NULL where there is no such component. */
static const checkpoint_part *part_of(const checkpoint *self, const char *component) {
    const checkpoint_layout *layout = checkpoint_layout_of(component);
    return layout != NULL ? &self->parts[layout - checkpoint_layouts] : NULL;
}

void checkpoint_close(checkpoint *self) {
    if (self == NULL) {
        return;
    }
    for (size_t i = 0; i < CHECKPOINT_PARTS; i++) {
        tensor_table_free(&self->parts[i].table);
    }
    safetensors_close(self->single);
    mem_free(self->config);
    mem_free(self->variant);
    mem_free(self->name);
    mem_free(self->folder);
    mem_free(self->path);
    mem_free(self);
}

const char *checkpoint_path(const checkpoint *self) {
    return self->path;
}

const char *checkpoint_name(const checkpoint *self) {
    return self->name;
}

/* ------------------------------------------------------------------------------------------------- files */

/* folder/name when it is there; a link that leads nowhere counts: opening it says so. */
static bool is_there(const char *folder, const char *name, char *path, size_t size) {
    struct stat info;
    int length = snprintf(path, size, "%s/%s", folder, name);
    return length > 0 && (size_t)length < size && lstat(path, &info) == 0;
}

/* name without the component's folder. */
static const char *below(const char *name, const char *sub) {
    size_t length = strlen(sub);
    return strncmp(name, sub, length) == 0 ? name + length : name;
}

/* The folder that a file is in, and its name there; false when there is none. */
static bool find_file(const checkpoint *self, const char *name, const char **folder, const char **local, char *path,
                      size_t size) {
    *folder = self->single != NULL ? self->config : self->folder;
    *local = self->alone != NULL ? below(name, self->alone) : name;
    if (*folder == NULL) {
        return false;
    }
    if (is_there(*folder, *local, path, size)) {
        return true;
    }
    /* An autoencoder's configuration may be given alone. */
    *local = below(name, "vae/");
    return self->single != NULL && (self->kind == SINGLE_VAE || self->kind == SINGLE_TAESD) && *local != name &&
           is_there(*folder, *local, path, size);
}

static diffcut_status lacks(const checkpoint *self, const char *name, diffcut_diagnostics *diag) {
    if (self->single != NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%.300s: a single file, which has no %s%s%.300s", self->path,
                         name, self->config != NULL ? "; nor has the folder of configurations, " : "",
                         self->config != NULL ? self->config : "");
    }
    return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%.300s: the model has no %s", self->path, name);
}

diffcut_status checkpoint_locate(const checkpoint *self, const char *name, char **path, diffcut_diagnostics *diag) {
    char place[PATH_MAX];
    const char *folder;
    const char *local;
    if (!find_file(self, name, &folder, &local, place, sizeof place)) {
        return lacks(self, name, diag);
    }
    char *copy = mem_string(place);
    if (copy == NULL) {
        return diag_no_memory(diag, strlen(place) + 1, name);
    }
    *path = copy;
    return DIFFCUT_OK;
}

diffcut_status checkpoint_path_of(const checkpoint *self, const char *name, char **path, diffcut_diagnostics *diag) {
    return checkpoint_locate(self, name, path, diag);
}

/* What a single file's configurations are told from. */
static single_tables tables_of(const checkpoint *self) {
    return (single_tables){
        .file = safetensors_name(self->single),
        .kind = self->kind,
        .zero_snr = safetensors_find(self->single, "ztsnr") != NULL,
        .scaling_factor = self->scaling_factor,
        .unet = &part_of(self, "unet")->table,
        .vae = &part_of(self, "vae")->table,
        .text_encoder = &part_of(self, "text_encoder")->table,
        .text_encoder_2 = &part_of(self, "text_encoder_2")->table,
    };
}

bool checkpoint_has(const checkpoint *self, const char *name) {
    char place[PATH_MAX];
    const char *folder;
    const char *local;
    if (find_file(self, name, &folder, &local, place, sizeof place)) {
        return true;
    }
    if (self->single == NULL) {
        return false;
    }
    single_tables tables = tables_of(self);
    return single_config_has(&tables, name);
}

/* Configurations that no folder gives, from the tensors. */
static diffcut_status tell_json(const checkpoint *self, const char *name, json_document *out,
                                diffcut_diagnostics *diag) {
    single_tables tables = tables_of(self);
    diffcut_buffer text = {0};
    bytes sink = {0};
    diffcut_status status = single_config_write(&tables, name, &sink, diag);
    if (status != DIFFCUT_OK) {
        bytes_free(&sink);
        return status;
    }
    status = bytes_finish(&sink, name, &text, diag);
    if (status == DIFFCUT_OK) {
        status = json_parse(text.data, text.size, name, out, diag);
        mem_free(text.data);
    }
    return status;
}

diffcut_status checkpoint_json(const checkpoint *self, const char *name, json_document *out,
                               diffcut_diagnostics *diag) {
    char place[PATH_MAX];
    const char *folder;
    const char *local;
    if (find_file(self, name, &folder, &local, place, sizeof place)) {
        diffcut_status status = json_read(folder, local, out, diag);
        if (status == DIFFCUT_OK) {
            out->root.file = name; /* a component's own config.json is called as in a whole model */
        }
        return status;
    }
    return self->single != NULL ? tell_json(self, name, out, diag) : lacks(self, name, diag);
}

/* ------------------------------------------------------------------------------------------------- components */

static folder_place place_of(const checkpoint *self, const checkpoint_layout *layout) {
    bool own = self->alone != NULL && strcmp(self->alone, layout->sub) == 0;
    return (folder_place){
        .root = self->folder, .sub = own ? "" : layout->sub, .stem = layout->stem, .variant = self->variant};
}

checkpoint_text checkpoint_config_name(const checkpoint *self, const char *component) {
    checkpoint_text name;
    bool own = strcmp(component, CHECKPOINT_ENCODER) == 0;
    (void)snprintf(name.text, sizeof name.text, "%.40s%s%s", own ? "" : component, own ? "" : "/",
                   own && self->encoder == CHECKPOINT_OPEN_CLIP ? CHECKPOINT_OPEN_CLIP_CONFIG : "config.json");
    return name;
}

checkpoint_kind checkpoint_get_kind(const checkpoint *self) {
    return self->encoder;
}

/* How a component lies in this folder; NULL when there is no such component. */
static const checkpoint_layout *layout_of(const checkpoint *self, const char *component) {
    const checkpoint_layout *layout = checkpoint_layout_of(component);
    bool encoder = layout != NULL && strcmp(layout->component, CHECKPOINT_ENCODER) == 0;
    if (encoder && self->encoder == CHECKPOINT_DIFFUSION) {
        return NULL;
    }
    if (!encoder || self->encoder == CHECKPOINT_TRANSFORMERS) {
        return layout;
    }
    folder_place place = place_of(self, &open_clip_older);
    return layout_folder_has(&place) ? &open_clip_older : &open_clip;
}

bool checkpoint_has_component(const checkpoint *self, const char *component) {
    const checkpoint_layout *layout = layout_of(self, component);
    if (layout == NULL) {
        return false;
    }
    if (self->single != NULL) {
        return part_of(self, component)->table.count > 0;
    }
    folder_place place = place_of(self, layout);
    return layout_folder_has(&place);
}

diffcut_status checkpoint_require(checkpoint *self, const char *component, diffcut_diagnostics *diag) {
    const checkpoint_layout *layout = layout_of(self, component);
    if (layout == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "this model has no component \"%.40s\"", component);
    }
    checkpoint_part *part = &self->parts[checkpoint_layout_of(component) - checkpoint_layouts];
    if (self->single != NULL) {
        return part->table.count > 0 ? tensor_table_settle(&part->table, diag)
                                     : diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: the file has no %s",
                                                 safetensors_name(self->single), component);
    }
    if (part->ready) {
        return DIFFCUT_OK;
    }
    folder_place place = place_of(self, layout);
    diffcut_status status =
        layout_folder_load(&place, layout->names, &part->table, part->label, sizeof part->label, diag);
    if (status == DIFFCUT_OK) {
        status = tensor_table_settle(&part->table, diag);
    }
    if (status != DIFFCUT_OK) {
        tensor_table_free(&part->table);
        return status;
    }
    part->ready = true;
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- tensors */

diffcut_status checkpoint_find(const checkpoint *self, const char *component, const char *tensor,
                               const safetensors_tensor **out, const char **file, diffcut_diagnostics *diag) {
    const checkpoint_part *part = part_of(self, component);
    if (part == NULL || !part->ready) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "the model has no component %s", component);
    }
    const tensor_entry *found = tensor_table_find(&part->table, tensor);
    if (found == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: tensor %s is missing%s", part->label, tensor,
                         self->single != NULL ? " (under the original name that stands for it)" : "");
    }
    *out = &found->tensor;
    *file = safetensors_name(found->file);
    return DIFFCUT_OK;
}

size_t checkpoint_count(const checkpoint *self, const char *component) {
    const checkpoint_part *part = part_of(self, component);
    return part != NULL ? part->table.count : 0;
}

const safetensors_tensor *checkpoint_at(const checkpoint *self, const char *component, size_t index) {
    return &part_of(self, component)->table.entries[index].tensor;
}

uint64_t checkpoint_parameters(const checkpoint *self, const char *component) {
    const checkpoint_part *part = part_of(self, component);
    uint64_t total = 0;
    for (size_t i = 0; part != NULL && i < part->table.count; i++) {
        total += part->table.entries[i].tensor.elements;
    }
    return total;
}

void checkpoint_release(const checkpoint *self, const safetensors_tensor *tensor) {
    if (self->single != NULL) {
        safetensors_release(self->single, tensor->data, tensor->bytes);
    }
    for (size_t i = 0; i < CHECKPOINT_PARTS; i++) {
        const tensor_table *table = &self->parts[i].table;
        for (size_t j = 0; j < table->file_count; j++) {
            safetensors_release(table->files[j], tensor->data, tensor->bytes);
        }
    }
}
