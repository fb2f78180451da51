/* naming.c - see naming.h. */
#include "naming.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_folder.h"
#include "engine.h"
#include "progress.h"

#define AT(field) offsetof(naming_options, field)

const option naming_class_rows[] = {
    {'c', "classes", "LIST", "the classes: names separated by commas, synonyms by bars, as \"sky,tree,dog|puppy\"",
     OPTION_STRING, AT(classes), 0, 0, NULL, NULL},
    {0, "classes-file", "FILE", "the classes from a file in UTF-8, one a line, synonyms separated by bars",
     OPTION_STRING, AT(classes_file), 0, 0, NULL, NULL},
    {0, "vocabulary", "NAME", "a benchmark's classes: voc, context, coco, ade20k or cityscapes", OPTION_STRING,
     AT(vocabulary), 0, 0, NULL, NULL},
    {0, "background", "NAME",
     "one class more, in front of the others: what is none of them; synonyms separated by bars", OPTION_STRING,
     AT(background), 0, 0, NULL, NULL},
    {0},
};

const option naming_clip_rows[] = {
    {0, "clip", "PATH", "the CLIP that names: folder, or ORG/NAME in the Hugging Face cache", OPTION_STRING, AT(clip),
     0, 0, NULL, NULL},
    {0, "clip-variant", "NAME", "which of its weights: fp16, bf16, ...", OPTION_STRING, AT(clip_variant), 0, 0, NULL,
     NULL},
    {0, "clip-tokenizer", "DIR", "vocab.json and merges.txt of a CLIP whose folder has none", OPTION_STRING,
     AT(clip_tokenizer), 0, 0, NULL, NULL},
    {0, "clip-size", "N", "side of the square that the photo is for it; default: 1024 for a ConvNeXt, else its own",
     OPTION_UNSIGNED, AT(clip_size), 1, 16384, NULL, NULL},
    {0, "clip-raw", NULL, "give it the photo in 0 .. 1 as it is, as the paper does, not normalised as it was trained",
     OPTION_SET, AT(clip_raw), 0, 0, NULL, NULL},
    {0, "templates", "FILE",
     "sentences that names are put into, one a line, {} for the name; default: the paper's 14", OPTION_STRING,
     AT(templates), 0, 0, NULL, NULL},
    {0, "names-cache", "DIR", "folder of the names' embeddings; default ~/.cache/diffcut/names", OPTION_STRING,
     AT(names_cache), 0, 0, NULL, NULL},
    {0, "no-names-cache", NULL, "keep no embeddings of names", OPTION_SET, AT(no_names_cache), 0, 0, NULL, NULL},
    {0},
};

int naming_check_line(const command *self, const naming_options *o) {
    const int given = (o->classes != NULL) + (o->classes_file != NULL) + (o->vocabulary != NULL);
    if (given != 1) {
        return options_mistake(self, given == 0 ? "no classes given: --classes, --classes-file or --vocabulary"
                                                : "--classes, --classes-file and --vocabulary exclude each other");
    }
    if (o->clip == NULL) {
        return options_mistake(self, "--clip PATH is needed: the CLIP that names");
    }
    if (o->names_cache != NULL && o->no_names_cache) {
        return options_mistake(self, "--names-cache and --no-names-cache exclude each other");
    }
    return -1;
}

/* ------------------------------------------------------------------------------------------------- opening */

static diffcut_status read_classes(const naming_options *o, const char *vocabulary, diffcut_vocabulary **out,
                                   diffcut_diagnostics *diagnostics) {
    diffcut_buffer file = {0};
    if (vocabulary != NULL) {
        return diffcut_vocabulary_open(vocabulary, out, diagnostics);
    }
    if (o->classes != NULL) {
        return diffcut_vocabulary_parse(o->classes, out, diagnostics);
    }
    diffcut_status status = diffcut_read_file(o->classes_file, 0, &file, diagnostics);
    if (status == DIFFCUT_OK) {
        status = diffcut_vocabulary_decode(file.data, file.size, o->classes_file, out, diagnostics);
    }
    diffcut_buffer_free(&file);
    return status;
}

static diffcut_status read_vocabulary(naming *n, const naming_options *o, const char *vocabulary,
                                      diffcut_diagnostics *diagnostics) {
    const char *wanted = vocabulary != NULL ? vocabulary : o->vocabulary;
    diffcut_status status = read_classes(o, wanted, &n->vocabulary, diagnostics);
    if (status == DIFFCUT_OK && o->background != NULL) {
        diffcut_vocabulary *larger = NULL;
        status = diffcut_vocabulary_with_background(n->vocabulary, o->background, &larger, diagnostics);
        if (status == DIFFCUT_OK) {
            diffcut_vocabulary_free(n->vocabulary);
            n->vocabulary = larger;
        }
    }
    return status;
}

static diffcut_status read_templates(const naming_options *o, diffcut_templates **out,
                                     diffcut_diagnostics *diagnostics) {
    diffcut_buffer file = {0};
    if (o->templates == NULL) {
        return DIFFCUT_OK;
    }
    diffcut_status status = diffcut_read_file(o->templates, 0, &file, diagnostics);
    if (status == DIFFCUT_OK) {
        status = diffcut_templates_decode(file.data, file.size, o->templates, out, diagnostics);
    }
    diffcut_buffer_free(&file);
    return status;
}

static diffcut_status open_clip(naming *n, const naming_options *o, const settings_options *settings,
                                diffcut_diagnostics *diagnostics) {
    diffcut_model_settings opening;
    diffcut_model_settings_init(&opening);
    opening.backend = settings->opening.backend;
    opening.precision = settings->opening.precision;
    opening.variant = o->clip_variant;
    opening.tokenizer = o->clip_tokenizer;
    diffcut_status status = diffcut_model_open(o->clip, &opening, &n->clip, diagnostics);
    if (status != DIFFCUT_OK) {
        return status;
    }
    diffcut_encoder_settings_init(&n->encoder, n->clip);
    n->encoder.size = o->clip_size > 0 ? o->clip_size : n->encoder.size;
    n->encoder.normalize = !o->clip_raw;
    diffcut_session_settings session;
    diffcut_session_settings_init(&session);
    session.threads = settings->threads;
    session.progress = engine_progress;
    return diffcut_session_open(n->clip, &session, &n->session, diagnostics);
}

static void take_message(const naming *n, diffcut_status status, diffcut_diagnostics *diagnostics) {
    if (status != DIFFCUT_OK) {
        const char *message = diffcut_session_message(n->session);
        (void)snprintf(diagnostics->message, sizeof diagnostics->message, "%s",
                       message[0] != '\0' ? message : diffcut_status_string(status));
    }
}

diffcut_status naming_embed(naming *n, const naming_options *options, diffcut_diagnostics *diagnostics) {
    text folder = {0};
    diffcut_classifier_settings settings;
    diffcut_classifier_settings_init(&settings);
    settings.templates = n->templates;
    if (!options->no_names_cache && cache_folder(options->names_cache, "names", &folder)) {
        settings.cache = text_string(&folder);
    }
    const diffcut_status status = diffcut_classifier_open(n->session, n->vocabulary, &settings, &n->classifier);
    take_message(n, status, diagnostics);
    text_free(&folder);
    return status;
}

static diffcut_status embed_and_tell(naming *n, const naming_options *o, const console *says,
                                     diffcut_diagnostics *diagnostics) {
    const double started = progress_clock();
    const diffcut_status status = naming_embed(n, o, diagnostics);
    if (status == DIFFCUT_OK) {
        diffcut_classifier_info info;
        diffcut_classifier_get_info(n->classifier, &info);
        const char *note = diffcut_session_note(n->session);
        if (note[0] != '\0' && !says->quiet) {
            console_say(says, "%s", note);
        }
        if (says->verbose > 0) {
            console_say(says, "%u classes, %u names embedded in %.2f s, %u of them kept before", info.classes,
                        info.names, progress_clock() - started, info.cached);
        }
    }
    return status;
}

int naming_open(naming *n, const naming_options *options, const char *vocabulary, const settings_options *settings,
                const console *says) {
    diffcut_diagnostics diagnostics = {{0}};
    *n = (naming){0};
    diffcut_status status = read_vocabulary(n, options, vocabulary, &diagnostics);
    if (status == DIFFCUT_OK) {
        status = read_templates(options, &n->templates, &diagnostics);
    }
    if (status == DIFFCUT_OK) {
        status = open_clip(n, options, settings, &diagnostics);
    }
    if (status == DIFFCUT_OK) {
        status = embed_and_tell(n, options, says, &diagnostics);
    }
    return status == DIFFCUT_OK ? -1 : engine_failed(says, NULL, diagnostics.message);
}

void naming_close(naming *n) {
    diffcut_classifier_free(n->classifier);
    diffcut_vocabulary_free(n->vocabulary);
    diffcut_templates_free(n->templates);
    diffcut_session_close(n->session);
    diffcut_model_release(n->clip);
    *n = (naming){0};
}

/* ------------------------------------------------------------------------------------------------- naming */

void named_segments_free(named_segments *named) {
    free(named->class_of);
    free(named->matches);
    free(named->match_counts);
    diffcut_labels_free(&named->classes);
    *named = (named_segments){0};
}

static diffcut_status no_memory(diffcut_diagnostics *diagnostics) {
    (void)snprintf(diagnostics->message, sizeof diagnostics->message, "no memory for the segments' names");
    return DIFFCUT_ERROR_MEMORY;
}

/* The map with classes for segments; its count is the list's, so that every map of a list has one palette. */
static diffcut_status class_map(const naming *n, const diffcut_labels *labels, named_segments *named,
                                diffcut_diagnostics *diagnostics) {
    const diffcut_status status =
        diffcut_labels_create(labels->width, labels->height, labels->data, &named->classes, diagnostics);
    for (size_t i = 0; status == DIFFCUT_OK && i < (size_t)labels->width * labels->height; i++) {
        named->classes.data[i] = named->class_of[labels->data[i]];
    }
    if (status == DIFFCUT_OK) {
        named->classes.count = diffcut_vocabulary_class_count(n->vocabulary);
    }
    return status;
}

static diffcut_status name_all(const naming *n, const float *embeddings, uint32_t width, named_segments *named,
                               diffcut_diagnostics *diagnostics) {
    diffcut_status status = DIFFCUT_OK;
    for (uint32_t label = 0; label < named->count && status == DIFFCUT_OK; label++) {
        diffcut_match *best = named->matches + (size_t)label * NAMING_TOP;
        status = diffcut_classifier_name(n->classifier, embeddings + (size_t)label * width, best, NAMING_TOP,
                                         &named->match_counts[label], diagnostics);
        if (status == DIFFCUT_OK && named->match_counts[label] > 0) {
            named->class_of[label] = best->index;
        }
    }
    return status;
}

diffcut_status naming_apply(naming *n, const diffcut_image *image, const diffcut_labels *labels, named_segments *out,
                            diffcut_diagnostics *diagnostics) {
    diffcut_classifier_info info;
    diffcut_classifier_get_info(n->classifier, &info);
    const double started = progress_clock();
    const size_t count = labels->count;
    named_segments named = {.count = labels->count};
    float *embeddings = calloc(count * info.width, sizeof *embeddings);
    named.class_of = calloc(count, sizeof *named.class_of);
    named.matches = calloc(count * NAMING_TOP, sizeof *named.matches);
    named.match_counts = calloc(count, sizeof *named.match_counts);
    diffcut_status status = DIFFCUT_OK;
    if (embeddings == NULL || named.class_of == NULL || named.matches == NULL || named.match_counts == NULL) {
        status = no_memory(diagnostics);
    } else {
        status = diffcut_regions_embed(n->session, image, labels, &n->encoder, embeddings);
        take_message(n, status, diagnostics);
    }
    if (status == DIFFCUT_OK) {
        status = name_all(n, embeddings, info.width, &named, diagnostics);
    }
    if (status == DIFFCUT_OK) {
        status = class_map(n, labels, &named, diagnostics);
    }
    free(embeddings);
    named.seconds = progress_clock() - started;
    if (status == DIFFCUT_OK) {
        *out = named;
    } else {
        named_segments_free(&named);
    }
    return status;
}

diffcut_status naming_map(naming *n, const diffcut_image *image, uint32_t width, uint32_t height, uint32_t threads,
                          diffcut_labels *out, diffcut_diagnostics *diagnostics) {
    diffcut_features *dense = NULL;
    diffcut_status status = diffcut_dense_embed(n->session, image, &n->encoder, &dense);
    take_message(n, status, diagnostics);
    if (status == DIFFCUT_OK) {
        status = diffcut_classifier_map(n->classifier, dense, width, height, threads, out, diagnostics);
    }
    diffcut_features_free(dense);
    return status;
}

/* ------------------------------------------------------------------------------------------------- telling */

const char **naming_names(const naming *n, size_t *count) {
    const uint32_t classes = diffcut_vocabulary_class_count(n->vocabulary);
    const char **names = calloc(classes, sizeof *names);
    for (uint32_t c = 0; names != NULL && c < classes; c++) {
        names[c] = diffcut_vocabulary_class_name(n->vocabulary, c);
    }
    *count = classes;
    return names;
}

void naming_match(const naming *n, const diffcut_match *match, text *out) {
    size_t count = 0;
    const char *const *names = diffcut_vocabulary_names(n->vocabulary, NULL, &count);
    text_print(out, "\"class\": %u, \"name\": ", match->index);
    json_string(out, diffcut_vocabulary_class_name(n->vocabulary, match->index));
    text_add(out, ", \"synonym\": ");
    json_string(out, match->name < count ? names[match->name] : "");
    text_add(out, ", \"cosine\": ");
    json_real(out, (double)match->cosine, 7);
    text_add(out, ", \"probability\": ");
    json_real(out, match->probability, 7);
}

void naming_describe(const naming *n, text *out) {
    diffcut_model_info model;
    diffcut_encoder_info encoder;
    diffcut_model_get_info(n->clip, &model);
    text_add(out, "  \"clip\": {\"name\": ");
    json_string(out, model.name);
    if (diffcut_model_get_encoder_info(n->clip, &encoder)) {
        text_print(out, ", \"kind\": \"%s\", \"size\": %u, \"normalize\": %s, \"logit_scale\": ", encoder.kind,
                   n->encoder.size, n->encoder.normalize ? "true" : "false");
        json_real(out, (double)encoder.logit_scale, 9);
    }
    text_add(out, "},\n  \"classes\": [");
    for (uint32_t c = 0; c < diffcut_vocabulary_class_count(n->vocabulary); c++) {
        text_add(out, c > 0 ? ", " : "");
        json_string(out, diffcut_vocabulary_class_name(n->vocabulary, c));
    }
    text_add(out, "]");
    const int32_t background = diffcut_vocabulary_background(n->vocabulary);
    if (background >= 0) {
        text_print(out, ", \"background\": %d", background);
    }
    const int32_t unnamed = diffcut_vocabulary_void(n->vocabulary);
    if (unnamed >= 0) {
        text_print(out, ", \"void\": %d", unnamed);
    }
    text_add(out, ",\n");
}
