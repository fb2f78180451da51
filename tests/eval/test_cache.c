/*
 * The features cache gives back what was put in, to the bit, or nothing; it stays within its limit and the least
 * recently used go first.
 */
#include "core/memory.h"
#include "eval/cache_entry.h"
#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diffcut/diffcut.h"

enum { SIDE = 4, CHANNELS = 6, VALUES = SIDE * SIDE * CHANNELS };
#define ENTRY_BYTES (CACHE_HEADER_BYTES + VALUES * sizeof(float))

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int make_place(void **state) {
    static char place[64];
    (void)snprintf(place, sizeof place, "/tmp/diffcut-cache.XXXXXX");
    *state = mkdtemp(place);
    return *state != NULL ? 0 : -1;
}

static int remove_place(void **state) {
    return nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static diffcut_features *make_features(float first) {
    float data[VALUES];
    for (size_t i = 0; i < VALUES; i++) {
        data[i] = first + (float)i / 7.0F;
    }
    diffcut_features *features = NULL;
    assert_int_equal(diffcut_features_create(SIDE, SIDE, CHANNELS, data, &features, NULL), DIFFCUT_OK);
    return features;
}

static diffcut_cache_key key_of(unsigned number) {
    diffcut_settings settings;
    diffcut_cache_key key;
    diffcut_settings_init(&settings, NULL);
    assert_int_equal(diffcut_cache_key_make("model", &settings, &number, sizeof number, "", &key, NULL), DIFFCUT_OK);
    return key;
}

static void path_of(const char *place, const diffcut_cache_key *key, char path[256]) {
    int at = snprintf(path, 256, "%s/%02x/", place, key->bytes[0]);
    for (size_t i = 0; i < sizeof key->bytes; i++) {
        at += snprintf(path + at, 256 - (size_t)at, "%02x", key->bytes[i]);
    }
    (void)snprintf(path + at, 256 - (size_t)at, ".features");
}

static diffcut_cache *open_cache(const char *place, uint64_t max_bytes) {
    diffcut_cache *cache = NULL;
    diffcut_diagnostics diagnostics;
    if (diffcut_cache_open(place, max_bytes, &cache, &diagnostics) != DIFFCUT_OK) {
        fail_msg("%s", diagnostics.message);
    }
    return cache;
}

static void put(diffcut_cache *cache, unsigned number) {
    diffcut_features *features = make_features((float)number);
    const diffcut_cache_key key = key_of(number);
    assert_int_equal(diffcut_cache_put(cache, &key, features, NULL), DIFFCUT_OK);
    diffcut_features_free(features);
}

/* Whether it is there; if so it must be what was put. */
static bool get(diffcut_cache *cache, unsigned number) {
    const diffcut_cache_key key = key_of(number);
    diffcut_features *found = NULL;
    assert_int_equal(diffcut_cache_get(cache, &key, &found, NULL), DIFFCUT_OK);
    if (found == NULL) {
        return false;
    }
    diffcut_features *expected = make_features((float)number);
    assert_int_equal(diffcut_features_height(found), SIDE);
    assert_int_equal(diffcut_features_channels(found), CHANNELS);
    assert_memory_equal(diffcut_features_data(found), diffcut_features_data(expected), VALUES * sizeof(float));
    diffcut_features_free(expected);
    diffcut_features_free(found);
    return true;
}

/* ------------------------------------------------------------------------------------------------- tests */

static void what_is_put_is_found_again(void **state) {
    diffcut_cache *cache = open_cache(*state, 0);
    assert_false(get(cache, 1));
    put(cache, 1);
    assert_true(get(cache, 1));
    assert_false(get(cache, 2));
    diffcut_cache_close(cache);
    cache = open_cache(*state, 0);
    assert_true(get(cache, 1));
    diffcut_cache_stats stats;
    diffcut_cache_get_stats(cache, &stats);
    assert_int_equal(stats.bytes, ENTRY_BYTES);
    assert_int_equal(stats.hits, 1);
    diffcut_cache_close(cache);
}

static void every_field_that_counts_makes_another_key(void **state) {
    (void)state;
    diffcut_settings base;
    diffcut_settings_init(&base, NULL);
    diffcut_settings s[9];
    for (size_t i = 0; i < 9; i++) {
        s[i] = base;
    }
    s[1].size++;
    s[2].timesteps[0]++;
    s[3].seed++;
    s[4].hook = "other";
    s[5].prompt = "a cat";
    s[6].average++;
    s[7].resample = DIFFCUT_RESAMPLE_BILINEAR;
    s[8].noise = DIFFCUT_NOISE_CUDA;
    diffcut_cache_key keys[13];
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(diffcut_cache_key_make("m", &s[i], "p", 1, "", &keys[i], NULL), DIFFCUT_OK);
    }
    assert_int_equal(diffcut_cache_key_make("n", &base, "p", 1, "", &keys[9], NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_cache_key_make("m", &base, "q", 1, "", &keys[10], NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_cache_key_make("m", &base, "p", 1, "crop", &keys[11], NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_cache_key_make("m", &base, "", 0, "", &keys[12], NULL), DIFFCUT_OK);
    for (size_t i = 0; i < 13; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(&keys[i], &keys[j], sizeof keys[i]);
        }
    }
    base.alpha = 1;
    base.tau = 0.1;
    base.refine = false;
    base.size_width = 77; /* unused by the size mode */
    diffcut_cache_key same;
    assert_int_equal(diffcut_cache_key_make("m", &base, "p", 1, NULL, &same, NULL), DIFFCUT_OK);
    assert_memory_equal(&same, &keys[0], sizeof same);
}

static void a_damaged_entry_is_found_out_wherever_the_damage_is(void **state) {
    diffcut_cache *cache = open_cache(*state, 0);
    const diffcut_cache_key key = key_of(1);
    char path[256];
    path_of(*state, &key, path);
    uint64_t damaged = 0;
    for (size_t at = 0; at < ENTRY_BYTES; at += at < 80 ? 1 : 13) {
        put(cache, 1);
        const int file = open(path, O_RDWR);
        assert_true(file >= 0);
        uint8_t byte = 0;
        assert_int_equal(pread(file, &byte, 1, (off_t)at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(file, &byte, 1, (off_t)at), 1);
        (void)close(file);
        assert_false(get(cache, 1));
        assert_int_not_equal(access(path, F_OK), 0);
        damaged++;
    }
    static const off_t sizes[] = {0, 1, CACHE_HEADER_BYTES - 1, CACHE_HEADER_BYTES, ENTRY_BYTES - 1, ENTRY_BYTES + 4};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        put(cache, 1);
        assert_int_equal(truncate(path, sizes[i]), 0);
        assert_false(get(cache, 1));
        damaged++;
    }
    diffcut_cache_stats stats;
    diffcut_cache_get_stats(cache, &stats);
    assert_int_equal(stats.damaged, damaged);
    put(cache, 1);
    assert_true(get(cache, 1));
    diffcut_cache_close(cache);
}

static void an_entry_of_another_key_is_not_taken(void **state) {
    diffcut_cache *cache = open_cache(*state, 0);
    const diffcut_cache_key first = key_of(1);
    const diffcut_cache_key second = key_of(2);
    char from[256];
    char to[256];
    put(cache, 1);
    put(cache, 2);
    path_of(*state, &first, from);
    path_of(*state, &second, to);
    assert_int_equal(rename(from, to), 0);
    assert_false(get(cache, 2));
    diffcut_cache_close(cache);
}

static void set_age(const char *place, unsigned number, long seconds) {
    const diffcut_cache_key key = key_of(number);
    char path[256];
    path_of(place, &key, path);
    const struct timespec times[2] = {{.tv_sec = 1000000000 - seconds}, {.tv_sec = 1000000000 - seconds}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void the_least_recently_used_go_first(void **state) {
    diffcut_cache *cache = open_cache(*state, 10 * ENTRY_BYTES);
    for (unsigned i = 0; i < 10; i++) {
        put(cache, i);
        set_age(*state, i, 100 + (long)i); /* the later, the older */
    }
    assert_true(get(cache, 9)); /* used now */
    put(cache, 10);
    diffcut_cache_stats stats;
    diffcut_cache_get_stats(cache, &stats);
    assert_int_equal(stats.evicted, 2); /* down to nine tenths with the new one in */
    assert_int_equal(stats.bytes, 9 * ENTRY_BYTES);
    assert_true(get(cache, 9));
    assert_false(get(cache, 8));
    assert_false(get(cache, 7));
    assert_true(get(cache, 6));
    assert_true(get(cache, 10));
    diffcut_cache_close(cache);
    cache = open_cache(*state, ENTRY_BYTES);
    diffcut_features *features = make_features(1);
    const diffcut_cache_key key = key_of(99);
    assert_int_equal(diffcut_cache_put(cache, &key, features, NULL), DIFFCUT_ERROR_LIMIT);
    diffcut_features_free(features);
    diffcut_cache_close(cache);
}

static void what_a_killed_process_left_is_swept(void **state) {
    diffcut_cache *cache = open_cache(*state, 0);
    put(cache, 1);
    diffcut_cache_close(cache);
    const diffcut_cache_key key = key_of(1);
    char left[300];
    char fresh[300];
    (void)snprintf(left, sizeof left, "%s/%02x/.diffcut-1.tmp", (const char *)*state, key.bytes[0]);
    (void)snprintf(fresh, sizeof fresh, "%s/%02x/.diffcut-2.tmp", (const char *)*state, key.bytes[0]);
    (void)close(open(left, O_CREAT | O_WRONLY, 0666));
    (void)close(open(fresh, O_CREAT | O_WRONLY, 0666));
    const struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    assert_int_equal(utimensat(AT_FDCWD, left, old, 0), 0);
    diffcut_cache_close(open_cache(*state, 0));
    assert_int_not_equal(access(left, F_OK), 0);
    assert_int_equal(access(fresh, F_OK), 0);
}

static void a_folder_that_cannot_be_made_is_told(void **state) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/file", (const char *)*state);
    (void)close(open(path, O_CREAT | O_WRONLY, 0666));
    (void)snprintf(path, sizeof path, "%s/file/cache", (const char *)*state);
    diffcut_cache *cache = NULL;
    diffcut_diagnostics diagnostics;
    assert_int_equal(diffcut_cache_open(path, 0, &cache, &diagnostics), DIFFCUT_ERROR_IO);
    assert_non_null(strstr(diagnostics.message, path));
    assert_null(cache);
}

static void memory_may_run_out_anywhere(void **state) {
    diffcut_cache *cache = open_cache(*state, 0);
    const diffcut_cache_key key = key_of(1);
    diffcut_features *features = make_features(1);
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    for (long count = 0; status != DIFFCUT_OK; count++) {
        mem_fail_after(count);
        status = diffcut_cache_put(cache, &key, features, NULL);
        mem_fail_after(-1);
        assert_true(status == DIFFCUT_OK || status == DIFFCUT_ERROR_MEMORY);
    }
    status = DIFFCUT_ERROR_MEMORY;
    for (long count = 0; status != DIFFCUT_OK; count++) {
        diffcut_features *found = NULL;
        mem_fail_after(count);
        status = diffcut_cache_get(cache, &key, &found, NULL);
        mem_fail_after(-1);
        assert_true(status == DIFFCUT_OK ? found != NULL : found == NULL);
        diffcut_features_free(found);
    }
    diffcut_features_free(features);
    diffcut_cache_close(cache);
}

static void fingerprints_follow_the_model_not_its_place(void **state) {
    char first[DIFFCUT_FINGERPRINT_SIZE];
    char second[DIFFCUT_FINGERPRINT_SIZE];
    char other[DIFFCUT_FINGERPRINT_SIZE];
    const char *const paths[] = {DIFFCUT_TEST_DATA "/tiny-pixel", NULL, DIFFCUT_TEST_DATA "/tiny-pixel-eps"};
    char copy[300];
    (void)snprintf(copy, sizeof copy, "%s/elsewhere", (const char *)*state);
    assert_int_equal(symlink(paths[0], copy), 0);
    char *const out[] = {first, second, other};
    for (size_t i = 0; i < 3; i++) {
        diffcut_model *model = NULL;
        diffcut_diagnostics diagnostics;
        if (diffcut_model_open(paths[i] != NULL ? paths[i] : copy, NULL, &model, &diagnostics) != DIFFCUT_OK) {
            fail_msg("%s", diagnostics.message);
        }
        assert_int_equal(diffcut_model_fingerprint(model, out[i], &diagnostics), DIFFCUT_OK);
        diffcut_model_release(model);
    }
    assert_string_equal(first, second);
    assert_string_not_equal(first, other);
    assert_int_equal(strlen(first), 64);
}

int main(void) {
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(what_is_put_is_found_again),
        cmocka_unit_test(every_field_that_counts_makes_another_key),
        IN_A_FOLDER(a_damaged_entry_is_found_out_wherever_the_damage_is),
        IN_A_FOLDER(an_entry_of_another_key_is_not_taken),
        IN_A_FOLDER(the_least_recently_used_go_first),
        IN_A_FOLDER(what_a_killed_process_left_is_swept),
        IN_A_FOLDER(a_folder_that_cannot_be_made_is_told),
        IN_A_FOLDER(memory_may_run_out_anywhere),
        IN_A_FOLDER(fingerprints_follow_the_model_not_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
