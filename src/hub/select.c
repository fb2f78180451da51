/* select.c - see select.h. */
#include "hub/select.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SELECT_MAX_VARIANT 32 /* bytes of a variant's name */
#define SELECT_LIST 300       /* bytes of a list of names in a message */

/* A part of a pipeline: its folder ("" the root) and what its weights are called. */
typedef struct component {
    const char *folder;
    const char *base;
} component;

static const component unet = {"unet", "diffusion_pytorch_model"};
static const component beside_unet[] = {
    {"vae", "diffusion_pytorch_model"}, {"text_encoder", "model"}, {"text_encoder_2", "model"}};
static const component alone = {"", "diffusion_pytorch_model"};

/* An image encoder, and the configuration that says it is one: transformers' layout before open_clip's. */
static const struct encoder {
    component part;
    const char *config;
} encoders[] = {{{"", "model"}, "config.json"},
                {{"", "open_clip_model"}, "open_clip_config.json"},
                {{"", "open_clip_pytorch_model"}, "open_clip_config.json"}};

/* What the name of a weights' file says. */
typedef struct weights_name {
    char variant[SELECT_MAX_VARIANT + 1]; /* empty: none */
    unsigned shard, shards;               /* 2 of 3; 0 of 0 for a file that is whole */
    bool index;                           /* the JSON that says which tensor is in which shard */
} weights_name;

/* ------------------------------------------------------------------------------------------------- names */

static bool ends_with(const char *text, const char *end) {
    const size_t length = strlen(text);
    const size_t tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* Reads "-00002-of-00003" at *at and goes past it. */
static bool take_shard(const char **at, weights_name *out) {
    int length = 0;
    unsigned shard = 0;
    unsigned shards = 0;
    if (sscanf(*at, "-%5u-of-%5u%n", &shard, &shards, &length) != 2 || length != 15 || out->shards != 0 ||
        shard < 1 || shard > shards) {
        return false;
    }
    out->shard = shard;
    out->shards = shards;
    *at += length;
    return true;
}

/* Reads ".fp16" before the next '.' or '-' and goes past it. */
static bool take_variant(const char **at, weights_name *out) {
    const size_t length = **at == '.' ? strcspn(*at + 1, ".-") : 0;
    if (length == 0 || length > SELECT_MAX_VARIANT || out->variant[0] != '\0') {
        return false;
    }
    memcpy(out->variant, *at + 1, length);
    out->variant[length] = '\0';
    *at += 1 + length;
    return true;
}

/* BASE[.VARIANT][-N-of-M][.VARIANT].safetensors and BASE.safetensors.index[.VARIANT].json, as the libraries have
 * written them over time. */
static bool read_name(const char *name, const char *base, weights_name *out) {
    const size_t length = strlen(base);
    weights_name read = {.variant = ""};
    if (strncmp(name, base, length) != 0) {
        return false;
    }
    const char *at = name + length;
    static const char index[] = ".safetensors.index";
    if (strncmp(at, index, sizeof index - 1) == 0) {
        at += sizeof index - 1;
        read.index = true;
        if (strcmp(at, ".json") != 0) {
            (void)take_variant(&at, &read);
        }
        *out = read;
        return strcmp(at, ".json") == 0;
    }
    while (*at != '\0' && strcmp(at, ".safetensors") != 0) {
        if (!take_shard(&at, &read) && !take_variant(&at, &read)) {
            return false;
        }
    }
    *out = read;
    return *at != '\0';
}

/* The file's name if it lies directly in folder, else NULL. */
static const char *name_in(const char *path, const char *folder) {
    const size_t length = strlen(folder);
    if (length > 0) {
        if (strncmp(path, folder, length) != 0 || path[length] != '/') {
            return NULL;
        }
        path += length + 1;
    }
    return strchr(path, '/') == NULL ? path : NULL;
}

/* Appends name to a list in a message unless it is there already or there is no room. */
static void append_name(char list[SELECT_LIST], const char *name) {
    const size_t used = strlen(list);
    const size_t more = strlen(name);
    for (const char *at = list; (at = strstr(at, name)) != NULL; at += more) {
        const bool begins = at == list || at[-1] == ' ';
        if (begins && (at[more] == '\0' || at[more] == ',')) {
            return;
        }
    }
    (void)snprintf(list + used, SELECT_LIST - used, "%s%s", used > 0 ? ", " : "", name);
}

/* ------------------------------------------------------------------------------------------------- weights */

/* Marks the weights of a component in one variant: the whole file, else the shards and their index. False, nothing
 * being marked, when they are not all there. */
static bool take_weights(const listing *all, component part, const char *variant, bool *wanted) {
    unsigned shards = 0;
    unsigned found = 0;
    bool indexed = false;
    size_t whole = SIZE_MAX;
    weights_name read;
    for (size_t i = 0; i < all->count; i++) {
        const char *name = name_in(all->files[i].path, part.folder);
        if (name != NULL && read_name(name, part.base, &read) && strcmp(read.variant, variant) == 0) {
            whole = !read.index && read.shards == 0 ? i : whole;
            indexed = indexed || read.index;
            found += read.shards > 0 ? 1 : 0;
            shards = read.shards > 0 ? read.shards : shards;
        }
    }
    if (whole != SIZE_MAX) {
        wanted[whole] = true;
        return true;
    }
    if (!indexed || shards == 0 || found != shards) {
        return false;
    }
    for (size_t i = 0; i < all->count; i++) {
        const char *name = name_in(all->files[i].path, part.folder);
        if (name != NULL && read_name(name, part.base, &read) && strcmp(read.variant, variant) == 0) {
            wanted[i] = true;
        }
    }
    return true;
}

/* The variants of a component that are there, as a message lists them. */
static void list_variants(const listing *all, component part, char list[SELECT_LIST]) {
    list[0] = '\0';
    weights_name read;
    for (size_t i = 0; i < all->count; i++) {
        const char *name = name_in(all->files[i].path, part.folder);
        if (name != NULL && read_name(name, part.base, &read)) {
            append_name(list, read.variant[0] != '\0' ? read.variant : "plain");
        }
    }
}

/* The first variant that is whole, the one asked for coming first. */
static bool take_any(const listing *all, component part, const char *variant, bool *wanted) {
    const char *const order[] = {variant != NULL ? variant : "fp16", variant != NULL ? "" : "fp16", "", "fp16",
                                 "bf16"};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        if (take_weights(all, part, order[i], wanted)) {
            return true;
        }
    }
    return false;
}

/* Whether the folder has weights in a form that is not read. */
static bool has_pickles(const listing *all, const char *folder) {
    for (size_t i = 0; i < all->count; i++) {
        const char *name = name_in(all->files[i].path, folder);
        if (name != NULL && (ends_with(name, ".bin") || ends_with(name, ".ckpt") || ends_with(name, ".pt"))) {
            return true;
        }
    }
    return false;
}

/* The weights that nothing works without, in the variant asked for. */
static diffcut_status take_main(const listing *all, const char *name, component part, const char *variant,
                                bool *wanted, diffcut_diagnostics *diag) {
    char list[SELECT_LIST];
    if (variant != NULL ? take_weights(all, part, variant, wanted) : take_any(all, part, NULL, wanted)) {
        return DIFFCUT_OK;
    }
    list_variants(all, part, list);
    const char *in = part.folder[0] != '\0' ? part.folder : "its root";
    if (variant != NULL && list[0] != '\0') {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s has no whole weights of variant '%.40s' in %s; there are: %s",
                         name, variant[0] != '\0' ? variant : "plain", in, list);
    }
    if (list[0] != '\0') {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "%s has no whole fp16, plain or bf16 weights in %s (--variant takes another); there are: %s",
                         name, in, list);
    }
    return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s has no .safetensors weights in %s%s", name, in,
                     has_pickles(all, part.folder)
                         ? "; it has pickles (.bin, .ckpt), which can run code when read and are not downloaded"
                         : "");
}

/* ------------------------------------------------------------------------------------------------- the rest */

/* What is small and of use for any form of a model. */
static bool is_small_part(const char *path) {
    static const char *const plain[] = {"model_index.json", "diffcut.json", "README.md",
                                        "scheduler/scheduler_config.json"};
    static const char *const folders[] = {"unet", "vae", "text_encoder", "text_encoder_2"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (strcmp(path, plain[i]) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        const char *name = name_in(path, folders[i]);
        if (name != NULL && strcmp(name, "config.json") == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < 2; i++) {
        const char *name = name_in(path, i == 0 ? "tokenizer" : "tokenizer_2");
        if (name != NULL && (ends_with(name, ".json") || ends_with(name, ".txt"))) {
            return true;
        }
    }
    return strchr(path, '/') == NULL &&
           (strncasecmp(path, "LICENSE", 7) == 0 || strncasecmp(path, "LICENCE", 7) == 0) &&
           !ends_with(path, ".safetensors");
}

/* True when the root has weights of this name. */
static bool has_weights(const listing *all, component part) {
    weights_name read;
    for (size_t i = 0; i < all->count; i++) {
        const char *file = name_in(all->files[i].path, "");
        if (file != NULL && read_name(file, part.base, &read)) {
            return true;
        }
    }
    return false;
}

/* The form in which a repository has an image encoder; NULL when it has none. */
static const struct encoder *find_encoder(const listing *all) {
    for (size_t i = 0; i < sizeof encoders / sizeof *encoders; i++) {
        if (listing_find(all, encoders[i].config) != SIZE_MAX && has_weights(all, encoders[i].part)) {
            return &encoders[i];
        }
    }
    return NULL;
}

/* Its weights, its configuration, how images are normalised and how a CLIP's texts are read. */
static diffcut_status take_encoder(const listing *all, const char *name, const struct encoder *encoder,
                                   const char *variant, bool *wanted, diffcut_diagnostics *diag) {
    const char *const files[] = {encoder->config, "preprocessor_config.json", "vocab.json",
                                 "merges.txt",    "tokenizer_config.json",    "special_tokens_map.json"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const size_t found = listing_find(all, files[i]);
        if (found != SIZE_MAX) {
            wanted[found] = true;
        }
    }
    return take_main(all, name, encoder->part, variant, wanted, diag);
}

/* The single file of a repository without a folder layout. */
static diffcut_status take_single(const listing *all, const char *name, bool *wanted, diffcut_diagnostics *diag) {
    char list[SELECT_LIST] = "";
    size_t found = SIZE_MAX;
    size_t count = 0;
    for (size_t i = 0; i < all->count; i++) {
        const char *path = all->files[i].path;
        if (name_in(path, "") != NULL && ends_with(path, ".safetensors")) {
            append_name(list, path);
            found = i;
            count++;
        }
    }
    if (count == 1) {
        wanted[found] = true;
        return DIFFCUT_OK;
    }
    if (count > 1) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s has no unet/ but %zu files; choose one by --file: %s", name,
                         count, list);
    }
    return diag_fail(
        diag, DIFFCUT_ERROR_MODEL,
        "%s is no model that can be read: neither unet/config.json nor a .safetensors file%s", name,
        has_pickles(all, "") ? "; its pickles (.bin, .ckpt) can run code when read and are not downloaded" : "");
}

static diffcut_status take_named(const listing *all, const char *name, const char *file, bool *wanted,
                                 diffcut_diagnostics *diag) {
    const size_t found = listing_find(all, file);
    if (found == SIZE_MAX) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s has no file %.200s", name, file);
    }
    if (!ends_with(file, ".safetensors")) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: %.200s is no .safetensors file; nothing else is read",
                         name, file);
    }
    wanted[found] = true;
    return DIFFCUT_OK;
}

diffcut_status select_files(const listing *all, const char *name, const select_settings *settings, bool *wanted,
                            diffcut_diagnostics *diag) {
    diffcut_status status = DIFFCUT_OK;
    for (size_t i = 0; i < all->count; i++) {
        wanted[i] = is_small_part(all->files[i].path);
    }
    const size_t config = listing_find(all, "config.json");
    const bool stands_alone = config != SIZE_MAX && has_weights(all, alone);
    const struct encoder *encoder = find_encoder(all);
    if (settings->file != NULL) {
        status = take_named(all, name, settings->file, wanted, diag);
    } else if (listing_find(all, "unet/config.json") != SIZE_MAX) {
        status = take_main(all, name, unet, settings->variant, wanted, diag);
        for (size_t i = 0; i < sizeof beside_unet / sizeof *beside_unet; i++) {
            (void)take_any(all, beside_unet[i], settings->variant, wanted); /* what is missing is said on opening */
        }
    } else if (stands_alone) {
        wanted[config] = true;
        status = take_main(all, name, alone, settings->variant, wanted, diag);
    } else if (encoder != NULL) {
        status = take_encoder(all, name, encoder, settings->variant, wanted, diag);
    } else {
        status = take_single(all, name, wanted, diag);
    }
    return status;
}
