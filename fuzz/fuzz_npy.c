/*
 * fuzz_npy.c - the readers of stage files on any bytes: features in npy, label maps in PNG; what is accepted is
 * written and read again to the same values.
 */
#include <string.h>

#include "diffcut/diffcut.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool kept) {
    if (!kept) {
        __builtin_trap();
    }
}

static void read_features(const uint8_t *data, size_t size) {
    diffcut_features *features = NULL;
    diffcut_features *again = NULL;
    diffcut_buffer file;
    diffcut_diagnostics diag;
    if (diffcut_decode_features_npy(data, size, "fuzz", &features, &diag) != DIFFCUT_OK) {
        check(features == NULL && diag.message[0] != '\0');
        return;
    }
    check(diffcut_encode_features_npy(features, &file, &diag) == DIFFCUT_OK);
    check(diffcut_decode_features_npy(file.data, file.size, "again", &again, &diag) == DIFFCUT_OK);
    size_t values = (size_t)diffcut_features_height(features) * diffcut_features_width(features) *
                    diffcut_features_channels(features);
    check(memcmp(diffcut_features_data(features), diffcut_features_data(again), values * sizeof(float)) == 0);
    diffcut_buffer_free(&file);
    diffcut_features_free(features);
    diffcut_features_free(again);
}

static void read_labels(const uint8_t *data, size_t size) {
    const diffcut_decode_limits limits = {.max_pixels = 1 << 14};
    diffcut_labels labels = {0};
    diffcut_labels again = {0};
    diffcut_buffer file;
    diffcut_diagnostics diag;
    if (diffcut_decode_labels(data, size, "fuzz", &limits, &labels, &diag) != DIFFCUT_OK) {
        check(labels.data == NULL && diag.message[0] != '\0');
        return;
    }
    check(diffcut_encode_labels_png(&labels, &file, &diag) == DIFFCUT_OK);
    check(diffcut_decode_labels(file.data, file.size, "again", &limits, &again, &diag) == DIFFCUT_OK);
    check(labels.count == again.count);
    check(memcmp(labels.data, again.data, (size_t)labels.width * labels.height * sizeof(uint32_t)) == 0);
    diffcut_buffer_free(&file);
    check(diffcut_encode_coco_json(&labels, 1, "fuzz", &file, &diag) == DIFFCUT_OK);
    diffcut_buffer_free(&file);
    diffcut_labels_free(&labels);
    diffcut_labels_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    read_features(data, size);
    read_labels(data, size);
    return 0;
}
