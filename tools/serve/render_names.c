/*
 * render_names.c - a stored tree's segments with their names, as diffcut label finds them.
 *
 * The CLIP sees the photo as it came, whatever the size of the map. Called by compute.c.
 */
#include <stdlib.h>

#include "render.h"
#include "summary.h"

typedef struct named_map {
    result_map map;
    naming naming; /* of the worker's session and the job's list, which own all of it */
    named_segments named;
} named_map;

static void named_map_free(named_map *m) {
    result_map_free(&m->map);
    named_segments_free(&m->named);
}

static bool make(job_worker *worker, job *what, named_map *m) {
    diffcut_diagnostics diagnostics = {{0}};
    if (!result_map_make(worker, what, &m->map)) {
        return false;
    }
    diffcut_status status =
        names_prepare(what->jobs->settings.names, what->classes, worker->clip, &m->naming, &diagnostics);
    if (status == DIFFCUT_OK) {
        status = naming_apply(&m->naming, &what->tree->photo->image, &m->map.labels, &m->named, &diagnostics);
    }
    return status == DIFFCUT_OK || job_failed(what, status, diagnostics.message);
}

/* ------------------------------------------------------------------------------------------------- JSON */

typedef struct class_total {
    uint64_t area;
    uint32_t segments;
} class_total;

/* What of the list could not be taken as it was. */
static void add_warnings(const named_map *m, text *out) {
    diffcut_classifier_info info;
    diffcut_encoder_info encoder;
    diffcut_classifier_get_info(m->naming.classifier, &info);
    text_add(out, ",\n \"warnings\": [");
    if (info.truncated > 0 && diffcut_model_get_encoder_info(m->naming.clip, &encoder)) {
        text_print(out, "\"%u %s more than the %u tokens that the CLIP reads and lost the last ones\"",
                   info.truncated, info.truncated == 1 ? "name has" : "names have", encoder.text_length);
    }
    text_add(out, "]");
}

static void add_classes(const named_map *m, const class_total *totals, text *out) {
    const diffcut_vocabulary *list = m->naming.vocabulary;
    const uint32_t *class_of = NULL;
    size_t count = 0;
    size_t at = 0;
    const char *const *names = diffcut_vocabulary_names(list, &class_of, &count);
    text_add(out, ",\n \"classes\": [");
    for (uint32_t c = 0; c < diffcut_vocabulary_class_count(list); c++) {
        uint8_t color[3];
        diffcut_color(c, color);
        text_print(out, "%s\n  {\"class\": %u, \"name\": ", c > 0 ? "," : "", c);
        json_string(out, diffcut_vocabulary_class_name(list, c));
        text_add(out, ", \"synonyms\": [");
        for (const size_t first = at; at < count && class_of[at] == c; at++) {
            text_add(out, at > first ? ", " : "");
            json_string(out, names[at]);
        }
        text_print(out, "], \"color\": [%u, %u, %u], \"area\": %llu, \"segments\": %u}", color[0], color[1], color[2],
                   (unsigned long long)totals[c].area, totals[c].segments);
    }
    text_add(out, "\n ]");
}

static void add_special(const char *name, int32_t index, text *out) {
    text_print(out, ", \"%s\": ", name);
    if (index >= 0) {
        text_print(out, "%d", index);
    } else {
        text_add(out, "null");
    }
}

static void add_segments(const named_map *m, const diffcut_segment_info *segments, text *out) {
    const diffcut_labels *labels = &m->map.labels;
    const char *separator = "\n  ";
    text_add(out, ",\n \"segments\": [");
    for (uint32_t i = 0; i < labels->count; i++) {
        if (segments[i].area > 0) {
            text_print(out, "%s{\"node\": %u, ", separator, m->map.nodes[i]);
            summary_segment(&segments[i], (double)labels->width * labels->height, m->named.class_of[i], out);
            summary_names(&m->naming, &m->named, i, out);
            text_add(out, "}");
            separator = ",\n  ";
        }
    }
    text_add(out, "\n ]");
}

static void write_json(const job *what, const named_map *m, const diffcut_segment_info *segments,
                       const class_total *totals, text *out) {
    const diffcut_labels *labels = &m->map.labels;
    diffcut_model_info clip;
    diffcut_model_get_info(m->naming.clip, &clip);
    text_print(out, "{\"tree\": \"%s\", \"width\": %u, \"height\": %u, \"tau\": ", what->tree->id, labels->width,
               labels->height);
    text_add_real(out, what->query.settings.values.tau);
    text_print(out, ", \"refined\": %s, \"clip\": ", what->query.settings.values.refine ? "true" : "false");
    json_string(out, clip.name);
    add_special("background", diffcut_vocabulary_background(m->naming.vocabulary), out);
    add_special("void", diffcut_vocabulary_void(m->naming.vocabulary), out);
    add_warnings(m, out);
    add_classes(m, totals, out);
    add_segments(m, segments, out);
    text_add(out, "}\n");
}

static bool encode_json(job *what, const named_map *m) {
    const diffcut_labels *labels = &m->map.labels;
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_segment_info *segments = calloc(labels->count, sizeof *segments);
    class_total *totals = calloc(diffcut_vocabulary_class_count(m->naming.vocabulary), sizeof *totals);
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    if (segments != NULL && totals != NULL) {
        status = diffcut_labels_describe(labels, m->map.image, segments, &diagnostics);
    }
    if (status == DIFFCUT_OK) {
        for (uint32_t i = 0; i < labels->count; i++) {
            if (m->named.match_counts[i] > 0) {
                totals[m->named.class_of[i]].area += segments[i].area;
                totals[m->named.class_of[i]].segments++;
            }
        }
        what->result.type = ANSWER_JSON;
        write_json(what, m, segments, totals, &what->result.body);
    }
    free(segments);
    free(totals);
    return status == DIFFCUT_OK || job_failed(what, status, diagnostics.message);
}

/* ------------------------------------------------------------------------------------------------- pictures */

static bool encode_overlay(job *what, const named_map *m) {
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_names_settings settings;
    size_t count = 0;
    const char **names = naming_names(&m->naming, &count);
    if (names == NULL) {
        return job_no_memory(what);
    }
    diffcut_names_settings_init(&settings);
    settings.overlay = what->query.overlay;
    what->result.type = "image/png";
    const diffcut_status status = diffcut_encode_names_png(m->map.image, &m->named.classes, names, count, &settings,
                                                           &what->result.file, &diagnostics);
    free(names);
    return status == DIFFCUT_OK || job_failed(what, status, diagnostics.message);
}

static bool encode_map(job *what, const named_map *m) {
    diffcut_diagnostics diagnostics = {{0}};
    what->result.type = "image/png";
    const diffcut_status status = diffcut_encode_labels_png(&m->named.classes, &what->result.file, &diagnostics);
    return status == DIFFCUT_OK || job_failed(what, status, diagnostics.message);
}

bool render_names(job_worker *worker, job *what) {
    named_map m = {.map = {.image = NULL}};
    bool good = make(worker, what, &m);
    if (good) {
        what->result.status = 200;
        good = what->query.format == FORMAT_JSON      ? encode_json(what, &m)
               : what->query.format == FORMAT_OVERLAY ? encode_overlay(what, &m)
                                                      : encode_map(what, &m);
    }
    named_map_free(&m);
    return good;
}
