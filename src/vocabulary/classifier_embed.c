/*
 * classifier_embed.c - names into sentences, sentences through the model's text tower, their mean as the name's
 * vector: diffcut_classifier_open.
 *
 * Names go in blocks. A block's vectors are kept under the model's fingerprint, the templates and the block's names,
 * in the same kind of cache as features (eval/cache): entries are whole or not there, have a checksum, and one that
 * is damaged is made anew. The paper's section on open vocabulary; templates after ViLD. Called through the public
 * interface.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "hub/hash.h"
#include "segment/features.h"
#include "session.h"
#include "vocabulary/classifier.h"

#define BLOCK_NAMES 256 /* with 14 templates 3584 texts: some seconds to a minute of a large text tower */
#define EMBEDDING_RULES "diffcut names 1"

typedef struct embedding {
    diffcut_session *session;
    const diffcut_vocabulary *vocabulary;
    const diffcut_templates *templates;
    diffcut_classifier *made;
    diffcut_cache *cache; /* NULL: none */
    char fingerprint[DIFFCUT_FINGERPRINT_SIZE];
    /* of a block */
    char **texts;   /* (names, templates) */
    bool *cut;      /* (names, templates) */
    float *vectors; /* (names, templates, width) */
    /* progress */
    diffcut_progress_fn progress;
    void *progress_user;
    double before, share; /* of all names */
    /* remarks */
    size_t first_truncated; /* name; count: none */
    diffcut_diagnostics cache_remark;
} embedding;

void diffcut_classifier_settings_init(diffcut_classifier_settings *settings) {
    if (settings != NULL) {
        *settings = (diffcut_classifier_settings){0};
    }
}

/* ------------------------------------------------------------------------------------------------- sentences */

/* "a photo of a {}." with the name in the place of {}. */
static char *put_in(const char *template, const char *name) {
    const char *place = strstr(template, "{}");
    const size_t head = (size_t)(place - template);
    const size_t middle = strlen(name);
    const size_t tail = strlen(place + 2);
    char *made = mem_array(head + middle + tail + 1, 1);
    if (made != NULL) {
        memcpy(made, template, head);
        memcpy(made + head, name, middle);
        memcpy(made + head + middle, place + 2, tail + 1);
    }
    return made;
}

static void free_texts(embedding *e, size_t count) {
    for (size_t i = 0; e->texts != NULL && i < count; i++) {
        mem_free(e->texts[i]);
        e->texts[i] = NULL;
    }
}

static diffcut_status make_texts(embedding *e, size_t begin, size_t names) {
    const size_t count = e->templates->count;
    for (size_t i = 0; i < names * count; i++) {
        e->texts[i] = put_in(e->templates->items[i % count], e->vocabulary->names[begin + i / count]);
        if (e->texts[i] == NULL) {
            return diag_no_memory(&e->session->diag, VOCABULARY_NAME_BYTES, "a sentence");
        }
    }
    return DIFFCUT_OK;
}

/* The block's names from the text tower's vectors: their mean, brought to length 1. */
static diffcut_status average(embedding *e, size_t begin, size_t names) {
    const size_t count = e->templates->count;
    const uint32_t width = e->made->width;
    for (size_t n = 0; n < names; n++) {
        float *out = e->made->embeddings + (begin + n) * width;
        for (uint32_t k = 0; k < width; k++) {
            double sum = 0;
            for (size_t t = 0; t < count; t++) {
                sum += (double)e->vectors[(n * count + t) * width + k];
            }
            out[k] = (float)(sum / (double)count);
        }
        if (!(classifier_normalise(out, width) > 0)) {
            return diag_fail(&e->session->diag, DIFFCUT_ERROR_NUMERIC,
                             "the sentences of '%.80s' cancel each other out: they have no mean direction",
                             e->vocabulary->names[begin + n]);
        }
    }
    return DIFFCUT_OK;
}

static void count_truncated(embedding *e, size_t begin, size_t names) {
    const size_t count = e->templates->count;
    for (size_t n = 0; n < names; n++) {
        bool any = false;
        for (size_t t = 0; t < count; t++) {
            any = any || e->cut[n * count + t];
        }
        if (any) {
            e->made->truncated++;
            e->first_truncated = begin + n < e->first_truncated ? begin + n : e->first_truncated;
        }
    }
}

/* ------------------------------------------------------------------------------------------------- the cache */

static uint8_t digit(char hexadecimal) {
    return (uint8_t)(hexadecimal <= '9' ? hexadecimal - '0' : hexadecimal - 'a' + 10);
}

static void block_key(const embedding *e, size_t begin, size_t names, diffcut_cache_key *key) {
    char text[HASH_TEXT_SIZE];
    hash h;
    hash_start(&h, HASH_SHA256);
    hash_add(&h, EMBEDDING_RULES, sizeof EMBEDDING_RULES);
    hash_add(&h, diffcut_version(), strlen(diffcut_version()) + 1);
    hash_add(&h, e->fingerprint, sizeof e->fingerprint);
    for (size_t t = 0; t < e->templates->count; t++) {
        hash_add(&h, e->templates->items[t], strlen(e->templates->items[t]) + 1);
    }
    hash_add(&h, "", 1); /* no template is empty: here they end */
    for (size_t n = 0; n < names; n++) {
        hash_add(&h, e->vocabulary->names[begin + n], strlen(e->vocabulary->names[begin + n]) + 1);
    }
    hash_finish(&h, text);
    for (size_t i = 0; i < sizeof key->bytes; i++) {
        key->bytes[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
    }
}

/* A block is kept with one channel more than its vectors have: 1 where a sentence of the name was cut. */
static diffcut_status from_cache(embedding *e, const diffcut_cache_key *key, size_t begin, size_t names,
                                 bool *found) {
    diffcut_features *kept = NULL;
    const uint32_t width = e->made->width;
    const diffcut_status status = diffcut_cache_get(e->cache, key, &kept, &e->session->diag);
    *found = status == DIFFCUT_OK && kept != NULL && kept->height == 1 && kept->width == names &&
             kept->channels == width + 1;
    for (size_t n = 0; *found && n < names; n++) {
        const float *from = kept->data + n * (width + 1);
        memcpy(e->made->embeddings + (begin + n) * width, from, width * sizeof *from);
        if (from[width] > 0) {
            e->made->truncated++;
            e->first_truncated = begin + n < e->first_truncated ? begin + n : e->first_truncated;
        }
    }
    e->made->cached += *found ? (uint32_t)names : 0;
    diffcut_features_free(kept);
    return status;
}

static void to_cache(embedding *e, const diffcut_cache_key *key, size_t begin, size_t names) {
    const uint32_t width = e->made->width;
    const size_t count = e->templates->count;
    float *rows = mem_array(names, (width + 1) * sizeof *rows);
    diffcut_features *features = NULL;
    if (rows == NULL) {
        return; /* the result does not depend on it */
    }
    for (size_t n = 0; n < names; n++) {
        float *row = rows + n * (width + 1);
        memcpy(row, e->made->embeddings + (begin + n) * width, width * sizeof *row);
        row[width] = 0;
        for (size_t t = 0; t < count; t++) {
            row[width] = e->cut[n * count + t] ? 1 : row[width];
        }
    }
    if (diffcut_features_create(1, (uint32_t)names, width + 1, rows, &features, &e->cache_remark) == DIFFCUT_OK) {
        (void)diffcut_cache_put(e->cache, key, features, &e->cache_remark);
    }
    diffcut_features_free(features);
    mem_free(rows);
}

/* ------------------------------------------------------------------------------------------------- blocks */

/* Progress of one block as a part of the whole. */
static int on_progress(void *user, diffcut_stage stage, double fraction) {
    const embedding *e = user;
    return e->progress != NULL ? e->progress(e->progress_user, stage, e->before + e->share * fraction) : 0;
}

static diffcut_status embed_block(embedding *e, size_t begin, size_t names) {
    diffcut_cache_key key;
    bool found = false;
    diffcut_status status = DIFFCUT_OK;
    if (e->cache != NULL) {
        block_key(e, begin, names, &key);
        status = from_cache(e, &key, begin, names, &found);
    }
    if (status != DIFFCUT_OK || found) {
        return status;
    }
    const size_t count = names * e->templates->count;
    status = make_texts(e, begin, names);
    if (status == DIFFCUT_OK) {
        status = diffcut_text_embed(e->session, (const char *const *)e->texts, count, e->vectors, e->cut);
    }
    if (status == DIFFCUT_OK) {
        status = average(e, begin, names);
    }
    free_texts(e, count);
    if (status == DIFFCUT_OK) {
        count_truncated(e, begin, names);
        if (e->cache != NULL) {
            to_cache(e, &key, begin, names);
        }
    }
    return status;
}

static diffcut_status embed_all(embedding *e) {
    const size_t all = e->vocabulary->count;
    const size_t block = all < BLOCK_NAMES ? all : BLOCK_NAMES;
    const size_t texts = block * e->templates->count;
    diffcut_status status = DIFFCUT_OK;
    e->texts = mem_array_zero(texts, sizeof *e->texts);
    e->cut = mem_array_zero(texts, sizeof *e->cut);
    e->vectors = mem_array(texts, e->made->width * sizeof *e->vectors);
    if (e->texts == NULL || e->cut == NULL || e->vectors == NULL) {
        status = diag_no_memory(&e->session->diag, texts * e->made->width * sizeof *e->vectors, "text embeddings");
    }
    for (size_t begin = 0; begin < all && status == DIFFCUT_OK; begin += block) {
        const size_t names = all - begin < block ? all - begin : block;
        e->before = (double)begin / (double)all;
        e->share = (double)names / (double)all;
        status = embed_block(e, begin, names);
    }
    free_texts(e, texts);
    mem_free(e->texts);
    mem_free(e->cut);
    mem_free(e->vectors);
    return status;
}

/* ------------------------------------------------------------------------------------------------- opening */

/* What the model lacks for it, by name. */
static diffcut_status check_model(diffcut_session *session, diffcut_encoder_info *info) {
    diffcut_diagnostics *diag = &session->diag;
    if (session->model == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "naming needs a session with a CLIP");
    }
    diffcut_model_info model;
    diffcut_model_get_info(session->model, &model);
    if (!diffcut_model_get_encoder_info(session->model, info)) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%.200s is a diffusion model; naming needs a CLIP", model.name);
    }
    if (info->embedding == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "%.200s (%s) has no space that images and texts share; naming needs a CLIP", model.name,
                         info->kind);
    }
    if (!(info->logit_scale > 0)) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%.200s has no logit_scale, by which similarities are weighed",
                         model.name);
    }
    return DIFFCUT_OK;
}

/* A cache that cannot be used is remarked on and done without. */
static void open_cache(embedding *e, const char *folder) {
    if (folder != NULL && diffcut_cache_open(folder, 0, &e->cache, &e->cache_remark) != DIFFCUT_OK) {
        e->cache = NULL;
    }
    if (e->cache != NULL &&
        diffcut_model_fingerprint(e->session->model, e->fingerprint, &e->cache_remark) != DIFFCUT_OK) {
        diffcut_cache_close(e->cache);
        e->cache = NULL;
    }
}

static void leave_note(embedding *e) {
    diffcut_diagnostics *note = &e->session->note;
    diag_clear(note);
    if (e->made->truncated > 0) {
        (void)snprintf(note->message, sizeof note->message,
                       "%" PRIu32 " name%s cut to the text tower's length, the first '%.60s...'", e->made->truncated,
                       e->made->truncated == 1 ? " was" : "s were", e->vocabulary->names[e->first_truncated]);
    }
    if (e->cache_remark.message[0] != '\0') {
        const size_t used = strlen(note->message);
        (void)snprintf(note->message + used, sizeof note->message - used, "%stext embeddings are not kept: %.300s",
                       used > 0 ? "; " : "", e->cache_remark.message);
    }
}

diffcut_status diffcut_classifier_open(diffcut_session *session, const diffcut_vocabulary *vocabulary,
                                       const diffcut_classifier_settings *settings, diffcut_classifier **out) {
    if (session == NULL) {
        return DIFFCUT_ERROR_ARGUMENT;
    }
    diag_clear(&session->diag);
    diag_clear(&session->note);
    if (vocabulary == NULL || out == NULL) {
        return diag_fail(&session->diag, DIFFCUT_ERROR_ARGUMENT,
                         "diffcut_classifier_open: vocabulary or out is NULL");
    }
    diffcut_encoder_info info;
    diffcut_templates *own = NULL;
    embedding e = {.session = session, .vocabulary = vocabulary, .first_truncated = vocabulary->count};
    diffcut_status status = check_model(session, &info);
    if (status == DIFFCUT_OK && settings != NULL && settings->templates != NULL) {
        e.templates = settings->templates;
    } else if (status == DIFFCUT_OK) {
        status = diffcut_templates_decode(NULL, 0, NULL, &own, &session->diag);
        e.templates = own;
    }
    if (status == DIFFCUT_OK) {
        status = classifier_new(vocabulary, info.embedding, info.logit_scale, &e.made, &session->diag);
    }
    if (status == DIFFCUT_OK) {
        open_cache(&e, settings != NULL ? settings->cache : NULL);
        e.progress = session->settings.progress;
        e.progress_user = session->settings.progress_user;
        session->settings.progress = on_progress;
        session->settings.progress_user = &e;
        status = embed_all(&e);
        session->settings.progress = e.progress;
        session->settings.progress_user = e.progress_user;
        diffcut_cache_close(e.cache);
    }
    diffcut_templates_free(own);
    if (status != DIFFCUT_OK) {
        diffcut_classifier_free(e.made);
        return status;
    }
    leave_note(&e);
    *out = e.made;
    return DIFFCUT_OK;
}
