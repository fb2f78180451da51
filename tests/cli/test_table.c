/* Numbers by keys, in memory and, when there are many, in a file without a name. */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "table.h"
#include "test.h"

enum { MANY = 200000 }; /* slots go to the file at 65,536 */

static uint64_t key_of(uint64_t i) {
    return (i + 1) * UINT64_C(0x9E3779B97F4A7C15) | 1;
}

static void holds(const table *t, uint64_t i, uint64_t expected) {
    uint64_t value = 0;
    assert_true(table_get(t, key_of(i), &value));
    assert_int_equal(value, expected);
}

static void put_many_and_read_them_back(table *t) {
    for (uint64_t i = 0; i < MANY; i++) {
        assert_int_equal(table_put(t, key_of(i), i, false), TABLE_ADDED);
    }
    assert_int_equal(t->count, MANY);
    for (uint64_t i = 0; i < MANY; i += 7) {
        assert_int_equal(table_put(t, key_of(i), i + 1, false), TABLE_WAS_THERE);
        holds(t, i, i);
        assert_int_equal(table_put(t, key_of(i), i + 1, true), TABLE_WAS_THERE);
        holds(t, i, i + 1);
    }
    uint64_t value = 0;
    assert_false(table_get(t, key_of(MANY), &value));
    assert_int_equal(t->count, MANY);
}

static void many_numbers_go_to_a_file_that_has_no_name(void **state) {
    (void)state;
    char folder[] = "/tmp/diffcut-table-XXXXXX";
    assert_non_null(mkdtemp(folder));
    table t;
    uint64_t value = 0;
    table_open(&t, folder);
    assert_false(table_get(&t, 1, &value));
    put_many_and_read_them_back(&t);
    assert_true(t.file >= 0 && t.slots == NULL);
    DIR *names = opendir(folder);
    assert_non_null(names);
    int entries = 0;
    while (readdir(names) != NULL) {
        entries++;
    }
    assert_int_equal(entries, 2);
    (void)closedir(names);
    table_close(&t);
    assert_int_equal(rmdir(folder), 0);
}

static void without_a_file_they_stay_in_memory(void **state) {
    (void)state;
    table t;
    table_open(&t, "/nowhere/at/all");
    put_many_and_read_them_back(&t);
    assert_true(t.file < 0 && t.slots != NULL);
    table_close(&t);

    /* A file that may not grow: as on a full disk, writes to it fail. */
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit small = {1 << 16, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    table_open(&t, "/tmp");
    put_many_and_read_them_back(&t);
    assert_true(t.file < 0);
    table_close(&t);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_numbers_go_to_a_file_that_has_no_name),
        cmocka_unit_test(without_a_file_they_stay_in_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
