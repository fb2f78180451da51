/* info.c - see info.h. */
#include "info.h"

#include <stdio.h>
#include <unistd.h>

#include "files.h"
#include "progress.h"

/* The samples' sizes, from their pixels: one way to read a photo. Takes a while, so it is done once. */
static void describe_samples(text *out) {
    const char *separator = "";
    for (const served_file *file = files_samples; file->name != NULL; file++) {
        diffcut_image image = {0};
        if (diffcut_decode_image(file->begin, (size_t)(file->end - file->begin), file->name, NULL, &image, NULL) !=
            DIFFCUT_OK) {
            continue;
        }
        text_print(out, "%s{\"name\": ", separator);
        json_string(out, file->name);
        text_print(out, ", \"width\": %u, \"height\": %u}", image.width, image.height);
        diffcut_image_free(&image);
        separator = ", ";
    }
}

static void add_model(const server *s, const diffcut_settings *settings, text *out) {
    diffcut_model_info info;
    diffcut_model_get_info(s->model, &info);
    text_add(out, "{\"name\": ");
    json_string(out, info.name);
    text_add(out, ", \"family\": ");
    json_string(out, info.family);
    text_print(out, ", \"parameters\": %llu, \"size\": %u, \"stride\": %u, \"channels\": %u, \"timestep\": %d",
               (unsigned long long)info.parameters_needed, settings->size, info.feature_stride, info.feature_channels,
               info.timestep);
    text_add(out, ", \"alpha\": ");
    text_add_real(out, settings->alpha);
    text_add(out, ", \"tau\": ");
    text_add_real(out, settings->tau);
    text_print(out, ", \"prompts\": %s}", info.text_encoders_needed > 0 ? "true" : "false");
}

static void add_limits(const server_limits *limits, text *out) {
    text_print(out, "{\"max_body_bytes\": %llu, \"max_pixels\": %llu, \"max_tokens\": %llu, \"queue\": %u",
               (unsigned long long)limits->max_body, (unsigned long long)limits->max_pixels,
               (unsigned long long)limits->max_tokens, limits->queue);
    text_print(out,
               ", \"seconds\": %u, \"timeout\": %u, \"memory_bytes\": %llu, \"keep_seconds\": %u, "
               "\"max_leaves_width\": 1024, \"max_names\": %d}",
               limits->seconds, limits->timeout, (unsigned long long)limits->memory, limits->keep, NAMES_MOST);
}

/* Whether segments can be named, and by which built-in lists. */
static void add_naming(const namer *n, text *out) {
    text_print(out, "\"names\": %s, \"clip\": ", n != NULL ? "true" : "false");
    if (n != NULL) {
        diffcut_model_info clip;
        diffcut_model_get_info(n->clip.clip, &clip);
        json_string(out, clip.name);
    } else {
        text_add(out, "null");
    }
    text_add(out, ", \"vocabularies\": [");
    for (size_t i = 0; n != NULL && diffcut_vocabulary_list(i) != NULL; i++) {
        text_print(out, "%s\"%s\"", i > 0 ? ", " : "", diffcut_vocabulary_list(i));
    }
    text_add(out, "],\n ");
}

void info_json(server *s, text *out) {
    params defaults;
    params_init(&defaults, s->model);
    const diffcut_settings *settings = &defaults.settings.values;
    text_print(out, "{\"version\": \"%s\",\n \"model\": ", diffcut_version());
    add_model(s, settings, out);
    text_add(out, ",\n \"limits\": ");
    add_limits(&s->limits, out);
    text_add(out, ",\n ");
    add_naming(s->jobs.settings.names, out);
    text_add(out, "\"max_tau\": ");
    text_add_real(out, defaults.max_tau);
    text_print(out, ", \"iterations\": %u, \"median\": %u, \"refine_size\": %u, \"dilations\": [",
               settings->iterations, settings->median, settings->refine_size);
    for (uint32_t i = 0; i < settings->dilation_count; i++) {
        text_print(out, "%s%u", i > 0 ? ", " : "", settings->dilations[i]);
    }
    text_add(out, "],\n \"samples\": [");
    if (s->samples.length == 0) {
        describe_samples(&s->samples);
    }
    text_add(out, text_string(&s->samples));
    text_add(out, "]}\n");
}

/* ------------------------------------------------------------------------------------------------- metrics */

static void head(text *out, const char *name, const char *type, const char *help) {
    text_print(out, "# HELP diffcut_%s %s\n# TYPE diffcut_%s %s\n", name, help, name, type);
}

static void counter(text *out, const char *name, const char *help, uint64_t value) {
    head(out, name, "counter", help);
    text_print(out, "diffcut_%s %llu\n", name, (unsigned long long)value);
}

static void gauge(text *out, const char *name, const char *help, uint64_t value) {
    head(out, name, "gauge", help);
    text_print(out, "diffcut_%s %llu\n", name, (unsigned long long)value);
}

/* Of this process, in bytes; 0 where the system does not tell. */
static uint64_t resident_bytes(void) {
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return 0;
    }
    char line[128] = "";
    if (fgets(line, sizeof line, file) == NULL || sscanf(line, "%*s %llu", &pages) != 1) {
        pages = 0;
    }
    (void)fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void add_jobs(jobs *j, text *out) {
    (void)pthread_mutex_lock(&j->lock);
    const jobs_totals totals = j->totals;
    const size_t running = j->running;
    const size_t waiting[JOBS_LANES] = {j->lanes[JOBS_HEAVY].count, j->lanes[JOBS_LIGHT].count};
    (void)pthread_mutex_unlock(&j->lock);
    head(out, "jobs_total", "counter", "Jobs by how they ended.");
    for (int state = JOB_DONE; state < JOB_STATE_COUNT; state++) {
        text_print(out, "diffcut_jobs_total{state=\"%s\"} %llu\n", job_state_name((job_state)state),
                   (unsigned long long)totals.finished[state]);
    }
    counter(out, "jobs_refused_total", "Jobs refused because their queue was full.", totals.refused);
    counter(out, "jobs_timed_out_total", "Jobs stopped at the limit of time.", totals.timed_out);
    head(out, "jobs_waiting", "gauge", "Jobs that wait, by queue.");
    text_print(out, "diffcut_jobs_waiting{queue=\"compute\"} %zu\ndiffcut_jobs_waiting{queue=\"light\"} %zu\n",
               waiting[JOBS_HEAVY], waiting[JOBS_LIGHT]);
    gauge(out, "jobs_running", "Jobs that run.", running);
    head(out, "stage_seconds_total", "counter", "Seconds of computing, by stage.");
    for (int stage = 0; stage < DIFFCUT_STAGE_COUNT; stage++) {
        text_print(out, "diffcut_stage_seconds_total{stage=\"%s\"} ", diffcut_stage_name((diffcut_stage)stage));
        json_real(out, totals.seconds[stage], 9);
        text_add(out, "\n");
    }
}

static void add_trees(trees *t, text *out) {
    (void)pthread_mutex_lock(&t->lock);
    const size_t count = t->count;
    const size_t bytes = t->bytes;
    const uint64_t evictions = t->evictions;
    (void)pthread_mutex_unlock(&t->lock);
    gauge(out, "trees", "Stored trees.", count);
    gauge(out, "trees_bytes", "Bytes of stored trees, their photos and features.", bytes);
    counter(out, "trees_evicted_total", "Trees let go for room or age.", evictions);
}

void info_metrics(server *s, text *out) {
    const server_totals *totals = &s->totals;
    head(out, "build_info", "gauge", "The version that runs.");
    text_print(out, "diffcut_build_info{version=\"%s\"} 1\n", diffcut_version());
    head(out, "http_responses_total", "counter", "Answers by status.");
    for (unsigned status = 0; status < sizeof totals->answers / sizeof *totals->answers; status++) {
        if (totals->answers[status] > 0) {
            text_print(out, "diffcut_http_responses_total{status=\"%u\"} %llu\n", status,
                       (unsigned long long)totals->answers[status]);
        }
    }
    counter(out, "connections_total", "Connections accepted.", totals->connections);
    gauge(out, "connections", "Connections open.", s->client_count);
    counter(out, "connections_timed_out_total", "Connections closed for being slow.", totals->timeouts);
    counter(out, "clients_gone_total", "Clients that went away in the middle of a computation.",
            totals->clients_gone);
    counter(out, "received_bytes_total", "Bytes of bodies received.", totals->bytes_in);
    counter(out, "sent_bytes_total", "Bytes of bodies sent, event streams left out.", totals->bytes_out);
    add_jobs(&s->jobs, out);
    add_trees(&s->trees, out);
    gauge(out, "resident_memory_bytes", "Memory of the process.", resident_bytes());
    gauge(out, "uptime_seconds", "Since the server was started.", (uint64_t)(progress_clock() - s->started));
}
