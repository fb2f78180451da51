/* report_fixture.c - see report_fixture.h. */
#include "report_fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char fixture_hostile[] = "</title><script>alert(\"1\")</script>&amp;'\n\x1b[31m\xff.jpg";

static const char *const class_names[FIXTURE_CLASSES] = {
    "background", "person, seated", "<b>dog</b>", "potted plant with a name that is far too long to fit",
    "cat",        "absent"};

/* The mIoU of a photo under a setting: different for all, known to the tests. */
static double photo_miou(size_t photo, size_t setting) {
    return (double)((photo * 7) % 40) / 50 + (double)setting / 1000;
}

static bool rewind_rows(void *user) {
    fixture *f = user;
    f->next_row = 0;
    return true;
}

static int next_row(void *user, eval_photo_row *row) {
    fixture *f = user;
    if (f->rows_break && f->next_row == 20) {
        return -1;
    }
    if (f->next_row == f->photos * FIXTURE_SETTINGS) {
        return 0;
    }
    const size_t photo = f->next_row / FIXTURE_SETTINGS;
    const size_t setting = f->next_row % FIXTURE_SETTINGS;
    f->next_row++;
    if (photo == 0) {
        (void)snprintf(f->photo_name, sizeof f->photo_name, "%s", fixture_hostile);
    } else {
        (void)snprintf(f->photo_name, sizeof f->photo_name, "2007_%06zu.jpg", photo);
    }
    const double miou = photo == 3 ? NAN : photo_miou(photo, setting); /* 3: all of it is left out */
    *row = (eval_photo_row){f->photo_name, setting, miou, miou / 2 + 0.5, miou / 3, NAN, NAN, (uint32_t)photo % 9};
    return 1;
}

static bool make_picture(void *user, size_t setting, const char *name, eval_picture *out) {
    const fixture *f = user;
    enum { WIDTH = 250, HEIGHT = 190 };
    static uint8_t stripes[WIDTH * HEIGHT * 3];
    uint32_t labels[64 * 64];
    (void)setting;
    if (f->no_pictures) {
        return false;
    }
    for (size_t i = 0; i < sizeof stripes; i++) {
        stripes[i] = (uint8_t)(i / 3 % WIDTH + (i % 3) * 40);
    }
    const uint32_t shift = (uint32_t)strlen(name) % 7 + (uint32_t)(unsigned char)name[strlen(name) - 5] % 8;
    for (uint32_t i = 0; i < 64 * 64; i++) {
        const uint32_t x = i % 64;
        const uint32_t y = i / 64;
        const uint32_t away = (x - 32) * (x - 32) + (y - 32) * (y - 32); /* of unsigned numbers, squares are right */
        labels[i] = away < 300 ? 1 + shift % 4 : y > 50 ? 2 : 0;
    }
    bool good = true;
    if (f->photo.rgb != NULL) {
        good = diffcut_image_create(f->photo.width, f->photo.height, f->photo.rgb, &out->image, NULL) == DIFFCUT_OK;
    } else {
        good = diffcut_image_create(WIDTH, HEIGHT, stripes, &out->image, NULL) == DIFFCUT_OK;
    }
    good = good && diffcut_labels_create(64, 64, labels, &out->prediction, NULL) == DIFFCUT_OK;
    for (uint32_t i = 0; i < 64 * 64; i++) {
        labels[i] = labels[(i + 3) % (64 * 64)];
        labels[i] = i % 64 < 2 ? FIXTURE_CLASSES : labels[i];
    }
    return good && diffcut_labels_create(64, 64, labels, &out->truth, NULL) == DIFFCUT_OK;
}

static void make_settings(fixture *f) {
    for (size_t i = 0; i < FIXTURE_SETTINGS; i++) {
        eval_setting *s = &f->settings[i];
        const bool swept = i < 12; /* 6 tau under 2 alpha, then one method without either */
        *s = (eval_setting){.method = swept ? "diffcut" : "kmeans",
                            .name = f->names[i],
                            .tau = swept ? 0.3 + 0.1 * (double)(i % 6) : NAN,
                            .alpha = swept ? (i < 6 ? 1 : 10) : NAN,
                            .refined = swept,
                            .k = swept ? 0 : 8,
                            .photo_miou = NAN,
                            .accuracy = 0.7,
                            .rand_index = 0.4,
                            .boundary_iou = NAN,
                            .boundary_f = NAN,
                            .segments = 6.5 + (double)i,
                            .seconds = 0.012,
                            .classes = f->scores[i]};
        const double offset = (double)(i % 6) - 3;
        s->miou = swept ? (i < 6 ? 0.3 : 0.42) - 0.012 * offset * offset : 0.35;
        s->miou_low = s->miou - 0.03;
        s->miou_high = s->miou + 0.03;
        if (swept) {
            (void)snprintf(f->names[i], sizeof f->names[i], "diffcut tau=%.1f alpha=%.0f refined", s->tau, s->alpha);
        } else {
            (void)snprintf(f->names[i], sizeof f->names[i], "kmeans k=8");
        }
        for (size_t c = 0; c < FIXTURE_CLASSES; c++) {
            eval_class_score *score = &f->scores[i][c];
            *score = (eval_class_score){.iou = NAN};
            if (c + 1 < FIXTURE_CLASSES) {
                *score = (eval_class_score){100 * (c + 1) + i, 50, 150 - 20 * c, 0};
                score->iou = (double)score->tp / (double)(score->tp + score->fp + score->fn);
            }
        }
    }
}

static void make_coherence(fixture *f) {
    for (size_t i = 0; i < 2; i++) {
        for (size_t p = 0; p < FIXTURE_POINTS; p++) {
            const double x = (double)p / (FIXTURE_POINTS - 1);
            f->points[i][p] = (eval_roc_point){1 - 2 * x, x, pow(x, i == 0 ? 0.3 : 0.6)};
        }
        f->coherence[i] = (eval_coherence){.name = i == 0 ? "diffcut-tiny" : "colour & <position>",
                                           .auc = i == 0 ? 0.7692 : 0.625,
                                           .auc_error = 0.0004,
                                           .bin_width = 0.0005,
                                           .positive = 1234567,
                                           .negative = 7654321,
                                           .points = f->points[i],
                                           .point_count = FIXTURE_POINTS};
    }
}

void fixture_make(fixture *f) {
    *f = (fixture){.photos = FIXTURE_PHOTOS};
    make_settings(f);
    make_coherence(f);
    f->failures[0] = (eval_failure){fixture_hostile, "no label file"};
    f->failures[1] = (eval_failure){"b.png", "the label is 4x4, the photo 5x5"};
    f->results = (eval_results){.dataset = "voc",
                                .title = "PASCAL VOC 2012",
                                .model = "diffcut-tiny",
                                .machine = "a processor, 2 threads",
                                .version = "0.1.0",
                                .command_line = "diffcut eval voc --data 'a & b' --sweep tau=0.3:0.8:0.1",
                                .remarks = "A subset of 42 photos.",
                                .listed = 45,
                                .scored = 40,
                                .failed = 5,
                                .failures = f->failures,
                                .failure_count = 2,
                                .class_names = class_names,
                                .class_count = FIXTURE_CLASSES,
                                .settings = f->settings,
                                .setting_count = FIXTURE_SETTINGS,
                                .coherence = f->coherence,
                                .coherence_count = 2,
                                .photos = {f, rewind_rows, next_row, make_picture}};
}
