/*
 * serve.c - diffcut serve: a page and an interface over HTTP, on this machine unless told otherwise.
 *
 * This file reads the line; server.c is the loop, routes.c the addresses. Without libmicrohttpd's header when the
 * command was built, all that is left is the word on what to install.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "engine.h"
#include "naming.h"

#ifdef DIFFCUT_HAVE_MHD
#include "server.h"
#endif

enum { MOST_HOSTS = 32 };

typedef struct serve_hosts {
    const char *names[MOST_HOSTS];
    size_t count;
} serve_hosts;

typedef struct serve_options {
    settings_options settings;
    console says;
    naming_options naming;
    const char *host, *port_file, *token;
    uint32_t port, workers, queue, timeout, seconds, keep, max_connections, max_tokens;
    uint64_t max_body, max_pixels, memory;
    serve_hosts hosts;
} serve_options;

#define AT(field) offsetof(serve_options, field)

/* Each time it is given, one more. */
static bool parse_host(const char *argument, void *target, text *error) {
    serve_hosts *hosts = target;
    if (argument[0] == '\0' || strchr(argument, '/') != NULL) {
        text_print(error, "'%s' is neither NAME nor NAME:PORT", argument);
        return false;
    }
    if (hosts->count == MOST_HOSTS) {
        text_print(error, "more than %d of them", MOST_HOSTS);
        return false;
    }
    hosts->names[hosts->count++] = argument;
    return true;
}

static const option address_rows[] = {
    {0, "host", "ADDRESS", "address to listen on; default 127.0.0.1: this machine only", OPTION_STRING, AT(host), 0,
     0, NULL, NULL},
    {'p', "port", "N", "0 .. 65535; 0 takes a free one; default 8080", OPTION_UNSIGNED, AT(port), 0, 65535, NULL,
     NULL},
    {0, "port-file", "FILE", "also write the port to FILE, once requests are taken", OPTION_STRING, AT(port_file), 0,
     0, NULL, NULL},
    {0, "token", "TOKEN",
     "what clients must show; default: the environment's DIFFCUT_TOKEN. Needed to listen beyond this machine",
     OPTION_STRING, AT(token), 0, 0, NULL, NULL},
    {0, "allow-host", "NAME[:PORT]", "answer under this name too, behind a proxy for example; may be given again",
     OPTION_CUSTOM, AT(hosts), 0, 0, NULL, parse_host},
    {0},
};

static const option limit_rows[] = {
    {0, "max-body", "BYTES", "of a photo's file; default 33554432 (32 MiB)", OPTION_LARGE, AT(max_body), 1024, 0,
     NULL, NULL},
    {0, "max-pixels", "N", "of a photo; default 50000000", OPTION_LARGE, AT(max_pixels), 1, 0, NULL, NULL},
    {0, "max-tokens", "N", "16 .. 16384: of the network's features, which --size grows; default 4096",
     OPTION_UNSIGNED, AT(max_tokens), 16, 16384, NULL, NULL},
    {0, "queue", "N", "1 .. 10000: jobs that may wait; default 16", OPTION_UNSIGNED, AT(queue), 1, 10000, NULL, NULL},
    {0, "memory", "BYTES", "of photos, features and trees that are kept; default 1073741824 (1 GiB)", OPTION_LARGE,
     AT(memory), 1048576, 0, NULL, NULL},
    {0, "keep", "SECONDS", "1 .. 604800: without use, until they are let go; default 3600", OPTION_UNSIGNED, AT(keep),
     1, 604800, NULL, NULL},
    {0, "timeout", "SECONDS", "1 .. 3600: for a client to send a request; default 30", OPTION_UNSIGNED, AT(timeout),
     1, 3600, NULL, NULL},
    {0, "seconds", "SECONDS", "1 .. 86400: that a job may run; default 300", OPTION_UNSIGNED, AT(seconds), 1, 86400,
     NULL, NULL},
    {0, "max-connections", "N", "8 .. 10000 at once; default 256", OPTION_UNSIGNED, AT(max_connections), 8, 10000,
     NULL, NULL},
    {0},
};

static const option worker_rows[] = {
    {0, "workers", "N", "1 .. 64: photos computed at once, each with --threads; default 1", OPTION_UNSIGNED,
     AT(workers), 1, 64, NULL, NULL},
    {0},
};

static const option_group groups[] = {
    {"Address", address_rows, 0},
    {"Limits", limit_rows, 0},
    {"Model", settings_model_rows, AT(settings)},
    {"", settings_opening_rows, AT(settings)},
    {"", settings_threads_rows, AT(settings)},
    {"", worker_rows, 0},
    {"Naming", naming_clip_rows, AT(naming)},
    {"Messages", console_options, AT(says)},
    {NULL, NULL, 0},
};

#ifdef DIFFCUT_HAVE_MHD

static bool check_token(const char *token) {
    for (const char *c = token; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~' || strchr("\"%&+,;\\#", *c) != NULL) {
            return false;
        }
    }
    return token[0] != '\0';
}

static void fill_server(server *s, const serve_options *o) {
    s->limits = (server_limits){
        .max_body = o->max_body,
        .max_pixels = o->max_pixels,
        .max_tokens = o->max_tokens,
        .memory = o->memory,
        .queue = o->queue,
        .timeout = o->timeout,
        .seconds = o->seconds,
        .keep = o->keep,
        .max_connections = o->max_connections,
    };
    s->listener = s->wake = -1;
    s->guard.token = o->token;
    s->guard.host_count = o->hosts.count;
    memcpy(s->guard.hosts, o->hosts.names, o->hosts.count * sizeof *o->hosts.names);
}

/* Where it listens: the address for people on stdout, the port in a file for scripts. */
static int announce(const server *s, const serve_options *o) {
    const bool is_v6 = strchr(o->host, ':') != NULL;
    (void)printf("http://%s%s%s:%u/\n", is_v6 ? "[" : "", o->host, is_v6 ? "]" : "", s->guard.port);
    if (!console_flush_stdout(&o->says)) {
        return EXIT_FAILED;
    }
    if (o->port_file != NULL) {
        text line = {0};
        diffcut_diagnostics diagnostics = {{0}};
        text_print(&line, "%u\n", s->guard.port);
        const diffcut_status status =
            diffcut_write_file(o->port_file, text_string(&line), line.length, true, &diagnostics);
        text_free(&line);
        if (status != DIFFCUT_OK) {
            console_error(&o->says, NULL, diagnostics.message);
            return EXIT_FAILED;
        }
    }
    return EXIT_DONE;
}

static int failed(const serve_options *o, const char *message) {
    console_error(&o->says, NULL, message);
    return EXIT_FAILED;
}

static int serve_with(const command *self, engine *e, serve_options *o, namer *n) {
    diffcut_diagnostics diagnostics = {{0}};
    server s = {.model = e->model, .says = &o->says};
    bool loopback = false;
    fill_server(&s, o);
    if (!mhd_open(&s.mhd, &diagnostics) || !server_listen(&s, o->host, (uint16_t)o->port, &loopback, &diagnostics)) {
        return failed(o, diagnostics.message);
    }
    int status = EXIT_DONE;
    if (!loopback && o->token == NULL) {
        status = options_mistake(self, "--host %s is reached from other machines: --token is needed", o->host);
    } else if (!trees_make_id(s.guard.cookie)) {
        status = failed(o, "the system gives no random numbers");
    } else {
        const jobs_settings settings = {.model = e->model,
                                        .names = n,
                                        .max_pixels = o->max_pixels,
                                        .max_tokens = o->max_tokens,
                                        .workers = o->workers,
                                        .threads = o->settings.threads,
                                        .queue = o->queue,
                                        .seconds = o->seconds};
        status = server_open(&s, &settings, &diagnostics) ? announce(&s, o) : failed(o, diagnostics.message);
        if (status == EXIT_DONE) {
            server_run(&s);
        }
    }
    server_close(&s);
    return status;
}

static int serve(const command *self, engine *e, serve_options *o) {
    namer n = {0};
    int status = -1;
    if (o->naming.clip != NULL) {
        status = names_open(&n, &o->naming, &o->settings, &o->says);
    }
    if (status < 0) {
        status = serve_with(self, e, o, o->naming.clip != NULL ? &n : NULL);
    }
    names_close(&n);
    return status;
}

#else

static int serve(const command *self, engine *e, serve_options *o) {
    (void)self;
    (void)e;
    console_error(&o->says, NULL,
                  "this build cannot serve: libmicrohttpd's header was not there; install it (Debian: apt install "
                  "libmicrohttpd-dev) and build again");
    return EXIT_FAILED;
}

static bool check_token(const char *token) {
    return token[0] != '\0';
}

#endif

static void set_defaults(serve_options *o) {
    *o = (serve_options){.host = "127.0.0.1", .port = 8080, .workers = 1, .queue = 16, .timeout = 30, .seconds = 300};
    o->keep = 3600;
    o->max_connections = 256;
    o->max_tokens = 4096;
    o->max_body = (uint64_t)32 << 20;
    o->max_pixels = 50000000;
    o->memory = (uint64_t)1 << 30;
}

static int check_line(const command *self, serve_options *o, const arguments *rest) {
    if (rest->count > 0) {
        return options_mistake(self, "'%s': photos are sent to the server, not named here", rest->items[0]);
    }
    const naming_options *n = &o->naming;
    if (n->clip == NULL && (n->clip_variant != NULL || n->clip_tokenizer != NULL || n->clip_size > 0 || n->clip_raw ||
                            n->templates != NULL || n->names_cache != NULL || n->no_names_cache)) {
        return options_mistake(self, "options of naming are given, but no --clip PATH: the CLIP that names");
    }
    if (n->names_cache != NULL && n->no_names_cache) {
        return options_mistake(self, "--names-cache and --no-names-cache exclude each other");
    }
    if (o->token == NULL) {
        const char *inherited = getenv("DIFFCUT_TOKEN");
        o->token = inherited != NULL && inherited[0] != '\0' ? inherited : NULL;
    }
    if (o->token != NULL && !check_token(o->token)) {
        return options_mistake(self, "the token has a character that an address or a header cannot hold");
    }
    return -1;
}

static int run_serve(const command *self, int argc, char **argv) {
    serve_options options;
    engine e = {0};
    arguments rest = {0};
    set_defaults(&options);
    const engine_target target = {&options, &options.settings};
    int status = engine_parse(self, argc, argv, target, &rest);
    if (status < 0) {
        status = check_line(self, &options, &rest);
    }
    if (status < 0) {
        status = engine_model(&e, &options.settings, &options.says);
    }
    if (status < 0) {
        status = serve(self, &e, &options);
    }
    engine_close(&e);
    arguments_free(&rest);
    return status;
}

const command command_serve = {
    "serve",
    "[OPTION]...",
    "a page and an interface over HTTP",
    "Loads a model once and answers over HTTP: a page that cuts photos with a slider in the browser, and an "
    "interface "
    "for programs (doc/SERVE.md, /v1/openapi.json). Its address is printed once it answers. It listens on this "
    "machine only unless --host says otherwise, which takes a token. Ctrl-C or SIGTERM: nothing new is taken, what "
    "runs is finished; a second one cancels it. -v writes a line an answer to standard error.",
    groups,
    run_serve,
};
