/* segment_record.c - see segment_record.h. */
#include "segment_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"
#include "manifest_parts.h"
#include "tar_write.h"

enum { MOST_DEATHS = 3 }; /* of processes that had nothing but this photo in hand */

/* ------------------------------------------------------------------------------------------------- opening */

/* What results depend on besides the photo, as JSON fields on one line. */
static bool describe_settings(const segment_run *run, const char *fingerprint, text *out) {
    const segment_options *o = &run->options;
    text_print(out, "\"diffcut\": \"%s\", \"fingerprint\": \"%s\", ", diffcut_version(), fingerprint);
    summary_model(run->engine.model, out);
    text_add(out, ", \"values\": ");
    summary_settings(run->engine.model, &o->settings.values, out);
    text_add(out, ", \"taus\": [");
    for (size_t i = 0; i < o->settings.taus.count; i++) {
        text_add(out, i > 0 ? ", " : "");
        text_add_real(out, o->settings.taus.values[i]);
    }
    text_print(out, "], \"opacity\": %.9g, \"boundaries\": %s", (double)o->overlay.opacity,
               o->overlay.boundaries ? "true" : "false");
    for (size_t i = 0; i < out->length; i++) { /* a summary's lines; inside strings a newline is escaped */
        out->data[i] = out->data[i] == '\n' ? ' ' : out->data[i];
    }
    return !out->failed;
}

/* Writes what the settings are, unless the manifest knows them. */
static diffcut_status record_settings(segment_run *run, const text *described, diffcut_diagnostics *diagnostics) {
    char digest[DIFFCUT_FINGERPRINT_SIZE];
    uint64_t ignored = 0;
    diffcut_sha256(described->data, described->length, digest);
    (void)snprintf(run->settings_hash, sizeof run->settings_hash, "%.16s", digest);
    if (table_get(&run->record.settings, strtoull(run->settings_hash, NULL, 16), &ignored)) {
        return DIFFCUT_OK;
    }
    if (run->options.shard_pattern != NULL && run->record.shards.count > 0) {
        (void)snprintf(
            diagnostics->message, sizeof diagnostics->message,
            "%.300s: these shards were made with other settings, or another model or version; name another "
            "folder",
            text_string(&run->record.path));
        return DIFFCUT_ERROR_EXISTS;
    }
    text fields = {0};
    text_print(&fields, "\"settings\": \"%s\", ", run->settings_hash);
    text_add(&fields, text_string(described));
    const diffcut_status status = manifest_append(&run->record, text_string(&fields), diagnostics);
    text_free(&fields);
    return status;
}

/* Numbers of shards for a process alone: with --shard every count-th. */
static uint64_t own_shard_number(void *user) {
    segment_run *run = user;
    const feed_share *share = &run->options.share;
    return share->index - 1 + share->count * run->next_shard++;
}

static diffcut_status open_shards(segment_run *run, diffcut_diagnostics *diagnostics) {
    const segment_options *o = &run->options;
    run->shards = (shards){.folder = o->folder,
                           .pattern = o->shard_pattern,
                           .most_bytes = o->shard_bytes,
                           .most_photos = o->shard_photos,
                           .number = run->team != NULL ? run->team->next_shard : own_shard_number,
                           .user = run->team != NULL ? run->team->user : run,
                           .record = &run->record};
    return shards_open(&run->shards, diagnostics);
}

static diffcut_status open_manifest(segment_run *run, diffcut_diagnostics *diagnostics) {
    const segment_options *o = &run->options;
    text path = {0};
    text part = {0};
    text_print(&path, "%s/" MANIFEST_NAME, o->folder);
    manifest_use use = MANIFEST_WHOLE;
    if (run->team != NULL) {
        use = MANIFEST_RANK;
        text_print(&part, "rank-%" PRIu32, run->team->rank);
    } else if (o->share.count > 1) {
        use = MANIFEST_PART;
        text_print(&part, "shard-%" PRIu32 "-of-%" PRIu32, o->share.index, o->share.count);
    }
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    (void)snprintf(diagnostics->message, sizeof diagnostics->message, "out of memory");
    if (!path.failed && !part.failed) {
        status = manifest_open(&run->record, o->manifest != NULL ? o->manifest : text_string(&path), use,
                               text_string(&part), o->folder, diagnostics);
    }
    text_free(&path);
    text_free(&part);
    return status;
}

static diffcut_status open_all(segment_run *run, diffcut_diagnostics *diagnostics) {
    char fingerprint[DIFFCUT_FINGERPRINT_SIZE];
    text described = {0};
    diffcut_status status = diffcut_model_fingerprint(run->engine.model, fingerprint, diagnostics);
    if (status == DIFFCUT_OK && !describe_settings(run, fingerprint, &described)) {
        (void)snprintf(diagnostics->message, sizeof diagnostics->message, "out of memory");
        status = DIFFCUT_ERROR_MEMORY;
    }
    if (status == DIFFCUT_OK) {
        status = open_manifest(run, diagnostics);
        run->recording = status == DIFFCUT_OK;
    }
    if (status == DIFFCUT_OK && run->team == NULL && run->options.share.count <= 1) {
        output_sweep(run->options.folder);
    }
    if (status == DIFFCUT_OK) {
        status = record_settings(run, &described, diagnostics);
    }
    if (status == DIFFCUT_OK && run->options.shard_pattern != NULL) {
        status = open_shards(run, diagnostics);
    }
    text_free(&described);
    return status;
}

int record_open(segment_run *run) {
    diffcut_diagnostics diagnostics;
    if (!run->options.resume) {
        return -1;
    }
    if (open_all(run, &diagnostics) != DIFFCUT_OK) {
        return engine_failed(&run->options.says, NULL, diagnostics.message);
    }
    if (run->record.suspects > 0) {
        run->options.batch = 1; /* they come last, each alone: none is to wait for others to be computed with */
    }
    crash_watch(run->record.writer.descriptor);
    return -1;
}

bool record_close(segment_run *run) {
    diffcut_diagnostics diagnostics;
    bool fine = true;
    if (!run->recording) {
        return true;
    }
    if (run->shards.record != NULL) {
        fine = atomic_load(&run->unrecorded) || shards_finish(&run->shards, &diagnostics) == DIFFCUT_OK;
        if (!fine) {
            console_error(&run->options.says, NULL, diagnostics.message);
        }
        shards_close(&run->shards);
    }
    crash_watch(-1);
    if (manifest_close(&run->record, &diagnostics) != DIFFCUT_OK) {
        console_error(&run->options.says, NULL, diagnostics.message);
        fine = false;
    }
    run->recording = false;
    return fine;
}

/* ------------------------------------------------------------------------------------------------- looking up */

static void time_of(const photo_piece *p, char out[48]) {
    (void)snprintf(out, 48, "%lld.%09ld", (long long)p->looked.st_mtim.tv_sec, p->looked.st_mtim.tv_nsec);
}

static bool string_is(const char *line, const char *key, const char *value) {
    text found = {0};
    const bool same = manifest_string(line, key, &found) && strcmp(text_string(&found), value) == 0;
    text_free(&found);
    return same;
}

static bool is_true(const char *line, const char *key) {
    const char *value = journal_field(line, key);
    return value != NULL && *value == 't';
}

/* The line with the photo's present time in it, so that the next run need not read the photo to know it. */
static void refresh_time(photo_piece *p, const char *line) {
    const char *time = journal_field(line, "modified");
    const char *body = strchr(line, ',');
    char now[48];
    text fields = {0};
    if (!p->has_time || time == NULL || body == NULL) {
        return;
    }
    time_of(p, now);
    text_add_bytes(&fields, body + 2, (size_t)(time - body - 2));
    text_print(&fields, "\"%s\"", now);
    const char *rest = time + journal_extent(time);
    text_add_bytes(&fields, rest, strlen(rest) - 1); /* less the brace */
    diffcut_diagnostics ignored;                     /* without it the photo is only read again the next time */
    if (!fields.failed) {
        (void)manifest_append(&p->run->record, text_string(&fields), &ignored);
    }
    text_free(&fields);
}

/* Whether the photo is the one of the line: by size and time, else by what is in it. Where that cannot be read, its
 * status says so. */
static bool is_same_photo(photo_piece *p, const char *line) {
    char now[48];
    time_of(p, now);
    if (journal_number(journal_field(line, "bytes"), -1) != (double)p->bytes) {
        return false;
    }
    if (p->has_time && !p->run->options.checksum && string_is(line, "modified", now)) {
        return true;
    }
    p->status = p->sha256[0] == '\0' ? segment_fetch(p) : DIFFCUT_OK;
    if (p->status != DIFFCUT_OK || !string_is(line, "sha256", p->sha256)) {
        return false;
    }
    if (!string_is(line, "modified", now)) {
        refresh_time(p, line);
    }
    return true;
}

typedef struct outputs_check {
    const photo_piece *p;
    const char *line;
    bool in_shard;
} outputs_check;

/* A result's path below the output folder. */
static const char *below_folder(const photo_piece *p, const char *path) {
    const char *rest = path + strlen(p->run->options.folder);
    return rest + strspn(rest, "/");
}

static bool has_bytes(const char *path, const char *item, bool whole) {
    struct stat info;
    if (stat(path, &info) != 0 || (double)info.st_size != journal_number(journal_field(item, "bytes"), -1)) {
        return false;
    }
    char digest[DIFFCUT_FINGERPRINT_SIZE];
    diffcut_buffer file = {0};
    diffcut_diagnostics ignored;
    if (!whole) {
        return true;
    }
    if (diffcut_read_file(path, 0, &file, &ignored) != DIFFCUT_OK) {
        return false;
    }
    diffcut_sha256(file.data, file.size, digest);
    diffcut_buffer_free(&file);
    return string_is(item, "sha256", digest);
}

/* An output_each_fn: whether the line has this result, and it is there as recorded. */
static bool has_output(void *user, const char *path) {
    const outputs_check *check = user;
    const char *place = journal_field(check->line, "outputs");
    const char *item = NULL;
    size_t size = 0;
    text one = {0};
    bool found = false;
    while (!found && place != NULL && journal_next_item(&place, &item, &size)) {
        text_clear(&one);
        text_add_bytes(&one, item, size);
        found = string_is(text_string(&one), "file", below_folder(check->p, path));
    }
    found = found && (check->in_shard || has_bytes(path, text_string(&one), check->p->run->options.checksum));
    text_free(&one);
    return found;
}

static bool has_outputs(const photo_piece *p, const char *line) {
    const segment_run *run = p->run;
    const bool in_shard = journal_field(line, "shard") != NULL;
    outputs_check check = {p, line, in_shard};
    if (in_shard != (run->options.shard_pattern != NULL)) {
        return false;
    }
    return (!in_shard || shards_has(&run->record, run->options.folder, line)) &&
           output_each(&run->outputs, p->name, has_output, &check);
}

/* It failed before, or took the process down with nothing else in hand: not to be tried unasked. */
static record_verdict judge_failure(photo_piece *p, const char *line) {
    text reason = {0};
    const bool killed = string_is(line, "status", "started");
    record_verdict verdict = RECORD_WANTED;
    if (killed && journal_number(journal_field(line, "alone"), 0) >= MOST_DEATHS) {
        (void)snprintf(p->why.message, sizeof p->why.message,
                       "%d processes were killed while they had only this photo in hand (for want of memory?); "
                       "--retry-failed tries again",
                       MOST_DEATHS);
        verdict = RECORD_FAILED;
    } else if (!killed && !is_true(line, "again") && journal_string(journal_field(line, "error"), &reason)) {
        (void)snprintf(p->why.message, sizeof p->why.message, "failed before: %.400s (--retry-failed tries again)",
                       text_string(&reason));
        verdict = RECORD_FAILED;
    }
    text_free(&reason);
    return verdict;
}

record_verdict record_look(photo_piece *p) {
    const segment_options *o = &p->run->options;
    const char *line = o->force ? NULL : manifest_find(&p->run->record, p->name);
    if (line == NULL) {
        return RECORD_WANTED;
    }
    const bool same = is_same_photo(p, line);
    if (p->status != DIFFCUT_OK) {
        return RECORD_UNREAD;
    }
    if (!same && !string_is(line, "photo", p->path)) {
        text whose = {0};
        (void)manifest_string(line, "photo", &whose);
        (void)snprintf(p->why.message, sizeof p->why.message,
                       "the results of this name are those of another photo, %.300s (--force replaces them)",
                       text_string(&whose));
        text_free(&whose);
        return RECORD_OTHERS;
    }
    const bool known = string_is(line, "settings", p->run->settings_hash);
    if (!same || !known) {
        return RECORD_WANTED;
    }
    if (string_is(line, "status", "done")) {
        return has_outputs(p, line) ? RECORD_DONE : RECORD_WANTED;
    }
    return o->retry_failed ? RECORD_WANTED : judge_failure(p, line);
}

/* ------------------------------------------------------------------------------------------------- recording */

/* The fields that every line of a photo has. */
static void line_begin(const photo_piece *p, const char *status, text *out) {
    char now[48];
    time_of(p, now);
    manifest_line_begin(p->name, status, out);
    manifest_add_string("photo", p->path, out);
    manifest_add_string("name", p->name, out);
    text_print(out, ", \"bytes\": %" PRIu64 ", \"modified\": \"%s\", \"settings\": \"%s\"", p->bytes, now,
               p->run->settings_hash);
    if (p->sha256[0] != '\0') {
        text_print(out, ", \"sha256\": \"%s\"", p->sha256);
    }
}

static bool append(photo_piece *p, const text *fields, diffcut_diagnostics *diagnostics) {
    if (fields->failed) {
        (void)snprintf(diagnostics->message, sizeof diagnostics->message, "no memory for the manifest");
        return false;
    }
    return manifest_append(&p->run->record, text_string(fields), diagnostics) == DIFFCUT_OK;
}

static void add_failure(const char *message, bool again, text *out) {
    text_add(out, ", \"error\": ");
    json_string(out, message);
    text_print(out, ", \"again\": %s", again ? "true" : "false");
}

void record_sweep(const segment_run *run, const char *name) {
    text path = {0};
    output_path(&run->outputs, name, OUTPUT_LABELS, 0, &path);
    const char *slash = strrchr(text_string(&path), '/');
    if (!path.failed && slash != NULL) {
        path.data[slash - path.data] = '\0';
        output_sweep(text_string(&path));
    }
    text_free(&path);
}

bool record_start(photo_piece *p) {
    text fields = {0};
    const char *line = manifest_find(&p->run->record, p->name);
    double times = 0;
    double alone = 0;
    if (line != NULL && string_is(line, "status", "started") && !p->run->options.retry_failed) {
        times = journal_number(journal_field(line, "times"), 0);
        alone = journal_number(journal_field(line, "alone"), 0);
    }
    if (times > 0 && p->run->team == NULL && p->run->options.share.count <= 1) {
        record_sweep(p->run, p->name);
    }
    line_begin(p, "started", &fields);
    text_print(&fields, ", \"times\": %.0f, \"alone\": %.0f", times + 1, alone + (p->alone ? 1 : 0));
    p->started = append(p, &fields, &p->why);
    text_clear(&fields);
    line_begin(p, "failed", &fields);
    add_failure("the process crashed at this photo", false, &fields);
    if (fields.failed || !journal_make_line(text_string(&fields), &p->crash_line)) {
        text_clear(&p->crash_line); /* a crash then goes unrecorded, which the "started" line makes up for */
    }
    text_free(&fields);
    return p->started;
}

void record_output(photo_piece *p, output_kind kind, double tau, const void *data, size_t size) {
    char digest[DIFFCUT_FINGERPRINT_SIZE];
    const char *file = below_folder(p, text_string(&p->output));
    text one = {0};
    diffcut_sha256(data, size, digest);
    text_print(&one, "%s{\"kind\": \"%s\", \"tau\": ", p->outputs.length > 0 ? ", " : "", output_kind_name(kind));
    text_add_real(&one, tau);
    manifest_add_string("file", file, &one);
    text_print(&one, ", \"bytes\": %zu, \"sha256\": \"%s\"}", size, digest);
    p->outputs.failed = p->outputs.failed || one.failed;
    text_add(&p->outputs, text_string(&one));
    text_free(&one);
    if (p->run->shards.record != NULL) {
        tar_add_file(&p->members, file, data, size);
    }
}

bool record_done(photo_piece *p, const summary_times *times) {
    segment_run *run = p->run;
    text fields = {0};
    line_begin(p, "done", &fields);
    text_print(&fields, ", \"width\": %u, \"height\": %u, \"outputs\": [%s], \"seconds\": ", p->image.width,
               p->image.height, text_string(&p->outputs));
    summary_seconds(times, &fields);
    if (p->note.length > 0) {
        text_add(&fields, ", \"note\": ");
        json_string(&fields, text_string(&p->note));
    }
    fields.failed = fields.failed || p->outputs.failed || p->members.failed;
    bool fine = false;
    if (run->shards.record == NULL || fields.failed) {
        fine = append(p, &fields, &p->unwritten);
    } else {
        fine = shards_add(&run->shards, &p->members, text_string(&fields), &p->unwritten) == DIFFCUT_OK;
    }
    if (fine && run->shards.record != NULL) { /* until its shard is finished it is not done, but in no hands either */
        text_clear(&fields);
        line_begin(p, "held", &fields);
        fine = append(p, &fields, &p->unwritten);
    }
    p->ended = fine;
    text_free(&fields);
    return fine;
}

void record_failed(photo_piece *p, const char *message, bool again) {
    diffcut_diagnostics ignored; /* the failure itself is reported; what is not recorded is tried again */
    text fields = {0};
    if (!p->run->recording || p->said) {
        return;
    }
    line_begin(p, "failed", &fields);
    add_failure(message, again, &fields);
    p->ended = append(p, &fields, &ignored);
    text_free(&fields);
}

void record_left(photo_piece *p) {
    if (p->started && !p->ended) {
        record_failed(p, "the run ended before it was done", true);
    }
}
