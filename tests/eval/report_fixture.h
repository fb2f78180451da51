/*
 * report_fixture.h - made-up results of an evaluation, for the tests of its reports: a sweep over tau and alpha,
 * names that try to break out of HTML and CSV, photos in memory.
 */
#ifndef DIFFCUT_TESTS_EVAL_REPORT_FIXTURE_H
#define DIFFCUT_TESTS_EVAL_REPORT_FIXTURE_H

#include "eval_results.h"

enum { FIXTURE_CLASSES = 6, FIXTURE_SETTINGS = 13, FIXTURE_PHOTOS = 40, FIXTURE_POINTS = 50 };

typedef struct fixture {
    eval_results results;
    eval_setting settings[FIXTURE_SETTINGS];
    char names[FIXTURE_SETTINGS][64];
    eval_class_score scores[FIXTURE_SETTINGS][FIXTURE_CLASSES];
    eval_failure failures[2];
    eval_coherence coherence[2];
    eval_roc_point points[2][FIXTURE_POINTS];
    diffcut_image photo; /* shown for every one; empty: one made of stripes */
    size_t next_row;
    size_t photos;   /* how many there are */
    bool rows_break; /* the rows cannot be read to their end */
    bool no_pictures;
    char photo_name[80];
} fixture;

/* A name with markup, quotes, a line break and bytes that are not UTF-8. */
extern const char fixture_hostile[];

void fixture_make(fixture *f);

#endif
