/* like.c - see like.h. */
#include "synth/like.h"

#include "core/memory.h"
#include "io/bytes.h"
#include "io/safetensors.h"
#include "synth/like_data.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_TEXT ((size_t)16 << 20) /* bytes of one file: vocabularies are about one million */

/* Files of a checkpoint that are no weights. */
static const char *const names[] = {
    "model_index.json",
    "diffcut.json",
    "scheduler/scheduler_config.json",
    "unet/config.json",
    "vae/config.json",
    "text_encoder/config.json",
    "text_encoder_2/config.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/special_tokens_map.json",
    "tokenizer/vocab.json",
    "tokenizer/merges.txt",
    "tokenizer_2/tokenizer_config.json",
    "tokenizer_2/special_tokens_map.json",
    "tokenizer_2/vocab.json",
    "tokenizer_2/merges.txt",
};
_Static_assert(sizeof names / sizeof *names <= LIKE_MAX_FILES, "room for every file");

void like_free(like *self) {
    for (size_t i = 0; i < self->count; i++) {
        diffcut_buffer_free(&self->files[i].text);
    }
    *self = (like){.count = 0};
}

const like_file *like_find(const like *self, const char *name) {
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(self->files[i].name, name) == 0) {
            return &self->files[i];
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------------------- vocabulary */

/* The character that CLIP's byte-level vocabulary (GPT-2's) writes the n-th symbol with: the visible bytes of Latin-1
 * stand for themselves and come first, the others follow as 256, 257, ... */
static unsigned symbol(unsigned n) {
    static const unsigned visible[][2] = {{'!', '~'}, {0xA1, 0xAC}, {0xAE, 0xFF}};
    for (size_t i = 0; i < sizeof visible / sizeof *visible; i++) {
        unsigned size = visible[i][1] - visible[i][0] + 1;
        if (n < size) {
            return visible[i][0] + n;
        }
        n -= size;
    }
    return 256 + n;
}

/* "character + suffix": id */
static void add_symbol(bytes *json, unsigned n, const char *suffix, uint64_t id) {
    char text[16];
    unsigned code = symbol(n);
    if (code < 0x80) {
        (void)snprintf(text, sizeof text, "%c%s", (int)code, suffix);
    } else { /* two bytes of UTF-8: no code is above 0x7FF */
        (void)snprintf(text, sizeof text, "%c%c%s", (int)(0xC0 | code >> 6), (int)(0x80 | (code & 0x3F)), suffix);
    }
    bytes_json_string(json, text);
    bytes_text(json, ": ");
    bytes_number(json, id);
    bytes_text(json, ", ");
}

static diffcut_status make_vocabulary(diffcut_buffer *out, diffcut_diagnostics *diag) {
    bytes json = {0};
    bytes_text(&json, "{");
    for (unsigned n = 0; n < 512; n++) {
        add_symbol(&json, n % 256, n < 256 ? "" : "</w>", n); /* the second half: at a word's end */
    }
    bytes_text(&json, "\"<|startoftext|>\": 49406, \"<|endoftext|>\": 49407}\n");
    return bytes_finish(&json, "a vocabulary", out, diag);
}

static diffcut_status make_merges(diffcut_buffer *out, diffcut_diagnostics *diag) {
    bytes text = {0};
    bytes_text(&text, "#version: 0.2\n");
    return bytes_finish(&text, "a vocabulary", out, diag);
}

/* ------------------------------------------------------------------------------------------------- sources */

/* True for "tokenizer/vocab.json" where there is "tokenizer/tokenizer_config.json". */
static bool beside_tokenizer(const like *self, const char *name, const char *file) {
    const char *slash = strchr(name, '/');
    char config[64];
    if (slash == NULL || strcmp(slash + 1, file) != 0) {
        return false;
    }
    (void)snprintf(config, sizeof config, "%.*s/tokenizer_config.json", (int)(slash - name), name);
    return like_find(self, config) != NULL;
}

/* One file of a built-in architecture; absent ones give an empty text. */
static diffcut_status built_in_file(const like *self, json_view root, const char *name, diffcut_buffer *out,
                                    diffcut_diagnostics *diag) {
    bool present;
    json_view node;
    if (beside_tokenizer(self, name, "vocab.json")) {
        return make_vocabulary(out, diag);
    }
    if (beside_tokenizer(self, name, "merges.txt")) {
        return make_merges(out, diag);
    }
    diffcut_status status = json_get_object(root, name, &present, &node, diag);
    if (status != DIFFCUT_OK || !present) {
        return status;
    }
    bytes text = {0};
    json_write(node, &text);
    return bytes_finish(&text, name, out, diag);
}

static diffcut_status folder_file(const char *folder, const char *name, diffcut_buffer *out,
                                  diffcut_diagnostics *diag) {
    size_t room = strlen(folder) + strlen(name) + 2;
    char *path = mem_array(room, 1);
    if (path == NULL) {
        return diag_no_memory(diag, room, name);
    }
    struct stat info;
    (void)snprintf(path, room, "%s/%s", folder, name);
    diffcut_status status = DIFFCUT_OK;
    if (stat(path, &info) == 0) {
        status = diffcut_read_file(path, MAX_TEXT, out, diag);
    }
    mem_free(path);
    return status;
}

/* How the folder's own text encoders name their tensors; as usual where it has no weights to tell. */
static void look_at_names(const char *folder, like *self) {
    static const char *const files[] = {"text_encoder/model.safetensors", "text_encoder_2/model.safetensors"};
    for (size_t i = 0; i < 2; i++) {
        safetensors *weights;
        diffcut_diagnostics ignored;
        if (safetensors_open(folder, files[i], &weights, &ignored) == DIFFCUT_OK) {
            self->bare_text[i] = safetensors_find(weights, "embeddings.token_embedding.weight") != NULL;
            safetensors_close(weights);
        }
    }
}

/* Fills the list from the built-in document (folder NULL) or from the folder. */
static diffcut_status collect(const char *folder, json_view root, like *out, diffcut_diagnostics *diag) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        diffcut_buffer text = {0};
        diffcut_status status = folder != NULL ? folder_file(folder, names[i], &text, diag)
                                               : built_in_file(out, root, names[i], &text, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
        if (text.data != NULL) {
            out->files[out->count++] = (like_file){names[i], text};
        }
    }
    return DIFFCUT_OK;
}

static diffcut_status open_built_in(const embedded_file *recipe, like *out, diffcut_diagnostics *diag) {
    json_document document;
    diffcut_status status = json_parse(recipe->text, recipe->size, recipe->name, &document, diag);
    if (status == DIFFCUT_OK) {
        status = collect(NULL, document.root, out, diag);
        json_document_free(&document);
    }
    return status;
}

static diffcut_status neither(const char *name, diffcut_diagnostics *diag) {
    char known[256] = "";
    for (size_t i = 0; i < like_recipes_count; i++) {
        size_t used = strlen(known);
        (void)snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "", like_recipes[i].name);
    }
    return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "%.200s: neither a known architecture (%s) nor a folder", name,
                     known);
}

diffcut_status like_open(const char *name, like *out, diffcut_diagnostics *diag) {
    like self = {.count = 0};
    struct stat info;
    diffcut_status status = DIFFCUT_OK;
    bool known = false;
    for (size_t i = 0; i < like_recipes_count && !known; i++) {
        known = strcmp(like_recipes[i].name, name) == 0;
        status = known ? open_built_in(&like_recipes[i], &self, diag) : DIFFCUT_OK;
    }
    if (!known) {
        if (stat(name, &info) != 0 || !S_ISDIR(info.st_mode)) {
            return neither(name, diag);
        }
        status = collect(name, (json_view){NULL, NULL}, &self, diag);
        look_at_names(name, &self);
    }
    if (status == DIFFCUT_OK && like_find(&self, "unet/config.json") == NULL) {
        status = diag_fail(diag, DIFFCUT_ERROR_MODEL, "%.300s: no unet/config.json in it", name);
    }
    if (status != DIFFCUT_OK) {
        like_free(&self);
        return status;
    }
    *out = self;
    return DIFFCUT_OK;
}
