/*
 * test_eval_report.c - the reports of an evaluation: what they say, and that nothing in the results breaks them.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eval_published.h"
#include "eval_report.h"
#include "eval_report_parts.h"
#include "report_fixture.h"
#include "test.h"

static fixture made;

static int setup(void **state) {
    *state = &made;
    fixture_make(&made);
    return 0;
}

static size_t occurrences(const text *t, const char *what) {
    size_t count = 0;
    for (const char *at = text_string(t); (at = strstr(at, what)) != NULL; at += strlen(what)) {
        count++;
    }
    return count;
}

static void published_figures_are_those_of_the_paper(void **state) {
    (void)state;
    assert_true(eval_published_miou("voc", "diffcut") == 65.2);
    assert_true(eval_published_miou("ade20k", "diffseg") == 37.7);
    assert_true(eval_published_miou("coco-stuff-27", "maskcut") == 41.7);
    assert_true(isnan(eval_published_miou("voc", "kmeans")));
    assert_true(isnan(eval_published_miou("voc", "")));
    assert_true(isnan(eval_published_miou("generic", "diffcut")));
    assert_int_equal(eval_published_column("generic"), -1);
}

static void table_has_every_setting_and_fits_the_terminal(void **state) {
    const fixture *f = *state;
    text out = {0};
    eval_report_table(&f->results, &out);
    assert_non_null(strstr(text_string(&out), "PASCAL VOC 2012, diffcut-tiny: 40 of 45 photos scored\n"));
    assert_non_null(strstr(text_string(&out), "\n* diffcut tau=0.6 alpha=10 refined  42.0  39.0-45.0   70.0"));
    assert_non_null(strstr(text_string(&out), "\n    65.2  DiffCut (SSD-1B, alpha 10, tau 0.5, PAMR)\n"));
    assert_non_null(strstr(text_string(&out), "5 not scored:\n"));
    assert_non_null(strstr(text_string(&out), "and 3 more\n"));
    assert_null(strchr(text_string(&out), '\x1b')); /* a file name must not drive the terminal */
    assert_int_equal(occurrences(&out, "\n* "), 1);
    for (const char *line = text_string(&out); *line != '\0'; line = strchr(line, '\n') + 1) {
        assert_true(strchr(line, '\n') - line <= 79);
    }
    text_free(&out);
}

static void nothing_scored_is_said_and_gives_no_figures(void **state) {
    fixture *f = *state;
    f->results.scored = 0;
    f->photos = 0;
    f->results.coherence_count = 0;
    for (size_t i = 0; i < FIXTURE_SETTINGS; i++) {
        eval_setting *s = &f->settings[i];
        s->miou = s->miou_low = s->miou_high = s->accuracy = s->rand_index = s->segments = s->seconds = NAN;
        for (size_t c = 0; c < FIXTURE_CLASSES; c++) {
            f->scores[i][c] = (eval_class_score){.iou = NAN};
        }
    }
    assert_int_equal(eval_report_best(&f->results), FIXTURE_SETTINGS);
    text out = {0};
    eval_report_table(&f->results, &out);
    assert_non_null(strstr(text_string(&out), "0 of 45 photos scored"));
    assert_non_null(strstr(text_string(&out), "kmeans k=8                           -         -\n"));
    assert_null(strstr(text_string(&out), "nan"));
    text_clear(&out);
    assert_true(eval_report_html(&f->results, &out));
    assert_non_null(strstr(text_string(&out), "No photo was scored"));
    assert_null(strstr(text_string(&out), "nan"));
    assert_null(strstr(text_string(&out), "<h2>Photos"));
    text_clear(&out);
    eval_report_json(&f->results, &out);
    assert_non_null(strstr(text_string(&out), "\"best\": null"));
    assert_null(strstr(text_string(&out), "nan"));
    text_free(&out);
}

static void no_settings_no_classes_and_nothing_optional_are_no_trouble(void **state) {
    fixture *f = *state;
    f->results.setting_count = 0;
    f->results.class_count = 0;
    f->results.coherence_count = 0;
    f->results.failed = 0;
    f->results.machine = NULL;
    f->results.remarks = NULL;
    f->results.photos = (eval_photos){NULL, NULL, NULL, NULL};
    text out = {0};
    eval_report_table(&f->results, &out);
    assert_true(eval_report_html(&f->results, &out));
    eval_report_settings_csv(&f->results, &out);
    eval_report_classes_csv(&f->results, &out);
    text_clear(&out);
    eval_report_json(&f->results, &out);
    assert_non_null(strstr(text_string(&out), "\"machine\": null"));
    text_free(&out);
}

/* That it is JSON is checked by report.py. */
static void json_keeps_every_figure_exactly(void **state) {
    const fixture *f = *state;
    text out = {0};
    text wanted = {0};
    eval_report_json(&f->results, &out);
    for (size_t i = 0; i < FIXTURE_SETTINGS; i++) {
        const eval_setting *s = &f->settings[i];
        text_clear(&wanted);
        text_print(&wanted, "\"miou\": %.17g, \"miou_interval\": [%.17g, %.17g]", s->miou, s->miou_low, s->miou_high);
        assert_non_null(strstr(text_string(&out), text_string(&wanted)));
        text_clear(&wanted);
        text_print(&wanted, "\"tp\": %llu, \"fp\": 50, \"fn\": 110, \"iou\": %.17g}",
                   (unsigned long long)f->scores[i][2].tp, f->scores[i][2].iou);
        assert_non_null(strstr(text_string(&out), text_string(&wanted)));
    }
    assert_int_equal(occurrences(&out, "\"name\": \"absent\", \"tp\": 0, \"fp\": 0, \"fn\": 0, \"iou\": null}"),
                     FIXTURE_SETTINGS);
    assert_int_equal(occurrences(&out, "\"published_miou\": null"), 1);
    assert_non_null(strstr(text_string(&out), "\"best\": \"diffcut tau=0.6 alpha=10 refined\""));
    text_free(&wanted);
    text_free(&out);
}

static void page_escapes_every_name_and_reaches_no_network(void **state) {
    const fixture *f = *state;
    text out = {0};
    assert_true(eval_report_html(&f->results, &out));
    assert_false(out.failed);
    static const char *const forbidden[] = {"<script", "http:", "https:", "//", "<b>dog", "@import", "url(", "\x1b"};
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        const char *found = text_string(&out);
        while ((found = strstr(found, forbidden[i])) != NULL) {
            /* base64 may hold "//" */
            const char *quote = found;
            while (quote > text_string(&out) && *quote != '"') {
                quote--;
            }
            assert_int_equal(strncmp(quote, "\"data:image/png;base64,", 23), 0);
            found++;
        }
    }
    assert_non_null(strstr(text_string(&out), "&#60;/title&#62;&#60;script&#62;alert(&#34;1&#34;)"));
    assert_int_equal(occurrences(&out, "<article>"), 12); /* 4 of each */
    assert_int_equal(occurrences(&out, "data:image/png;base64,"), 36);
    text_free(&out);
}

/* The fixture's photos have 0.8 (n * 7 mod 40) / 40: 17 is the best, 0 the worst, 3 has none. */
static void page_shows_the_best_the_median_and_the_worst(void **state) {
    const fixture *f = *state;
    text out = {0};
    assert_true(eval_report_html(&f->results, &out));
    const char *best = strstr(text_string(&out), "<h3>Best</h3>");
    const char *median = strstr(text_string(&out), "<h3>Around the median</h3>");
    const char *worst = strstr(text_string(&out), "<h3>Worst</h3>");
    assert_true(best != NULL && median > best && worst > median);
    const char *photo_17 = strstr(text_string(&out), "2007_000017.jpg"); /* 119 mod 40 = 39 */
    const char *photo_20 = strstr(text_string(&out), "2007_000020.jpg"); /* 140 mod 40 = 20: of 39 without 21 */
    const char *photo_0 = strstr(worst, "&#60;script&#62;");             /* 0 */
    assert_true(photo_17 > best && photo_17 < median);
    assert_true(photo_20 > median && photo_20 < worst);
    assert_non_null(photo_0);
    assert_null(strstr(text_string(&out), "2007_000003.jpg"));
    text_free(&out);
}

static void one_photo_is_shown_once(void **state) {
    fixture *f = *state;
    f->photos = 1;
    text out = {0};
    assert_true(eval_report_html(&f->results, &out));
    assert_int_equal(occurrences(&out, "<article>"), 1);
    assert_non_null(strstr(text_string(&out), "<h3>All</h3>"));
    text_clear(&out);
    f->no_pictures = true;
    assert_true(eval_report_html(&f->results, &out));
    assert_non_null(strstr(text_string(&out), "could not be made again"));
    text_free(&out);
}

static void sweeps_are_drawn_for_what_was_swept_only(void **state) {
    fixture *f = *state;
    text out = {0};
    eval_report_sweeps(&f->results, &out);
    assert_int_equal(occurrences(&out, "<svg"), 2);
    assert_int_equal(occurrences(&out, "<circle"), 2 * 12);
    text_clear(&out);
    f->results.settings = &f->settings[11]; /* one tau of diffcut, and kmeans */
    f->results.setting_count = 2;
    eval_report_sweeps(&f->results, &out);
    assert_int_equal(out.length, 0);
    text_free(&out);
}

static void charts_of_odd_data_are_drawn(void **state) {
    (void)state;
    const double x[] = {0.5, 0.5, NAN};
    const double y[] = {NAN, 1e-9, 3};
    const chart_series series[] = {{"one & only", x, y, 3}, {"", x, y, 0}};
    chart c = {.title = "t", .x_label = "x", .y_label = "y", .series = series, .series_count = 2, .reference = NAN};
    text out = {0};
    eval_chart(&c, &out);
    assert_int_equal(occurrences(&out, "<circle"), 1);
    assert_null(strstr(text_string(&out), "nan"));
    assert_null(strstr(text_string(&out), "inf"));
    text_clear(&out);
    c.series_count = 0;
    eval_chart(&c, &out);
    assert_null(strstr(text_string(&out), "nan"));
    assert_null(strstr(text_string(&out), "inf"));
    text_free(&out);
}

static void base64_is_right_for_every_ending(void **state) {
    (void)state;
    static const char *const expected[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t size = 0; size <= 6; size++) { /* RFC 4648, section 10 */
        text out = {0};
        eval_report_base64(&out, (const uint8_t *)"foobar", size);
        assert_string_equal(text_string(&out), expected[size]);
        text_free(&out);
    }
}

/* ------------------------------------------------------------------------------------------------- files */

static char folder[] = "/tmp/diffcut-report.XXXXXX";

static void remove_all(void) {
    static const char *const names[] = {"report.html",   "results.json",  "settings.csv", "classes.csv",
                                        "coherence.csv", "coherence.svg", "photos.csv"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
}

static void files_are_written_once_and_replaced_by_force_only(void **state) {
    fixture *f = *state;
    diffcut_diagnostics diag = {{0}};
    char path[128];
    struct stat info;
    assert_int_equal(eval_report_write(&f->results, folder, false, &diag), DIFFCUT_OK);
    (void)snprintf(path, sizeof path, "%s/photos.csv", folder);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(eval_report_write(&f->results, folder, false, &diag), DIFFCUT_ERROR_EXISTS);
    assert_non_null(strstr(diag.message, "results.json: exists already; --force replaces it"));
    assert_int_equal(eval_report_write(&f->results, folder, true, &diag), DIFFCUT_OK);
    remove_all();
    f->results.coherence_count = 0;
    f->results.photos.next = NULL;
    assert_int_equal(eval_report_write(&f->results, folder, false, &diag), DIFFCUT_OK);
    assert_int_not_equal(stat(path, &info), 0);
    remove_all();
}

static void rows_that_cannot_be_read_fail_the_report(void **state) {
    fixture *f = *state;
    diffcut_diagnostics diag = {{0}};
    text out = {0};
    f->rows_break = true;
    assert_false(eval_report_html(&f->results, &out));
    assert_int_equal(eval_report_write(&f->results, folder, true, &diag), DIFFCUT_ERROR_IO);
    assert_non_null(strstr(diag.message, "photos.csv: the per-photo rows cannot be read"));
    char path[128];
    struct stat info;
    (void)snprintf(path, sizeof path, "%s/photos.csv.part", folder);
    assert_int_not_equal(stat(path, &info), 0);
    text_free(&out);
    remove_all();
}

static void a_folder_that_is_not_there_is_named(void **state) {
    const fixture *f = *state;
    diffcut_diagnostics diag = {{0}};
    assert_int_equal(eval_report_write(&f->results, "/nonexistent/folder", true, &diag), DIFFCUT_ERROR_IO);
    assert_non_null(strstr(diag.message, "/nonexistent/folder/results.json"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(published_figures_are_those_of_the_paper, setup),
        cmocka_unit_test_setup(table_has_every_setting_and_fits_the_terminal, setup),
        cmocka_unit_test_setup(nothing_scored_is_said_and_gives_no_figures, setup),
        cmocka_unit_test_setup(no_settings_no_classes_and_nothing_optional_are_no_trouble, setup),
        cmocka_unit_test_setup(json_keeps_every_figure_exactly, setup),
        cmocka_unit_test_setup(page_escapes_every_name_and_reaches_no_network, setup),
        cmocka_unit_test_setup(page_shows_the_best_the_median_and_the_worst, setup),
        cmocka_unit_test_setup(one_photo_is_shown_once, setup),
        cmocka_unit_test_setup(sweeps_are_drawn_for_what_was_swept_only, setup),
        cmocka_unit_test_setup(charts_of_odd_data_are_drawn, setup),
        cmocka_unit_test_setup(base64_is_right_for_every_ending, setup),
        cmocka_unit_test_setup(files_are_written_once_and_replaced_by_force_only, setup),
        cmocka_unit_test_setup(rows_that_cannot_be_read_fail_the_report, setup),
        cmocka_unit_test_setup(a_folder_that_is_not_there_is_named, setup),
    };
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_all();
    (void)rmdir(folder);
    return failed;
}
