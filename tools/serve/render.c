/* render.c - see render.h. */
#include "render.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shrink.h"
#include "summary.h"

/* The photo's shape with `longest` as its long side; its own for 0. */
static void fit(const diffcut_image *image, uint32_t longest, uint32_t *width, uint32_t *height) {
    const uint32_t long_side = image->width > image->height ? image->width : image->height;
    *width = image->width;
    *height = image->height;
    if (longest > 0 && longest != long_side) {
        const double scale = (double)longest / long_side;
        *width = (uint32_t)fmax(1, round(image->width * scale));
        *height = (uint32_t)fmax(1, round(image->height * scale));
    }
}

/* uint16, little-endian, whatever the machine's own order. */
static bool encode_raw16(job *what, const uint32_t *values, uint32_t width, uint32_t height) {
    const size_t count = (size_t)width * height;
    unsigned char *bytes = malloc(count * 2);
    if (bytes == NULL) {
        return job_no_memory(what);
    }
    for (size_t i = 0; i < count; i++) {
        bytes[2 * i] = (unsigned char)(values[i] & 0xFF);
        bytes[2 * i + 1] = (unsigned char)(values[i] >> 8 & 0xFF);
    }
    what->result.type = ANSWER_BYTES;
    what->result.body = (text){.data = (char *)bytes, .length = count * 2, .capacity = count * 2};
    return true;
}

static void add_size(job *what, uint32_t width, uint32_t height) {
    answer_header_add(&what->result, "X-Width", "%u", width);
    answer_header_add(&what->result, "X-Height", "%u", height);
}

/* ------------------------------------------------------------------------------------------------- label maps */

void result_map_free(result_map *map) {
    free(map->small.rgb);
    diffcut_labels_free(&map->labels);
    free(map->nodes);
}

bool result_map_make(job_worker *worker, job *what, result_map *map) {
    const stored_tree *tree = what->tree;
    const diffcut_settings settings = params_settings(&what->query);
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_labels tokens = {0};
    uint32_t width = 0;
    uint32_t height = 0;
    map->image = &tree->photo->image;
    fit(map->image, what->query.width, &width, &height);
    if (width != map->image->width || height != map->image->height) {
        if (!shrink_image(map->image, width, height, &map->small)) {
            return job_no_memory(what);
        }
        map->image = &map->small;
    }
    map->nodes = malloc(tree->data.leaf_count * sizeof *map->nodes);
    if (map->nodes == NULL) {
        return job_no_memory(what);
    }
    diffcut_status status = tree_data_cut(&tree->data, settings.tau, &tokens, map->nodes, &diagnostics);
    if (status != DIFFCUT_OK) {
        return job_failed(what, status, diagnostics.message);
    }
    status =
        diffcut_labels_finish(worker->session, map->image, tree->photo->features, &tokens, &settings, &map->labels);
    diffcut_labels_free(&tokens);
    return status == DIFFCUT_OK || job_failed(what, status, diffcut_session_message(worker->session));
}

/* The query of a link to the same map in another format. */
static void add_link(const job *what, const char *name, const char *separator, text *out) {
    const diffcut_settings settings = params_settings(&what->query);
    text_print(out, "%s\"%s\": \"/v1/trees/%s/labels?tau=", separator, name, what->tree->id);
    text_add_real(out, settings.tau);
    text_print(out, "&refine=%d&format=%s\"", settings.refine ? 1 : 0, name);
}

static void add_seconds(job_worker *worker, text *out) {
    double seconds[DIFFCUT_STAGE_COUNT];
    diffcut_session_times(worker->session, seconds);
    text_add(out, "{");
    for (int stage = 0; stage < DIFFCUT_STAGE_COUNT; stage++) {
        text_print(out, "%s\"%s\": ", stage > 0 ? ", " : "", diffcut_stage_name((diffcut_stage)stage));
        json_real(out, seconds[stage], 4);
    }
    text_add(out, "}");
}

static bool encode_json(job_worker *worker, job *what, const result_map *map) {
    const stored_tree *tree = what->tree;
    const diffcut_labels *labels = &map->labels;
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_segment_info *segments = calloc(labels->count, sizeof *segments);
    if (segments == NULL) {
        return job_no_memory(what);
    }
    const diffcut_status status = diffcut_labels_describe(labels, map->image, segments, &diagnostics);
    if (status != DIFFCUT_OK) {
        free(segments);
        return job_failed(what, status, diagnostics.message);
    }
    text *out = &what->result.body;
    what->result.type = ANSWER_JSON;
    text_print(out, "{\"tree\": \"%s\", \"photo\": {\"width\": %u, \"height\": %u},\n", tree->id,
               tree->photo->image.width, tree->photo->image.height);
    text_print(out, " \"width\": %u, \"height\": %u, \"tau\": ", labels->width, labels->height);
    text_add_real(out, what->query.settings.values.tau);
    text_add(out, ", \"alpha\": ");
    text_add_real(out, tree->alpha);
    text_print(out, ", \"refined\": %s,\n \"seconds\": ", what->query.settings.values.refine ? "true" : "false");
    add_seconds(worker, out);
    text_add(out, ",\n \"labels\": {");
    add_link(what, "png", "", out);
    add_link(what, "overlay", ", ", out);
    add_link(what, "coco", ", ", out);
    add_link(what, "npy", ", ", out);
    add_link(what, "raw16", ", ", out);
    text_add(out, "},\n \"segments\": [");
    const char *separator = "\n  ";
    for (uint32_t i = 0; i < labels->count; i++) {
        if (segments[i].area > 0) {
            text_print(out, "%s{\"node\": %u, ", separator, map->nodes[i]);
            summary_segment(&segments[i], (double)labels->width * labels->height, segments[i].label, out);
            text_add(out, "}");
            separator = ",\n  ";
        }
    }
    text_add(out, "\n ]}\n");
    free(segments);
    return true;
}

static bool encode(job_worker *worker, job *what, const result_map *map) {
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_buffer *file = &what->result.file;
    diffcut_status status = DIFFCUT_OK;
    what->result.status = 200;
    switch (what->query.format) {
    case FORMAT_PNG:
        what->result.type = "image/png";
        status = diffcut_encode_labels_png(&map->labels, file, &diagnostics);
        break;
    case FORMAT_OVERLAY:
        what->result.type = "image/png";
        status = diffcut_encode_overlay_png(map->image, &map->labels, &what->query.overlay, file, &diagnostics);
        break;
    case FORMAT_COCO:
        what->result.type = ANSWER_JSON;
        status = diffcut_encode_coco_json(&map->labels, 1, "photo", file, &diagnostics);
        break;
    case FORMAT_NPY:
        what->result.type = ANSWER_BYTES;
        status = diffcut_encode_labels_npy(&map->labels, file, &diagnostics);
        break;
    case FORMAT_RAW16:
        if (!encode_raw16(what, map->labels.data, map->labels.width, map->labels.height)) {
            return false;
        }
        break;
    default:
        return encode_json(worker, what, map);
    }
    add_size(what, map->labels.width, map->labels.height);
    return status == DIFFCUT_OK || job_failed(what, status, diagnostics.message);
}

bool render_labels(job_worker *worker, job *what) {
    result_map map = {.image = NULL};
    const bool good = result_map_make(worker, what, &map) && encode(worker, what, &map);
    if (good) {
        answer_header_add(&what->result, "X-Tree", "%s", what->tree->id);
    }
    result_map_free(&map);
    return good;
}

/* ------------------------------------------------------------------------------------------------- leaves */

bool render_leaves(job_worker *worker, job *what) {
    const stored_tree *tree = what->tree;
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_labels tokens = {0};
    diffcut_labels pixels = {0};
    uint32_t width = 0;
    uint32_t height = 0;
    fit(&tree->photo->image, what->query.width, &width, &height);
    diffcut_status status = tree_data_cut(&tree->data, tree->data.max_tau, &tokens, NULL, &diagnostics);
    if (status != DIFFCUT_OK) {
        return job_failed(what, status, diagnostics.message);
    }
    status = diffcut_labels_assign(worker->session, tree->photo->features, &tokens, width, height, &pixels);
    diffcut_labels_free(&tokens);
    if (status != DIFFCUT_OK) {
        return job_failed(what, status, diffcut_session_message(worker->session));
    }
    for (size_t i = 0; i < (size_t)width * height; i++) {
        pixels.data[i] = tree->data.order[pixels.data[i]]; /* nodes, as in leaf_of_token */
    }
    what->result.status = 200;
    const bool good = encode_raw16(what, pixels.data, width, height);
    add_size(what, width, height);
    diffcut_labels_free(&pixels);
    return good;
}

/* ------------------------------------------------------------------------------------------------- similarity */

/* -1 .. 1 as 0 .. 255. */
static bool encode_raw8(job *what, const float *values, uint32_t width, uint32_t height) {
    const size_t count = (size_t)width * height;
    unsigned char *bytes = malloc(count);
    if (bytes == NULL) {
        return job_no_memory(what);
    }
    for (size_t i = 0; i < count; i++) {
        const float share = (values[i] + 1) / 2;
        bytes[i] = (unsigned char)lrintf(255 * (share < 0 ? 0 : share > 1 ? 1 : share));
    }
    what->result.type = ANSWER_BYTES;
    what->result.body = (text){.data = (char *)bytes, .length = count, .capacity = count};
    add_size(what, width, height);
    return true;
}

static bool encode_heat(job *what, const float *values, uint32_t width, uint32_t height) {
    const diffcut_image *image = &what->tree->photo->image;
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_image small = {0};
    uint32_t out_width = 0;
    uint32_t out_height = 0;
    fit(image, what->query.width, &out_width, &out_height);
    const bool other = out_width != image->width || out_height != image->height;
    if (other && !shrink_image(image, out_width, out_height, &small)) {
        return job_no_memory(what);
    }
    diffcut_heatmap_settings settings;
    diffcut_heatmap_settings_init(&settings);
    settings.legend = false;
    settings.mark_x = (int64_t)((uint64_t)what->query.x * out_width / image->width);
    settings.mark_y = (int64_t)((uint64_t)what->query.y * out_height / image->height);
    const diffcut_status status = diffcut_encode_heatmap_png(other ? &small : image, values, width, height, &settings,
                                                             &what->result.file, &diagnostics);
    free(small.rgb);
    what->result.type = "image/png";
    add_size(what, out_width, out_height);
    return status == DIFFCUT_OK || job_failed(what, status, diagnostics.message);
}

bool render_similarity(job_worker *worker, job *what) {
    (void)worker;
    const stored_photo *photo = what->tree->photo;
    const uint32_t width = diffcut_features_width(photo->features);
    const uint32_t height = diffcut_features_height(photo->features);
    const uint64_t column = (uint64_t)what->query.x * width / photo->image.width;
    const uint64_t row = (uint64_t)what->query.y * height / photo->image.height;
    diffcut_diagnostics diagnostics = {{0}};
    float *values = malloc((size_t)width * height * sizeof *values);
    if (values == NULL) {
        return job_no_memory(what);
    }
    const diffcut_status status =
        diffcut_similarity(photo->features, (uint32_t)(row * width + column), photo->features, values, &diagnostics);
    what->result.status = 200;
    bool good = status == DIFFCUT_OK || job_failed(what, status, diagnostics.message);
    if (good) {
        good = what->query.format == FORMAT_RAW8 ? encode_raw8(what, values, width, height)
                                                 : encode_heat(what, values, width, height);
    }
    free(values);
    return good;
}
