/*
 * test_vocabulary.c - class lists and templates: what is read from lines, files and the benchmarks' lists, and what
 * is refused, with its place.
 */
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "diffcut/diffcut.h"
#include "test.h"

static diffcut_vocabulary *parsed(const char *list) {
    diffcut_vocabulary *v = NULL;
    diffcut_diagnostics diag;
    if (diffcut_vocabulary_parse(list, &v, &diag) != DIFFCUT_OK) {
        fail_msg("'%s': %s", list, diag.message);
    }
    return v;
}

static void synonyms_belong_to_their_class_and_blanks_do_not_count(void **state) {
    (void)state;
    diffcut_vocabulary *v = parsed(" sky , tree,dog | puppy|Welsh corgi ,café");
    const uint32_t *classes = NULL;
    size_t count = 0;
    const char *const *names = diffcut_vocabulary_names(v, &classes, &count);
    const char *const expected[] = {"sky", "tree", "dog", "puppy", "Welsh corgi", "café"};
    const uint32_t expected_classes[] = {0, 1, 2, 2, 2, 3};
    assert_int_equal(diffcut_vocabulary_class_count(v), 4);
    assert_int_equal(count, 6);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(names[i], expected[i]);
        assert_int_equal(classes[i], expected_classes[i]);
    }
    assert_string_equal(diffcut_vocabulary_class_name(v, 2), "dog");
    assert_null(diffcut_vocabulary_class_name(v, 4));
    assert_int_equal(diffcut_vocabulary_background(v), -1);
    assert_int_equal(diffcut_vocabulary_void(v), -1);
    diffcut_vocabulary_free(v);
}

static void void_is_the_last_class_only(void **state) {
    (void)state;
    diffcut_vocabulary *v = parsed("sky,tree,Void");
    assert_int_equal(diffcut_vocabulary_void(v), 2);
    diffcut_vocabulary_free(v);
    v = parsed("void,tree");
    assert_int_equal(diffcut_vocabulary_void(v), -1);
    diffcut_vocabulary_free(v);
}

static void a_background_goes_in_front(void **state) {
    (void)state;
    diffcut_vocabulary *v = parsed("sky,dog|puppy,void");
    diffcut_vocabulary *with = NULL;
    diffcut_diagnostics diag;
    assert_int_equal(diffcut_vocabulary_with_background(v, "anything else|wall", &with, &diag), DIFFCUT_OK);
    const uint32_t *classes = NULL;
    size_t count = 0;
    const char *const *names = diffcut_vocabulary_names(with, &classes, &count);
    assert_int_equal(count, 6);
    assert_int_equal(diffcut_vocabulary_class_count(with), 4);
    assert_string_equal(names[1], "wall");
    assert_string_equal(names[4], "puppy");
    assert_int_equal(classes[4], 2);
    assert_int_equal(diffcut_vocabulary_background(with), 0);
    assert_int_equal(diffcut_vocabulary_void(with), 3);
    diffcut_vocabulary *same = with;
    assert_int_equal(diffcut_vocabulary_with_background(v, "Dog", &same, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diag.message, "named twice"));
    assert_ptr_equal(same, with);
    diffcut_vocabulary_free(with);
    diffcut_vocabulary_free(v);
}

static void bad_lists_are_refused_with_their_class(void **state) {
    (void)state;
    const struct {
        const char *list, *message;
    } cases[] = {{"", "empty"},
                 {"  ", "empty"},
                 {"sky,,tree", "class 1: '' is an empty name"},
                 {"sky,tree,", "class 2: '' is an empty name"},
                 {"dog|", "class 0: '' is an empty name"},
                 {"sky,dog|puppy,Puppy", "'Puppy' is named twice: in class 1 ('dog') and in class 2 ('Puppy')"},
                 {"dog|dog", "'dog' is named twice"},
                 {"void", "no class but 'void'"},
                 {"sky,a\nb", "control character"},
                 {"sky,\xE9t\xE9", "UTF-8"}};
    diffcut_vocabulary *v = NULL;
    diffcut_diagnostics diag;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_not_equal(diffcut_vocabulary_parse(cases[i].list, &v, &diag), DIFFCUT_OK);
        if (strstr(diag.message, cases[i].message) == NULL) {
            fail_msg("'%s': %s", cases[i].list, diag.message);
        }
        assert_null(v);
    }
    assert_int_equal(diffcut_vocabulary_parse(NULL, &v, &diag), DIFFCUT_ERROR_ARGUMENT);
    char long_name[1100];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_not_equal(diffcut_vocabulary_parse(long_name, &v, &diag), DIFFCUT_OK);
    assert_non_null(strstr(diag.message, "1024 bytes"));
}

static void files_have_a_class_a_line_and_comments(void **state) {
    (void)state;
    static const char file[] = "\xEF\xBB\xBF# mine\r\nsky\r\n\r\n  dog | puppy \r\ntree";
    diffcut_vocabulary *v = NULL;
    diffcut_diagnostics diag;
    assert_int_equal(diffcut_vocabulary_decode(file, sizeof file - 1, "mine.txt", &v, &diag), DIFFCUT_OK);
    assert_int_equal(diffcut_vocabulary_class_count(v), 3);
    assert_string_equal(diffcut_vocabulary_class_name(v, 0), "sky");
    assert_string_equal(diffcut_vocabulary_class_name(v, 1), "dog");
    diffcut_vocabulary_free(v);
}

static void files_in_another_encoding_say_so_with_the_line(void **state) {
    (void)state;
    static const char utf16[] = "\xFF\xFEs\0k\0y\0\n\0";
    static const char bare[] = "sky\nt\0r\0e\0e\0";
    static const char latin[] = "sky\ntree\ncaf\xE9\n";
    static const char none[] = "# only a remark\n\n";
    static const char twice[] = "sky\ntree\n# x\nSky\n";
    const struct {
        const char *data;
        size_t size;
        const char *message;
    } cases[] = {{utf16, sizeof utf16 - 1, "list.txt: line 1: this is UTF-16"},
                 {bare, sizeof bare - 1, "list.txt: line 2: a NUL byte"},
                 {latin, sizeof latin - 1, "list.txt: line 3: byte 0xE9 is not UTF-8; if this is Latin-1"},
                 {none, sizeof none - 1, "list.txt: the class list is empty"},
                 {"", 0, "list.txt: the class list is empty"},
                 {twice, sizeof twice - 1, "list.txt: 'Sky' is named twice: in class 0"},
                 {"sky\na|\n", 7, "list.txt: line 2: '' is an empty name"}};
    diffcut_vocabulary *v = NULL;
    diffcut_diagnostics diag;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(diffcut_vocabulary_decode(cases[i].data, cases[i].size, "list.txt", &v, &diag),
                         DIFFCUT_ERROR_FORMAT);
        if (strstr(diag.message, cases[i].message) == NULL) {
            fail_msg("case %zu: %s", i, diag.message);
        }
        assert_null(v);
    }
}

static char *numbered(size_t classes, size_t *size) {
    char *file = malloc(classes * 12 + 1);
    assert_non_null(file);
    *size = 0;
    for (size_t i = 0; i < classes; i++) {
        *size += (size_t)sprintf(file + *size, "name %zu\n", i);
    }
    return file;
}

static void ten_thousand_classes_are_read_and_too_many_refused(void **state) {
    (void)state;
    diffcut_vocabulary *v = NULL;
    diffcut_diagnostics diag;
    size_t size = 0;
    char *file = numbered(10000, &size);
    assert_int_equal(diffcut_vocabulary_decode(file, size, "many.txt", &v, &diag), DIFFCUT_OK);
    assert_int_equal(diffcut_vocabulary_class_count(v), 10000);
    assert_string_equal(diffcut_vocabulary_class_name(v, 9999), "name 9999");
    diffcut_vocabulary_free(v);
    free(file);
    v = NULL;
    file = numbered(DIFFCUT_MAX_CLASSES + 1, &size);
    assert_int_equal(diffcut_vocabulary_decode(file, size, "many.txt", &v, &diag), DIFFCUT_ERROR_LIMIT);
    assert_null(v);
    free(file);
}

static void the_benchmarks_lists_fit_their_protocols(void **state) {
    (void)state;
    const struct {
        const char *vocabulary, *protocol;
    } rows[] = {{"voc", "voc"},
                {"context", "context"},
                {"coco", "coco-object"},
                {"ade20k", "ade20k"},
                {"cityscapes", "cityscapes"}};
    diffcut_diagnostics diag;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        diffcut_vocabulary *v = NULL;
        diffcut_protocol *p = NULL;
        assert_string_equal(diffcut_vocabulary_list(i), rows[i].vocabulary);
        assert_int_equal(diffcut_vocabulary_open(rows[i].vocabulary, &v, &diag), DIFFCUT_OK);
        assert_int_equal(diffcut_protocol_open(rows[i].protocol, NULL, &p, &diag), DIFFCUT_OK);
        const uint32_t classes = diffcut_protocol_class_count(p);
        const uint32_t shift = diffcut_protocol_background(p) >= 0 ? 1 : 0;
        assert_int_equal(diffcut_vocabulary_class_count(v), classes);
        assert_int_equal(diffcut_vocabulary_background(v), shift > 0 ? 0 : -1);
        size_t differing = 0;
        for (uint32_t c = 0; c + shift < classes; c++) { /* the same things in the same order */
            differing +=
                strcmp(diffcut_protocol_class_name(p, c), diffcut_vocabulary_class_name(v, c + shift)) != 0 ? 1 : 0;
        }
        assert_int_equal(differing, strcmp(rows[i].vocabulary, "coco") == 0 ? 3 : 0); /* orange, remote, scissors */
        diffcut_protocol_free(p);
        diffcut_vocabulary_free(v);
    }
    diffcut_vocabulary *v = NULL;
    assert_null(diffcut_vocabulary_list(5));
    assert_int_equal(diffcut_vocabulary_open("imagenet", &v, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diag.message, "voc, context, coco, ade20k, cityscapes"));
}

static void the_papers_templates_are_fourteen_and_others_need_a_place(void **state) {
    (void)state;
    diffcut_templates *t = NULL;
    diffcut_diagnostics diag;
    assert_int_equal(diffcut_templates_decode(NULL, 0, NULL, &t, &diag), DIFFCUT_OK);
    assert_int_equal(diffcut_templates_count(t), 14);
    assert_string_equal(diffcut_templates_at(t, 0), "a photo of a {}.");
    assert_string_equal(diffcut_templates_at(t, 13), "There is a large {} in the scene.");
    assert_null(diffcut_templates_at(t, 14));
    diffcut_templates_free(t);
    t = NULL;
    const char *const bad[] = {"a photo of a cat\n", "{} and {}\n", "# none\n", "caf\xE9 {}\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(diffcut_templates_decode(bad[i], strlen(bad[i]), "t.txt", &t, &diag), DIFFCUT_ERROR_FORMAT);
        assert_non_null(strstr(diag.message, "t.txt"));
        assert_null(t);
    }
}

static void reading_survives_every_failing_allocation(void **state) {
    (void)state;
    for (long fail = 0;; fail++) {
        diffcut_vocabulary *v = NULL;
        diffcut_vocabulary *with = NULL;
        diffcut_templates *t = NULL;
        mem_fail_after(fail);
        diffcut_status status = diffcut_vocabulary_open("voc", &v, NULL);
        if (status == DIFFCUT_OK) {
            status = diffcut_vocabulary_with_background(v, "nothing", &with, NULL);
        }
        if (status == DIFFCUT_OK) {
            status = diffcut_templates_decode(NULL, 0, NULL, &t, NULL);
        }
        mem_fail_after(-1);
        diffcut_vocabulary_free(v);
        diffcut_vocabulary_free(with);
        diffcut_templates_free(t);
        if (status == DIFFCUT_OK) {
            assert_true(fail > 10);
            return;
        }
        assert_int_equal(status, DIFFCUT_ERROR_MEMORY);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(synonyms_belong_to_their_class_and_blanks_do_not_count),
        cmocka_unit_test(void_is_the_last_class_only),
        cmocka_unit_test(a_background_goes_in_front),
        cmocka_unit_test(bad_lists_are_refused_with_their_class),
        cmocka_unit_test(files_have_a_class_a_line_and_comments),
        cmocka_unit_test(files_in_another_encoding_say_so_with_the_line),
        cmocka_unit_test(ten_thousand_classes_are_read_and_too_many_refused),
        cmocka_unit_test(the_benchmarks_lists_fit_their_protocols),
        cmocka_unit_test(the_papers_templates_are_fourteen_and_others_need_a_place),
        cmocka_unit_test(reading_survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
