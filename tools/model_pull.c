/*
 * model_pull.c - diffcut model pull ORG/NAME[@REVISION]: a model from the Hugging Face hub into its cache.
 *
 * Standard output has the folder, for scripts; standard error has, for people, a bar on a terminal or a line a file
 * elsewhere (-v: of those that were there too), and at the end the licence and what to do next.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "commands.h"
#include "engine.h"
#include "interrupt.h"
#include "progress.h"

enum { PULL_CELLS = 24, PULL_NAME = 256, PULL_REDRAW_MILLISECONDS = 100 };

typedef struct pull_options {
    diffcut_pull_settings settings;
    bool json;
    console says;
} pull_options;

#define AT(field) offsetof(pull_options, field)

static const option rows[] = {
    {0, "revision", "NAME", "branch, tag or commit; default main", OPTION_STRING, AT(settings.revision), 0, 0, NULL,
     NULL},
    {0, "variant", "NAME",
     "of the weights: fp16, bf16, ..., or plain for those without one; default: fp16 where there is one, else plain, "
     "else bf16",
     OPTION_STRING, AT(settings.variant), 0, 0, NULL, NULL},
    {0, "file", "NAME", "the single-file checkpoint to take from a repository of several", OPTION_STRING,
     AT(settings.file), 0, 0, NULL, NULL},
    {'n', "dry-run", NULL, "list the files that are needed, download nothing", OPTION_SET, AT(settings.plan_only), 0,
     0, NULL, NULL},
    {0, "json", NULL, "on standard output one JSON object", OPTION_SET, AT(json), 0, 0, NULL, NULL},
    {0, "timeout", "SECONDS", "without a byte until a connection is given up, 1 to 86400; default 30",
     OPTION_UNSIGNED, AT(settings.timeout), 1, 86400, NULL, NULL},
    {0, "retries", "N", "how often a fault that may pass is tried again, 0 to 1000; default 5", OPTION_UNSIGNED,
     AT(settings.retries), 0, 1000, NULL, NULL},
    {0},
};

static const option_group groups[] = {
    {"Options", rows, 0},
    {"", console_options, AT(says)},
    {NULL, NULL, 0},
};

/* What is shown while it goes. */
typedef struct view {
    const pull_options *o;
    bool bar;          /* a terminal that can show one */
    bool shown;        /* a bar is on the current line */
    double started;    /* of the first byte, 0 before; seconds of progress_clock() */
    double drawn;      /* when the bar was drawn last */
    uint64_t at_start; /* done when the first byte came, and grown by what later files had already */
    uint64_t last_done;
    char file[PULL_NAME]; /* the one at work, to notice the next */
    text list;            /* --dry-run's, as table or JSON */
    uint64_t listed;
} view;

static void add_size(text *out, uint64_t bytes) {
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    if (bytes < 1000) {
        text_print(out, "%" PRIu64 " B", bytes);
        return;
    }
    double value = (double)bytes / 1000;
    size_t unit = 0;
    for (; value >= 999.5 && unit + 1 < sizeof units / sizeof *units; unit++) {
        value /= 1000;
    }
    text_print(out, value < 10 ? "%.2f %s" : value < 100 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

/* ------------------------------------------------------------------------------------------------- while it goes */

static void erase_bar(view *v) {
    if (v->shown) {
        (void)fputs("\r\033[K", stderr);
        (void)fflush(stderr);
        v->shown = false;
    }
}

static void say(view *v, const text *line) {
    erase_bar(v);
    console_line(text_string(line));
}

/* "[####    ] 1.20 GB of 4.81 GB  12.3 MB/s  4:55 left  unet/..." */
static void render_bar(const view *v, const diffcut_pull_progress *p, double now, unsigned columns, text *out) {
    const double share = p->bytes > 0 ? (double)p->done / (double)p->bytes : 0;
    text_add(out, "[");
    for (int cell = 0; cell < PULL_CELLS; cell++) {
        text_add(out, cell < (int)(share * PULL_CELLS) ? "#" : " ");
    }
    text_add(out, "] ");
    add_size(out, p->done);
    text_add(out, " of ");
    add_size(out, p->bytes);
    const double seconds = now - v->started;
    const double came = p->done > v->at_start ? (double)(p->done - v->at_start) : 0;
    if (v->started > 0 && seconds >= 1 && came > 0) {
        const double rate = came / seconds; /* bytes a second */
        const double left = p->bytes > p->done ? (double)(p->bytes - p->done) / rate : 0;
        const unsigned long whole = left < 360000 ? (unsigned long)(left + 0.5) : 360000;
        text_add(out, "  ");
        add_size(out, (uint64_t)rate);
        if (whole >= 3600) {
            text_print(out, "/s  %lu:%02lu:%02lu left", whole / 3600, whole / 60 % 60, whole % 60);
        } else {
            text_print(out, "/s  %lu:%02lu left", whole / 60, whole % 60);
        }
    }
    text_print(out, "  %s", p->file != NULL ? p->file : "");
    for (size_t i = 0; i < out->length; i++) { /* the name is the server's: nothing may move the cursor */
        if ((unsigned char)out->data[i] < 0x20 || out->data[i] == 0x7F) {
            out->data[i] = '?';
        }
    }
    if (out->length >= columns && columns > 0) {
        out->length = columns - 1;
        out->data[out->length] = '\0';
    }
}

static void draw_bar(view *v, const diffcut_pull_progress *p) {
    const double now = progress_clock();
    if (p->file == NULL || (v->shown && (now - v->drawn) * 1000 < PULL_REDRAW_MILLISECONDS)) {
        return;
    }
    struct winsize window = {0};
    const bool sized = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0;
    text bar = {0};
    render_bar(v, p, now, sized ? window.ws_col : 80, &bar);
    (void)fprintf(stderr, "\r%s\033[K", text_string(&bar));
    (void)fflush(stderr);
    text_free(&bar);
    v->shown = true;
    v->drawn = now;
}

/* Keeps the rate to what came over the network: a file's first report counts what was there of it. */
static void follow_rate(view *v, const diffcut_pull_progress *p) {
    if (p->file == NULL) {
        return;
    }
    if (strncmp(v->file, p->file, sizeof v->file - 1) != 0) {
        (void)snprintf(v->file, sizeof v->file, "%s", p->file);
        v->at_start += p->done > v->last_done ? p->done - v->last_done : 0;
        v->started = v->started > 0 ? v->started : progress_clock();
    }
    v->last_done = p->done;
}

/* A line of --dry-run's table, or an item of its JSON. */
static void list_file(view *v, const diffcut_pull_progress *p) {
    if (v->o->json) {
        text_add(&v->list, v->listed > 0 ? ", {\"path\": " : "{\"path\": ");
        json_string(&v->list, p->file);
        text_print(&v->list, ", \"bytes\": %" PRIu64 ", \"bytes_here\": %" PRIu64 "}", p->file_bytes, p->file_done);
    } else {
        const char *state = p->here ? "here" : p->file_done > 0 ? "part" : "-";
        text_print(&v->list, "%14" PRIu64 "  %-4s  %s\n", p->file_bytes, state, p->file);
    }
    v->listed++;
}

static int on_progress(void *user, const diffcut_pull_progress *p) {
    view *v = user;
    text line = {0};
    switch (p->event) {
    case DIFFCUT_PULL_PLANNED:
        list_file(v, p);
        break;
    case DIFFCUT_PULL_BYTES:
        follow_rate(v, p);
        break;
    case DIFFCUT_PULL_WAITING:
        text_print(&line, "%s: another process is downloading it; waiting", p->file);
        break;
    case DIFFCUT_PULL_REMARK:
        text_add(&line, p->message);
        break;
    case DIFFCUT_PULL_FINISHED:
        follow_rate(v, p);
        if (v->o->says.verbose > 0 || (!v->bar && !p->here)) {
            text_print(&line, "%s  ", p->file);
            add_size(&line, p->file_bytes);
            text_add(&line, p->here ? ", here already" : "");
        }
        break;
    }
    if (!v->o->says.quiet && line.length > 0) {
        say(v, &line);
    }
    text_free(&line);
    if (v->bar && p->event != DIFFCUT_PULL_PLANNED) {
        draw_bar(v, p);
    }
    return interrupt_requested() ? 1 : 0;
}

/* ------------------------------------------------------------------------------------------------- at the end */

/* What to give --model: the name, or the file in the folder. */
static void add_model(const pull_options *o, const char *name, const diffcut_pull_result *result, text *out) {
    if (o->settings.file != NULL) {
        text_print(out, "%s/%s", result->path, o->settings.file);
    } else {
        text_add(out, name);
        if (o->settings.revision != NULL) {
            text_print(out, "@%s", o->settings.revision);
        }
    }
}

static void print_json(const view *v, const char *name, const diffcut_pull_result *result, text *out) {
    text_add(out, "{\"name\": ");
    json_string(out, name);
    text_add(out, ", \"commit\": ");
    json_string(out, result->commit);
    text_add(out, ", \"path\": ");
    json_string(out, result->path);
    text_add(out, ", \"license\": ");
    if (result->license[0] != '\0') {
        json_string(out, result->license);
    } else {
        text_add(out, "null");
    }
    text_print(out, ", \"bytes\": %" PRIu64 ", \"%s\": %" PRIu64 ", \"files\": [%s]}\n", result->bytes,
               v->o->settings.plan_only ? "to_download" : "downloaded", result->received, text_string(&v->list));
}

static void print_summary(const pull_options *o, const char *name, const diffcut_pull_result *result) {
    text line = {0};
    const bool planned = o->settings.plan_only;
    text_print(&line, "%s: %" PRIu64 " files, ", name, result->files);
    add_size(&line, result->bytes);
    text_add(&line, ", ");
    add_size(&line, result->received);
    text_add(&line, planned ? " to download\n" : " downloaded\n");
    text_print(&line, "licence: %s\n",
               result->license[0] != '\0' ? result->license : "none stated; see the model's page");
    if (!planned) {
        text_add(&line, "use it: diffcut segment --model ");
        add_model(o, name, result, &line);
        text_add(&line, " photo.jpg\n");
    }
    for (char *at = line.data, *end; at != NULL && (end = strchr(at, '\n')) != NULL; at = end + 1) {
        *end = '\0';
        console_line(at);
    }
    text_free(&line);
}

static int pull(pull_options *o, const char *name) {
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_pull_result result;
    view v = {.o = o, .bar = !o->says.quiet && !o->settings.plan_only && progress_possible()};
    o->settings.progress = on_progress;
    o->settings.progress_user = &v;
    int status = EXIT_DONE;
    const diffcut_status pulled = diffcut_model_pull(name, &o->settings, &result, &diagnostics);
    erase_bar(&v);
    if (pulled != DIFFCUT_OK) {
        if (interrupt_requested() && !o->says.quiet) {
            console_line("diffcut: interrupted; what came is kept, run again to go on");
        }
        status = engine_failed(&o->says, NULL, diagnostics.message);
    } else {
        text out = {0};
        if (o->json) {
            print_json(&v, name, &result, &out);
        } else if (o->settings.plan_only) {
            text_add(&out, text_string(&v.list));
        } else {
            text_print(&out, "%s\n", result.path);
        }
        (void)fputs(text_string(&out), stdout);
        (void)fflush(stdout);
        text_free(&out);
        if (!o->says.quiet) {
            print_summary(o, name, &result);
        }
    }
    text_free(&v.list);
    return status;
}

static int run_model_pull(const command *self, int argc, char **argv) {
    pull_options options = {.json = false};
    arguments names = {0};
    diffcut_pull_settings_init(&options.settings);
    const options_result parsed = options_parse(self, argc, argv, &options, &names);
    if (parsed != OPTIONS_PARSED) {
        return parsed == OPTIONS_HELPED ? EXIT_DONE : EXIT_USAGE;
    }
    int status = EXIT_USAGE;
    char name[PULL_NAME];
    const char *at = names.count == 1 ? strchr(names.items[0], '@') : NULL;
    if (names.count != 1) {
        status = options_mistake(self, names.count == 0 ? "no model given" : "more than one model given");
    } else if (at != NULL && options.settings.revision != NULL) {
        status = options_mistake(self, "a revision after '@' and one by --revision");
    } else {
        const size_t length = at != NULL ? (size_t)(at - names.items[0]) : strlen(names.items[0]);
        (void)snprintf(name, sizeof name, "%.*s", length < sizeof name ? (int)length : (int)sizeof name - 1,
                       names.items[0]);
        options.settings.revision = at != NULL ? at + 1 : options.settings.revision;
        status = pull(&options, name);
    }
    arguments_free(&names);
    return status;
}

const command command_model_pull = {
    "model pull",
    "[OPTION]... ORG/NAME[@REVISION]",
    "a model from the Hugging Face hub",
    "Downloads what is needed of a model, and nothing else, into the Hugging Face cache, where --model ORG/NAME and "
    "Python find it. A download that broke off goes on where it was; sizes and hashes are checked. Pickles are never "
    "downloaded. Prints the model's folder.",
    groups,
    run_model_pull,
};
