/*
 * checkpoint_open.c - from a path or name to an open checkpoint: which layout it is.
 *
 * Called as checkpoint_open and checkpoint_open_component; see checkpoint.h.
 */
#include "model/checkpoint_internal.h"

#include "core/memory.h"
#include "model/hub_cache.h"
#include "model/weights_file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAFETENSORS_END ".safetensors"

static diffcut_status copy_text(const char *text, char **out, diffcut_diagnostics *diag) {
    char *copy = mem_string(text);
    if (copy == NULL) {
        return diag_no_memory(diag, strlen(text) + 1, "a checkpoint's path");
    }
    *out = copy;
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- paths */

/* A path as it was given, or the snapshot that a name in the Hugging Face cache stands for. */
static diffcut_status locate(const char *given, char *path, size_t size, struct stat *info,
                             diffcut_diagnostics *diag) {
    hub_name name;
    int length = snprintf(path, size, "%s", given);
    if (length < 0 || (size_t)length >= size) {
        return diag_fail(diag, DIFFCUT_ERROR_IO, "%.100s...: the path is too long", given);
    }
    if (stat(path, info) == 0) {
        return DIFFCUT_OK;
    }
    int error = errno;
    if (error == ENOENT && hub_name_parse(given, &name)) {
        diffcut_status status = hub_cache_snapshot(&name, path, size, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
        error = stat(path, info) == 0 ? 0 : errno;
    }
    return error == 0 ? DIFFCUT_OK : diag_fail(diag, DIFFCUT_ERROR_IO, "%.300s: %s", given, strerror(error));
}

/* Without links and dots. A file keeps its own name, which tells more than that of a blob it links to. */
static diffcut_status resolve(const char *path, bool folder, char *out, diffcut_diagnostics *diag) {
    if (folder) {
        return realpath(path, out) != NULL ? DIFFCUT_OK
                                           : diag_fail(diag, DIFFCUT_ERROR_IO, "%.300s: %s", path, strerror(errno));
    }
    char parent[PATH_MAX];
    char above[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t length = slash != NULL ? (size_t)(slash - path) : 0;
    (void)snprintf(parent, sizeof parent, "%.*s", (int)length, path);
    const char *start = slash == NULL ? "." : length == 0 ? "/" : parent;
    if (realpath(start, above) == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_IO, "%.300s: %s", path, strerror(errno));
    }
    size_t used = strlen(above);
    if (used + 1 + strlen(name) + 1 > PATH_MAX) {
        return diag_fail(diag, DIFFCUT_ERROR_IO, "%.100s...: the path is too long", path);
    }
    memcpy(out, above, used);
    out[used] = '/';
    memcpy(out + used + 1, name, strlen(name) + 1);
    return DIFFCUT_OK;
}

/* Keeps the paths and makes a name of their last part. */
static diffcut_status keep_paths(checkpoint *self, const char *path, bool folder, diffcut_diagnostics *diag) {
    char name[PATH_MAX];
    char above[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *last = slash != NULL && slash[1] != '\0' ? slash + 1 : path;
    if (!folder || !hub_cache_name_of(path, name, sizeof name)) {
        size_t length = strlen(last);
        length -= !folder && weights_file_ends(last, SAFETENSORS_END) ? strlen(SAFETENSORS_END) : 0;
        (void)snprintf(name, sizeof name, "%.*s", (int)length, last);
    }
    (void)snprintf(above, sizeof above, "%.*s", (int)(last - path), path);
    diffcut_status status = copy_text(path, &self->path, diag);
    if (status == DIFFCUT_OK) {
        status = copy_text(folder ? path : above, &self->folder, diag);
    }
    return status == DIFFCUT_OK ? copy_text(name, &self->name, diag) : status;
}

/* ------------------------------------------------------------------------------------------------- settings */

static diffcut_status keep_settings(checkpoint *self, const checkpoint_settings *settings,
                                    diffcut_diagnostics *diag) {
    diffcut_status status = DIFFCUT_OK;
    self->scaling_factor = settings->scaling_factor;
    if (settings->variant != NULL && !layout_folder_is_variant(settings->variant)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "variant \"%.40s\" is no variant's name: letters, digits, '_' and '-' are",
                         settings->variant);
    }
    if (settings->variant != NULL) {
        status = copy_text(settings->variant, &self->variant, diag);
    }
    if (status == DIFFCUT_OK && settings->config != NULL) {
        status = copy_text(settings->config, &self->config, diag);
    }
    return status;
}

/* What concerns the other layout is refused, not ignored. */
static diffcut_status check_settings(const checkpoint *self, bool folder, diffcut_diagnostics *diag) {
    if (folder && self->config != NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "%.300s: a folder has its own configurations; others can be given for a single file only",
                         self->path);
    }
    if (!folder && self->variant != NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%.300s: a single file has no variant \"%s\"", self->path,
                         self->variant);
    }
    return DIFFCUT_OK;
}

/* The folder of configurations has the one that nothing works without. */
static diffcut_status check_config(const checkpoint *self, const char *needed, diffcut_diagnostics *diag) {
    char *path;
    if (self->config == NULL) {
        return DIFFCUT_OK;
    }
    if (checkpoint_locate(self, needed, &path, diag) != DIFFCUT_OK) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%.300s: the folder of configurations has no %s", self->config,
                         needed);
    }
    mem_free(path);
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- layouts */

/* What lies in a folder without unet/, for the message. */
static diffcut_status no_model(const checkpoint *self, diffcut_diagnostics *diag) {
    char single[256] = "";
    char pickle[256] = "";
    const struct dirent *entry;
    DIR *folder = opendir(self->path);
    if (folder == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_IO, "%.300s: %s", self->path, strerror(errno));
    }
    while ((entry = readdir(folder)) != NULL) {
        if (weights_file_ends(entry->d_name, SAFETENSORS_END)) {
            (void)snprintf(single, sizeof single, "%.255s", entry->d_name);
        } else if (weights_file_is_pickle_name(entry->d_name)) {
            (void)snprintf(pickle, sizeof pickle, "%.255s", entry->d_name);
        }
    }
    (void)closedir(folder);
    if (single[0] != '\0') {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "%.250s: the model has no unet/config.json; if %.100s is a whole checkpoint, give that file",
                         self->path, single);
    }
    if (pickle[0] != '\0') {
        return weights_file_refuse_pickle(pickle, diag);
    }
    return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                     "%.300s: the model has no unet/config.json; a model is a folder with unet/, vae/ and so on, an "
                     "image encoder's with its config.json, or a single safetensors file",
                     self->path);
}

static diffcut_status open_folder(checkpoint *self, diffcut_diagnostics *diag) {
    if (access(self->path, R_OK | X_OK) != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_IO, "%.300s: %s", self->path, strerror(errno));
    }
    if (checkpoint_has(self, "unet")) {
        return DIFFCUT_OK;
    }
    /* Some repositories have an encoder in both layouts: transformers' is taken where its weights are there. */
    bool open_clip = checkpoint_has(self, CHECKPOINT_OPEN_CLIP_CONFIG);
    bool transformers = checkpoint_has(self, "config.json");
    if (transformers) {
        self->encoder = CHECKPOINT_TRANSFORMERS;
        transformers = !open_clip || checkpoint_has_component(self, CHECKPOINT_ENCODER);
    }
    if (open_clip && !transformers) {
        self->encoder = CHECKPOINT_OPEN_CLIP;
    }
    return open_clip || transformers ? DIFFCUT_OK : no_model(self, diag);
}

/* Maps the file and builds the tables of all components: its configurations are told from them. */
static diffcut_status open_file(checkpoint *self, bool vae, diffcut_diagnostics *diag) {
    const char *name = strrchr(self->path, '/') + 1;
    if (weights_file_is_pickle_name(name)) {
        return weights_file_refuse_pickle(name, diag);
    }
    diffcut_status status = weights_file_open(self->folder, name, &self->single, diag);
    if (status == DIFFCUT_ERROR_FORMAT && weights_file_ends(name, ".json")) {
        return diag_fail(
            diag, DIFFCUT_ERROR_MODEL,
            "%.300s: not a folder, nor a safetensors file; a model is a folder with unet/config.json and "
            "its safetensors, or a single safetensors file",
            self->path);
    }
    if (status == DIFFCUT_OK) {
        status = vae ? single_file_identify_vae(self->single, &self->kind, diag)
                     : single_file_identify(self->single, &self->kind, diag);
    }
    for (size_t i = 0; i < CHECKPOINT_PARTS && status == DIFFCUT_OK; i++) {
        if (!vae || strcmp(checkpoint_layouts[i].component, "vae") == 0) {
            checkpoint_part *part = &self->parts[i];
            part->ready = true;
            (void)snprintf(part->label, sizeof part->label, "%s", name);
            status = single_file_load(self->single, self->kind, checkpoint_layouts[i].component, &part->table, diag);
        }
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- opening */

/* An object with its paths; the caller closes it on failure too. */
static diffcut_status start(const char *given, const checkpoint_settings *settings, checkpoint **out, bool *folder,
                            diffcut_diagnostics *diag) {
    static const checkpoint_settings none = {0};
    char path[PATH_MAX];
    char resolved[PATH_MAX];
    struct stat info;
    diffcut_status status = locate(given, path, sizeof path, &info, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    *folder = S_ISDIR(info.st_mode);
    if (!*folder && !S_ISREG(info.st_mode)) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%.300s: not a folder, nor a regular file", given);
    }
    status = resolve(path, *folder, resolved, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    checkpoint *self = mem_array_zero(1, sizeof *self);
    if (self == NULL) {
        return diag_no_memory(diag, sizeof *self, "a checkpoint");
    }
    *out = self;
    status = keep_paths(self, resolved, *folder, diag);
    if (status == DIFFCUT_OK) {
        status = keep_settings(self, settings != NULL ? settings : &none, diag);
    }
    return status == DIFFCUT_OK ? check_settings(self, *folder, diag) : status;
}

static diffcut_status finish(diffcut_status status, checkpoint *self, checkpoint **out) {
    if (status != DIFFCUT_OK) {
        checkpoint_close(self);
        return status;
    }
    *out = self;
    return DIFFCUT_OK;
}

diffcut_status checkpoint_open(const char *path, const checkpoint_settings *settings, checkpoint **out,
                               diffcut_diagnostics *diag) {
    checkpoint *self = NULL;
    bool folder;
    diffcut_status status = start(path, settings, &self, &folder, diag);
    if (status == DIFFCUT_OK) {
        status = folder ? open_folder(self, diag) : open_file(self, false, diag);
    }
    if (status == DIFFCUT_OK) {
        status = check_config(self, "unet/config.json", diag);
    }
    return finish(status, self, out);
}

/* A component's own folder, or a model's folder with one of that name. */
static diffcut_status open_component_folder(checkpoint *self, const char *component, diffcut_diagnostics *diag) {
    char below[64];
    (void)snprintf(below, sizeof below, "%.40s/config.json", component);
    if (checkpoint_has(self, below)) {
        return DIFFCUT_OK;
    }
    self->alone = checkpoint_layout_of(component)->sub;
    if (checkpoint_has(self, below)) {
        return DIFFCUT_OK;
    }
    return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%.300s: neither config.json nor %s is there", self->path, below);
}

/* A file says itself what it is; one with diffusers' names goes with the config.json beside it, where there is one.
 */
static diffcut_status open_component_file(checkpoint *self, const char *component, diffcut_diagnostics *diag) {
    char path[PATH_MAX];
    if (strcmp(component, "vae") != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%.300s: a %s in a file of its own is not supported",
                         self->path, component);
    }
    diffcut_status status = open_file(self, true, diag);
    int length = snprintf(path, sizeof path, "%s/config.json", self->folder);
    if (status == DIFFCUT_OK && self->config == NULL && single_file_has_diffusers_names(self->single) && length > 0 &&
        (size_t)length < sizeof path && access(path, F_OK) == 0) {
        status = copy_text(self->folder, &self->config, diag);
    }
    return status;
}

diffcut_status checkpoint_open_component(const char *path, const char *component, const checkpoint_settings *settings,
                                         checkpoint **out, diffcut_diagnostics *diag) {
    checkpoint *self = NULL;
    bool folder;
    if (checkpoint_layout_of(component) == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "no model has a component \"%.40s\"", component);
    }
    diffcut_status status = start(path, settings, &self, &folder, diag);
    if (status == DIFFCUT_OK) {
        status = folder ? open_component_folder(self, component, diag) : open_component_file(self, component, diag);
    }
    return finish(status, self, out);
}
