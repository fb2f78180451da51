/*
 * pull.c - diffcut_model_pull: a repository's needed files from the hub into the Hugging Face cache.
 *
 *   listing of the revision ──▶ files needed ──▶ sizes and hashes ──▶ room on the disk? ──▶ each file ──▶ refs/
 *
 * The name (refs/REVISION) is given last, so that it never stands for a folder in which files are missing. Called
 * from outside.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/memory.h"
#include "hub/environment.h"
#include "hub/http.h"
#include "hub/listing.h"
#include "hub/names.h"
#include "hub/place.h"
#include "hub/select.h"
#include "hub/transfer.h"
#include "io/bytes.h"
#include "io/entry.h"
#include "model/hub_cache.h"

#define PULL_TICK 0.05 /* seconds between two reports of bytes */
#define PULL_TIMEOUT 30
#define PULL_RETRIES 5
#define PULL_MAX_TIMEOUT 86400
#define PULL_MAX_RETRIES 1000

/* One call of diffcut_model_pull. */
typedef struct pull {
    const char *name;
    const char *revision;
    const diffcut_pull_settings *settings;
    char *endpoint;
    char *token;
    char *root; /* of the cache */
    http_client *client;
    place where;
    listing all;
    bool *wanted; /* by the listing's files */

    diffcut_pull_progress state; /* as the callback is told */
    uint64_t before;             /* bytes of the files before the one at work */
    double told;                 /* when bytes were reported last */
    bool cancelled;
} pull;

void diffcut_pull_settings_init(diffcut_pull_settings *settings) {
    if (settings != NULL) {
        *settings = (diffcut_pull_settings){.timeout = PULL_TIMEOUT, .retries = PULL_RETRIES};
    }
}

/* ------------------------------------------------------------------------------------------------- reports */

static double now(void) {
    struct timespec time = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void tell(pull *p, diffcut_pull_event event, const char *message) {
    if (p->settings->progress == NULL || p->cancelled) {
        return;
    }
    p->state.event = event;
    p->state.message = message;
    p->told = now();
    p->cancelled = p->settings->progress(p->settings->progress_user, &p->state) != 0;
}

static int on_tick(void *user) {
    pull *p = user;
    if (now() - p->told >= PULL_TICK) {
        tell(p, DIFFCUT_PULL_BYTES, NULL);
    }
    return p->cancelled ? 1 : 0;
}

static void on_bytes(void *user, uint64_t done) {
    pull *p = user;
    p->state.file_done = done;
    p->state.done = p->before + done;
}

static void on_waiting(void *user) {
    tell(user, DIFFCUT_PULL_WAITING, NULL);
}

static void on_remark(void *user, const char *why) {
    tell(user, DIFFCUT_PULL_REMARK, why);
}

/* What an answer that is no 200 means, and what to do. path NULL: the listing was asked for. */
static diffcut_status refused(void *user, const http_answer *answer, const char *path, diffcut_diagnostics *diag) {
    const pull *p = user;
    const char *on = path != NULL ? ": " : "";
    const char *file = path != NULL ? path : "";
    switch (answer->code) {
    case 401:
        if (p->token != NULL) {
            return diag_fail(diag, DIFFCUT_ERROR_IO,
                             "%s%s%.150s: the server does not take the token of HF_TOKEN or of "
                             "the login (401)",
                             p->name, on, file);
        }
        return diag_fail(diag, DIFFCUT_ERROR_IO,
                         "%s%s%.150s: there is no such model, or it wants a login (401): accept its licence on "
                         "%.100s/%s and set HF_TOKEN to a token of yours",
                         p->name, on, file, p->endpoint, p->name);
    case 403:
        return diag_fail(
            diag, DIFFCUT_ERROR_IO,
            "%s%s%.150s: not allowed (403): accept its licence on %.100s/%s with the account that HF_TOKEN "
            "is of",
            p->name, on, file, p->endpoint, p->name);
    case 404:
        if (strcmp(answer->fault, "RevisionNotFound") == 0) {
            return diag_fail(diag, DIFFCUT_ERROR_IO, "%s has no revision '%.150s' (404)", p->name, p->revision);
        }
        if (path != NULL) {
            return diag_fail(diag, DIFFCUT_ERROR_IO, "%s%s%.150s: listed, but not there (404)", p->name, on, file);
        }
        return diag_fail(diag, DIFFCUT_ERROR_IO, "%s: no such model%s on %.100s (404)", p->name,
                         strcmp(p->revision, "main") == 0 ? "" : " or revision", p->endpoint);
    case 429:
        return diag_fail(diag, DIFFCUT_ERROR_IO, "%s%s%.150s: too many requests (429); try later", p->name, on, file);
    default:
        return diag_fail(diag, DIFFCUT_ERROR_IO, "%s%s%.150s: the server answers %ld", p->name, on, file,
                         answer->code);
    }
}

/* ------------------------------------------------------------------------------------------------- what there is */

static diffcut_status take_listing(void *user, const http_answer *answer, const void *data, size_t size,
                                   diffcut_diagnostics *diag) {
    bytes *sink = user;
    (void)answer;
    if (size > LISTING_MAX_BYTES - sink->size) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "the server's list of files is larger than %zu bytes",
                         LISTING_MAX_BYTES);
    }
    bytes_append(sink, data, size);
    return bytes_ok(sink) ? DIFFCUT_OK : diag_no_memory(diag, sink->wanted, "the server's list of files");
}

static diffcut_status too_long(diffcut_diagnostics *diag) {
    return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "an address longer than %d bytes", HTTP_MAX_URL);
}

/* GET endpoint/api/models/ORG/NAME/revision/REVISION?blobs=true */
static diffcut_status read_listing(pull *p, diffcut_diagnostics *diag) {
    char url[HTTP_MAX_URL];
    bytes sink = {0};
    diffcut_buffer text = {0};
    http_answer answer;
    const int length = snprintf(url, sizeof url, "%s/api/models/%s/revision/", p->endpoint, p->name);
    if (length < 0 || (size_t)length >= sizeof url || !http_append_encoded(url, p->revision, false) ||
        strlen(url) + sizeof "?blobs=true" > sizeof url) {
        return too_long(diag);
    }
    memcpy(url + strlen(url), "?blobs=true", sizeof "?blobs=true");
    const http_request request = {.url = url, .sink = take_listing, .user = &sink};
    http_patience patience = {0};
    diffcut_status status;
    for (;;) {
        status = http_once(p->client, &request, &answer, diag);
        if (status == DIFFCUT_OK && answer.code != 200) {
            status = refused(p, &answer, NULL, diag);
        }
        char why[512];
        (void)snprintf(why, sizeof why, "%s", diag->message);
        if (status == DIFFCUT_OK || !http_again(p->client, &patience, &answer, why, &status, diag)) {
            break;
        }
        sink.size = 0;
    }
    if (status == DIFFCUT_OK) {
        status = bytes_finish(&sink, "the server's list of files", &text, diag);
    }
    if (status == DIFFCUT_OK) {
        status = listing_parse(text.data, text.size, "the server's list of files", &p->all, diag);
        if (status == DIFFCUT_ERROR_MODEL) { /* the JSON getters' word for a wrong field; here it is an answer's */
            status = DIFFCUT_ERROR_FORMAT;
        }
    }
    diffcut_buffer_free(&text);
    bytes_free(&sink);
    return status;
}

/* endpoint/ORG/NAME/resolve/COMMIT/PATH */
static diffcut_status file_url(const pull *p, const char *path, char url[HTTP_MAX_URL], diffcut_diagnostics *diag) {
    const int length = snprintf(url, HTTP_MAX_URL, "%s/%s/resolve/%s/", p->endpoint, p->name, p->all.commit);
    if (length < 0 || length >= HTTP_MAX_URL || !http_append_encoded(url, path, true)) {
        return too_long(diag);
    }
    return DIFFCUT_OK;
}

/* Where the listing leaves hash or size out, as mirrors' do, the file's own headers are asked. */
static diffcut_status ask_headers(pull *p, listing_file *file, diffcut_diagnostics *diag) {
    char url[HTTP_MAX_URL];
    http_answer answer;
    diffcut_status status = file_url(p, file->path, url, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const http_request request = {.url = url, .head = true};
    status = http_patiently(p->client, &request, &answer, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const bool redirected = answer.code >= 300 && answer.code < 400;
    if (answer.code != 200 && !redirected) {
        return refused(p, &answer, file->path, diag);
    }
    if (file->hash[0] == '\0') {
        if (!names_is_hex(answer.etag, 64) && !names_is_hex(answer.etag, 40)) {
            return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                             "%s: %.200s: the server names no SHA-256 and no git hash to check it by", p->name,
                             file->path);
        }
        memcpy(file->hash, answer.etag, strlen(answer.etag) + 1);
    }
    if (file->size == LISTING_NOT_SAID && answer.size <= LISTING_MAX_FILE) {
        file->size = answer.size;
    }
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- the plan */

static uint64_t known(uint64_t size) {
    return size == LISTING_NOT_SAID ? 0 : size;
}

/* What is there of a file already. */
static uint64_t bytes_there(const pull *p, const listing_file *file) {
    if (place_has_blob(&p->where, file->hash, file->size)) {
        return known(file->size);
    }
    const uint64_t part = place_partial_bytes(&p->where, file->hash);
    return part <= known(file->size) ? part : 0;
}

static void set_file(pull *p, const listing_file *file) {
    p->state.file = file != NULL ? file->path : NULL;
    p->state.file_bytes = file != NULL ? known(file->size) : 0;
    p->state.file_done = file != NULL ? bytes_there(p, file) : 0;
    p->state.here = file != NULL && place_has_blob(&p->where, file->hash, file->size);
}

static diffcut_status cancelled(diffcut_diagnostics *diag) {
    return diag_fail(diag, DIFFCUT_ERROR_CANCELLED, "the download was cancelled");
}

/* Chooses the files, completes what is known of them and tells each. */
static diffcut_status plan(pull *p, diffcut_pull_result *result, diffcut_diagnostics *diag) {
    const bool bare = p->settings->variant != NULL && strcmp(p->settings->variant, "plain") == 0;
    const select_settings choice = {bare ? "" : p->settings->variant, p->settings->file};
    p->wanted = mem_array_zero(p->all.count, sizeof *p->wanted);
    if (p->wanted == NULL) {
        return diag_no_memory(diag, p->all.count, "the list of files");
    }
    diffcut_status status = select_files(&p->all, p->name, &choice, p->wanted, diag);
    for (size_t i = 0; i < p->all.count && status == DIFFCUT_OK; i++) {
        listing_file *file = &p->all.files[i];
        if (!p->wanted[i]) {
            continue;
        }
        if (file->hash[0] == '\0' || file->size == LISTING_NOT_SAID) {
            status = ask_headers(p, file, diag);
        }
        p->state.bytes += known(file->size);
        result->files++;
    }
    result->bytes = p->state.bytes;
    for (size_t i = 0; i < p->all.count && status == DIFFCUT_OK; i++) {
        if (p->wanted[i]) {
            set_file(p, &p->all.files[i]);
            result->received += p->state.file_bytes - p->state.file_done;
            tell(p, DIFFCUT_PULL_PLANNED, NULL);
        }
    }
    set_file(p, NULL);
    return status == DIFFCUT_OK && p->cancelled ? cancelled(diag) : status;
}

/* ------------------------------------------------------------------------------------------------- the files */

static diffcut_status check_room(const pull *p, uint64_t needed, diffcut_diagnostics *diag) {
    const uint64_t free = place_free_bytes(&p->where);
    if (needed > free) {
        return diag_fail(diag, DIFFCUT_ERROR_IO,
                         "%.300s: too little room on the disk: %.1f MB are needed, %.1f MB are free", p->root,
                         (double)needed / 1e6, (double)free / 1e6);
    }
    return DIFFCUT_OK;
}

static diffcut_status pull_file(pull *p, const listing_file *file, uint64_t *received, diffcut_diagnostics *diag) {
    char url[HTTP_MAX_URL];
    diffcut_status status = file_url(p, file->path, url, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const transfer_job job = {.url = url, .path = file->path, .hash = file->hash, .size = file->size};
    const transfer_hooks hooks = {
        .bytes = on_bytes, .waiting = on_waiting, .fault = on_remark, .refused = refused, .tick = on_tick, .user = p};
    set_file(p, file);
    status = transfer_file(p->client, &p->where, &job, &hooks, received, diag);
    if (status == DIFFCUT_OK) {
        status = place_link(&p->where, p->all.commit, file->path, file->hash, diag);
    }
    if (status == DIFFCUT_OK) {
        on_bytes(p, known(file->size));
        p->before = p->state.done;
        tell(p, DIFFCUT_PULL_FINISHED, NULL);
        status = p->cancelled ? cancelled(diag) : DIFFCUT_OK;
    }
    return status;
}

static diffcut_status pull_files(pull *p, diffcut_pull_result *result, diffcut_diagnostics *diag) {
    diffcut_status status = check_room(p, result->received, diag);
    result->received = 0;
    for (size_t i = 0; i < p->all.count && status == DIFFCUT_OK; i++) {
        if (p->wanted[i]) {
            status = pull_file(p, &p->all.files[i], &result->received, diag);
        }
    }
    if (status == DIFFCUT_OK && strcmp(p->revision, p->all.commit) != 0) {
        status = place_refer(&p->where, p->revision, p->all.commit, diag);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- entry */

static diffcut_status check_arguments(const char *name, const diffcut_pull_settings *settings,
                                      diffcut_diagnostics *diag) {
    hub_name parsed;
    char whole[HUB_NAME_SIZE + HUB_REVISION_SIZE];
    if (!hub_name_parse(name, &parsed) || parsed.given) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "'%.200s' is not a name of the form ORG/NAME", name);
    }
    if (settings->revision != NULL) {
        const int length = snprintf(whole, sizeof whole, "%s@%s", name, settings->revision);
        if (length < 0 || (size_t)length >= sizeof whole || !hub_name_parse(whole, &parsed)) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "'%.200s' is no name of a revision", settings->revision);
        }
    }
    if (settings->file != NULL && !names_is_relative(settings->file)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "'%.200s' is no path of a file in a repository",
                         settings->file);
    }
    if (settings->timeout < 1 || settings->timeout > PULL_MAX_TIMEOUT) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "timeout is %u, outside 1 .. %d", settings->timeout,
                         PULL_MAX_TIMEOUT);
    }
    if (settings->retries > PULL_MAX_RETRIES) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "retries is %u, outside 0 .. %d", settings->retries,
                         PULL_MAX_RETRIES);
    }
    if (environment_offline()) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "HF_HUB_OFFLINE is set: nothing is downloaded; unset it to pull %s", name);
    }
    return DIFFCUT_OK;
}

/* The client and the cache's root. */
static diffcut_status prepare(pull *p, diffcut_diagnostics *diag) {
    const diffcut_pull_settings *s = p->settings;
    char root[PATH_MAX];
    diffcut_status status = environment_endpoint(s->endpoint, &p->endpoint, diag);
    if (status == DIFFCUT_OK) {
        status = environment_token(s->token, &p->token, diag);
    }
    if (status == DIFFCUT_OK && s->cache == NULL) {
        status = hub_cache_root(root, sizeof root, diag);
    }
    if (status == DIFFCUT_OK) {
        p->root = mem_string(s->cache != NULL ? s->cache : root);
        status = p->root != NULL ? DIFFCUT_OK : diag_no_memory(diag, sizeof root, "the cache's path");
    }
    if (status == DIFFCUT_OK) {
        const http_settings network = {.endpoint = p->endpoint,
                                       .token = p->token,
                                       .timeout = s->timeout,
                                       .retries = s->retries,
                                       .hooks = {on_tick, on_remark, p}};
        status = http_open(&network, &p->client, diag);
    }
    return status;
}

static diffcut_status run(pull *p, diffcut_pull_result *result, diffcut_diagnostics *diag) {
    diffcut_status status = prepare(p, diag);
    if (status == DIFFCUT_OK) {
        status = read_listing(p, diag);
    }
    if (status == DIFFCUT_OK) {
        status = place_open(p->root, p->name, !p->settings->plan_only, &p->where, diag);
    }
    if (status == DIFFCUT_OK) {
        status = plan(p, result, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    const int length = snprintf(result->path, sizeof result->path, "%s/snapshots/%s", p->where.folder, p->all.commit);
    if (length < 0 || (size_t)length >= sizeof result->path) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "the cache's path is too long: %.200s", p->root);
    }
    memcpy(result->commit, p->all.commit, sizeof result->commit);
    (void)snprintf(result->license, sizeof result->license, "%s", p->all.license != NULL ? p->all.license : "");
    return p->settings->plan_only ? DIFFCUT_OK : pull_files(p, result, diag);
}

diffcut_status diffcut_model_pull(const char *name, const diffcut_pull_settings *settings,
                                  diffcut_pull_result *result, diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    diffcut_pull_settings defaults;
    diffcut_pull_settings_init(&defaults);
    if (name == NULL || result == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_model_pull: name or result is NULL");
    }
    pull p = {.name = name, .settings = settings != NULL ? settings : &defaults, .where = {NULL, NULL, -1, -1, -1}};
    p.revision = p.settings->revision != NULL ? p.settings->revision : "main";
    diffcut_pull_result made = {.path = ""};
    diffcut_status status = check_arguments(name, p.settings, diag);
    if (status == DIFFCUT_OK) {
        status = run(&p, &made, diag);
    }
    if (status == DIFFCUT_OK) {
        *result = made;
        diag_clear(diag); /* of faults that passed */
    }
    place_close(&p.where);
    http_close(p.client);
    listing_free(&p.all);
    mem_free(p.wanted);
    mem_free(p.root);
    mem_free(p.endpoint);
    environment_free_token(p.token);
    return status;
}
