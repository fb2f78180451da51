/*
 * test_tools.c - the parts of the command that no run of it shows: the bar at chosen moments, strict numbers, JSON
 * strings, wrapped paragraphs, names near to a mistyped one.
 */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "progress.h"
#include "values.h"

static void expect_bar(const progress *p, diffcut_stage stage, double fraction, double now, unsigned columns,
                       const char *expected) {
    text bar = {0};
    progress_render(p, stage, fraction, now, columns, &bar);
    assert_string_equal(text_string(&bar), expected);
    text_free(&bar);
}

static void bar_shows_rate_and_time_left(void **state) {
    (void)state;
    /* 12 photos of which 2 were skipped, 10 s gone: 1 photo/s, 328 left */
    progress p = {.enabled = true, .total = 340, .done = 12, .worked = 10, .started = 100, .name = "cat.png"};
    expect_bar(&p, DIFFCUT_STAGE_FEATURES, 0, 110, 200,
               "[                        ] 12/340  1.0 photos/s  5:28 left  cat.png: features");
    p.done = 170;
    p.worked = 160;
    expect_bar(&p, DIFFCUT_STAGE_FEATURES, 0, 100 + 1600, 200,
               "[############            ] 170/340  10.0 s/photo  28:20 left  cat.png: features");
    expect_bar(&p, DIFFCUT_STAGE_FEATURES, 0, 100 + 16000, 200,
               "[############            ] 170/340  100.0 s/photo  4:43:20 left  cat.png: features");
    /* a photo counts by its stages: all but the last bit of the last one is a full bar with no time left */
    p = (progress){.enabled = true, .total = 1, .started = 100, .name = "cat.png"};
    expect_bar(&p, DIFFCUT_STAGE_REFINE, 1, 104, 200,
               "[########################] 0/1  4.0 s/photo  0:00 left  cat.png: refine");
}

static void bar_without_total_or_rate_promises_nothing(void **state) {
    (void)state;
    progress p = {.enabled = true, .total = 0, .done = 3, .worked = 3, .started = 100, .name = "cat.png"};
    expect_bar(&p, DIFFCUT_STAGE_CUT, 0, 100.5, 200, "3 photos  cat.png: cut");
    p = (progress){.enabled = true, .total = 9, .done = 9, .worked = 0, .started = 100, .name = "cat.png"};
    expect_bar(&p, DIFFCUT_STAGE_FEATURES, 0, 160, 200, "[########################] 9/9  cat.png: features");
}

static void bar_keeps_to_its_line(void **state) {
    (void)state;
    progress p = {.enabled = true, .total = 1, .started = 100, .name = "a\nb\033[2Jc.png"};
    expect_bar(&p, DIFFCUT_STAGE_FEATURES, 0, 100, 200, "[                        ] 0/1  a?b?[2Jc.png: features");
    expect_bar(&p, DIFFCUT_STAGE_FEATURES, 0, 100, 36, "[                        ] 0/1  a?b");
}

static void numbers_are_read_whole_or_not_at_all(void **state) {
    (void)state;
    static const char *const reals[] = {"0.5", "1", ".5", "1e-3", "-2", "+3"};
    static const char *const no_reals[] = {"", " 1", "1 ", "nan", "inf", "0x1", "1,5", "1e999", "e5", "-", ".", "1e"};
    double real = 7;
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        assert_true(value_real(reals[i], &real));
    }
    real = 7;
    for (size_t i = 0; i < sizeof no_reals / sizeof *no_reals; i++) {
        assert_false(value_real(no_reals[i], &real));
        assert_true(real == 7);
    }
    uint64_t natural = 0;
    assert_true(value_unsigned("18446744073709551615", &natural) && natural == UINT64_MAX);
    assert_false(value_unsigned("18446744073709551616", &natural));
    assert_false(value_unsigned("-1", &natural));
    assert_false(value_unsigned("+1", &natural));
    int64_t integer = 0;
    assert_true(value_signed("-9223372036854775807", &integer) && integer == -INT64_MAX);
    assert_false(value_signed("9223372036854775808", &integer));
    assert_false(value_signed("--1", &integer));
    uint32_t width = 0;
    uint32_t height = 0;
    assert_true(value_width_height("640x480", &width, &height) && width == 640 && height == 480);
    static const char *const no_sizes[] = {"", "x", "640x", "x480", "0x4", "4x0", "4x4x4", "4X4", "4294967296x1"};
    for (size_t i = 0; i < sizeof no_sizes / sizeof *no_sizes; i++) {
        assert_false(value_width_height(no_sizes[i], &width, &height));
    }
}

static void lists_give_every_item(void **state) {
    (void)state;
    char item[8];
    assert_true(value_list_item("a,,ccc", 0, item, sizeof item));
    assert_string_equal(item, "a");
    assert_true(value_list_item("a,,ccc", 1, item, sizeof item));
    assert_string_equal(item, "");
    assert_true(value_list_item("a,,ccc", 2, item, sizeof item));
    assert_string_equal(item, "ccc");
    assert_false(value_list_item("a,,ccc", 3, item, sizeof item));
    assert_true(value_list_item("123456789", 0, item, sizeof item));
    assert_string_equal(item, ""); /* too long to be a value */
    assert_int_equal(value_choice("two", "one|two|three"), 1);
    assert_int_equal(value_choice("tw", "one|two|three"), -1);
    assert_int_equal(value_choice("", "one|two|three"), -1);
    assert_int_equal(value_choice("one|two", "one|two|three"), -1);
}

static void expect_json(const char *value, const char *expected, bool is_utf8) {
    text out = {0};
    json_string(&out, value);
    assert_string_equal(text_string(&out), expected);
    assert_int_equal(json_is_utf8(value), is_utf8);
    text_free(&out);
}

static void json_strings_are_valid_for_any_bytes(void **state) {
    (void)state;
    expect_json("a/b.png", "\"a/b.png\"", true);
    expect_json("\"\\\n\x01\x7f", "\"\\\"\\\\\\u000a\\u0001\\u007f\"", true);
    expect_json("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\xb9", "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\xb9\"", true);
    expect_json("\xff", "\"\\ufffd\"", false);
    expect_json("\xc3", "\"\\ufffd\"", false);                                  /* cut short */
    expect_json("\xc0\x80", "\"\\ufffd\\ufffd\"", false);                       /* overlong NUL */
    expect_json("\xe0\x80\xaf", "\"\\ufffd\\ufffd\\ufffd\"", false);            /* overlong slash */
    expect_json("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"", false);            /* surrogate */
    expect_json("\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"", false); /* past U+10FFFF */
    text out = {0};
    json_real(&out, (double)NAN, 5);
    json_real(&out, (double)INFINITY, 5);
    json_real(&out, 0.25, 5);
    assert_string_equal(text_string(&out), "nullnull0.25");
    text_free(&out);
}

static void reals_are_written_as_short_as_they_read_back(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *shown;
    } cases[] = {{0.3, "0.3"},  {0.1 + 0.2, "0.30000000000000004"},
                 {1, "1"},      {0, "0"},
                 {10, "10"},    {150.5, "150.5"},
                 {-2, "-2"},    {1e300, "1e+300"},
                 {0.45, "0.45"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text out = {0};
        text_add_real(&out, cases[i].value);
        assert_string_equal(text_string(&out), cases[i].shown);
        text_free(&out);
    }
}

static void paragraphs_wrap_below_80_columns(void **state) {
    (void)state;
    text out = {0};
    options_wrap(&out,
                 "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen",
                 4, 2);
    assert_string_equal(text_string(&out),
                        "  one two three four five six seven eight nine ten eleven twelve thirteen\n"
                        "    fourteen fifteen sixteen\n");
    text_free(&out);
}

static void a_mistyped_name_finds_the_near_one_only(void **state) {
    (void)state;
    static const char *const names[] = {"segment", "features", "cut", "refine", "bench", NULL};
    static const struct {
        const char *word, *near;
    } cases[] = {{"sgement", "segment"},
                 {"segm", "segment"},
                 {"feature", "features"},
                 {"ctu", "cut"},
                 {"bnech", "bench"},
                 {"photo", NULL},
                 {"x", NULL},
                 {"", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *near = options_nearest(cases[i].word, names, sizeof *names);
        assert_string_equal(near != NULL ? near : "none", cases[i].near != NULL ? cases[i].near : "none");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bar_shows_rate_and_time_left),
        cmocka_unit_test(bar_without_total_or_rate_promises_nothing),
        cmocka_unit_test(bar_keeps_to_its_line),
        cmocka_unit_test(numbers_are_read_whole_or_not_at_all),
        cmocka_unit_test(lists_give_every_item),
        cmocka_unit_test(json_strings_are_valid_for_any_bytes),
        cmocka_unit_test(reals_are_written_as_short_as_they_read_back),
        cmocka_unit_test(paragraphs_wrap_below_80_columns),
        cmocka_unit_test(a_mistyped_name_finds_the_near_one_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
