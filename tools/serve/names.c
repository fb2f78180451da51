/* names.c - see names.h. */
#include "names.h"

#include <stdlib.h>
#include <string.h>

int names_open(namer *n, const naming_options *options, const settings_options *settings, const console *says) {
    naming_options trial = *options;
    trial.classes = "object"; /* embedding one name says all that can be wrong with a CLIP */
    *n = (namer){.options = options};
    (void)pthread_mutex_init(&n->lock, NULL); /* cannot fail with default attributes on the systems this runs on */
    const int status = naming_open(&n->clip, &trial, NULL, settings, says);
    diffcut_classifier_free(n->clip.classifier);
    diffcut_vocabulary_free(n->clip.vocabulary);
    diffcut_session_close(n->clip.session); /* each worker has its own */
    n->clip.classifier = NULL;
    n->clip.vocabulary = NULL;
    n->clip.session = NULL;
    return status;
}

/* Under the lock. */
static void drop(class_list *list) {
    if (--list->owners > 0) {
        return;
    }
    text_free(&list->key);
    diffcut_classifier_free(list->classifier);
    diffcut_vocabulary_free(list->vocabulary);
    free(list);
}

void names_release(namer *n, class_list *list) {
    if (list == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&n->lock);
    drop(list);
    (void)pthread_mutex_unlock(&n->lock);
}

void names_close(namer *n) {
    while (n->first != NULL) {
        class_list *list = n->first;
        n->first = list->next;
        drop(list);
    }
    if (n->options != NULL) {
        naming_close(&n->clip);
        (void)pthread_mutex_destroy(&n->lock);
    }
    *n = (namer){0};
}

/* ------------------------------------------------------------------------------------------------- lists */

static bool check_query(const params *query, problem *out) {
    const char *const fields[][2] = {{"classes", query->classes}, {"background", query->background}};
    if ((query->classes != NULL) == (query->vocabulary != NULL)) {
        return problem_set(out, 400, query->classes != NULL ? "bad_value" : "missing_field", "classes",
                           query->classes != NULL ? "classes and vocabulary exclude each other"
                                                  : "classes or vocabulary is needed: the names to choose from");
    }
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i][1] != NULL && !json_is_utf8(fields[i][1])) {
            return problem_set(out, 422, "bad_value", fields[i][0], "%s: is not UTF-8", fields[i][0]);
        }
    }
    return true;
}

static bool refused(const char *field, const diffcut_diagnostics *diagnostics, diffcut_status status, problem *out) {
    if (status == DIFFCUT_ERROR_MEMORY) {
        problem_from_status(out, status, diagnostics->message);
        return false;
    }
    return problem_set(out, 422, "bad_value", field, "%s: %s", field, diagnostics->message);
}

static bool parse(const params *query, diffcut_vocabulary **list, problem *out) {
    const char *field = query->classes != NULL ? "classes" : "vocabulary";
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_status status = query->classes != NULL ? diffcut_vocabulary_parse(query->classes, list, &diagnostics)
                                                   : diffcut_vocabulary_open(query->vocabulary, list, &diagnostics);
    if (status == DIFFCUT_OK && query->background != NULL) {
        diffcut_vocabulary *larger = NULL;
        field = "background";
        status = diffcut_vocabulary_with_background(*list, query->background, &larger, &diagnostics);
        if (status == DIFFCUT_OK) {
            diffcut_vocabulary_free(*list);
            *list = larger;
        }
    }
    if (status != DIFFCUT_OK) {
        return refused(field, &diagnostics, status, out);
    }
    size_t count = 0;
    (void)diffcut_vocabulary_names(*list, NULL, &count);
    return count <= NAMES_MOST ||
           problem_set(out, 422, "too_many", "classes",
                       "classes: %zu names with synonyms, more than the %d allowed here", count, NAMES_MOST);
}

/* Under the lock: the kept list of a key, now the last used. */
static class_list *find(namer *n, const text *key) {
    for (class_list **place = &n->first; *place != NULL; place = &(*place)->next) {
        class_list *list = *place;
        if (strcmp(text_string(&list->key), text_string(key)) == 0) {
            *place = list->next;
            list->next = n->first;
            n->first = list;
            list->owners++;
            return list;
        }
    }
    return NULL;
}

/* What two requests for one list have in common. */
static void write_key(const params *query, text *key) {
    const char *const parts[] = {query->vocabulary, query->background, query->classes};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        text_print(key, "%zu ", parts[i] != NULL ? strlen(parts[i]) : 0);
        text_add(key, parts[i] != NULL ? parts[i] : "");
    }
}

static class_list *create(const params *query, text *key, problem *out) {
    class_list *list = calloc(1, sizeof *list);
    if (list == NULL || key->failed) {
        free(list);
        problem_from_status(out, DIFFCUT_ERROR_MEMORY, "out of memory");
        return NULL;
    }
    if (!parse(query, &list->vocabulary, out)) {
        diffcut_vocabulary_free(list->vocabulary);
        free(list);
        return NULL;
    }
    list->owners = 1;
    list->key = *key;
    *key = (text){0};
    return list;
}

class_list *names_list(namer *n, const params *query, problem *out) {
    if (!check_query(query, out)) {
        return NULL;
    }
    text key = {0};
    write_key(query, &key);
    (void)pthread_mutex_lock(&n->lock);
    class_list *list = key.failed ? NULL : find(n, &key);
    (void)pthread_mutex_unlock(&n->lock);
    if (list == NULL) {
        list = create(query, &key, out);
    }
    text_free(&key);
    return list;
}

/* ------------------------------------------------------------------------------------------------- embeddings */

/* Under the lock: among the kept ones, the least used of which goes where they are too many. */
static void keep(namer *n, class_list *list) {
    class_list *same = find(n, &list->key);
    if (same != NULL) { /* of another job at the same time */
        drop(same);
        return;
    }
    list->owners++;
    list->next = n->first;
    n->first = list;
    if (n->count++ < NAMES_KEPT_LISTS) {
        return;
    }
    class_list **last = &n->first;
    while ((*last)->next != NULL) {
        last = &(*last)->next;
    }
    class_list *oldest = *last;
    *last = NULL;
    n->count--;
    drop(oldest);
}

diffcut_status names_prepare(namer *n, class_list *list, diffcut_session *session, naming *out,
                             diffcut_diagnostics *diagnostics) {
    *out = n->clip;
    out->session = session;
    out->vocabulary = list->vocabulary;
    (void)pthread_mutex_lock(&n->lock);
    out->classifier = list->classifier;
    (void)pthread_mutex_unlock(&n->lock);
    if (out->classifier != NULL) {
        return DIFFCUT_OK;
    }
    /* Two jobs that need a new list at once both embed it: neither waits where it could not be stopped. */
    const diffcut_status status = naming_embed(out, n->options, diagnostics);
    if (status != DIFFCUT_OK) {
        return status;
    }
    (void)pthread_mutex_lock(&n->lock);
    if (list->classifier == NULL) {
        list->classifier = out->classifier;
        keep(n, list);
    } else {
        diffcut_classifier_free(out->classifier);
        out->classifier = list->classifier;
    }
    (void)pthread_mutex_unlock(&n->lock);
    return DIFFCUT_OK;
}
