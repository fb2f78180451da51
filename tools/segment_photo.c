/*
 * segment_photo.c - one photo: look what is there, decode, features, tree, and for each tau cut, finish and write.
 *
 * The steps are the public interface's, so that the tree is computed once for every tau. Called by segment.c.
 */
#include "segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "interrupt.h"
#include "photo.h"
#include "summary.h"

/* What is made of a photo, all freed at its end. */
typedef struct work_piece {
    segment_run *run;
    const listing_item *item;
    const char *base_name;
    uint64_t bytes; /* of the file */
    double started;
    diffcut_image image;
    diffcut_features *features;
    diffcut_tree *tree;
    diffcut_labels tokens; /* of the tau at hand */
    diffcut_labels labels;
    diffcut_segment_info *segments;
    summary_times times;
    text note;    /* the remarks of all stages */
    text results; /* JSON objects of the taus done, comma-separated */
    text path;
    diffcut_diagnostics diagnostics; /* why it failed */
    size_t failed_size;              /* bytes of the write that failed; 0: it was no write */
    size_t segment_count;            /* of the last tau */
} work_piece;

static void free_tau(work_piece *p) {
    diffcut_labels_free(&p->tokens);
    diffcut_labels_free(&p->labels);
    free(p->segments);
    p->tokens = (diffcut_labels){0};
    p->labels = (diffcut_labels){0};
    p->segments = NULL;
}

static void free_piece(work_piece *p) {
    free_tau(p);
    diffcut_image_free(&p->image);
    diffcut_tree_free(p->tree);
    diffcut_features_free(p->features);
    text_free(&p->note);
    text_free(&p->results);
    text_free(&p->path);
}

/* Keeps the session's message of a failure, its note of a success. */
static diffcut_status after(work_piece *p, diffcut_status status) {
    const diffcut_session *session = p->run->engine.session;
    if (status != DIFFCUT_OK) {
        const char *message = diffcut_session_message(session);
        (void)snprintf(p->diagnostics.message, sizeof p->diagnostics.message, "%s",
                       message[0] != '\0' ? message : diffcut_status_string(status));
        return status;
    }
    const char *note = diffcut_session_note(session);
    if (note[0] != '\0' && strstr(text_string(&p->note), note) == NULL) {
        text_print(&p->note, "%s%s", p->note.length > 0 ? "; " : "", note);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- outputs */

static diffcut_status encode(work_piece *p, output_kind kind, const diffcut_labels *labels, diffcut_buffer *out) {
    diffcut_diagnostics *diagnostics = &p->diagnostics;
    switch (kind) {
    case OUTPUT_LABELS:
        return diffcut_encode_labels_png(labels, out, diagnostics);
    case OUTPUT_OVERLAY:
        return diffcut_encode_overlay_png(&p->image, labels, &p->run->options.overlay, out, diagnostics);
    case OUTPUT_NPY:
        return diffcut_encode_labels_npy(labels, out, diagnostics);
    case OUTPUT_FEATURES:
        return diffcut_encode_features_npy(p->features, out, diagnostics);
    case OUTPUT_COCO:
    case OUTPUT_SUMMARY:
    case OUTPUT_KIND_COUNT:
        break;
    }
    return diffcut_encode_coco_json(labels, output_photo_id(p->base_name, p->item->name), p->base_name, out,
                                    diagnostics);
}

static diffcut_status write_output(work_piece *p, const void *data, size_t size) {
    const diffcut_status status = output_write(&p->run->outputs, text_string(&p->path), data, size, &p->diagnostics);
    if (status != DIFFCUT_OK) {
        p->failed_size = size;
    }
    return status;
}

/* Every output but the summary. An existing one is not even encoded unless it is to be replaced. */
static diffcut_status write_outputs(work_piece *p, double tau) {
    const output_settings *s = &p->run->outputs;
    for (int kind = 0; kind < OUTPUT_SUMMARY; kind++) {
        if ((s->kinds & 1u << kind) == 0 || (kind == OUTPUT_FEATURES && tau != s->taus->values[0])) {
            continue;
        }
        output_path(s, p->item->name, (output_kind)kind, tau, &p->path);
        if (!s->force && output_exists(text_string(&p->path))) {
            continue;
        }
        diffcut_buffer file = {0};
        diffcut_status status = encode(p, (output_kind)kind, &p->labels, &file);
        if (status == DIFFCUT_OK) {
            status = write_output(p, file.data, file.size);
        }
        diffcut_buffer_free(&file);
        if (status != DIFFCUT_OK) {
            return status;
        }
        if (interrupt_requested()) {
            return DIFFCUT_ERROR_CANCELLED;
        }
    }
    return DIFFCUT_OK;
}

static diffcut_status write_summary(work_piece *p, const summary *s) {
    if ((s->outputs->kinds & 1u << OUTPUT_SUMMARY) == 0) {
        return DIFFCUT_OK;
    }
    output_path(s->outputs, s->name, OUTPUT_SUMMARY, s->settings->tau, &p->path);
    text json = {0};
    summary_file(s, &json);
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    (void)snprintf(p->diagnostics.message, sizeof p->diagnostics.message, "no memory for the summary");
    if (!json.failed) {
        status = write_output(p, text_string(&json), json.length);
    }
    text_free(&json);
    return status;
}

/* ------------------------------------------------------------------------------------------------- one tau */

static diffcut_status describe(work_piece *p) {
    p->segments = calloc(p->labels.count > 0 ? p->labels.count : 1, sizeof *p->segments);
    if (p->segments == NULL) {
        (void)snprintf(p->diagnostics.message, sizeof p->diagnostics.message, "no memory for %u segments",
                       p->labels.count);
        return DIFFCUT_ERROR_MEMORY;
    }
    return diffcut_labels_describe(&p->labels, &p->image, p->segments, &p->diagnostics);
}

/* Stage seconds of this tau: what all share, and its own of finishing. */
static void add_up(work_piece *p, const double before[DIFFCUT_STAGE_COUNT],
                   const double shared[DIFFCUT_STAGE_COUNT]) {
    double now[DIFFCUT_STAGE_COUNT];
    diffcut_session_times(p->run->engine.session, now);
    for (int stage = 0; stage < DIFFCUT_STAGE_COUNT; stage++) {
        p->times.stages[stage] = shared[stage] + now[stage] - before[stage];
    }
}

static diffcut_status one_tau(work_piece *p, double tau, const double shared[DIFFCUT_STAGE_COUNT]) {
    segment_run *run = p->run;
    diffcut_session *session = run->engine.session;
    diffcut_settings settings = run->options.settings.values;
    settings.tau = tau;
    if (run->outputs.taus->count > 1) {
        dump_tau(&run->dump, tau);
    }
    double before[DIFFCUT_STAGE_COUNT];
    diffcut_session_times(session, before);
    free_tau(p);
    diffcut_status status = after(p, diffcut_tree_cut(session, p->tree, tau, &p->tokens));
    if (status == DIFFCUT_OK) {
        status = after(p, diffcut_labels_finish(session, &p->image, p->features, &p->tokens, &settings, &p->labels));
    }
    if (status == DIFFCUT_OK) {
        status = describe(p);
    }
    const double writing = progress_clock();
    if (status == DIFFCUT_OK) {
        add_up(p, before, shared);
        status = write_outputs(p, tau);
    }
    p->times.write = progress_clock() - writing;
    p->times.total = progress_clock() - p->started;
    if (status != DIFFCUT_OK) {
        return status;
    }
    const summary s = {p->item->path, p->base_name, p->bytes,    text_string(&p->note), run->engine.model, &settings,
                       p->features,   &p->labels,   p->segments, &run->outputs,         p->item->name,     p->times};
    p->segment_count = summary_segments(&s);
    text_add(&p->results, p->results.length > 0 ? ", " : "");
    summary_result(&s, &p->results);
    return write_summary(p, &s);
}

/* ------------------------------------------------------------------------------------------------- one photo */

static diffcut_status compute(work_piece *p) {
    segment_run *run = p->run;
    diffcut_session *session = run->engine.session;
    const settings_options *settings = &run->options.settings;
    diffcut_session_reset_times(session);
    diffcut_status status = after(p, diffcut_features_compute(session, &p->image, &settings->values, &p->features));
    if (status == DIFFCUT_OK) {
        status = after(p, diffcut_tree_build(session, p->features, &settings->values, &p->tree));
    }
    double shared[DIFFCUT_STAGE_COUNT];
    diffcut_session_times(session, shared);
    for (size_t t = 0; t < settings->taus.count && status == DIFFCUT_OK; t++) {
        status = one_tau(p, settings->taus.values[t], shared);
    }
    if (run->dump.failed) {
        (void)snprintf(p->diagnostics.message, sizeof p->diagnostics.message, "%s", run->dump.message);
        return DIFFCUT_ERROR_IO;
    }
    return status;
}

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

void segment_report_failure(segment_run *run, const char *path, const char *message) {
    console_error(&run->options.says, photo_name(path), message);
    if (run->options.json) {
        text line = {0};
        line_begin(path, "failed", &line);
        text_add(&line, ", \"error\": ");
        json_string(&line, message);
        line_end(&line);
    }
}

static void report_success(work_piece *p) {
    const segment_run *run = p->run;
    const console *says = &run->options.says;
    if (p->note.length > 0 && !says->quiet) {
        console_error(says, photo_name(p->item->path), text_string(&p->note));
    }
    if (says->verbose > 0) {
        int kind = OUTPUT_LABELS; /* the first that was written */
        while ((run->outputs.kinds & 1u << kind) == 0) {
            kind++;
        }
        output_path(&run->outputs, p->item->name, (output_kind)kind, run->outputs.taus->values[0], &p->path);
        console_say(says, "%s: %zu segment%s in %.2f s -> %s%s", photo_name(p->item->path), p->segment_count,
                    p->segment_count == 1 ? "" : "s", p->times.total, text_string(&p->path),
                    run->outputs.taus->count > 1 ? ", ..." : "");
    }
    if (says->verbose > 1) {
        text stages = {0};
        summary_seconds(&p->times, &stages);
        console_say(says, "  seconds %s", text_string(&stages));
        text_free(&stages);
    }
    if (run->options.json) {
        text line = {0};
        line_begin(p->item->path, "segmented", &line);
        text_print(&line, ", \"width\": %u, \"height\": %u, \"results\": [%s], \"seconds\": ", p->image.width,
                   p->image.height, text_string(&p->results));
        summary_seconds(&p->times, &line);
        if (p->note.length > 0) {
            text_add(&line, ", \"note\": ");
            json_string(&line, text_string(&p->note));
        }
        line_end(&line);
    }
}

static photo_outcome failure(work_piece *p, diffcut_status status) {
    if (interrupt_requested() && status != DIFFCUT_ERROR_MEMORY) {
        return PHOTO_INTERRUPTED;
    }
    segment_report_failure(p->run, p->item->path, p->diagnostics.message);
    return p->failed_size > 0 && output_is_hopeless(&p->run->outputs, p->failed_size) ? PHOTO_HOPELESS : PHOTO_FAILED;
}

/* Standard input has to be read before its size is known; a file that exists only looked at. */
static diffcut_status learn_size(work_piece *p) {
    struct stat info;
    if (strcmp(p->item->path, "-") != 0 && stat(p->item->path, &info) == 0 && S_ISREG(info.st_mode)) {
        p->bytes = (uint64_t)info.st_size;
        return DIFFCUT_OK;
    }
    const diffcut_decode_limits limits = settings_limits(&p->run->options.settings);
    return photo_read(p->item->path, &limits, &p->image, &p->bytes, &p->diagnostics);
}

static photo_outcome skip(work_piece *p) {
    const segment_run *run = p->run;
    if (run->options.says.verbose > 0) {
        console_say(&run->options.says, "%s: skipped, its outputs exist (--force replaces them)",
                    photo_name(p->item->path));
    }
    if (run->options.json) {
        text line = {0};
        line_begin(p->item->path, "skipped", &line);
        line_end(&line);
    }
    return PHOTO_SKIPPED;
}

static photo_outcome process(work_piece *p) {
    segment_run *run = p->run;
    diffcut_status status = learn_size(p);
    if (status != DIFFCUT_OK) {
        return failure(p, status);
    }
    switch (output_look(&run->outputs, &run->claims, p->item->name, p->base_name, p->bytes, &p->diagnostics)) {
    case OUTPUT_TAKEN:
    case OUTPUT_OTHERS:
        return failure(p, DIFFCUT_ERROR_EXISTS);
    case OUTPUT_PRESENT:
        if (run->options.dump == NULL) { /* a dump is asked for to be made */
            return skip(p);
        }
        break;
    case OUTPUT_WANTED:
        break;
    }
    if (p->image.rgb == NULL) {
        const diffcut_decode_limits limits = settings_limits(&run->options.settings);
        status = photo_read(p->item->path, &limits, &p->image, &p->bytes, &p->diagnostics);
    }
    p->times.decode = progress_clock() - p->started;
    if (status == DIFFCUT_OK && run->options.dump != NULL) {
        dump_begin(&run->dump, p->item->name);
    }
    if (status == DIFFCUT_OK) {
        status = compute(p);
    }
    if (status != DIFFCUT_OK) {
        return failure(p, status);
    }
    report_success(p);
    return PHOTO_SEGMENTED;
}

photo_outcome segment_photo(segment_run *run, const listing_item *item) {
    const char *slash = strrchr(item->path, '/');
    work_piece piece = {.run = run, .item = item, .started = progress_clock()};
    piece.base_name = strcmp(item->path, "-") == 0 ? "stdin" : slash != NULL ? slash + 1 : item->path;
    const photo_outcome outcome = process(&piece);
    free_piece(&piece);
    return outcome;
}
