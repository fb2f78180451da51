/* context.c - see context.h. */
#include "model/context.h"

#include "core/memory.h"
#include "nn/clip_text.h"
#include "nn/tokenizer.h"

#include <stdio.h>
#include <string.h>

#define ENCODERS 2
#define NAME_SIZE 64
#define MAX_VOCABULARY_BYTES ((size_t)64 << 20) /* of merges.txt; CLIP's has 0.5 MB */

/* Where an encoder's parts lie. */
typedef struct place {
    const char *component, *config, *weights, *tokenizer;
} place;

static const place places[ENCODERS] = {
    {"text_encoder", "text_encoder/config.json", "text_encoder/model.safetensors", "tokenizer"},
    {"text_encoder_2", "text_encoder_2/config.json", "text_encoder_2/model.safetensors", "tokenizer_2"},
};

typedef enum source_kind { SOURCE_ZEROS, SOURCE_ENCODERS, SOURCE_FILE, SOURCE_MISSING } source_kind;

struct context_source {
    source_kind kind;
    checkpoint *source;
    uint32_t tokens, channels;    /* of zeros */
    size_t encoders;              /* that this UNet's context takes */
    clip_text encoder[ENCODERS];  /* SOURCE_ENCODERS */
    bool present[ENCODERS];       /* SOURCE_MISSING: those that are there all the same */
    context_arrays stored;        /* SOURCE_FILE */
    char *path, *prompt, *family; /* of the file */
};

/* ------------------------------------------------------------------------------------------------- opening */

static diffcut_status read_encoder(context_source *self, size_t index, diffcut_diagnostics *diag) {
    clip_text *encoder = &self->encoder[index];
    bool second = index == 1;
    json_document document;
    diffcut_status status = checkpoint_require(self->source, places[index].component, diag);
    if (status == DIFFCUT_OK) {
        status = checkpoint_json(self->source, places[index].config, &document, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    *encoder = (clip_text){.source = self->source,
                           .component = places[index].component,
                           .penultimate = self->encoders == ENCODERS,
                           .pooled = second};
    status = clip_text_config_read(document.root, &encoder->config, diag);
    json_document_free(&document);
    return status;
}

static bool has_encoder(const checkpoint *source, size_t index) {
    return checkpoint_has_component(source, places[index].component) && checkpoint_has(source, places[index].config);
}

/* SDXL's refiner has the second encoder only, and other time ids. */
static diffcut_status refuse_refiner(context_source *self, const unet_config *config, diffcut_diagnostics *diag) {
    if (self->encoders != ENCODERS || self->present[0] || !self->present[1]) {
        return DIFFCUT_OK;
    }
    diffcut_status status = read_encoder(self, 1, diag);
    if (status == DIFFCUT_OK && self->encoder[1].config.width == config->blocks[0].context_channels) {
        status =
            diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                      "%.300s: this is an SDXL refiner (its context is that of text_encoder_2 alone), which is not "
                      "supported; use the base model",
                      checkpoint_path(self->source));
    }
    return status;
}

/* The encoders' sizes are those that the UNet asks for. */
static diffcut_status check_widths(const context_source *self, const unet_config *config, diffcut_diagnostics *diag) {
    uint32_t asked = config->blocks[0].context_channels;
    uint32_t width = self->encoder[0].config.width;
    if (self->encoders == ENCODERS) {
        uint32_t second = self->encoder[1].config.width;
        uint32_t projected = self->encoder[1].config.projected;
        if (width + second != asked) {
            return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                             "%s: hidden_size is %u, that of %s %u; unet/config.json: cross_attention_dim %u is not "
                             "their sum",
                             places[0].config, width, places[1].config, second, asked);
        }
        if (projected != unet_config_pooled_width(config)) {
            return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                             "%s: projection_dim is %u, unet/config.json's projection_class_embeddings_input_dim "
                             "leaves %u to it",
                             places[1].config, projected, unet_config_pooled_width(config));
        }
    } else if (width != asked) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "%s: hidden_size is %u, unet/config.json: cross_attention_dim is %u", places[0].config,
                         width, asked);
    }
    return DIFFCUT_OK;
}

static diffcut_status open_encoders(context_source *self, const unet_config *config, diffcut_diagnostics *diag) {
    bool whole = true;
    self->encoders = config->added_condition ? 2 : 1;
    for (size_t i = 0; i < self->encoders; i++) {
        self->present[i] = has_encoder(self->source, i);
        whole = whole && self->present[i];
    }
    self->kind = whole ? SOURCE_ENCODERS : SOURCE_MISSING;
    if (!whole) {
        return refuse_refiner(self, config, diag);
    }
    diffcut_status status = DIFFCUT_OK;
    for (size_t i = 0; i < self->encoders && status == DIFFCUT_OK; i++) {
        status = read_encoder(self, i, diag);
    }
    return status == DIFFCUT_OK ? check_widths(self, config, diag) : status;
}

static diffcut_status open_file(context_source *self, const char *path, const unet_config *config,
                                const model_settings *settings, diffcut_diagnostics *diag) {
    self->kind = SOURCE_FILE;
    self->path = mem_string(path);
    if (self->path == NULL) {
        return diag_no_memory(diag, strlen(path) + 1, "the context file's name");
    }
    diffcut_status status = context_file_read(path, &self->stored, &self->family, &self->prompt, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    uint32_t pooled = config->added_condition ? unet_config_pooled_width(config) : 0;
    uint32_t channels = config->blocks[0].context_channels;
    if (strcmp(self->family, model_family_name(settings->family)) != 0 || self->stored.channels != channels ||
        self->stored.pooled_width != pooled) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "%s: a context of another model: it is for the family %.20s, of %u channels and %u pooled; "
                         "the model is of %s, with %u and %u",
                         path, self->family, self->stored.channels, self->stored.pooled_width,
                         model_family_name(settings->family), channels, pooled);
    }
    return DIFFCUT_OK;
}

static diffcut_status open_kind(context_source *self, const unet_config *config, const model_settings *settings,
                                const char *file, diffcut_diagnostics *diag) {
    if (settings->context_tokens == 0) {
        return file != NULL ? open_file(self, file, config, settings, diag) : open_encoders(self, config, diag);
    }
    if (file != NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "%s: this model was trained without text, so it takes no context file", file);
    }
    self->kind = SOURCE_ZEROS;
    self->tokens = settings->context_tokens;
    self->channels = config->blocks[0].context_channels;
    return DIFFCUT_OK;
}

diffcut_status context_source_open(checkpoint *source, const unet_config *config, const model_settings *settings,
                                   const char *file, context_source **out, diffcut_diagnostics *diag) {
    context_source *self = mem_array_zero(1, sizeof *self);
    if (self == NULL) {
        return diag_no_memory(diag, sizeof *self, "a model's text");
    }
    self->source = source;
    diffcut_status status = open_kind(self, config, settings, file, diag);
    if (status != DIFFCUT_OK) {
        context_source_close(self);
        return status;
    }
    *out = self;
    return DIFFCUT_OK;
}

void context_source_close(context_source *self) {
    if (self == NULL) {
        return;
    }
    context_arrays_free(&self->stored);
    mem_free(self->path);
    mem_free(self->prompt);
    mem_free(self->family);
    mem_free(self);
}

void context_source_set_precision(context_source *self, dtype precision) {
    for (size_t i = 0; i < ENCODERS; i++) {
        self->encoder[i].precision = precision;
    }
}

const char *context_source_name(const context_source *self) {
    static const char *const names[] = {[SOURCE_ZEROS] = "zeros",
                                        [SOURCE_ENCODERS] = "text encoders",
                                        [SOURCE_FILE] = "file",
                                        [SOURCE_MISSING] = "missing"};
    return names[self->kind];
}

bool context_source_has_text(const context_source *self) {
    return self->kind != SOURCE_ZEROS;
}

diffcut_status context_source_visit(const context_source *self, weight_visit_fn visit, void *user) {
    diffcut_status status = DIFFCUT_OK;
    for (size_t i = 0; self->kind == SOURCE_ENCODERS && i < self->encoders && status == DIFFCUT_OK; i++) {
        status = clip_text_visit(&self->encoder[i], visit, user);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- tokens */

/* "tokenizer/vocab.json" */
static const char *token_file(size_t index, const char *file, char out[NAME_SIZE]) {
    (void)snprintf(out, NAME_SIZE, "%s/%s", places[index].tokenizer, file);
    return out;
}

/* A JSON file that may be absent; view.node is NULL then. */
static diffcut_status read_optional(const checkpoint *source, const char *name, json_document *out,
                                    diffcut_diagnostics *diag) {
    *out = (json_document){0};
    return checkpoint_has(source, name) ? checkpoint_json(source, name, out, diag) : DIFFCUT_OK;
}

static diffcut_status read_token_config(const context_source *self, size_t index, tokenizer_config *out,
                                        diffcut_diagnostics *diag) {
    const clip_text_config *text = &self->encoder[index].config;
    char config_name[NAME_SIZE];
    char map_name[NAME_SIZE];
    json_document config = {0};
    json_document map = {0};
    tokenizer_config base;
    /* Without the tokenizer's own word: OpenCLIP's encoders, the ones with exact gelu, were trained with pads of 0.
     */
    tokenizer_config_init(text->act == ACTIVATION_GELU, text->positions, &base);
    diffcut_status status =
        read_optional(self->source, token_file(index, "tokenizer_config.json", config_name), &config, diag);
    if (status == DIFFCUT_OK) {
        status = read_optional(self->source, token_file(index, "special_tokens_map.json", map_name), &map, diag);
    }
    if (status == DIFFCUT_OK) {
        status = tokenizer_config_read(config.root, map.root, &base, out, diag);
    }
    json_document_free(&config);
    json_document_free(&map);
    if (status == DIFFCUT_OK && out->length > text->positions) {
        status = diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: model_max_length is %u, %s: max_position_embeddings is %u",
                           config_name, out->length, places[index].config, text->positions);
    }
    return status;
}

static diffcut_status open_tokenizer(const context_source *self, size_t index, const tokenizer_config *config,
                                     tokenizer **out, diffcut_diagnostics *diag) {
    char vocabulary[NAME_SIZE];
    char merges[NAME_SIZE];
    (void)token_file(index, "vocab.json", vocabulary);
    (void)token_file(index, "merges.txt", merges);
    if (!checkpoint_has(self->source, vocabulary) || !checkpoint_has(self->source, merges)) {
        return diag_fail(
            diag, DIFFCUT_ERROR_MODEL,
            "a prompt needs the tokenizer's %s and %s, and %.200s lacks %s; the empty prompt needs neither",
            vocabulary, merges, checkpoint_path(self->source),
            checkpoint_has(self->source, vocabulary) ? merges
            : checkpoint_has(self->source, merges)   ? vocabulary
                                                     : "both");
    }
    json_document ids = {0};
    char *path = NULL;
    diffcut_buffer lines = {.data = NULL};
    diffcut_status status = checkpoint_json(self->source, vocabulary, &ids, diag);
    if (status == DIFFCUT_OK) {
        status = checkpoint_path_of(self->source, merges, &path, diag);
    }
    if (status == DIFFCUT_OK) {
        status = diffcut_read_file(path, MAX_VOCABULARY_BYTES, &lines, diag);
    }
    if (status == DIFFCUT_OK) {
        status = tokenizer_open(config, ids.root, (const char *)lines.data, lines.size, merges, out, diag);
    }
    diffcut_buffer_free(&lines);
    mem_free(path);
    json_document_free(&ids);
    return status;
}

diffcut_status context_source_check_words(const context_source *self, size_t index, diffcut_diagnostics *diag) {
    tokenizer_config config;
    tokenizer *words = NULL;
    diffcut_status status = read_token_config(self, index, &config, diag);
    if (status == DIFFCUT_OK) {
        status = open_tokenizer(self, index, &config, &words, diag);
    }
    tokenizer_close(words);
    return status;
}

/* The prompt's ids for one encoder; *ids is freed with mem_free. */
static diffcut_status make_ids(const context_source *self, size_t index, const char *prompt, uint32_t **ids,
                               uint32_t *count, bool *cut, diffcut_diagnostics *diag) {
    tokenizer_config config;
    diffcut_status status = read_token_config(self, index, &config, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    uint32_t *made = mem_array(config.length, sizeof *made);
    if (made == NULL) {
        return diag_no_memory(diag, config.length * sizeof *made, "a prompt's tokens");
    }
    *cut = false;
    if (prompt[0] != '\0' || !tokenizer_encode_nothing(&config, made)) {
        tokenizer *words = NULL;
        status = open_tokenizer(self, index, &config, &words, diag);
        if (status == DIFFCUT_OK) {
            status = tokenizer_encode(words, TOKENIZER_TRANSFORMERS, prompt, made, cut, diag);
            tokenizer_close(words);
        }
    }
    if (status != DIFFCUT_OK) {
        mem_free(made);
        return status;
    }
    *ids = made;
    *count = config.length;
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- encoding */

/* A module's output, told to whoever dumps as "text_encoder.hidden_states.0". */
typedef struct dumping {
    const work *work;
    const char *component;
} dumping;

static diffcut_status dump_module(void *user, const char *module, const float *data, uint32_t h, uint32_t w,
                                  uint32_t c) {
    const dumping *to = user;
    char name[NAME_SIZE * 2];
    const size_t shape[2] = {(size_t)h * w, c};
    (void)snprintf(name, sizeof name, "%s.%s", to->component, module);
    work_dump(to->work, name, data, shape, 2);
    return DIFFCUT_OK;
}

static diffcut_status run_encoder(const context_source *self, size_t index, backend *target, backend_stream *stream,
                                  const work *w, const char *prompt, clip_text_output *out, uint32_t *tokens,
                                  bool *cut) {
    uint32_t *ids = NULL;
    dumping to = {.work = w, .component = places[index].component};
    diffcut_status status = make_ids(self, index, prompt, &ids, tokens, cut, w->diag);
    if (status == DIFFCUT_OK) {
        status = clip_text_encode(&self->encoder[index], target, stream, w, ids, *tokens,
                                  work_dumps(w) ? dump_module : NULL, &to, out);
    }
    mem_free(ids);
    return status;
}

/* Both encoders' vectors of each token side by side. */
static diffcut_status join(const context_source *self, clip_text_output outputs[ENCODERS],
                           const uint32_t tokens[ENCODERS], context_arrays *out, diffcut_diagnostics *diag) {
    if (tokens[0] != tokens[1]) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "the tokenizers make %u and %u tokens; both must make as many",
                         tokens[0], tokens[1]);
    }
    size_t first = self->encoder[0].config.width;
    size_t second = self->encoder[1].config.width;
    float *both = mem_array((size_t)tokens[0] * (first + second), sizeof *both); /* bounded by the configuration */
    if (both == NULL) {
        return diag_no_memory(diag, tokens[0] * (first + second) * sizeof *both, "the text context");
    }
    for (size_t i = 0; i < tokens[0]; i++) {
        memcpy(both + i * (first + second), outputs[0].tokens + i * first, first * sizeof *both);
        memcpy(both + i * (first + second) + first, outputs[1].tokens + i * second, second * sizeof *both);
    }
    *out = (context_arrays){.data = both,
                            .tokens = tokens[0],
                            .channels = (uint32_t)(first + second),
                            .pooled = outputs[1].pooled,
                            .pooled_width = self->encoder[1].config.projected};
    outputs[1].pooled = NULL;
    return DIFFCUT_OK;
}

static diffcut_status encode_text(const context_source *self, backend *target, backend_stream *stream, const work *w,
                                  const char *prompt, context_arrays *out, uint32_t *cut_to) {
    clip_text_output outputs[ENCODERS] = {{.tokens = NULL}};
    uint32_t tokens[ENCODERS] = {0};
    bool cut[ENCODERS] = {false};
    diffcut_status status = DIFFCUT_OK;
    for (size_t i = 0; i < self->encoders && status == DIFFCUT_OK; i++) {
        status = run_encoder(self, i, target, stream, w, prompt, &outputs[i], &tokens[i], &cut[i]);
    }
    if (status == DIFFCUT_OK && self->encoders == ENCODERS) {
        status = join(self, outputs, tokens, out, w->diag);
    } else if (status == DIFFCUT_OK) {
        *out = (context_arrays){
            .data = outputs[0].tokens, .tokens = tokens[0], .channels = self->encoder[0].config.width};
        outputs[0].tokens = NULL;
    }
    if (status == DIFFCUT_OK) {
        *cut_to = cut[0] || cut[1] ? tokens[0] : 0;
    }
    for (size_t i = 0; i < ENCODERS; i++) {
        mem_free(outputs[i].tokens);
        mem_free(outputs[i].pooled);
    }
    return status;
}

static diffcut_status copy_stored(const context_source *self, const char *prompt, context_arrays *out,
                                  diffcut_diagnostics *diag) {
    if (strcmp(prompt, self->prompt) != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "%.200s: the context of the prompt \"%.80s\"; the one asked for is \"%.80s\"", self->path,
                         self->prompt, prompt);
    }
    context_arrays copy = self->stored;
    size_t count = (size_t)copy.tokens * copy.channels; /* they are in memory, so the product fits */
    copy.data = mem_array(count, sizeof *copy.data);
    copy.pooled = mem_array(copy.pooled_width, sizeof *copy.pooled);
    if (copy.data == NULL || copy.pooled == NULL) {
        context_arrays_free(&copy);
        return diag_no_memory(diag, count * sizeof *copy.data, "the text context");
    }
    memcpy(copy.data, self->stored.data, count * sizeof *copy.data);
    if (copy.pooled_width > 0) {
        memcpy(copy.pooled, self->stored.pooled, copy.pooled_width * sizeof *copy.pooled);
    }
    *out = copy;
    return DIFFCUT_OK;
}

static diffcut_status make_zeros(const context_source *self, const char *prompt, context_arrays *out,
                                 diffcut_diagnostics *diag) {
    if (prompt[0] != '\0') {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "this model was trained without text (its context is zeros), so it takes no prompt");
    }
    size_t count;
    float *zeros = mem_mul(self->tokens, self->channels, &count) ? mem_array_zero(count, sizeof *zeros) : NULL;
    if (zeros == NULL) {
        return diag_no_memory(diag, (size_t)self->tokens * self->channels * sizeof *zeros, "the context");
    }
    *out = (context_arrays){.data = zeros, .tokens = self->tokens, .channels = self->channels};
    return DIFFCUT_OK;
}

/* Names what is not there, and what can be done. */
static diffcut_status tell_missing(const context_source *self, diffcut_diagnostics *diag) {
    char list[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < self->encoders; i++) {
        const struct {
            const char *name;
            bool there;
        } files[] = {{places[i].config, checkpoint_has(self->source, places[i].config)},
                     {places[i].weights, checkpoint_has_component(self->source, places[i].component)}};
        for (size_t k = 0; k < 2; k++) {
            if (!files[k].there && used < sizeof list) {
                int wrote = snprintf(list + used, sizeof list - used, "%s%s", used > 0 ? ", " : "", files[k].name);
                used += wrote > 0 ? (size_t)wrote : 0;
            }
        }
    }
    return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                     "%.120s: the text context needs files that the model has not: %s. Get them, or take the context "
                     "from a file (--context) that 'diffcut model context' wrote where they are",
                     checkpoint_path(self->source), list);
}

diffcut_status context_source_encode(const context_source *self, backend *target, backend_stream *stream,
                                     const work *w, const char *prompt, context_arrays *out, uint32_t *cut_to) {
    *cut_to = 0;
    switch (self->kind) {
    case SOURCE_ENCODERS:
        return encode_text(self, target, stream, w, prompt, out, cut_to);
    case SOURCE_FILE:
        return copy_stored(self, prompt, out, w->diag);
    case SOURCE_MISSING:
        return tell_missing(self, w->diag);
    case SOURCE_ZEROS:
        break;
    }
    return make_zeros(self, prompt, out, w->diag);
}
