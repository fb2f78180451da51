/*
 * write_outputs.c - writes every output for tests/tools/check_outputs.py, which reads them with the packages that
 * people use; and decodes a photo to raw pixels, for tests/tools/check_decoders.py.
 *
 *   write_outputs outputs FOLDER          labels.png, labels.npy, coco.json, overlay.png, features.npy, wide.png, raw
 *   write_outputs decode PHOTO OUT.ppm
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diffcut/diffcut.h"

enum { WIDTH = 211, HEIGHT = 97, GRID = 6, CHANNELS = 5 };

static diffcut_status say(diffcut_status status, const diffcut_diagnostics *diag) {
    if (status != DIFFCUT_OK) {
        (void)fprintf(stderr, "%s: %s\n", diffcut_status_string(status), diag->message);
    }
    return status;
}

/* Writes the encoded bytes and frees them. */
static diffcut_status put(const char *folder, const char *name, diffcut_status encoded, diffcut_buffer *file,
                          diffcut_diagnostics *diag) {
    if (encoded != DIFFCUT_OK) {
        return say(encoded, diag);
    }
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    diffcut_status status = diffcut_write_file(path, file->data, file->size, true, diag);
    diffcut_buffer_free(file);
    return say(status, diag);
}

/* Discs, stripes, single pixels, and a label that does not occur: runs of all lengths, at all borders. */
static uint32_t label_at(uint32_t x, uint32_t y, uint32_t count) {
    int dx = (int)x - 70;
    int dy = (int)y - 50;
    uint32_t label = dx * dx + dy * dy < 900 ? 1 : x > 150 ? 3 + (y / 7 + x / 13) % (count - 4) : 0;
    return (x * 7 + y * 13) % 997 == 0 ? count - 1 : label;
}

static diffcut_status make_labels(uint32_t count, diffcut_labels *out, diffcut_diagnostics *diag) {
    static uint32_t data[WIDTH * HEIGHT];
    for (uint32_t i = 0; i < WIDTH * HEIGHT; i++) {
        data[i] = label_at(i % WIDTH, i / WIDTH, count);
    }
    return say(diffcut_labels_create(WIDTH, HEIGHT, data, out, diag), diag);
}

static diffcut_status write_features(const char *folder, diffcut_diagnostics *diag) {
    float data[GRID * GRID * CHANNELS];
    for (size_t i = 0; i < sizeof data / sizeof data[0]; i++) {
        data[i] = (float)i * 0.25F - 7;
    }
    diffcut_features *features;
    diffcut_buffer file;
    diffcut_status status = diffcut_features_create(GRID, GRID, CHANNELS, data, &features, diag);
    if (status != DIFFCUT_OK) {
        return say(status, diag);
    }
    status = put(folder, "features.npy", diffcut_encode_features_npy(features, &file, diag), &file, diag);
    diffcut_features_free(features);
    return status;
}

static diffcut_status write_overlay(const char *folder, const diffcut_labels *labels, diffcut_diagnostics *diag) {
    static uint8_t rgb[WIDTH * HEIGHT * 3];
    for (size_t i = 0; i < sizeof rgb; i++) {
        rgb[i] = (uint8_t)(i * 5 / 7);
    }
    const diffcut_image image = {.width = WIDTH, .height = HEIGHT, .rgb = rgb};
    const diffcut_overlay_settings none = {.opacity = 0, .boundaries = false};
    diffcut_buffer file;
    diffcut_status status =
        put(folder, "overlay.png", diffcut_encode_overlay_png(&image, labels, NULL, &file, diag), &file, diag);
    if (status == DIFFCUT_OK) {
        status =
            put(folder, "photo.png", diffcut_encode_overlay_png(&image, labels, &none, &file, diag), &file, diag);
    }
    return status;
}

/* labels.raw and wide.raw are the maps as the program has them: uint32, for comparison. */
static diffcut_status write_label_files(const char *folder, diffcut_diagnostics *diag) {
    diffcut_labels labels = {0};
    diffcut_labels wide = {0};
    diffcut_buffer file;
    size_t bytes = sizeof(uint32_t) * WIDTH * HEIGHT;
    char path[4096];
    diffcut_status status = make_labels(40, &labels, diag);
    if (status == DIFFCUT_OK) {
        status = make_labels(5000, &wide, diag);
    }
    if (status == DIFFCUT_OK) {
        (void)snprintf(path, sizeof path, "%s/labels.raw", folder);
        status = say(diffcut_write_file(path, labels.data, bytes, true, diag), diag);
    }
    if (status == DIFFCUT_OK) {
        (void)snprintf(path, sizeof path, "%s/wide.raw", folder);
        status = say(diffcut_write_file(path, wide.data, bytes, true, diag), diag);
    }
    if (status == DIFFCUT_OK) {
        status = put(folder, "labels.png", diffcut_encode_labels_png(&labels, &file, diag), &file, diag);
    }
    if (status == DIFFCUT_OK) {
        status = put(folder, "wide.png", diffcut_encode_labels_png(&wide, &file, diag), &file, diag);
    }
    if (status == DIFFCUT_OK) {
        status = put(folder, "labels.npy", diffcut_encode_labels_npy(&labels, &file, diag), &file, diag);
    }
    if (status == DIFFCUT_OK) {
        status =
            put(folder, "coco.json",
                diffcut_encode_coco_json(&labels, 42, "dir/\"a\\b\"\n\x01 \xC3\xA9\xFF\xED\xA0\x80.jpg", &file, diag),
                &file, diag);
    }
    if (status == DIFFCUT_OK) {
        status = write_overlay(folder, &labels, diag);
    }
    diffcut_labels_free(&labels);
    diffcut_labels_free(&wide);
    return status;
}

static diffcut_status write_all(const char *folder, diffcut_diagnostics *diag) {
    diffcut_status status = write_label_files(folder, diag);
    return status == DIFFCUT_OK ? write_features(folder, diag) : status;
}

static diffcut_status decode_to_ppm(const char *photo, const char *out, diffcut_diagnostics *diag) {
    diffcut_buffer file;
    diffcut_image image;
    diffcut_status status = say(diffcut_read_file(photo, 0, &file, diag), diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    status = say(diffcut_decode_image(file.data, file.size, photo, NULL, &image, diag), diag);
    diffcut_buffer_free(&file);
    if (status != DIFFCUT_OK) {
        return status;
    }
    char header[64];
    size_t length = (size_t)snprintf(header, sizeof header, "P6\n%u %u\n255\n", image.width, image.height);
    size_t pixels = (size_t)image.width * image.height * 3;
    uint8_t *ppm = malloc(length + pixels);
    if (ppm == NULL) {
        diffcut_image_free(&image);
        return DIFFCUT_ERROR_MEMORY;
    }
    memcpy(ppm, header, length);
    memcpy(ppm + length, image.rgb, pixels);
    diffcut_image_free(&image);
    status = say(diffcut_write_file(out, ppm, length + pixels, true, diag), diag);
    free(ppm);
    return status;
}

int main(int argc, char **argv) {
    diffcut_diagnostics diag;
    if (argc == 3 && strcmp(argv[1], "outputs") == 0) {
        return write_all(argv[2], &diag) == DIFFCUT_OK ? 0 : 1;
    }
    if (argc == 4 && strcmp(argv[1], "decode") == 0) {
        return decode_to_ppm(argv[2], argv[3], &diag) == DIFFCUT_OK ? 0 : 1;
    }
    (void)fprintf(stderr, "usage: write_outputs outputs FOLDER | decode PHOTO OUT.ppm\n");
    return 2;
}
