/* cut_fixture.c - see cut_fixture.h. */
#include "cut_fixture.h"

#include <math.h>
#include <string.h>

void cut_work_init(cut_work *c, uint32_t threads) {
    memset(c, 0, sizeof *c);
    c->w = (work){.threads = threads, .diag = &c->diag, .note = &c->note, .stage = DIFFCUT_STAGE_CUT};
}

diffcut_settings cut_settings(double alpha, double tau, bool reference) {
    diffcut_settings settings;
    memset(&settings, 0, sizeof settings);
    settings.alpha = alpha;
    settings.tau = tau;
    settings.reference = reference;
    settings.eigen_solver = DIFFCUT_EIGEN_AUTO;
    return settings;
}

static diffcut_features *allocate(uint32_t height, uint32_t width, uint32_t channels) {
    diffcut_features *features = malloc(sizeof *features);
    assert_non_null(features);
    *features = (diffcut_features){.height = height, .width = width, .channels = channels};
    return features;
}

diffcut_features *cut_features_golden(const golden *file, const json_t *json) {
    const golden_tensor *tensor = golden_get(file, "features");
    diffcut_features *features =
        allocate((uint32_t)json_integer_value(json_object_get(json, "height")),
                 (uint32_t)json_integer_value(json_object_get(json, "width")), (uint32_t)tensor->shape[1]);
    assert_int_equal(tensor->shape[0], features->height * features->width);
    features->data = golden_floats(tensor);
    return features;
}

void cut_features_free(diffcut_features *features) {
    free(features->data);
    free(features);
}

double cut_random(uint64_t *state) {
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (double)(*state >> 11) * 0x1p-53;
}

const char *cut_map_name(cut_map kind) {
    static const char *const names[CUT_MAP_COUNT] = {"regions", "noise", "duplicates", "blocks", "constant"};
    return names[kind];
}

/* The pattern a token follows: each kind is a choice of patterns and of noise on them. */
static size_t pattern_of(cut_map kind, uint32_t y, uint32_t x, uint32_t height, uint32_t width, size_t token) {
    switch (kind) {
    case CUT_MAP_REGIONS:
        return (size_t)(3 * y / height) * 2 + (size_t)(2 * x / width);
    case CUT_MAP_DUPLICATES:
        return token * token % 17;
    case CUT_MAP_BLOCKS:
        return 2 * x < width ? 0 : 1;
    case CUT_MAP_NOISE:
        return token;
    default:
        return 0;
    }
}

diffcut_features *cut_features_random(cut_map kind, uint32_t height, uint32_t width, uint32_t channels,
                                      uint64_t seed) {
    diffcut_features *features = allocate(height, width, channels);
    size_t tokens = (size_t)height * width;
    features->data = malloc((tokens * channels + 1) * sizeof *features->data);
    assert_non_null(features->data);
    uint64_t noise = seed;
    for (size_t i = 0; i < tokens; i++) {
        uint32_t y = (uint32_t)(i / width), x = (uint32_t)(i % width);
        size_t pattern = pattern_of(kind, y, x, height, width, i);
        uint64_t state = (seed + 1) * 7919 + pattern * 104729;
        (void)cut_random(&state);
        for (uint32_t c = 0; c < channels; c++) {
            double value = cut_random(&state) + 0.05;
            if (kind == CUT_MAP_REGIONS) {
                value += 0.2 * cut_random(&noise);
            } else if (kind == CUT_MAP_BLOCKS) {
                value = (c % 2 == pattern) ? value + 0.3 * cut_random(&noise) : 0.0;
            }
            features->data[i * channels + c] = (float)value;
        }
    }
    return features;
}

diffcut_tree *cut_build(cut_work *c, const diffcut_features *features, const diffcut_settings *settings) {
    diffcut_tree *tree = NULL;
    diffcut_status status = tree_build(&c->w, features, settings, &tree);
    if (status != DIFFCUT_OK) {
        fail_msg("tree_build: %s: %s", diffcut_status_string(status), c->diag.message);
    }
    assert_non_null(tree);
    return tree;
}

int32_t *cut_labels(cut_work *c, diffcut_tree *tree, double tau, size_t *count) {
    diffcut_labels labels;
    diffcut_status status = tree_cut(&c->w, tree, tau, &labels);
    if (status != DIFFCUT_OK) {
        fail_msg("tree_cut: %s: %s", diffcut_status_string(status), c->diag.message);
    }
    size_t tokens = (size_t)labels.width * labels.height;
    int32_t *out = malloc((tokens + 1) * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < tokens; i++) {
        assert_true(labels.data[i] < labels.count);
        out[i] = (int32_t)labels.data[i];
    }
    *count = labels.count;
    mem_free(labels.data);
    return out;
}
