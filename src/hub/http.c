/* http.c - see http.h. */
#include "hub/http.h"

#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "core/memory.h"
#include "hub/curl.h"

#define HTTP_AGENT "diffcut"
#define HTTP_FIRST_WAIT 500     /* milliseconds before the first retry, doubled at each further one */
#define HTTP_LONGEST_WAIT 30000 /* milliseconds: the end of that doubling */
#define HTTP_LONGEST_ASKED 300  /* seconds: the longest Retry-After that is obeyed in full */
#define HTTP_TICK 100           /* milliseconds between two looks whether to stop while waiting */
#define HTTP_NOT_SAID UINT64_MAX

bool http_append_encoded(char *url, const char *text, bool keep_slashes) {
    static const char digits[] = "0123456789ABCDEF";
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    size_t length = strlen(url);
    for (const char *c = text; *c != '\0'; c++) {
        if (length + 4 > HTTP_MAX_URL) {
            return false;
        }
        if (strchr(plain, *c) != NULL || (keep_slashes && *c == '/')) {
            url[length++] = *c;
        } else {
            const unsigned char byte = (unsigned char)*c;
            url[length++] = '%';
            url[length++] = digits[byte >> 4];
            url[length++] = digits[byte & 15];
        }
        url[length] = '\0';
    }
    return true;
}

#ifndef DIFFCUT_HAVE_CURL

diffcut_status http_open(const http_settings *settings, http_client **out, diffcut_diagnostics *diag) {
    (void)settings;
    (void)out;
    return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                     "downloading is not built in: install libcurl's header (Debian: apt install "
                     "libcurl4-openssl-dev) and build again");
}

void http_close(http_client *self) {
    (void)self;
}

diffcut_status http_once(http_client *self, const http_request *request, http_answer *answer,
                         diffcut_diagnostics *diag) {
    (void)self;
    (void)request;
    *answer = (http_answer){0};
    return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "downloading is not built in");
}

bool http_again(http_client *self, http_patience *patience, const http_answer *answer, const char *why,
                diffcut_status *status, diffcut_diagnostics *diag) {
    (void)self;
    (void)patience;
    (void)answer;
    (void)why;
    (void)status;
    (void)diag;
    return false;
}

diffcut_status http_patiently(http_client *self, const http_request *request, http_answer *answer,
                              diffcut_diagnostics *diag) {
    return http_once(self, request, answer, diag);
}

#else

/* Where a URL leads, as far as trust goes. */
typedef struct origin {
    char scheme[8];
    char host[256];
    char port[8];
} origin;

struct http_client {
    curl_library lib;
    http_settings settings;
    CURL *curl;
    origin home; /* the endpoint's */
};

/* One exchange, as libcurl's callbacks see it. */
typedef struct exchange {
    http_client *client;
    const http_request *request;
    http_answer *answer;
    diffcut_status status; /* of the sink, or DIFFCUT_ERROR_CANCELLED */
    diffcut_diagnostics *diag;
    bool linked;      /* etag and size are those of X-Linked-...: nothing replaces them */
    curl_off_t bytes; /* of the body so far, when it last grew */
    double grown;     /* when that was; seconds of the monotonic clock */
    bool stalled;     /* nothing came for longer than the settings allow */
} exchange;

/* ------------------------------------------------------------------------------------------------- origins */

static bool copy_part(const curl_library *lib, CURLU *url, CURLUPart part, char *out, size_t size) {
    char *text = NULL;
    if (lib->url_get(url, part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) {
        return false;
    }
    const int length = snprintf(out, size, "%s", text);
    lib->free(text);
    return length >= 0 && (size_t)length < size;
}

/* False for what is no http or https URL. */
static bool find_origin(const curl_library *lib, const char *text, origin *out) {
    CURLU *url = lib->url();
    const bool found = url != NULL && lib->url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
                       copy_part(lib, url, CURLUPART_SCHEME, out->scheme, sizeof out->scheme) &&
                       copy_part(lib, url, CURLUPART_HOST, out->host, sizeof out->host) &&
                       copy_part(lib, url, CURLUPART_PORT, out->port, sizeof out->port);
    lib->url_cleanup(url); /* NULL is allowed */
    return found && (strcmp(out->scheme, "http") == 0 || strcmp(out->scheme, "https") == 0);
}

static bool same_origin(const origin *a, const origin *b) {
    return strcmp(a->scheme, b->scheme) == 0 && strcmp(a->host, b->host) == 0 && strcmp(a->port, b->port) == 0;
}

/* ------------------------------------------------------------------------------------------------- headers */

/* The value of "name: value", ends trimmed, into out; false for another header or a value too long. */
static bool header_value(const char *line, size_t length, const char *name, char *out, size_t size) {
    const size_t named = strlen(name);
    if (length <= named || line[named] != ':' || strncasecmp(line, name, named) != 0) {
        return false;
    }
    const char *start = line + named + 1;
    const char *end = line + length;
    while (start < end && (*start == ' ' || *start == '\t')) {
        start++;
    }
    while (end > start && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    if ((size_t)(end - start) >= size || memchr(start, '\0', (size_t)(end - start)) != NULL) {
        return false;
    }
    memcpy(out, start, (size_t)(end - start));
    out[end - start] = '\0';
    return true;
}

/* Decimal digits and nothing else; HTTP_NOT_SAID otherwise, and beyond what a file can have. */
static uint64_t header_number(const char *text) {
    uint64_t value = 0;
    if (*text == '\0') {
        return HTTP_NOT_SAID;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || value > (uint64_t)INT64_MAX / 10 - 1) {
            return HTTP_NOT_SAID;
        }
        value = value * 10 + (uint64_t)(*text - '0');
    }
    return value;
}

/* W/"abc" and "abc" are abc. */
static void unquote(const char *value, char out[72]) {
    const char *start = strncmp(value, "W/", 2) == 0 ? value + 2 : value;
    size_t length = strlen(start);
    if (length >= 2 && start[0] == '"' && start[length - 1] == '"') {
        start++;
        length -= 2;
    }
    if (length < 72) {
        memcpy(out, start, length);
        out[length] = '\0';
    }
}

/* "bytes 10-99/100": where the piece starts and the whole's size; "bytes x-y/ *" leaves the size open. */
static void content_range(char *value, http_answer *answer) {
    char *dash = strchr(value, '-');
    char *slash = strchr(value, '/');
    if (strncasecmp(value, "bytes ", 6) != 0 || dash == NULL || slash == NULL || slash < dash) {
        return;
    }
    *dash = '\0';
    const uint64_t start = header_number(value + 6);
    if (start != HTTP_NOT_SAID) {
        answer->offset = start;
        answer->size = header_number(slash + 1);
    }
}

static size_t on_header(char *line, size_t one, size_t length, void *user) {
    exchange *x = user;
    http_answer *answer = x->answer;
    char value[256];
    if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) { /* a new answer, after 100 Continue say */
        const char *space = memchr(line, ' ', length);
        int code = 0;
        if (space != NULL && length - (size_t)(space - line) >= 4) {
            for (size_t i = 1; i <= 3; i++) {
                code = space[i] >= '0' && space[i] <= '9' ? code * 10 + (space[i] - '0') : 0;
            }
        }
        answer->code = code;
        answer->offset = 0;
        answer->size = HTTP_NOT_SAID;
        answer->etag[0] = '\0';
        answer->fault[0] = '\0';
    } else if (x->request->head && header_value(line, length, "X-Linked-Etag", value, sizeof value)) {
        unquote(value, answer->etag);
        x->linked = true;
    } else if (x->request->head && header_value(line, length, "X-Linked-Size", value, sizeof value)) {
        answer->size = header_number(value);
        x->linked = true;
    } else if (!x->linked && header_value(line, length, "ETag", value, sizeof value)) {
        unquote(value, answer->etag);
    } else if (!x->linked && answer->code == 200 &&
               header_value(line, length, "Content-Length", value, sizeof value)) {
        answer->size = header_number(value);
    } else if (answer->code == 206 && header_value(line, length, "Content-Range", value, sizeof value)) {
        content_range(value, answer);
    } else {
        (void)header_value(line, length, "X-Error-Code", answer->fault, sizeof answer->fault);
    }
    return one * length;
}

/* ------------------------------------------------------------------------------------------------- one exchange */

static size_t on_body(char *data, size_t one, size_t length, void *user) {
    exchange *x = user;
    if ((x->answer->code != 200 && x->answer->code != 206) || x->request->sink == NULL) {
        return 0; /* what an error page says is not read */
    }
    x->status = x->request->sink(x->request->user, x->answer, data, one * length, x->diag);
    return x->status == DIFFCUT_OK ? one * length : 0;
}

static double now(void) {
    struct timespec time = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* About once a second when nothing comes, else more often. libcurl's own limit of speed looks at an average that
 * takes several seconds to fall; silence is easier told by the last byte. */
static int on_progress(void *user, curl_off_t total_down, curl_off_t down, curl_off_t total_up, curl_off_t up) {
    exchange *x = user;
    const http_hooks *hooks = &x->client->settings.hooks;
    (void)total_down;
    (void)total_up;
    (void)up;
    if (down != x->bytes) {
        x->bytes = down;
        x->grown = now();
    } else if (now() - x->grown > (double)x->client->settings.timeout) {
        x->stalled = true;
        return 1;
    }
    if (hooks->tick != NULL && hooks->tick(hooks->user) != 0) {
        x->status = DIFFCUT_ERROR_CANCELLED;
        return 1;
    }
    return 0;
}

static bool code_passes(long code) {
    return code == 408 || code == 425 || code == 429 || (code >= 500 && code != 501 && code != 505);
}

static bool fault_passes(CURLcode code) {
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return true;
    default:
        return false;
    }
}

/* The certificates to trust, where the environment names a file of its own as behind a company's proxy. */
static void set_certificates(http_client *self) {
    static const char *const variables[] = {"CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *file = getenv(variables[i]);
        if (file != NULL && file[0] != '\0') {
            (void)self->lib.easy_setopt(self->curl, CURLOPT_CAINFO, file);
            return;
        }
    }
}

/* Everything of a request but its headers. */
static void set_options(http_client *self, const char *url, const char *range, exchange *x) {
    const curl_library *lib = &self->lib;
    CURL *curl = self->curl;
    lib->easy_reset(curl);
    (void)lib->easy_setopt(curl, CURLOPT_URL, url);
    (void)lib->easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)lib->easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    (void)lib->easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    (void)lib->easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L); /* our rules, see follow() */
    (void)lib->easy_setopt(curl, CURLOPT_USERAGENT, HTTP_AGENT);
    (void)lib->easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)self->settings.timeout);
    (void)lib->easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    (void)lib->easy_setopt(curl, CURLOPT_HEADERDATA, (void *)x);
    (void)lib->easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)lib->easy_setopt(curl, CURLOPT_WRITEDATA, (void *)x);
    (void)lib->easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    (void)lib->easy_setopt(curl, CURLOPT_XFERINFODATA, (void *)x);
    (void)lib->easy_setopt(curl, CURLOPT_NOBODY, x->request->head ? 1L : 0L);
    if (range != NULL) {
        (void)lib->easy_setopt(curl, CURLOPT_RANGE, range);
    }
    set_certificates(self);
}

/* Headers in a list of libcurl's, *list; false without memory. The token is given to the endpoint only. */
static bool set_headers(http_client *self, bool with_token, struct curl_slist **list) {
    /* Asked for as it lies on the server: a compressed answer would have another size and hash. */
    struct curl_slist *grown = self->lib.slist_append(NULL, "Accept-Encoding: identity");
    *list = grown;
    if (grown != NULL && with_token) {
        const size_t size = strlen(self->settings.token) + sizeof "Authorization: Bearer ";
        char *line = mem_array(size, 1);
        if (line == NULL) {
            return false;
        }
        (void)snprintf(line, size, "Authorization: Bearer %s", self->settings.token);
        grown = self->lib.slist_append(grown, line);
        memset(line, 0, size);
        mem_free(line);
    }
    if (grown == NULL) {
        return false;
    }
    *list = grown;
    (void)self->lib.easy_setopt(self->curl, CURLOPT_HTTPHEADER, grown);
    return true;
}

/* One request without redirects. */
static diffcut_status exchange_once(exchange *x) {
    http_client *self = x->client;
    http_answer *answer = x->answer;
    const curl_library *lib = &self->lib;
    struct curl_slist *headers = NULL;
    origin there;
    if (!find_origin(lib, answer->place, &there)) {
        return diag_fail(x->diag, DIFFCUT_ERROR_IO, "%.300s: not an http or https address", answer->place);
    }
    char range[32];
    (void)snprintf(range, sizeof range, "%llu-", (unsigned long long)x->request->offset);
    set_options(self, answer->place, x->request->offset > 0 ? range : NULL, x);
    const bool with_token = self->settings.token != NULL && same_origin(&there, &self->home);
    if (!set_headers(self, with_token, &headers)) {
        lib->slist_free_all(headers);
        return diag_no_memory(x->diag, sizeof *headers, "the request's headers");
    }
    answer->code = 0;
    x->bytes = 0;
    x->grown = now();
    const CURLcode code = lib->easy_perform(self->curl);
    lib->slist_free_all(headers);
    curl_off_t wait = 0;
    if (lib->easy_getinfo(self->curl, CURLINFO_RETRY_AFTER, &wait) == CURLE_OK && wait > 0) {
        answer->wait = (uint64_t)wait;
    }
    if (x->status == DIFFCUT_ERROR_CANCELLED) {
        return diag_fail(x->diag, x->status, "the download was cancelled");
    }
    if (x->status != DIFFCUT_OK) {
        return x->status;
    }
    if (x->stalled) {
        answer->passing = true;
        return diag_fail(x->diag, DIFFCUT_ERROR_IO, "%.100s://%.200s:%s: nothing came for %u seconds", there.scheme,
                         there.host, there.port, self->settings.timeout);
    }
    const bool refused_body = code == CURLE_WRITE_ERROR; /* an error's page, see on_body() */
    if (code != CURLE_OK && !(refused_body && answer->code != 0)) {
        answer->passing = fault_passes(code);
        return diag_fail(x->diag, DIFFCUT_ERROR_IO, "%.100s://%.200s:%s: %s", there.scheme, there.host, there.port,
                         lib->easy_strerror(code));
    }
    answer->passing = code_passes(answer->code);
    return DIFFCUT_OK;
}

/* Where a redirect leads, into the answer's place. *followed is false when the answer is to be taken as it is. */
static diffcut_status follow(exchange *x, bool *followed) {
    const curl_library *lib = &x->client->lib;
    http_answer *answer = x->answer;
    char *target = NULL; /* absolute already; belongs to the handle */
    *followed = false;
    if (answer->code < 300 || answer->code > 399 || (x->request->head && x->linked) ||
        lib->easy_getinfo(x->client->curl, CURLINFO_REDIRECT_URL, &target) != CURLE_OK || target == NULL) {
        return DIFFCUT_OK;
    }
    origin from, to;
    if (!find_origin(lib, target, &to)) {
        return diag_fail(x->diag, DIFFCUT_ERROR_IO, "%.200s redirects to what is no http or https address",
                         answer->place);
    }
    if (find_origin(lib, answer->place, &from) && strcmp(from.scheme, "https") == 0 &&
        strcmp(to.scheme, "https") != 0) {
        return diag_fail(x->diag, DIFFCUT_ERROR_IO, "%.200s redirects to unencrypted http; refused", answer->place);
    }
    if (x->request->head && !same_origin(&to, &x->client->home)) {
        return DIFFCUT_OK;
    }
    const int length = snprintf(answer->place, sizeof answer->place, "%s", target);
    if (length < 0 || (size_t)length >= sizeof answer->place) {
        return diag_fail(x->diag, DIFFCUT_ERROR_LIMIT, "a redirect to an address over %d bytes", HTTP_MAX_URL);
    }
    *followed = true;
    return DIFFCUT_OK;
}

diffcut_status http_once(http_client *self, const http_request *request, http_answer *answer,
                         diffcut_diagnostics *diag) {
    exchange x = {.client = self, .request = request, .answer = answer, .status = DIFFCUT_OK, .diag = diag};
    *answer = (http_answer){.size = HTTP_NOT_SAID};
    (void)snprintf(answer->place, sizeof answer->place, "%s", request->url);
    for (int hops = 0; hops <= HTTP_MAX_REDIRECTS; hops++) {
        bool followed = false;
        diffcut_status status = exchange_once(&x);
        if (status == DIFFCUT_OK) {
            status = follow(&x, &followed);
        }
        if (status != DIFFCUT_OK || !followed) {
            return status;
        }
    }
    return diag_fail(diag, DIFFCUT_ERROR_IO, "%.300s: more than %d redirects", request->url, HTTP_MAX_REDIRECTS);
}

/* ------------------------------------------------------------------------------------------------- patience */

/* False when the hook asked to stop meanwhile. */
static bool wait_milliseconds(const http_hooks *hooks, uint64_t duration) {
    for (uint64_t waited = 0; waited < duration; waited += HTTP_TICK) {
        const uint64_t left = duration - waited;
        const struct timespec pause = {0, (long)(left < HTTP_TICK ? left : HTTP_TICK) * 1000000};
        (void)nanosleep(&pause, NULL);
        if (hooks->tick != NULL && hooks->tick(hooks->user) != 0) {
            return false;
        }
    }
    return true;
}

bool http_again(http_client *self, http_patience *patience, const http_answer *answer, const char *why,
                diffcut_status *status, diffcut_diagnostics *diag) {
    const http_hooks *hooks = &self->settings.hooks;
    if (!answer->passing || patience->tries >= self->settings.retries) {
        return false;
    }
    uint64_t wait = HTTP_FIRST_WAIT;
    for (uint32_t i = 0; i < patience->tries && wait < HTTP_LONGEST_WAIT; i++) {
        wait *= 2;
    }
    wait = wait < HTTP_LONGEST_WAIT ? wait : HTTP_LONGEST_WAIT;
    if (answer->wait > 0) {
        wait = (answer->wait < HTTP_LONGEST_ASKED ? answer->wait : HTTP_LONGEST_ASKED) * 1000;
    }
    patience->tries++;
    if (hooks->retrying != NULL) {
        char text[640];
        (void)snprintf(text, sizeof text, "%.500s; trying again in %.1f s (%u of %u)", why, (double)wait / 1000,
                       patience->tries, self->settings.retries);
        hooks->retrying(hooks->user, text);
    }
    if (!wait_milliseconds(hooks, wait)) {
        *status = diag_fail(diag, DIFFCUT_ERROR_CANCELLED, "the download was cancelled");
        return false;
    }
    return true;
}

diffcut_status http_patiently(http_client *self, const http_request *request, http_answer *answer,
                              diffcut_diagnostics *diag) {
    http_patience patience = {0};
    for (;;) {
        diffcut_status status = http_once(self, request, answer, diag);
        char why[512];
        (void)snprintf(why, sizeof why, "%s", diag->message);
        if (status == DIFFCUT_OK) {
            (void)snprintf(why, sizeof why, "%.400s: the server answers %ld", request->url, answer->code);
        }
        if (!http_again(self, &patience, answer, why, &status, diag)) {
            return status;
        }
    }
}

/* ------------------------------------------------------------------------------------------------- client */

/* A header's value: visible ASCII only, so that nothing can be smuggled behind it. */
static bool is_token(const char *token) {
    for (const char *c = token; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~') {
            return false;
        }
    }
    return *token != '\0';
}

void http_close(http_client *self) {
    if (self != NULL) {
        if (self->curl != NULL) {
            self->lib.easy_cleanup(self->curl);
        }
        mem_free(self);
    }
}

diffcut_status http_open(const http_settings *settings, http_client **out, diffcut_diagnostics *diag) {
    http_client *self = mem_array_zero(1, sizeof *self);
    if (self == NULL) {
        return diag_no_memory(diag, sizeof *self, "the download's client");
    }
    self->settings = *settings;
    diffcut_status status = curl_open(&self->lib, diag);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    if (settings->token != NULL && !is_token(settings->token)) {
        status = diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "the token is empty or holds spaces or control characters");
        goto cleanup;
    }
    if (strpbrk(settings->endpoint, "?#@ ") != NULL || !find_origin(&self->lib, settings->endpoint, &self->home)) {
        status = diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                           "the endpoint '%.200s' is not of the form https://HOST[:PORT][/PATH]", settings->endpoint);
        goto cleanup;
    }
    self->curl = self->lib.easy_init();
    if (self->curl == NULL) {
        status = diag_no_memory(diag, 0, "libcurl");
        goto cleanup;
    }
    *out = self;
    self = NULL;
cleanup:
    http_close(self);
    return status;
}

#endif
