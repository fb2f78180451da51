/*
 * test_classifier_golden.c - names through the golden CLIP's text tower: their embeddings are open_clip's, and the
 * cache gives the same bits, is found out when it is damaged, and never mixes lists, templates or truncated names up.
 */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diffcut/diffcut.h"
#include "golden.h"
#include "test.h"

#define MODELS DIFFCUT_SHARED_DIR "/golden/models/"
#define TOLERANCE 5e-5 /* of the text encoders' tensors, relative to their rms: here of unit vectors */

static char folder[] = "/tmp/diffcut-classifier-XXXXXX";
static diffcut_model *model;
static diffcut_session *session;

static void link_here(const char *from, const char *name) {
    char source[4096];
    char target[4096];
    (void)snprintf(source, sizeof source, "%s%s/%s", MODELS, from, name);
    (void)snprintf(target, sizeof target, "%s/%s", folder, name);
    assert_int_equal(symlink(source, target), 0);
}

static int open_clip(void **state) {
    (void)state;
    assert_non_null(mkdtemp(folder));
    link_here("tiny-convnext-clip", "open_clip_config.json");
    link_here("tiny-convnext-clip", "open_clip_model.safetensors");
    link_here("clip-tokenizer", "vocab.json");
    link_here("clip-tokenizer", "merges.txt");
    diffcut_diagnostics diag;
    if (diffcut_model_open(folder, NULL, &model, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    return diffcut_session_open(model, NULL, &session, &diag) == DIFFCUT_OK ? 0 : -1;
}

static int close_clip(void **state) {
    (void)state;
    char command[128];
    diffcut_session_close(session);
    diffcut_model_release(model);
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* A classifier of a list under templates (NULL: the paper's), with the folder's cache or none. */
static diffcut_classifier *open_list(const char *list, const char *templates, bool cached) {
    char cache[64];
    diffcut_vocabulary *v = NULL;
    diffcut_templates *t = NULL;
    diffcut_classifier *c = NULL;
    diffcut_classifier_settings settings;
    diffcut_classifier_settings_init(&settings);
    (void)snprintf(cache, sizeof cache, "%s/cache", folder);
    settings.cache = cached ? cache : NULL;
    assert_int_equal(diffcut_vocabulary_parse(list, &v, NULL), DIFFCUT_OK);
    if (templates != NULL) {
        assert_int_equal(diffcut_templates_decode(templates, strlen(templates), "t", &t, NULL), DIFFCUT_OK);
        settings.templates = t;
    }
    if (diffcut_classifier_open(session, v, &settings, &c) != DIFFCUT_OK) {
        fail_msg("%s", diffcut_session_message(session));
    }
    diffcut_templates_free(t);
    diffcut_vocabulary_free(v);
    return c;
}

static diffcut_classifier_info info_of(const diffcut_classifier *c) {
    diffcut_classifier_info info;
    diffcut_classifier_get_info(c, &info);
    return info;
}

static void names_are_open_clips_and_their_mean_over_templates(void **state) {
    (void)state;
    golden *file = golden_open("%stiny-convnext-clip/golden.safetensors", MODELS);
    assert_non_null(file);
    float *texts = golden_floats(golden_get(file, "text.embedding_unit")); /* of "", "cat", "a photo of a cat", ... */
    float *scale = golden_floats(golden_get(file, "logit_scale_exp"));
    diffcut_classifier *c = open_list("cat,a photo of a cat,itap of my bicycle.", "{}\n", false);
    diffcut_classifier_info info = info_of(c);
    assert_true(fabs((double)info.scale - (double)scale[0]) < 1e-4);
    const size_t places[] = {1, 2, 6};
    for (size_t n = 0; n < 3; n++) {
        for (size_t k = 0; k < info.width; k++) {
            const double expected = (double)texts[places[n] * info.width + k];
            const double found = (double)info.embeddings[n * info.width + k];
            if (!(fabs(found - expected) < TOLERANCE)) {
                fail_msg("name %zu [%zu] is %g, expected %g", n, k, found, expected);
            }
        }
    }
    diffcut_classifier_free(c);
    c = open_list("cat", "{}\na photo of a {}\n", false);
    info = info_of(c);
    double mean[64];
    double length = 0;
    assert_true(info.width <= 64);
    for (size_t k = 0; k < info.width; k++) {
        mean[k] = ((double)texts[info.width + k] + (double)texts[2 * info.width + k]) / 2;
        length += mean[k] * mean[k];
    }
    for (size_t k = 0; k < info.width; k++) {
        assert_true(fabs((double)info.embeddings[k] - mean[k] / sqrt(length)) < TOLERANCE);
    }
    diffcut_classifier_free(c);
    free(texts);
    free(scale);
    golden_close(file);
}

static void the_cache_gives_the_same_bits(void **state) {
    (void)state;
    diffcut_classifier *first = open_list("sky,tree,dog|puppy", NULL, true);
    diffcut_classifier *second = open_list("sky,tree,dog|puppy", NULL, true);
    diffcut_classifier *without = open_list("sky,tree,dog|puppy", NULL, false);
    const diffcut_classifier_info a = info_of(first);
    const diffcut_classifier_info b = info_of(second);
    const diffcut_classifier_info c = info_of(without);
    assert_int_equal(a.cached, 0);
    assert_int_equal(b.cached, 4);
    assert_int_equal(c.cached, 0);
    assert_memory_equal(a.embeddings, b.embeddings, 4 * a.width * sizeof(float));
    assert_memory_equal(a.embeddings, c.embeddings, 4 * a.width * sizeof(float));
    diffcut_classifier_free(first);
    diffcut_classifier_free(second);
    diffcut_classifier_free(without);
    /* other templates, other names, names that run together differently: nothing is found */
    const char *const lists[] = {"sky,tree,dog,puppy", "sky,tree,dogs|puppy", "sk,ytree,dog|puppy"};
    for (size_t i = 0; i < 3; i++) {
        diffcut_classifier *other = open_list(lists[i], NULL, true);
        assert_int_equal(info_of(other).cached, i == 0 ? 4 : 0); /* the same names, in other classes */
        diffcut_classifier_free(other);
    }
    diffcut_classifier *other = open_list("sky,tree,dog|puppy", "{}\n", true);
    assert_int_equal(info_of(other).cached, 0);
    diffcut_classifier_free(other);
}

/* Changes a byte of, or with cut shortens, every entry of the cache; returns how many there are. */
static size_t damage_entries(bool cut) {
    char path[512];
    size_t count = 0;
    for (unsigned sub = 0; sub < 256; sub++) {
        (void)snprintf(path, sizeof path, "%s/cache/%02x", folder, sub);
        DIR *dir = opendir(path);
        const struct dirent *entry;
        while (dir != NULL && (entry = readdir(dir)) != NULL) {
            if (entry->d_name[0] == '.') {
                continue;
            }
            char file[1024];
            struct stat about;
            (void)snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
            assert_int_equal(stat(file, &about), 0);
            if (cut) {
                assert_int_equal(truncate(file, about.st_size - 5), 0);
            } else {
                FILE *f = fopen(file, "r+b");
                assert_non_null(f);
                (void)fseek(f, about.st_size - 9, SEEK_SET);
                const int byte = fgetc(f);
                (void)fseek(f, about.st_size - 9, SEEK_SET);
                (void)fputc(byte ^ 0x55, f);
                (void)fclose(f);
            }
            count++;
        }
        if (dir != NULL) {
            (void)closedir(dir);
        }
    }
    return count;
}

static void damaged_entries_are_made_anew(void **state) {
    (void)state;
    diffcut_classifier *good = open_list("lake,river", NULL, true);
    for (int cut = 0; cut < 2; cut++) {
        assert_true(damage_entries(cut == 1) > 0);
        diffcut_classifier *again = open_list("lake,river", NULL, true);
        assert_int_equal(info_of(again).cached, 0);
        assert_memory_equal(info_of(good).embeddings, info_of(again).embeddings,
                            2 * info_of(good).width * sizeof(float));
        diffcut_classifier_free(again);
        again = open_list("lake,river", NULL, true);
        assert_int_equal(info_of(again).cached, 2);
        diffcut_classifier_free(again);
    }
    diffcut_classifier_free(good);
}

static void a_name_of_too_many_tokens_is_cut_with_a_word_also_from_the_cache(void **state) {
    (void)state;
    char list[1024] = "cat,";
    for (int i = 0; i < 90; i++) {
        strncat(list, "very ", sizeof list - strlen(list) - 1);
    }
    strncat(list, "long street", sizeof list - strlen(list) - 1);
    for (int round = 0; round < 2; round++) {
        diffcut_classifier *c = open_list(list, NULL, true);
        assert_int_equal(info_of(c).truncated, 1);
        assert_int_equal(info_of(c).cached, round * 2);
        assert_non_null(strstr(diffcut_session_note(session), "1 name was cut to the text tower's length"));
        diffcut_classifier_free(c);
    }
}

static void a_cache_that_cannot_be_written_costs_nothing_but_a_word(void **state) {
    (void)state;
    diffcut_vocabulary *v = NULL;
    diffcut_classifier *c = NULL;
    diffcut_classifier_settings settings;
    diffcut_classifier_settings_init(&settings);
    settings.cache = "/dev/null/names";
    assert_int_equal(diffcut_vocabulary_parse("sky", &v, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_classifier_open(session, v, &settings, &c), DIFFCUT_OK);
    assert_non_null(strstr(diffcut_session_note(session), "not kept"));
    diffcut_classifier_free(c);
    diffcut_vocabulary_free(v);
}

static int stop_at_once(void *user, diffcut_stage stage, double fraction) {
    (void)user;
    (void)stage;
    (void)fraction;
    return 1;
}

static void embedding_can_be_stopped(void **state) {
    (void)state;
    diffcut_session_settings settings;
    diffcut_session_settings_init(&settings);
    settings.progress = stop_at_once;
    diffcut_session *stopping = NULL;
    diffcut_vocabulary *v = NULL;
    diffcut_classifier *c = NULL;
    assert_int_equal(diffcut_session_open(model, &settings, &stopping, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_vocabulary_open("ade20k", &v, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_classifier_open(stopping, v, NULL, &c), DIFFCUT_ERROR_CANCELLED);
    assert_null(c);
    diffcut_vocabulary_free(v);
    diffcut_session_close(stopping);
}

int main(void) {
    golden *file = golden_open("%stiny-convnext-clip/golden.safetensors", MODELS);
    if (file == NULL) {
        return TEST_SKIPPED;
    }
    golden_close(file);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_open_clips_and_their_mean_over_templates),
        cmocka_unit_test(the_cache_gives_the_same_bits),
        cmocka_unit_test(damaged_entries_are_made_anew),
        cmocka_unit_test(a_name_of_too_many_tokens_is_cut_with_a_word_also_from_the_cache),
        cmocka_unit_test(a_cache_that_cannot_be_written_costs_nothing_but_a_word),
        cmocka_unit_test(embedding_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, open_clip, close_clip);
}
