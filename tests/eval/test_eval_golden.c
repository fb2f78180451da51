/*
 * test_eval_golden.c - the published evaluation to the last count (golden fixtures D): assignments with their ties,
 * six protocols over 20 photos each, and the preparation of photos and labels.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "diffcut/diffcut.h"
#include "eval/assignment.h"
#include "golden.h"
#include "test.h"

#define FOLDER DIFFCUT_SHARED_DIR "/golden/segment/eval"
#define SIDE 128
#define PHOTOS 20
#define LISTED 6 /* photos whose maps are in the files */

/* ------------------------------------------------------------------------------------------------- assignment */

static void assignments_are_scipys_to_the_last_tie(void **state) {
    (void)state;
    golden *file = golden_open("%s/assignment.safetensors", FOLDER);
    json_t *json = golden_json("%s/assignment.json", FOLDER);
    assert_non_null(file);
    size_t index;
    json_t *item;
    json_array_foreach(json_object_get(json, "cases"), index, item) {
        const char *name = json_string_value(json_object_get(item, "name"));
        const golden_tensor *cost = golden_get(file, "cost_%s", name);
        int32_t *weights = golden_ints(cost);
        int32_t *rows = golden_ints(golden_get(file, "row_%s", name));
        int32_t *want = golden_ints(golden_get(file, "col_%s", name));
        size_t matched = golden_get(file, "row_%s", name)->count;
        int64_t *wide = calloc(cost->count, sizeof *wide);
        int32_t *got = calloc(cost->shape[0], sizeof *got);
        for (size_t i = 0; i < cost->count; i++) {
            wide[i] = weights[i];
        }
        diffcut_diagnostics diag = {{0}};
        assert_int_equal(assignment_solve(cost->shape[0], cost->shape[1], wide, got, &diag), DIFFCUT_OK);
        int64_t total = 0;
        size_t used = 0;
        for (size_t r = 0; r < cost->shape[0]; r++) {
            total += got[r] >= 0 ? wide[r * cost->shape[1] + (size_t)got[r]] : 0;
            used += got[r] >= 0;
        }
        assert_int_equal(total, json_integer_value(json_object_get(item, "total")));
        assert_int_equal(used, matched);
        for (size_t i = 0; i < matched; i++) {
            if (got[rows[i]] != want[i]) {
                fail_msg("%s: row %d takes column %d, scipy's takes %d", name, rows[i], got[rows[i]], want[i]);
            }
        }
        free(got);
        free(wide);
        free(want);
        free(rows);
        free(weights);
    }
    json_decref(json);
    golden_close(file);
}

/* ------------------------------------------------------------------------------------------------- protocols */

typedef struct fixture {
    const char *file, *protocol;
    diffcut_label_values values; /* VOC's are given as the published loader hands them on */
} fixture;

static const fixture fixtures[] = {
    {"Cityscapes", "cityscapes", DIFFCUT_VALUES_DATASET}, {"COCO-Stuff", "coco-stuff-27", DIFFCUT_VALUES_DATASET},
    {"ADE20K", "ade20k", DIFFCUT_VALUES_DATASET},         {"VOC20", "voc", DIFFCUT_VALUES_FROM_ZERO},
    {"Context", "context", DIFFCUT_VALUES_DATASET},       {"COCO-Object", "coco-object", DIFFCUT_VALUES_DATASET},
};

static diffcut_labels labels_of(const golden_tensor *tensor, size_t index) {
    diffcut_labels out = {0};
    size_t height = tensor->shape[tensor->rank - 2], width = tensor->shape[tensor->rank - 1];
    uint32_t *data = calloc(height * width, sizeof *data);
    for (size_t i = 0; i < height * width; i++) {
        data[i] = tensor->data[index * height * width + i];
    }
    assert_int_equal(diffcut_labels_create((uint32_t)width, (uint32_t)height, data, &out, NULL), DIFFCUT_OK);
    free(data);
    return out;
}

/* A label map against a golden one of small whole numbers, where `other` stands for the map's `left_out`. */
static void check_map(const char *what, const diffcut_labels *map, const int32_t *want, uint32_t left_out) {
    int32_t *got = calloc(SIDE * SIDE, sizeof *got);
    for (size_t i = 0; i < SIDE * SIDE; i++) {
        got[i] = map->data[i] == left_out ? -1 : (int32_t)map->data[i];
    }
    assert_true(golden_equal_ints(what, got, want, (size_t[]){SIDE, SIDE}, 2, SIDE * SIDE));
    free(got);
}

static void check_counts(const char *what, const diffcut_score_photo *photo, const int32_t *tp, const int32_t *fp,
                         const int32_t *fn) {
    size_t at = 0;
    for (size_t c = 0; c < photo->classes; c++) {
        diffcut_class_counts none = {.index = (uint32_t)c};
        bool listed = at < photo->count && photo->counts[at].index == c;
        const diffcut_class_counts *got = listed ? &photo->counts[at++] : &none;
        if ((int64_t)got->tp != tp[c] || (int64_t)got->fp != fp[c] || (int64_t)got->fn != fn[c]) {
            fail_msg("%s: class %zu has tp %d fp %d fn %d, the published code %d %d %d", what, c, (int)got->tp,
                     (int)got->fp, (int)got->fn, tp[c], fp[c], fn[c]);
        }
    }
    assert_int_equal(at, photo->count);
}

typedef struct per_image {
    int32_t *tp, *fp, *fn, *columns, *valid;
} per_image;

static per_image open_per_image(const golden *file) {
    return (per_image){golden_ints(golden_get(file, "tp_per_image")), golden_ints(golden_get(file, "fp_per_image")),
                       golden_ints(golden_get(file, "fn_per_image")), golden_ints(golden_get(file, "col_ind")),
                       golden_ints(golden_get(file, "valid_pixels"))};
}

static void close_per_image(per_image *p) {
    free(p->tp);
    free(p->fp);
    free(p->fn);
    free(p->columns);
    free(p->valid);
}

/* The maps of the first photos: after the table and the resampling, and after the first pass. */
static void check_listed(const fixture *f, const golden *file, size_t photo, const diffcut_protocol *protocol,
                         const diffcut_labels *prediction, const diffcut_labels *truth) {
    char what[64];
    diffcut_labels mapped = {0}, small = {0}, merged = {0};
    (void)snprintf(what, sizeof what, "%s photo %zu, mapped labels", f->file, photo);
    int32_t *maps = golden_ints(golden_get(file, "label_mapped"));
    assert_int_equal(diffcut_protocol_map(protocol, truth, &mapped, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_labels_resize(&mapped, SIDE, SIDE, true, &small, NULL), DIFFCUT_OK);
    check_map(what, &small, maps + photo * SIDE * SIDE, diffcut_protocol_class_count(protocol));
    free(maps);
    const golden_tensor *after = golden_find(file, "pred_background_merged");
    if (after != NULL) {
        (void)snprintf(what, sizeof what, "%s photo %zu, merged prediction", f->file, photo);
        int32_t *want = golden_ints(after);
        assert_int_equal(diffcut_protocol_merge_background(protocol, prediction, truth, &merged, NULL), DIFFCUT_OK);
        check_map(what, &merged, want + photo * SIDE * SIDE, UINT32_MAX);
        free(want);
    }
    diffcut_labels_free(&merged);
    diffcut_labels_free(&small);
    diffcut_labels_free(&mapped);
}

/* Measuring after diffcut_protocol_merge_background is measuring in one go. */
static void check_two_steps(const diffcut_protocol *protocol, const diffcut_score_input *input,
                            const diffcut_score_photo *photo) {
    diffcut_labels merged = {0};
    diffcut_score_photo again = {0};
    assert_int_equal(diffcut_protocol_merge_background(protocol, input->prediction, input->truth, &merged, NULL),
                     DIFFCUT_OK);
    const diffcut_score_input second = {input->name, &merged, input->truth, true, false};
    assert_int_equal(diffcut_score_measure(protocol, NULL, &second, &again, NULL), DIFFCUT_OK);
    assert_int_equal(again.count, photo->count);
    for (size_t i = 0; i < photo->count; i++) {
        assert_int_equal(again.counts[i].tp, photo->counts[i].tp);
        assert_int_equal(again.counts[i].fp, photo->counts[i].fp);
        assert_int_equal(again.counts[i].fn, photo->counts[i].fn);
    }
    diffcut_score_photo_free(&again);
    diffcut_labels_free(&merged);
}

static void check_report(const fixture *f, const golden *file, const diffcut_score *score) {
    json_t *json = golden_json("%s/%s.json", FOLDER, f->file);
    diffcut_score_report report;
    assert_int_equal(diffcut_score_report_make(score, &report, NULL), DIFFCUT_OK);
    int32_t *tp = golden_ints(golden_get(file, "tp"));
    int32_t *fp = golden_ints(golden_get(file, "fp"));
    int32_t *fn = golden_ints(golden_get(file, "fn"));
    double *iou = golden_doubles(golden_get(file, "iou"));
    assert_int_equal(report.class_count, golden_get(file, "iou")->count);
    for (size_t c = 0; c < report.class_count; c++) {
        const diffcut_class_score *row = &report.classes[c];
        assert_int_equal(row->tp, tp[c]);
        assert_int_equal(row->fp, fp[c]);
        assert_int_equal(row->fn, fn[c]);
        assert_true(isnan(iou[c]) ? isnan(row->iou) : fabs(row->iou - iou[c]) <= 1e-15);
    }
    assert_int_equal(report.photos, PHOTOS);
    assert_int_equal(report.classes_in_mean, json_integer_value(json_object_get(json, "classes_in_mean")));
    double miou = json_real_value(json_object_get(json, "miou"));
    double accuracy = json_real_value(json_object_get(json, "pixel_accuracy"));
    (void)printf("%-12s mIoU %.12f (golden %.12f), accuracy %.12f, 95 %% %.4f .. %.4f\n", f->file, report.miou, miou,
                 report.pixel_accuracy, report.miou_low, report.miou_high);
    assert_true(fabs(report.miou - miou) <= 1e-12);
    assert_true(fabs(report.pixel_accuracy - accuracy) <= 1e-12);
    assert_true(report.miou_low < report.miou && report.miou < report.miou_high);
    free(iou);
    free(fn);
    free(fp);
    free(tp);
    diffcut_score_report_free(&report);
    json_decref(json);
}

static void check_fixture(const fixture *f) {
    golden *file = golden_open("%s/%s.safetensors", FOLDER, f->file);
    assert_non_null(file);
    diffcut_protocol_settings settings;
    diffcut_protocol_settings_init(&settings);
    settings.reference = true;
    settings.label_values = f->values;
    diffcut_protocol *protocol = NULL;
    diffcut_score *score = NULL;
    assert_int_equal(diffcut_protocol_open(f->protocol, &settings, &protocol, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_score_create(protocol, NULL, &score, NULL), DIFFCUT_OK);
    size_t classes = diffcut_protocol_class_count(protocol);
    per_image want = open_per_image(file);
    for (size_t i = 0; i < PHOTOS; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s photo %zu", f->file, i);
        diffcut_labels truth = labels_of(golden_get(file, "labels_raw"), i);
        diffcut_labels prediction = labels_of(golden_get(file, "pred"), i);
        const diffcut_score_input input = {name, &prediction, &truth, false, false};
        diffcut_score_photo photo = {0};
        assert_int_equal(diffcut_score_measure(protocol, NULL, &input, &photo, NULL), DIFFCUT_OK);
        assert_int_equal(photo.classes, classes);
        assert_true(golden_equal_ints(name, photo.cluster_of, want.columns + i * classes, NULL, 0, classes));
        check_counts(name, &photo, want.tp + i * classes, want.fp + i * classes, want.fn + i * classes);
        assert_int_equal(photo.pixels, want.valid[i]);
        check_two_steps(protocol, &input, &photo);
        if (i < LISTED) {
            check_listed(f, file, i, protocol, &prediction, &truth);
        }
        assert_int_equal(diffcut_score_add(score, &photo, NULL), DIFFCUT_OK);
        diffcut_score_photo_free(&photo);
        diffcut_labels_free(&prediction);
        diffcut_labels_free(&truth);
    }
    check_report(f, file, score);
    close_per_image(&want);
    diffcut_score_free(score);
    diffcut_protocol_free(protocol);
    golden_close(file);
}

static void every_protocol_is_the_published_one_to_the_last_count(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof fixtures / sizeof *fixtures; i++) {
        check_fixture(&fixtures[i]);
    }
}

/* ------------------------------------------------------------------------------------------------- preparation */

/* u8 [3, h, w] to rows of RGB. */
static diffcut_image image_of(const golden_tensor *tensor) {
    diffcut_image out = {0};
    size_t height = tensor->shape[1], width = tensor->shape[2], pixels = height * width;
    uint8_t *rgb = calloc(pixels, 3);
    for (size_t c = 0; c < 3; c++) {
        for (size_t i = 0; i < pixels; i++) {
            rgb[i * 3 + c] = tensor->data[c * pixels + i];
        }
    }
    assert_int_equal(diffcut_image_create((uint32_t)width, (uint32_t)height, rgb, &out, NULL), DIFFCUT_OK);
    free(rgb);
    return out;
}

static void check_small(const golden_tensor *tensor, const diffcut_eval_photo *photo) {
    float *want = golden_floats(tensor);
    float *got = calloc(tensor->count, sizeof *got);
    for (size_t i = 0; i < (size_t)SIDE * SIDE * 3; i++) {
        got[i % 3 * SIDE * SIDE + i / 3] = photo->small[i];
    }
    /* two bilinear steps in single precision on values up to 1 */
    assert_true(golden_close_to(tensor->name, got, want, tensor->shape, tensor->rank, tensor->count, 1e-6, 0.0));
    free(got);
    free(want);
}

static void preparation_is_the_published_one(void **state) {
    (void)state;
    golden *file = golden_open("%s/preparation.safetensors", FOLDER);
    json_t *json = golden_json("%s/preparation.json", FOLDER);
    assert_non_null(file);
    size_t index;
    json_t *item;
    json_array_foreach(json_object_get(json, "cases"), index, item) {
        diffcut_image image = image_of(golden_get(file, "image_%zu", index));
        diffcut_labels labels = labels_of(golden_get(file, "labels_%zu", index), 0);
        diffcut_eval_photo photo = {0}, samples = {0};
        assert_int_equal(diffcut_eval_prepare(&image, &labels, NULL, &photo, NULL), DIFFCUT_OK);
        size_t crop = (size_t)json_integer_value(json_object_get(item, "crop"));
        size_t top = (size_t)json_integer_value(json_object_get(item, "crop_top"));
        size_t left = (size_t)json_integer_value(json_object_get(item, "crop_left"));
        assert_int_equal(photo.image.width, crop);
        assert_int_equal(photo.image.height, crop);
        assert_memory_equal(photo.image.rgb, image.rgb + (top * image.width + left) * 3, crop * 3);
        assert_int_equal(photo.truth_full.data[0], labels.data[top * labels.width + left]);
        check_small(golden_get(file, "image128_%zu", index), &photo);
        int32_t *want = golden_ints(golden_get(file, "labels128_%zu", index));
        check_map("labels128", &photo.truth, want, UINT32_MAX);
        free(want);
        /* the labels at the network's size, of which the file has every 8th row and column from the 3rd */
        const diffcut_eval_settings whole = {1024, 1024};
        assert_int_equal(diffcut_eval_prepare(&image, &labels, &whole, &samples, NULL), DIFFCUT_OK);
        want = golden_ints(golden_get(file, "labels1024_every8_%zu", index));
        float *pixels = golden_floats(golden_get(file, "image1024_every16_%zu", index));
        for (size_t y = 0; y < SIDE; y++) {
            for (size_t x = 0; x < SIDE; x++) {
                assert_int_equal(samples.truth.data[(y * 8 + 3) * 1024 + x * 8 + 3], want[y * SIDE + x]);
            }
        }
        for (size_t i = 0; i < (size_t)64 * 64 * 3; i++) {
            size_t c = i / (64 * 64), y = i / 64 % 64 * 16 + 5, x = i % 64 * 16 + 5;
            assert_true(fabsf(samples.small[(y * 1024 + x) * 3 + c] - pixels[i]) <= 1e-6F);
        }
        free(pixels);
        free(want);
        diffcut_eval_photo_free(&samples);
        diffcut_eval_photo_free(&photo);
        diffcut_labels_free(&labels);
        diffcut_image_free(&image);
    }
    json_decref(json);
    golden_close(file);
}

int main(void) {
    if (!golden_shared_present()) {
        return TEST_SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(assignments_are_scipys_to_the_last_tie),
        cmocka_unit_test(every_protocol_is_the_published_one_to_the_last_count),
        cmocka_unit_test(preparation_is_the_published_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
