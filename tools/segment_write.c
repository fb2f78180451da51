/*
 * segment_write.c - a photo's results: encoded, written, and reported on stderr and stdout.
 *
 * Called by segment_flow.c, from its writer where there are several photos: only here the command says what came of a
 * photo, so that lines come in the photos' order.
 */
#include "segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"
#include "interrupt.h"
#include "segment_record.h"

/* ------------------------------------------------------------------------------------------------- files */

/* The photo under the names of its segments. */
static diffcut_status encode_names(photo_piece *p, const named_segments *named, diffcut_buffer *out) {
    const segment_run *run = p->run;
    diffcut_names_settings settings;
    diffcut_names_settings_init(&settings);
    settings.overlay = run->options.overlay;
    return diffcut_encode_names_png(&p->image, &named->classes, run->names, run->name_count, &settings, out,
                                    &p->unwritten);
}

/* Of a map whose segments are named, their classes. */
static diffcut_status encode(photo_piece *p, output_kind kind, const photo_result *result, diffcut_buffer *out) {
    diffcut_diagnostics *diagnostics = &p->unwritten;
    const bool named = p->run->names != NULL;
    const diffcut_labels *labels = named ? &result->named.classes : &result->labels;
    switch (kind) {
    case OUTPUT_LABELS:
        return diffcut_encode_labels_png(labels, out, diagnostics);
    case OUTPUT_OVERLAY:
        return named ? encode_names(p, &result->named, out)
                     : diffcut_encode_overlay_png(&p->image, labels, &p->run->options.overlay, out, diagnostics);
    case OUTPUT_NPY:
        return diffcut_encode_labels_npy(labels, out, diagnostics);
    case OUTPUT_FEATURES:
        return diffcut_encode_features_npy(p->features, out, diagnostics);
    case OUTPUT_COCO:
    case OUTPUT_SUMMARY:
    case OUTPUT_KIND_COUNT:
        break;
    }
    return diffcut_encode_coco_json(labels, output_photo_id(p->base_name, p->name), p->base_name, out, diagnostics);
}

/* The result of p->output: to its file or, for a shard, beside the photo's others until they are all there. */
static diffcut_status write_output(photo_piece *p, output_kind kind, double tau, const void *data, size_t size) {
    segment_run *run = p->run;
    diffcut_status status = DIFFCUT_OK;
    if (run->shards.record == NULL) {
        status = output_write(&run->outputs, text_string(&p->output), data, size, &p->unwritten);
    }
    if (status != DIFFCUT_OK) {
        p->failed_size = size;
    } else if (run->recording) {
        record_output(p, kind, tau, data, size);
    }
    return status;
}

/* Every output but the summary. An existing one is not even encoded unless it is to be replaced. */
static diffcut_status write_outputs(photo_piece *p, const photo_result *result) {
    const double tau = result->tau;
    const output_settings *s = &p->run->outputs;
    for (int kind = 0; kind < OUTPUT_SUMMARY; kind++) {
        if ((s->kinds & 1u << kind) == 0 || (kind == OUTPUT_FEATURES && tau != s->taus->values[0])) {
            continue;
        }
        output_path(s, p->name, (output_kind)kind, tau, &p->output);
        if (!s->force && output_exists(text_string(&p->output))) {
            continue;
        }
        diffcut_buffer file = {0};
        diffcut_status status = encode(p, (output_kind)kind, result, &file);
        if (status == DIFFCUT_OK) {
            status = write_output(p, (output_kind)kind, tau, file.data, file.size);
        }
        diffcut_buffer_free(&file);
        if (status != DIFFCUT_OK) {
            return status;
        }
    }
    return DIFFCUT_OK;
}

static diffcut_status write_summary(photo_piece *p, const summary *s) {
    if ((s->outputs->kinds & 1u << OUTPUT_SUMMARY) == 0) {
        return DIFFCUT_OK;
    }
    output_path(s->outputs, s->name, OUTPUT_SUMMARY, s->settings->tau, &p->output);
    text json = {0};
    summary_file(s, &json);
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    (void)snprintf(p->unwritten.message, sizeof p->unwritten.message, "no memory for the summary");
    if (!json.failed) {
        status = write_output(p, OUTPUT_SUMMARY, s->settings->tau, text_string(&json), json.length);
    }
    text_free(&json);
    return status;
}

/* The map's files, then the summary with the time that they took. */
static diffcut_status write_map(photo_result *result, diffcut_segment_info *segments) {
    photo_piece *p = result->piece;
    segment_run *run = p->run;
    diffcut_settings settings = run->options.settings.values;
    const double started = progress_clock();
    settings.tau = result->tau;
    diffcut_status status = diffcut_labels_describe(&result->labels, &p->image, segments, &p->unwritten);
    if (status == DIFFCUT_OK) {
        status = write_outputs(p, result);
    }
    result->times.write = progress_clock() - started;
    p->write_seconds += result->times.write;
    result->times.total += result->times.decode + p->write_seconds;
    if (status != DIFFCUT_OK) {
        return status;
    }
    const summary s = {.path = p->path,
                       .base_name = p->base_name,
                       .bytes = p->bytes,
                       .note = text_string(&result->note),
                       .model = run->engine.model,
                       .settings = &settings,
                       .features = p->features,
                       .labels = &result->labels,
                       .segments = segments,
                       .outputs = &run->outputs,
                       .name = p->name,
                       .naming = run->names != NULL ? &run->naming : NULL,
                       .named = &result->named,
                       .times = result->times};
    p->segment_count = summary_segments(&s);
    text_add(&p->results, p->results.length > 0 ? ", " : "");
    summary_result(&s, &p->results);
    return write_summary(p, &s);
}

static void take_map(photo_result *result) {
    photo_piece *p = result->piece;
    const uint32_t count = result->labels.count;
    diffcut_segment_info *segments = calloc(count > 0 ? count : 1, sizeof *segments);
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    (void)snprintf(p->unwritten.message, sizeof p->unwritten.message, "no memory for %u segments", count);
    if (segments != NULL) {
        crash_writing(p->crash_line.data, p->crash_line.length);
        status = write_map(result, segments);
        crash_writing(NULL, 0);
    }
    free(segments);
    atomic_store(&p->unwritable, status != DIFFCUT_OK);
}

/* ------------------------------------------------------------------------------------------------- reports */

/* The start of a --json line. */
static void line_begin(const char *path, const char *outcome, text *line) {
    text_add(line, "{");
    summary_photo(path, line);
    text_print(line, ", \"status\": \"%s\"", outcome);
}

static void line_end(text *line) {
    text_add(line, "}\n");
    (void)fwrite(text_string(line), 1, line->length, stdout);
    text_free(line);
}

static void report_failure(const photo_piece *p, const char *message) {
    const segment_run *run = p->run;
    console_error(&run->options.says, photo_name(p->path), message);
    if (run->options.json) {
        text line = {0};
        line_begin(p->path, "failed", &line);
        text_add(&line, ", \"error\": ");
        json_string(&line, message);
        line_end(&line);
    }
}

static void report_skipped(const photo_piece *p) {
    const segment_run *run = p->run;
    if (run->options.says.verbose > 0) {
        console_say(&run->options.says, "%s: skipped, %s", photo_name(p->path),
                    run->recording ? "it is done" : "its outputs exist (--force replaces them)");
    }
    if (run->options.json) {
        text line = {0};
        line_begin(p->path, "skipped", &line);
        line_end(&line);
    }
}

static void say_segmented(photo_piece *p, const summary_times *times) {
    const segment_run *run = p->run;
    const console *says = &run->options.says;
    if (says->verbose > 0) {
        int kind = OUTPUT_LABELS; /* the first that was written */
        while ((run->outputs.kinds & 1u << kind) == 0) {
            kind++;
        }
        output_path(&run->outputs, p->name, (output_kind)kind, run->outputs.taus->values[0], &p->output);
        console_say(says, "%s: %zu segment%s in %.2f s -> %s%s", photo_name(p->path), p->segment_count,
                    p->segment_count == 1 ? "" : "s", times->total, text_string(&p->output),
                    run->outputs.taus->count > 1 ? ", ..." : "");
    }
    if (says->verbose > 1) {
        text stages = {0};
        summary_seconds(times, &stages);
        console_say(says, "  seconds %s", text_string(&stages));
        text_free(&stages);
    }
}

static void report_segmented(photo_piece *p) {
    const segment_run *run = p->run;
    const summary_times *times = &p->end->times;
    if (p->note.length > 0 && !run->options.says.quiet) {
        console_error(&run->options.says, photo_name(p->path), text_string(&p->note));
    }
    say_segmented(p, times);
    if (run->options.json) {
        text line = {0};
        line_begin(p->path, "segmented", &line);
        text_print(&line, ", \"width\": %u, \"height\": %u, \"results\": [%s], \"seconds\": ", p->image.width,
                   p->image.height, text_string(&p->results));
        summary_seconds(times, &line);
        if (p->note.length > 0) {
            text_add(&line, ", \"note\": ");
            json_string(&line, text_string(&p->note));
        }
        line_end(&line);
    }
}

static void stop_run(segment_run *run, const char *subject, const char *reason) {
    if (run->several) {
        text line = {0};
        text_print(&line, "%s; the remaining photos were left out", reason);
        console_error(&run->options.says, subject, text_string(&line));
        text_free(&line);
    }
    atomic_store(&run->stop, true);
}

/* What a result that could not be written means: an interruption explains it, else the photo has failed, and perhaps
 * every further one would. */
static void report_unwritten(photo_piece *p) {
    segment_run *run = p->run;
    if (interrupt_requested()) {
        return;
    }
    report_failure(p, p->unwritten.message);
    record_failed(p, p->unwritten.message, true);
    run->failed++;
    if (p->failed_size > 0 && output_is_hopeless(&run->outputs, p->failed_size)) {
        stop_run(run, run->options.folder, "cannot be written to any more");
    }
}

/* What could not be recorded would be done again and again. */
static void stop_if_unrecorded(segment_run *run) {
    if (atomic_load(&run->unrecorded) && !atomic_load(&run->stop)) {
        stop_run(run, text_string(&run->record.part_path), "cannot be written to any more");
    }
}

/* Failures that are not of the photo's own making: its next try may do better. */
static bool may_pass(diffcut_status status) {
    return status == DIFFCUT_ERROR_IO || status == DIFFCUT_ERROR_MEMORY || status == DIFFCUT_ERROR_EXISTS ||
           status == DIFFCUT_ERROR_CANCELLED;
}

/* All its results are written: the times are complete, and it is recorded as done. */
static bool finish(photo_piece *p) {
    summary_times *times = &p->end->times;
    times->write = p->write_seconds;
    times->total += times->decode + times->write;
    if (!p->run->recording || record_done(p, times)) {
        return true;
    }
    p->failed_size = p->members.length;
    atomic_store(&p->run->unrecorded, p->members.length == 0);
    return false;
}

static void report(photo_piece *p) {
    segment_run *run = p->run;
    if (atomic_load(&p->unwritable)) {
        report_unwritten(p);
        return;
    }
    switch (p->outcome) {
    case PHOTO_SEGMENTED:
        if (!finish(p)) {
            report_unwritten(p);
            break;
        }
        report_segmented(p);
        run->segmented++;
        break;
    case PHOTO_SKIPPED:
        report_skipped(p);
        run->skipped++;
        break;
    case PHOTO_FAILED:
        report_failure(p, p->why.message);
        record_failed(p, p->why.message, p->hits_all || may_pass(p->status));
        run->failed++;
        if (p->hits_all) {
            stop_run(run, NULL, "every photo would fail so");
        }
        stop_if_unrecorded(run);
        break;
    case PHOTO_INTERRUPTED:
        break;
    }
}

static void take_end(photo_piece *p) {
    segment_run *run = p->run;
    (void)pthread_mutex_lock(&run->screen);
    report(p);
    if (run->options.json && !console_flush_stdout(&run->options.says)) {
        run->stdout_works = false;
        atomic_store(&run->stop, true);
    }
    (void)pthread_mutex_unlock(&run->screen);
}

void segment_write(photo_result *result) {
    photo_piece *p = result->piece;
    const bool left_out = atomic_load(&p->run->stop);
    if (result->labels.data == NULL) {
        if (!left_out) {
            take_end(p);
        }
        segment_piece_free(p); /* and with it the result */
        return;
    }
    if (!left_out && !atomic_load(&p->unwritable)) {
        take_map(result);
    }
    diffcut_labels_free(&result->labels);
    named_segments_free(&result->named);
    text_free(&result->note);
    free(result);
}
