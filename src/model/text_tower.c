/* text_tower.c - see text_tower.h. */
#include "model/text_tower.h"

#include "core/memory.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COMPONENT "encoder"
#define VOCABULARY "vocab.json"
#define MERGES "merges.txt"
#define MAX_VOCABULARY_BYTES ((size_t)64 << 20) /* of merges.txt; CLIP's has 0.5 MB */

/* ------------------------------------------------------------------------------------------------- files */

const char *text_tower_folder(const text_tower *self) {
    return self->folder != NULL ? self->folder : checkpoint_path(self->network.source);
}

static bool is_there(const char *folder, const char *name) {
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    return length > 0 && (size_t)length < sizeof path && access(path, F_OK) == 0;
}

/* DIFFCUT_ERROR_MODEL names what the folder lacks. */
static diffcut_status check_files(const text_tower *self, diffcut_diagnostics *diag) {
    const char *folder = text_tower_folder(self);
    bool vocabulary = is_there(folder, VOCABULARY);
    bool merges = is_there(folder, MERGES);
    if (vocabulary && merges) {
        return DIFFCUT_OK;
    }
    return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                     "texts need the tokenizer's " VOCABULARY " and " MERGES
                     ", and %.250s lacks %s; any CLIP's files "
                     "will do (--tokenizer)",
                     folder,
                     vocabulary ? MERGES
                     : merges   ? VOCABULARY
                                : "both");
}

/* A JSON file that may be absent; view.node is NULL then. */
static diffcut_status read_optional(const char *folder, const char *name, json_document *out,
                                    diffcut_diagnostics *diag) {
    *out = (json_document){0};
    return is_there(folder, name) ? json_read(folder, name, out, diag) : DIFFCUT_OK;
}

/* transformers' rules depend on the special tokens; open_clip's are always the same, and its texts padded with 0. */
static diffcut_status read_words_config(text_tower *self, diffcut_diagnostics *diag) {
    uint32_t positions = self->network.config.positions;
    tokenizer_config base;
    json_document config = {0};
    json_document map = {0};
    bool open_clip = self->rules == TOKENIZER_OPEN_CLIP;
    tokenizer_config_init(open_clip, positions, &base);
    self->words_config = base;
    if (open_clip) {
        return DIFFCUT_OK;
    }
    diffcut_status status = read_optional(text_tower_folder(self), "tokenizer_config.json", &config, diag);
    if (status == DIFFCUT_OK) {
        status = read_optional(text_tower_folder(self), "special_tokens_map.json", &map, diag);
    }
    if (status == DIFFCUT_OK) {
        status = tokenizer_config_read(config.root, map.root, &base, &self->words_config, diag);
    }
    json_document_free(&config);
    json_document_free(&map);
    if (status == DIFFCUT_OK && self->words_config.length > positions) {
        status = diag_fail(diag, DIFFCUT_ERROR_MODEL,
                           "tokenizer_config.json: model_max_length is %u, the text tower has %u positions",
                           self->words_config.length, positions);
    }
    return status;
}

static diffcut_status open_words(text_tower *self, diffcut_diagnostics *diag) {
    char path[PATH_MAX];
    json_document ids = {0};
    diffcut_buffer lines = {.data = NULL};
    (void)snprintf(path, sizeof path, "%.*s/" MERGES, PATH_MAX - 32, text_tower_folder(self));
    diffcut_status status = json_read(text_tower_folder(self), VOCABULARY, &ids, diag);
    if (status == DIFFCUT_OK) {
        status = diffcut_read_file(path, MAX_VOCABULARY_BYTES, &lines, diag);
    }
    if (status == DIFFCUT_OK) {
        status = tokenizer_open(&self->words_config, ids.root, (const char *)lines.data, lines.size, MERGES,
                                &self->words, diag);
    }
    diffcut_buffer_free(&lines);
    json_document_free(&ids);
    return status;
}

/* ------------------------------------------------------------------------------------------------- life */

diffcut_status text_tower_open(checkpoint *source, const clip_text_config *config, tokenizer_rules rules,
                               const char *folder, text_tower *out, diffcut_diagnostics *diag) {
    const safetensors_tensor *first;
    const char *file;
    diffcut_diagnostics ignored;
    if (checkpoint_find(source, COMPONENT, "text_model.embeddings.token_embedding.weight", &first, &file, &ignored) !=
        DIFFCUT_OK) {
        return DIFFCUT_OK; /* the image's tower stands alone */
    }
    text_tower self = {.present = true, .rules = rules};
    self.network = (clip_text){.source = source, .component = COMPONENT, .config = *config, .pooled = true};
    if (folder != NULL) {
        self.folder = mem_string(folder);
        if (self.folder == NULL) {
            return diag_no_memory(diag, strlen(folder) + 1, "the tokenizer's path");
        }
        diffcut_status status = check_files(&self, diag);
        if (status != DIFFCUT_OK) {
            mem_free(self.folder);
            return status;
        }
    }
    self.has_files = check_files(&self, &ignored) == DIFFCUT_OK;
    *out = self;
    return DIFFCUT_OK;
}

void text_tower_close(text_tower *self) {
    tokenizer_close(self->words);
    mem_free(self->folder);
}

diffcut_status text_tower_prepare(text_tower *self, diffcut_diagnostics *diag) {
    if (!self->present) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "this model has no text tower: its weights lack the tensor "
                         "text_model.embeddings.token_embedding.weight (open_clip: token_embedding.weight)");
    }
    if (self->words != NULL) {
        return DIFFCUT_OK;
    }
    diffcut_status status = check_files(self, diag);
    if (status == DIFFCUT_OK) {
        status = read_words_config(self, diag);
    }
    return status == DIFFCUT_OK ? open_words(self, diag) : status;
}

/* ------------------------------------------------------------------------------------------------- encoding */

/* Tokens up to the text's end: the first of the largest ids. */
static size_t text_length(const uint32_t *ids, size_t count) {
    size_t end = 0;
    for (size_t i = 1; i < count; i++) {
        end = ids[i] > ids[end] ? i : end;
    }
    return end + 1;
}

/* All texts' ids, one after the other; *ids is freed by the caller on failure too. */
static diffcut_status make_ids(const text_tower *self, const char *const *texts, size_t count, uint32_t **ids,
                               clip_text_ids *lists, bool *truncated, diffcut_diagnostics *diag) {
    size_t length = self->words_config.length;
    size_t used = 0;
    size_t room = 0;
    for (size_t i = 0; i < count; i++) {
        if (room - used < length) {
            size_t wanted = 2 * room + 64 * length;
            uint32_t *grown = mem_array_grow(*ids, used, wanted, sizeof *grown);
            if (grown == NULL) {
                return diag_no_memory(diag, wanted * sizeof *grown, "the texts' tokens");
            }
            *ids = grown;
            room = wanted;
        }
        diffcut_status status =
            tokenizer_encode(self->words, self->rules, texts[i], *ids + used, &truncated[i], diag);
        if (status != DIFFCUT_OK) {
            char number[32];
            (void)snprintf(number, sizeof number, "text %zu", i + 1);
            return diag_prefix(diag, status, number);
        }
        lists[i].count = text_length(*ids + used, length);
        used += lists[i].count;
    }
    const uint32_t *next = *ids;
    for (size_t i = 0; i < count; i++) {
        lists[i].ids = next;
        next += lists[i].count;
    }
    return DIFFCUT_OK;
}

diffcut_status text_tower_encode(const text_tower *self, backend *target, backend_stream *stream, const work *w,
                                 const char *const *texts, size_t count, float *out, bool *truncated, size_t *cut) {
    uint32_t *ids = NULL;
    clip_text_ids *lists = mem_array(count, sizeof *lists);
    bool *long_ones = mem_array_zero(count, sizeof *long_ones);
    diffcut_status status = DIFFCUT_OK;
    if (lists == NULL || long_ones == NULL) {
        status = diag_no_memory(w->diag, count * sizeof *lists, "the texts' tokens");
    }
    if (status == DIFFCUT_OK) {
        status = make_ids(self, texts, count, &ids, lists, long_ones, w->diag);
    }
    if (status == DIFFCUT_OK) {
        status = clip_text_embed(&self->network, target, stream, w, lists, count, out);
    }
    *cut = 0;
    for (size_t i = 0; i < count && status == DIFFCUT_OK; i++) {
        *cut += long_ones[i] ? 1 : 0;
        if (truncated != NULL) {
            truncated[i] = long_ones[i];
        }
    }
    mem_free(ids);
    mem_free(lists);
    mem_free(long_ones);
    return status;
}
