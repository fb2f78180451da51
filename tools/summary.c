/* summary.c - see summary.h. */
#include "summary.h"

#include <string.h>

size_t summary_segments(const summary *s) {
    size_t count = 0;
    for (uint32_t i = 0; i < s->labels->count; i++) {
        count += s->segments[i].area > 0 ? 1 : 0;
    }
    return count;
}

void summary_photo(const char *path, text *out) {
    text_add(out, "\"photo\": ");
    json_string(out, path);
    json_hex(out, "photo", path);
}

void summary_seconds(const summary_times *times, text *out) {
    text_add(out, "{\"decode\": ");
    json_real(out, times->decode, 4);
    for (int stage = 0; stage < DIFFCUT_STAGE_COUNT; stage++) {
        text_print(out, ", \"%s\": ", diffcut_stage_name((diffcut_stage)stage));
        json_real(out, times->stages[stage], 4);
    }
    if (times->name > 0) {
        text_add(out, ", \"name\": ");
        json_real(out, times->name, 4);
    }
    text_add(out, ", \"write\": ");
    json_real(out, times->write, 4);
    text_add(out, ", \"total\": ");
    json_real(out, times->total, 4);
    text_add(out, "}");
}

/* {"labels": "OUT/rose.png", ...}: paths as the command wrote them, or names alone in a file that lies beside them.
 */
static void add_outputs(const summary *s, bool names_only, text *out) {
    text path = {0};
    const char *separator = "";
    text_add(out, "{");
    for (int kind = 0; kind < OUTPUT_KIND_COUNT; kind++) {
        if ((s->outputs->kinds & 1u << kind) != 0) {
            output_path(s->outputs, s->name, (output_kind)kind, s->settings->tau, &path);
            text_print(out, "%s\"%s\": ", separator, output_kind_name((output_kind)kind));
            const char *slash = strrchr(text_string(&path), '/');
            json_string(out, names_only && slash != NULL ? slash + 1 : text_string(&path));
            separator = ", ";
        }
    }
    text_add(out, "}");
    text_free(&path);
}

/* , "names": {"sky": 0.31, ...}: the classes that occur, with their share of the photo. */
static void add_shares(const summary *s, text *out) {
    const double pixels = (double)s->labels->width * s->labels->height;
    const char *separator = "";
    text_add(out, ", \"names\": {");
    for (uint32_t c = 0; c < diffcut_vocabulary_class_count(s->naming->vocabulary); c++) {
        uint64_t area = 0;
        for (uint32_t label = 0; label < s->labels->count; label++) {
            area += s->segments[label].area > 0 && s->named->class_of[label] == c ? s->segments[label].area : 0;
        }
        if (area > 0) {
            text_add(out, separator);
            json_string(out, diffcut_vocabulary_class_name(s->naming->vocabulary, c));
            text_add(out, ": ");
            json_real(out, (double)area / pixels, 6);
            separator = ", ";
        }
    }
    text_add(out, "}");
}

void summary_result(const summary *s, text *out) {
    text_add(out, "{\"tau\": ");
    text_add_real(out, s->settings->tau);
    text_print(out, ", \"segments\": %zu, \"outputs\": ", summary_segments(s));
    add_outputs(s, false, out);
    if (s->naming != NULL) {
        add_shares(s, out);
    }
    text_add(out, "}");
}

void summary_model(const diffcut_model *model, text *out) {
    diffcut_model_info info;
    diffcut_model_get_info(model, &info);
    text_add(out, "\"model\": {\"name\": ");
    json_string(out, info.name);
    text_add(out, ", \"family\": ");
    json_string(out, info.family);
    text_add(out, ", \"first_stage\": ");
    json_string(out, info.first_stage);
    text_add(out, ", \"backend\": ");
    json_string(out, info.backend);
    text_add(out, ", \"precision\": ");
    json_string(out, info.precision);
    text_add(out, "}");
}

static void add_size(const diffcut_settings *settings, text *out) {
    switch (settings->size_mode) {
    case DIFFCUT_SIZE_LONG_SIDE:
        text_print(out, "\"size\": %u", settings->size);
        break;
    case DIFFCUT_SIZE_SQUARE:
        text_print(out, "\"size\": \"%ux%u\"", settings->size, settings->size);
        break;
    case DIFFCUT_SIZE_EXACT:
        text_print(out, "\"size\": \"%ux%u\"", settings->size_width, settings->size_height);
        break;
    case DIFFCUT_SIZE_NATIVE:
        text_add(out, "\"size\": \"native\"");
        break;
    }
    text_print(out, ", \"resample\": \"%s\", \"tile\": %u",
               settings->resample == DIFFCUT_RESAMPLE_ANTIALIAS ? "antialias" : "bilinear", settings->tile);
}

static const char *json_bool(bool value) {
    return value ? "true" : "false";
}

/* The names of a list separated by commas, as JSON strings. */
static void add_names(const char *names, text *out) {
    text name = {0};
    for (const char *at = names;; at++) {
        const size_t length = strcspn(at, ",");
        text_clear(&name);
        text_add_bytes(&name, at, length);
        json_string(out, text_string(&name));
        at += length;
        if (*at == '\0') {
            break;
        }
        text_add(out, ", ");
    }
    text_free(&name);
}

static void add_features(const diffcut_settings *settings, const char *default_hook, text *out) {
    text_add(out, "\"timesteps\": [");
    for (uint32_t i = 0; i < settings->timestep_count; i++) {
        text_print(out, "%s%d", i > 0 ? ", " : "", settings->timesteps[i]);
    }
    text_print(out, "], \"noise\": \"%s\", \"seed\": %llu, \"average\": %u, \"hooks\": [",
               settings->noise == DIFFCUT_NOISE_CUDA ? "cuda" : "cpu", (unsigned long long)settings->seed,
               settings->average);
    add_names(settings->hook != NULL ? settings->hook : default_hook, out);
    text_add(out, "]");
}

void summary_settings(const diffcut_model *model, const diffcut_settings *settings, text *out) {
    diffcut_model_info info;
    diffcut_model_get_info(model, &info);
    text_add(out, "{");
    add_size(settings, out);
    text_add(out, ",\n    ");
    add_features(settings, info.hook, out);
    text_add(out, ", \"prompt\": ");
    json_string(out, settings->prompt != NULL ? settings->prompt : "");
    text_add(out, ",\n    \"alpha\": ");
    text_add_real(out, settings->alpha);
    text_add(out, ", \"tau\": ");
    text_add_real(out, settings->tau);
    text_print(out, ", \"min_tokens\": %u, \"reference\": %s, \"eigen\": \"%s\"", settings->min_tokens,
               json_bool(settings->reference), settings->eigen_solver == DIFFCUT_EIGEN_AUTO ? "auto" : "dense");
    text_print(out, ",\n    \"refine\": %s, \"iterations\": %u, \"dilations\": [", json_bool(settings->refine),
               settings->iterations);
    for (uint32_t i = 0; i < settings->dilation_count; i++) {
        text_print(out, "%s%u", i > 0 ? ", " : "", settings->dilations[i]);
    }
    text_print(out, "], \"median\": %u, \"refine_size\": %u}", settings->median, settings->refine_size);
}

void summary_names(const naming *by, const named_segments *named, uint32_t label, text *out) {
    const diffcut_match *matches = named->matches + (size_t)label * NAMING_TOP;
    if (named->match_counts[label] == 0) { /* its embedding is all zeros: nothing can be said */
        text_print(out, ", \"class\": %u, \"name\": null", named->class_of[label]);
        return;
    }
    text_add(out, ",\n     ");
    naming_match(by, &matches[0], out);
    text_add(out, ",\n     \"top\": [");
    for (size_t i = 0; i < named->match_counts[label]; i++) {
        text_add(out, i > 0 ? ",\n       {" : "{");
        naming_match(by, &matches[i], out);
        text_add(out, "}");
    }
    text_add(out, "]");
}

void summary_segment(const diffcut_segment_info *segment, double pixels, uint32_t shown, text *out) {
    uint8_t color[3];
    diffcut_color(shown, color);
    text_print(out, "\"label\": %u, \"area\": %llu, \"share\": ", segment->label, (unsigned long long)segment->area);
    json_real(out, (double)segment->area / pixels, 6);
    text_print(out, ", \"box\": [%u, %u, %u, %u], \"mean_rgb\": [", segment->x, segment->y, segment->width,
               segment->height);
    for (int channel = 0; channel < 3; channel++) {
        text_add(out, channel > 0 ? ", " : "");
        json_real(out, (double)segment->mean_rgb[channel], 5);
    }
    text_print(out, "], \"color\": [%u, %u, %u]", color[0], color[1], color[2]);
}

static void add_segment(const summary *s, const diffcut_segment_info *segment, double pixels, text *out) {
    const uint32_t label = segment->label;
    summary_segment(segment, pixels, s->naming != NULL ? s->named->class_of[label] : label, out);
    if (s->naming != NULL) {
        summary_names(s->naming, s->named, label, out);
    }
}

void summary_file(const summary *s, text *out) {
    text_print(out, "{\n  \"diffcut\": \"%s\",\n  ", diffcut_version());
    summary_photo(s->path, out);
    text_add(out, ",\n");
    output_identity(s->base_name, s->bytes, out);
    text_print(out, "  \"width\": %u, \"height\": %u,\n", s->labels->width, s->labels->height);
    text_add(out, "  ");
    summary_model(s->model, out);
    text_add(out, ",\n  ");
    text_add(out, "\"settings\": ");
    summary_settings(s->model, s->settings, out);
    text_add(out, ",\n");
    if (s->naming != NULL) {
        naming_describe(s->naming, out);
    }
    text_print(out, "  \"grid\": {\"width\": %u, \"height\": %u, \"channels\": %u},\n",
               diffcut_features_width(s->features), diffcut_features_height(s->features),
               diffcut_features_channels(s->features));
    text_add(out, "  \"seconds\": ");
    summary_seconds(&s->times, out);
    if (s->note[0] != '\0') {
        text_add(out, ",\n  \"note\": ");
        json_string(out, s->note);
    }
    text_add(out, ",\n  \"outputs\": ");
    add_outputs(s, true, out);
    text_add(out, ",\n  \"segments\": [");
    const char *separator = "\n";
    for (uint32_t i = 0; i < s->labels->count; i++) {
        if (s->segments[i].area > 0) {
            text_print(out, "%s    {", separator);
            add_segment(s, &s->segments[i], (double)s->labels->width * s->labels->height, out);
            text_add(out, "}");
            separator = ",\n";
        }
    }
    text_add(out, "\n  ]\n}\n");
}
