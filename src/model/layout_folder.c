/* layout_folder.c - see layout_folder.h. */
#include "model/layout_folder.h"

#include "model/shard_index.h"
#include "model/weights_file.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define VARIANT_MAX 32
#define PATH_ROOM 512 /* of a name below the model's folder */

bool layout_folder_is_variant(const char *variant) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t length = strlen(variant);
    return length > 0 && length <= VARIANT_MAX && strspn(variant, letters) == length;
}

static bool exists(const char *root, const char *name) {
    char path[PATH_MAX];
    struct stat info;
    int length = snprintf(path, sizeof path, "%s/%s", root, name);
    return length > 0 && (size_t)length < sizeof path && lstat(path, &info) == 0;
}

/* Writes sub + stem + before + ".variant" + after; false when it is too long or not there. */
static bool look(const folder_place *place, const char *before, const char *variant, const char *after, char *name,
                 size_t size) {
    int length = snprintf(name, size, "%s%s%s%s%s%s", place->sub, place->stem, before, variant != NULL ? "." : "",
                          variant != NULL ? variant : "", after);
    return length > 0 && (size_t)length < size && exists(place->root, name);
}

/* The file or index of this variant (NULL: the plain one). */
static bool find_variant(const folder_place *place, const char *variant, char *name, size_t size) {
    static const struct form {
        const char *before, *after; /* the variant */
    } forms[] = {{"", ".safetensors"},
                 {".safetensors.index", ".json"},
                 {"", ".safetensors.index.json"},
                 {".safetensors", ".index.json"}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (look(place, forms[i].before, variant, forms[i].after, name, size)) {
            return true;
        }
    }
    return false;
}

/* The weights' file or index, below the model's folder. */
static bool find_weights(const folder_place *place, char *name, size_t size) {
    static const char *const by_preference[] = {NULL, "fp16", "bf16"};
    if (place->variant != NULL) {
        return find_variant(place, place->variant, name, size);
    }
    for (size_t i = 0; i < sizeof by_preference / sizeof *by_preference; i++) {
        if (find_variant(place, by_preference[i], name, size)) {
            return true;
        }
    }
    return false;
}

bool layout_folder_has(const folder_place *place) {
    char name[PATH_ROOM];
    return find_weights(place, name, sizeof name);
}

/* ------------------------------------------------------------------------------------------------- nothing found */

/* What lies in the component's folder in place of what was looked for. */
typedef struct folder_finds {
    char pickle[256];
    char weights[256]; /* safetensors files, as the message lists them */
} folder_finds;

static void look_around(const folder_place *place, folder_finds *finds) {
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", place->root, place->sub);
    DIR *folder = length > 0 && (size_t)length < sizeof path ? opendir(path) : NULL;
    if (folder == NULL) {
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        size_t used = strlen(finds->weights);
        if (weights_file_is_pickle_name(entry->d_name)) {
            (void)snprintf(finds->pickle, sizeof finds->pickle, "%s%.200s", place->sub, entry->d_name);
        } else if (weights_file_ends(entry->d_name, ".safetensors") &&
                   strlen(entry->d_name) + 3 < sizeof finds->weights - used) {
            (void)snprintf(finds->weights + used, sizeof finds->weights - used, "%s%.200s", used > 0 ? ", " : "",
                           entry->d_name);
        }
    }
    (void)closedir(folder);
}

static diffcut_status nothing_found(const folder_place *place, diffcut_diagnostics *diag) {
    folder_finds finds = {.pickle = ""};
    look_around(place, &finds);
    if (finds.weights[0] == '\0' && finds.pickle[0] != '\0') {
        return weights_file_refuse_pickle(finds.pickle, diag);
    }
    const char *variant = place->variant != NULL ? place->variant : "";
    const char *dot = place->variant != NULL ? "." : "";
    if (finds.weights[0] == '\0') {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%.300s: the model has no %s%s%s%s.safetensors", place->root,
                         place->sub, place->stem, dot, variant);
    }
    return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%.300s: the model has no %s%s%s%s.safetensors; there is %s",
                     place->root, place->sub, place->stem, dot, variant, finds.weights);
}

/* ------------------------------------------------------------------------------------------------- loading */

/* NAME_UNKNOWN keeps a key as it is. */
static name_form rename_key(folder_names names, const char *key, char name[NAMES_SIZE]) {
    switch (names) {
    case FOLDER_NAMES_VAE:
        return names_vae_diffusers(key, name);
    case FOLDER_NAMES_CLIP:
        return names_clip(key, name);
    case FOLDER_NAMES_ENCODER:
        return names_encoder(key, name);
    case FOLDER_NAMES_OPEN_CLIP:
        return names_open_clip_model(key, name);
    case FOLDER_NAMES_AS_THEY_ARE:
        break;
    }
    return NAME_UNKNOWN;
}

diffcut_status layout_folder_add(const safetensors *file, folder_names names, tensor_table *table,
                                 diffcut_diagnostics *diag) {
    for (size_t i = 0; i < safetensors_count(file); i++) {
        safetensors_tensor tensor = *safetensors_at(file, i);
        char name[NAMES_SIZE];
        name_form form = rename_key(names, tensor.name, name);
        const char *key = form != NAME_UNKNOWN ? name : tensor.name;
        if (form == NAME_STACKED) {
            diffcut_status status = tensor_table_add_stacked(table, file, &tensor, name, diag);
            if (status != DIFFCUT_OK) {
                return status;
            }
            continue;
        }
        if (names == FOLDER_NAMES_VAE && tensor.rank == 4 && tensor.shape[2] == 1 && tensor.shape[3] == 1 &&
            names_is_vae_attention(key)) {
            tensor.rank = 2;
        }
        bool transposed = form == NAME_TRANSPOSED && tensor.rank == 2;
        diffcut_status status = tensor_table_add(table, file, &tensor, key, transposed, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
    }
    return DIFFCUT_OK;
}

/* Opens one file and adds what is in it. */
static diffcut_status add_file(const char *root, const char *name, folder_names names, tensor_table *table,
                               diffcut_diagnostics *diag) {
    safetensors *file;
    diffcut_status status = weights_file_open(root, name, &file, diag);
    if (status == DIFFCUT_OK) {
        status = tensor_table_own(table, file, diag);
    }
    return status == DIFFCUT_OK ? layout_folder_add(file, names, table, diag) : status;
}

/* Every tensor is in the shard that the index says. */
static diffcut_status check_map(const shard_index *index, const char *sub, const tensor_table *table,
                                diffcut_diagnostics *diag) {
    for (size_t i = 0; i < index->file_count; i++) {
        const safetensors *shard = table->files[i]; /* opened in this order */
        void *place = NULL;
        const char *tensor;
        json_view value;
        while (json_next(index->map, &place, &tensor, &value)) {
            const char *file;
            diffcut_status status = json_get_text(index->map, tensor, true, NULL, SHARD_MAX_NAME, &file, diag);
            if (status != DIFFCUT_OK) {
                return status;
            }
            if (strcmp(file, index->files[i]) == 0 && safetensors_find(shard, tensor) == NULL) {
                return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: weight_map puts %.120s in %s%.120s, which lacks it",
                                 index->map.file, tensor, sub, file);
            }
        }
    }
    return DIFFCUT_OK;
}

static diffcut_status load_shards(const folder_place *place, const char *name, folder_names names,
                                  tensor_table *table, diffcut_diagnostics *diag) {
    shard_index index;
    diffcut_status status = shard_index_read(place->root, name, &index, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    for (size_t i = 0; i < index.file_count && status == DIFFCUT_OK; i++) {
        char shard[PATH_ROOM];
        (void)snprintf(shard, sizeof shard, "%s%s", place->sub, index.files[i]);
        status = exists(place->root, shard)
                     ? add_file(place->root, shard, names, table, diag)
                     : diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: weight_map names %.200s, which is not there", name,
                                 index.files[i]);
    }
    if (status == DIFFCUT_OK) {
        status = check_map(&index, place->sub, table, diag);
    }
    shard_index_free(&index);
    return status;
}

diffcut_status layout_folder_load(const folder_place *place, folder_names names, tensor_table *table, char *label,
                                  size_t size, diffcut_diagnostics *diag) {
    char name[PATH_ROOM];
    if (!find_weights(place, name, sizeof name)) {
        return nothing_found(place, diag);
    }
    (void)snprintf(label, size, "%s", name);
    diffcut_status status = weights_file_ends(name, ".json") ? load_shards(place, name, names, table, diag)
                                                             : add_file(place->root, name, names, table, diag);
    return status == DIFFCUT_OK ? tensor_table_sort(table, diag) : status;
}
