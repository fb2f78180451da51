/*
 * score_print.h - what `diffcut score` prints: a table for people, one JSON object for scripts.
 */
#ifndef DIFFCUT_TOOLS_SCORE_PRINT_H
#define DIFFCUT_TOOLS_SCORE_PRINT_H

#include "diffcut/diffcut.h"
#include "text.h"

/* What became of the files. */
typedef struct score_tally {
    uint64_t failed;      /* predictions that were not scored */
    uint64_t unpredicted; /* label files without a prediction */
    text failures;        /* items of a JSON list: {"file": .., "reason": ..} */
} score_tally;

void score_tally_add(score_tally *tally, const char *file, const char *reason);

/* To stdout. */
void score_print_text(const diffcut_protocol *protocol, const diffcut_score_report *report, const score_tally *tally);
void score_print_json(const diffcut_protocol *protocol, const diffcut_score_settings *settings,
                      const diffcut_score_report *report, const score_tally *tally);

#endif
