/* eval_totals.c - see eval_totals.h. */
#include "eval_totals.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BOOTSTRAP_BYTES ((size_t)128 << 20) /* of the settings summed in one pass */
#define BYTES_A_REPLICATE 16                /* and class: diffcut_score_settings */

static diffcut_status fail(diffcut_diagnostics *diagnostics, diffcut_status status, const char *subject,
                           const char *reason) {
    (void)snprintf(diagnostics->message, sizeof diagnostics->message, "%.300s: %.150s", subject, reason);
    return status;
}

static diffcut_status no_memory(diffcut_diagnostics *diagnostics) {
    return fail(diagnostics, DIFFCUT_ERROR_MEMORY, "results", "out of memory");
}

/* ------------------------------------------------------------------------------------------------- journals */

/* Opens the journal of a folder and checks that it is of the same evaluation. */
static diffcut_status open_journal(const eval_totals *t, size_t folder, journal_reader *reader,
                                   diffcut_diagnostics *diagnostics) {
    diffcut_status status = journal_open(reader, t->folders[folder], diagnostics);
    eval_header other = {.listed = 0};
    text mine = {0};
    text theirs = {0};
    if (status == DIFFCUT_OK && !eval_header_read(text_string(&reader->header), &other)) {
        status = fail(diagnostics, DIFFCUT_ERROR_FORMAT, t->folders[folder], "its journal's first line is damaged");
    }
    if (status == DIFFCUT_OK && folder > 0) {
        eval_header_identity(&t->header, &mine);
        eval_header_identity(&other, &theirs);
        if (strcmp(text_string(&mine), text_string(&theirs)) != 0) {
            (void)snprintf(diagnostics->message, sizeof diagnostics->message,
                           "%.200s: not of the same evaluation as %.200s: set, list, model, settings or version "
                           "differ",
                           t->folders[folder], t->folders[0]);
            status = DIFFCUT_ERROR_ARGUMENT;
        }
    }
    text_free(&mine);
    text_free(&theirs);
    eval_header_free(&other);
    if (status != DIFFCUT_OK) {
        journal_close(reader);
    }
    return status;
}

/* Called for each photo's line, the first of its id only; false stops. */
typedef diffcut_status (*line_fn)(eval_totals *t, const journal_line *line, void *user,
                                  diffcut_diagnostics *diagnostics);

/* Every photo of one kind once, over all journals. counted NULL: of the ids in `seen`, those that are there already
 * are left out too. */
static diffcut_status each_line(eval_totals *t, journal_kind kind, photo_set *seen, line_fn fn, void *user,
                                diffcut_diagnostics *diagnostics) {
    diffcut_status status = DIFFCUT_OK;
    t->repeated = kind == JOURNAL_SCORED ? 0 : t->repeated;
    t->damaged = 0;
    for (size_t f = 0; f < t->folder_count && status == DIFFCUT_OK; f++) {
        journal_reader reader;
        const journal_line *line = NULL;
        status = open_journal(t, f, &reader, diagnostics);
        if (status != DIFFCUT_OK) {
            break;
        }
        journal_kind found;
        while (status == DIFFCUT_OK && (found = journal_next(&reader, &line)) != JOURNAL_END) {
            if (found == JOURNAL_UNREADABLE) {
                status = fail(diagnostics, DIFFCUT_ERROR_IO, text_string(&reader.path), "cannot be read");
            } else if (found == kind) {
                const int added = photo_set_add(seen, line->id);
                t->repeated += added == 0 && kind == JOURNAL_SCORED ? 1 : 0;
                status = added < 0 ? no_memory(diagnostics) : added > 0 ? fn(t, line, user, diagnostics) : DIFFCUT_OK;
            }
        }
        t->damaged += reader.damaged;
        journal_close(&reader);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- sums */

/* The settings first .. first + count - 1 in one pass. */
typedef struct batch {
    size_t first, count;
    diffcut_score **scores;
} batch;

static diffcut_status add_item(const batch *b, size_t setting, const char *item, size_t size,
                               diffcut_diagnostics *diagnostics) {
    diffcut_score_photo photo = {0};
    diffcut_status status = diffcut_score_photo_decode(item, size, &photo, diagnostics);
    if (status == DIFFCUT_OK) {
        status = diffcut_score_add(b->scores[setting - b->first], &photo, diagnostics);
    }
    diffcut_score_photo_free(&photo);
    return status;
}

static diffcut_status add_photo(eval_totals *t, const journal_line *line, void *user,
                                diffcut_diagnostics *diagnostics) {
    const batch *b = user;
    const char *place = line->scores;
    const char *item = NULL;
    size_t size = 0;
    size_t setting = 0;
    diffcut_status status = DIFFCUT_OK;
    t->results.scored += b->first == 0 ? 1 : 0;
    for (; status == DIFFCUT_OK && journal_next_item(&place, &item, &size); setting++) {
        if (setting >= b->first && setting < b->first + b->count) {
            status = add_item(b, setting, item, size, diagnostics);
        }
    }
    if (status == DIFFCUT_OK && setting != t->header.plan.count) {
        status = fail(diagnostics, DIFFCUT_ERROR_FORMAT, JOURNAL_NAME, "a photo has not as many scores as settings");
    }
    return status;
}

static diffcut_status take_report(eval_totals *t, size_t setting, const diffcut_score *score,
                                  diffcut_diagnostics *diagnostics) {
    const eval_choice *c = &t->header.plan.choices[setting];
    const size_t count = t->results.class_count;
    eval_class_score *classes = t->classes + setting * count;
    diffcut_score_report report = {0};
    const diffcut_status status = diffcut_score_report_make(score, &report, diagnostics);
    if (status != DIFFCUT_OK) {
        return status;
    }
    for (size_t i = 0; i < count && i < report.class_count; i++) {
        classes[i] = (eval_class_score){report.classes[i].tp, report.classes[i].fp, report.classes[i].fn,
                                        report.classes[i].iou};
    }
    t->settings[setting] = (eval_setting){.method = diffcut_method_name(c->method),
                                          .name = c->name,
                                          .tau = c->tau,
                                          .alpha = c->alpha,
                                          .refined = c->refine,
                                          .k = c->k,
                                          .miou = report.miou,
                                          .miou_low = report.miou_low,
                                          .miou_high = report.miou_high,
                                          .photo_miou = t->header.names.length > 0 ? report.mean_photo_miou : NAN,
                                          .accuracy = report.pixel_accuracy,
                                          .rand_index = report.ari,
                                          .boundary_iou = report.boundary_iou,
                                          .boundary_f = report.boundary_f,
                                          .segments = report.segments,
                                          .seconds = NAN,
                                          .classes = classes};
    diffcut_score_report_free(&report);
    return DIFFCUT_OK;
}

static diffcut_status sum_batch(eval_totals *t, const batch *b, diffcut_diagnostics *diagnostics) {
    photo_set seen = {0};
    diffcut_status status = DIFFCUT_OK;
    for (size_t i = 0; i < b->count && status == DIFFCUT_OK; i++) {
        status = diffcut_score_create(t->protocol, &t->header.score, &b->scores[i], diagnostics);
    }
    if (status == DIFFCUT_OK) {
        status = each_line(t, JOURNAL_SCORED, &seen, add_photo, (void *)(uintptr_t)b, diagnostics);
    }
    for (size_t i = 0; i < b->count; i++) {
        if (status == DIFFCUT_OK) {
            status = take_report(t, b->first + i, b->scores[i], diagnostics);
        }
        diffcut_score_free(b->scores[i]);
        b->scores[i] = NULL;
    }
    photo_set_free(&seen);
    return status;
}

static diffcut_status sum_all(eval_totals *t, diffcut_diagnostics *diagnostics) {
    const size_t settings = t->header.plan.count;
    const size_t bytes = (t->header.score.replicates + 1) * BYTES_A_REPLICATE * t->results.class_count;
    const size_t fitting = BOOTSTRAP_BYTES / bytes > 0 ? BOOTSTRAP_BYTES / bytes : 1;
    diffcut_score **scores = calloc(settings, sizeof *scores);
    if (scores == NULL) {
        return no_memory(diagnostics);
    }
    diffcut_status status = DIFFCUT_OK;
    for (size_t first = 0; first < settings && status == DIFFCUT_OK; first += fitting) {
        const batch b = {first, settings - first < fitting ? settings - first : fitting, scores};
        status = sum_batch(t, &b, diagnostics);
    }
    free(scores);
    return status;
}

/* ------------------------------------------------------------------------------------------------- failures */

static diffcut_status no_line(eval_totals *t, const journal_line *line, void *user,
                              diffcut_diagnostics *diagnostics) {
    (void)t;
    (void)line;
    (void)user;
    (void)diagnostics;
    return DIFFCUT_OK;
}

static diffcut_status add_failure(eval_totals *t, const journal_line *line, void *user,
                                  diffcut_diagnostics *diagnostics) {
    (void)user;
    t->results.failed++;
    if (t->results.failure_count == TOTALS_MAX_FAILURES) {
        return DIFFCUT_OK;
    }
    char *file = strdup(text_string(&line->file));
    char *reason = strdup(text_string(&line->reason));
    if (file == NULL || reason == NULL) {
        free(file);
        free(reason);
        return no_memory(diagnostics);
    }
    t->failures[t->results.failure_count++] = (eval_failure){file, reason};
    return DIFFCUT_OK;
}

/* Photos that failed and were not scored later, in this journal or another. */
static diffcut_status collect_failures(eval_totals *t, diffcut_diagnostics *diagnostics) {
    photo_set seen = {0};
    diffcut_status status = each_line(t, JOURNAL_SCORED, &seen, no_line, NULL, diagnostics);
    if (status == DIFFCUT_OK) {
        status = each_line(t, JOURNAL_FAILED, &seen, add_failure, NULL, diagnostics);
    }
    photo_set_free(&seen);
    return status;
}

/* ------------------------------------------------------------------------------------------------- rows */

static void end_rows(eval_totals *t) {
    journal_close(&t->reader);
    diffcut_score_photo_free(&t->row);
    t->row = (diffcut_score_photo){0};
    photo_set_free(&t->seen);
    t->item = NULL;
    t->folder = 0;
}

static bool rewind_rows(void *user) {
    eval_totals *t = user;
    end_rows(t);
    diffcut_diagnostics diagnostics;
    return open_journal(t, 0, &t->reader, &diagnostics) == DIFFCUT_OK;
}

/* The next photo's list of scores into t->item: 1, 0 at the end, -1. */
static int next_photo(eval_totals *t) {
    for (;;) {
        const journal_line *line = NULL;
        const journal_kind kind = journal_next(&t->reader, &line);
        if (kind == JOURNAL_UNREADABLE) {
            return -1;
        }
        if (kind == JOURNAL_END) {
            diffcut_diagnostics diagnostics;
            journal_close(&t->reader);
            t->folder++;
            if (t->folder >= t->folder_count) {
                return 0;
            }
            if (open_journal(t, t->folder, &t->reader, &diagnostics) != DIFFCUT_OK) {
                return -1;
            }
        } else if (kind == JOURNAL_SCORED) {
            const int added = photo_set_add(&t->seen, line->id);
            if (added != 0) {
                t->item = line->scores;
                t->setting = 0;
                return added;
            }
        }
    }
}

static int next_row(void *user, eval_photo_row *row) {
    eval_totals *t = user;
    const char *item = NULL;
    size_t size = 0;
    diffcut_diagnostics diagnostics;
    while (t->item == NULL || !journal_next_item(&t->item, &item, &size)) {
        if (t->folder >= t->folder_count) {
            return 0;
        }
        const int found = next_photo(t);
        if (found <= 0) {
            return found;
        }
    }
    diffcut_score_photo_free(&t->row);
    t->row = (diffcut_score_photo){0};
    if (diffcut_score_photo_decode(item, size, &t->row, &diagnostics) != DIFFCUT_OK) {
        return -1;
    }
    *row = (eval_photo_row){.name = t->row.name,
                            .setting = t->setting++,
                            .miou = t->row.miou,
                            .accuracy = t->row.pixel_accuracy,
                            .rand_index = t->row.ari,
                            .boundary_iou = t->row.boundary_iou,
                            .boundary_f = t->row.boundary_f,
                            .segments = t->row.segments};
    return 1;
}

/* ------------------------------------------------------------------------------------------------- results */

static void add_remarks(eval_totals *t) {
    text *r = &t->remarks;
    const uint64_t missing = t->results.listed - t->results.scored - t->results.failed;
    text_print(r, "%llu of the %llu photos listed were scored", (unsigned long long)t->results.scored,
               (unsigned long long)t->results.listed);
    if (t->results.failed > 0) {
        text_print(r, ", %llu could not be", (unsigned long long)t->results.failed);
    }
    if (t->results.scored + t->results.failed < t->results.listed) {
        text_print(r, ", %llu were not reached", (unsigned long long)missing);
    }
    text_add(r, ".");
    if (t->header.whole != t->results.listed) {
        text_print(r, " This is a part of %llu photos.", (unsigned long long)t->header.whole);
    }
    if (t->header.names.length > 0) {
        text_print(r, " Open vocabulary: segments are classes by name (%s), nothing is matched.",
                   text_string(&t->header.names));
    }
    text_add(r, t->header.rules.reference ? " Ties and mappings as in the published code (--reference)."
                                          : " Sounder rules than the published code's; --reference follows it.");
    if (t->repeated > 0) {
        text_print(r, " %llu photos were in more than one journal and count once.", (unsigned long long)t->repeated);
    }
    if (t->damaged > 0) {
        text_print(r, " %llu damaged lines of journals were left out.", (unsigned long long)t->damaged);
    }
    t->results.remarks = text_string(r);
}

/* Photos that the journals' runs had to do: shards of one list add up, each counted once. */
static diffcut_status count_listed(eval_totals *t, diffcut_diagnostics *diagnostics) {
    photo_set shards = {0};
    diffcut_status status = DIFFCUT_OK;
    for (size_t f = 0; f < t->folder_count && status == DIFFCUT_OK; f++) {
        journal_reader reader;
        eval_header header;
        status = open_journal(t, f, &reader, diagnostics);
        if (status != DIFFCUT_OK) {
            break;
        }
        if (eval_header_read(text_string(&reader.header), &header)) {
            const int added = photo_set_add(&shards, (uint64_t)header.shard << 32 | header.shards);
            t->results.listed += added > 0 ? header.listed : 0;
            status = added < 0 ? no_memory(diagnostics) : DIFFCUT_OK;
            eval_header_free(&header);
        }
        journal_close(&reader);
    }
    t->results.listed = t->results.listed < t->header.whole ? t->results.listed : t->header.whole;
    photo_set_free(&shards);
    return status;
}

static diffcut_status allocate(eval_totals *t, diffcut_diagnostics *diagnostics) {
    const size_t classes = t->results.class_count;
    t->settings = calloc(t->header.plan.count, sizeof *t->settings);
    t->classes = calloc(t->header.plan.count * classes, sizeof *t->classes);
    t->class_names = calloc(classes, sizeof *t->class_names);
    t->failures = calloc(TOTALS_MAX_FAILURES, sizeof *t->failures);
    if (t->settings == NULL || t->classes == NULL || t->class_names == NULL || t->failures == NULL) {
        return no_memory(diagnostics);
    }
    for (size_t i = 0; i < classes; i++) {
        t->class_names[i] = diffcut_protocol_class_name(t->protocol, (uint32_t)i);
    }
    return DIFFCUT_OK;
}

static void fill_results(eval_totals *t) {
    eval_results *r = &t->results;
    const eval_header *h = &t->header;
    text_print(&t->data_title, "%s%s%s", text_string(&h->title), h->split.length > 0 ? ", " : "",
               text_string(&h->split));
    text_print(&t->dataset, h->names.length > 0 ? "%s, open vocabulary" : "%s", text_string(&h->protocol));
    r->dataset = text_string(&t->dataset); /* what is published under the protocol's name is matched, not named */
    r->title = text_string(&t->data_title);
    r->model = text_string(&h->model);
    r->machine = text_string(&h->machine);
    r->version = text_string(&h->version);
    r->command_line = text_string(&h->command);
    r->class_names = t->class_names;
    r->settings = t->settings;
    r->setting_count = h->plan.count;
    r->failures = t->failures;
    r->photos = (eval_photos){.user = t, .rewind = rewind_rows, .next = next_row};
    add_remarks(t);
}

static diffcut_status read_header(eval_totals *t, diffcut_diagnostics *diagnostics) {
    journal_reader reader;
    diffcut_status status = open_journal(t, 0, &reader, diagnostics);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (!eval_header_read(text_string(&reader.header), &t->header)) {
        status = no_memory(diagnostics);
    }
    journal_close(&reader);
    return status;
}

diffcut_status eval_totals_make(const char *const *folders, size_t count, eval_totals *out,
                                diffcut_diagnostics *diagnostics) {
    eval_totals *t = out;
    *t = (eval_totals){.folders = folders, .folder_count = count};
    diffcut_status status = read_header(t, diagnostics);
    if (status == DIFFCUT_OK) {
        status = eval_header_protocol(&t->header, &t->protocol, diagnostics);
    }
    if (status == DIFFCUT_OK) {
        t->results.class_count = diffcut_protocol_class_count(t->protocol);
        status = allocate(t, diagnostics);
    }
    if (status == DIFFCUT_OK) {
        status = count_listed(t, diagnostics);
    }
    if (status == DIFFCUT_OK) {
        status = sum_all(t, diagnostics);
    }
    if (status == DIFFCUT_OK) {
        status = collect_failures(t, diagnostics);
    }
    if (status == DIFFCUT_OK) {
        fill_results(t);
    } else {
        eval_totals_free(t);
    }
    return status;
}

void eval_totals_free(eval_totals *t) {
    end_rows(t);
    for (size_t i = 0; t->failures != NULL && i < t->results.failure_count; i++) {
        free((char *)(uintptr_t)t->failures[i].file); /* const to the reports, ours here */
        free((char *)(uintptr_t)t->failures[i].reason);
    }
    free(t->failures);
    free(t->settings);
    free(t->classes);
    free(t->class_names);
    diffcut_protocol_free(t->protocol);
    eval_header_free(&t->header);
    text_free(&t->remarks);
    text_free(&t->data_title);
    text_free(&t->dataset);
    *t = (eval_totals){0};
}
