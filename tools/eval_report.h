/*
 * eval_report.h - an evaluation's results as people and programs read them: a table for the terminal, JSON, CSV and
 * one self-contained HTML page. Called by `diffcut eval`, `diffcut eval merge` and `diffcut coherence`.
 */
#ifndef DIFFCUT_TOOLS_EVAL_REPORT_H
#define DIFFCUT_TOOLS_EVAL_REPORT_H

#include "eval_results.h"
#include "text.h"

/* The table beside the published rows, at most 79 columns wide where the names allow it. */
void eval_report_table(const eval_results *results, text *out);

/* One JSON object, without the per-photo rows. */
void eval_report_json(const eval_results *results, text *out);

/* CSV (RFC 4180, a header line, LF): a row a setting; a row a class and setting. */
void eval_report_settings_csv(const eval_results *results, text *out);
void eval_report_classes_csv(const eval_results *results, text *out);

/* The page: opens from disk, needs no network and no script. Photos' pictures are in it. False: the per-photo rows
 * could not be read. */
bool eval_report_html(const eval_results *results, text *out);

/* Writes DIR/results.json, with settings report.html, settings.csv and classes.csv, with rows photos.csv, with
 * coherence coherence.csv, coherence.svg and coherence.png. DIR must be there; existing files are kept unless force.
 */
diffcut_status eval_report_write(const eval_results *results, const char *folder, bool force,
                                 diffcut_diagnostics *diagnostics);

#endif
