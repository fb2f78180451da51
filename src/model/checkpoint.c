/* checkpoint.c - see checkpoint.h. */
#include "model/checkpoint.h"

#include "core/memory.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the diffusers layout keeps each component's weights. */
static const struct layout {
    const char *component, *weights;
} layouts[] = {
    {"unet", "unet/diffusion_pytorch_model.safetensors"},
    {"vae", "vae/diffusion_pytorch_model.safetensors"},
    {"text_encoder", "text_encoder/model.safetensors"},
    {"text_encoder_2", "text_encoder_2/model.safetensors"},
};
enum { COMPONENTS = sizeof layouts / sizeof *layouts };

struct checkpoint {
    char *path;
    safetensors *weights[COMPONENTS]; /* one file each in this layout */
};

/* What stands at path when it is no folder to read. */
static diffcut_status check_folder(const char *path, diffcut_diagnostics *diag) {
    struct stat info;
    if (stat(path, &info) != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_IO, "%s: %s", path, strerror(errno));
    }
    if (!S_ISDIR(info.st_mode)) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "%s: not a folder; a model is a folder with unet/config.json and its safetensors", path);
    }
    if (access(path, R_OK | X_OK) != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_IO, "%s: %s", path, strerror(errno));
    }
    return DIFFCUT_OK;
}

/* The folder's path without links and dots, so that its last part is its name. */
static diffcut_status resolve(const char *path, char **out, diffcut_diagnostics *diag) {
    char resolved[PATH_MAX];
    if (realpath(path, resolved) == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_IO, "%s: %s", path, strerror(errno));
    }
    *out = mem_string(resolved);
    return *out != NULL ? DIFFCUT_OK : diag_no_memory(diag, strlen(resolved) + 1, "the model's path");
}

static diffcut_status lacks(const checkpoint *self, const char *name, diffcut_diagnostics *diag) {
    return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%.300s: the model has no %s", self->path, name);
}

diffcut_status checkpoint_open(const char *path, const checkpoint_settings *settings, checkpoint **out,
                               diffcut_diagnostics *diag) {
    (void)settings;
    diffcut_status status = check_folder(path, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    checkpoint *self = mem_array_zero(1, sizeof *self);
    if (self == NULL) {
        return diag_no_memory(diag, sizeof *self, "a checkpoint");
    }
    status = resolve(path, &self->path, diag);
    if (status != DIFFCUT_OK) {
        checkpoint_close(self);
        return status;
    }
    *out = self;
    return DIFFCUT_OK;
}

diffcut_status checkpoint_open_component(const char *path, const char *component, const checkpoint_settings *settings,
                                         checkpoint **out, diffcut_diagnostics *diag) {
    (void)settings;
    (void)out;
    return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: a %s of its own cannot be read yet", path, component);
}

diffcut_status checkpoint_require(checkpoint *self, const char *component, diffcut_diagnostics *diag) {
    for (size_t i = 0; i < COMPONENTS; i++) {
        if (strcmp(layouts[i].component, component) != 0 || self->weights[i] != NULL) {
            continue;
        }
        if (!checkpoint_has(self, layouts[i].weights)) {
            return lacks(self, layouts[i].weights, diag);
        }
        return safetensors_open(self->path, layouts[i].weights, &self->weights[i], diag);
    }
    return DIFFCUT_OK;
}

void checkpoint_close(checkpoint *self) {
    if (self == NULL) {
        return;
    }
    for (size_t i = 0; i < COMPONENTS; i++) {
        safetensors_close(self->weights[i]);
    }
    mem_free(self->path);
    mem_free(self);
}

const char *checkpoint_path(const checkpoint *self) {
    return self->path;
}

bool checkpoint_has(const checkpoint *self, const char *name) {
    char path[PATH_MAX];
    struct stat info;
    int length = snprintf(path, sizeof path, "%s/%s", self->path, name);
    /* A link that leads nowhere is there, and opening it says so. */
    return length > 0 && (size_t)length < sizeof path && lstat(path, &info) == 0;
}

diffcut_status checkpoint_json(const checkpoint *self, const char *name, json_document *out,
                               diffcut_diagnostics *diag) {
    if (!checkpoint_has(self, name)) {
        return lacks(self, name, diag);
    }
    return json_read(self->path, name, out, diag);
}

bool checkpoint_has_component(const checkpoint *self, const char *component) {
    for (size_t i = 0; i < COMPONENTS; i++) {
        if (strcmp(layouts[i].component, component) == 0) {
            return checkpoint_has(self, layouts[i].weights);
        }
    }
    return false;
}

/* The file of a component; every caller names one of the table. */
static const safetensors *component_file(const checkpoint *self, const char *component) {
    for (size_t i = 0; i < COMPONENTS; i++) {
        if (strcmp(layouts[i].component, component) == 0) {
            return self->weights[i];
        }
    }
    return NULL;
}

diffcut_status checkpoint_find(const checkpoint *self, const char *component, const char *tensor,
                               const safetensors_tensor **out, const char **file, diffcut_diagnostics *diag) {
    const safetensors *weights = component_file(self, component);
    if (weights == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "the model has no component %s", component);
    }
    const safetensors_tensor *found = safetensors_find(weights, tensor);
    if (found == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: tensor %s is missing", safetensors_name(weights), tensor);
    }
    *out = found;
    *file = safetensors_name(weights);
    return DIFFCUT_OK;
}

uint64_t checkpoint_parameters(const checkpoint *self, const char *component) {
    const safetensors *weights = component_file(self, component);
    uint64_t total = 0;
    for (size_t i = 0; weights != NULL && i < safetensors_count(weights); i++) {
        total += safetensors_at(weights, i)->elements;
    }
    return total;
}
