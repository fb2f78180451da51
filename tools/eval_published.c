/* eval_published.c - see eval_published.h. Nothing but the numbers of the paper's main table. */
#include "eval_published.h"

#include <math.h>
#include <string.h>

const char eval_published_source[] =
    "P. Couairon, M. Shukor, J.-E. Haugeard, M. Cord, N. Thome: DiffCut: Catalyzing Zero-Shot Semantic Segmentation "
    "with Diffusion Features and Recursive Normalized Cut, NeurIPS 2024, Table 1";

static const char *const sets[] = {"voc", "context", "coco-object", "coco-stuff-27", "cityscapes", "ade20k"};
enum { SET_COUNT = sizeof sets / sizeof *sets };

static const eval_published_row rows[] = {
    {"diffcut", "DiffCut", "SSD-1B, alpha 10, tau 0.5, PAMR", {65.2, 56.5, 34.1, 49.1, 30.6, 44.3}},
    {"diffseg", "DiffSeg", "merge threshold 1, PAMR", {49.8, 48.8, 23.2, 44.2, 16.8, 37.7}},
    {"", "DiffSeg", "as its authors report", {NAN, NAN, NAN, 43.6, 21.2, NAN}},
    {"maskcut", "MaskCut", "k = 5", {53.8, 43.4, 30.1, 41.7, 18.7, 35.7}},
    {"", "MaskCLIP", "", {38.8, 23.6, 20.6, 19.6, 10.0, 9.8}},
    {"", "ReCO", "", {25.1, 19.9, 15.7, 26.3, 19.3, 11.2}},
};
enum { ROW_COUNT = sizeof rows / sizeof *rows };

const eval_published_row *eval_published_at(size_t index) {
    return index < ROW_COUNT ? &rows[index] : NULL;
}

int eval_published_column(const char *dataset) {
    for (int i = 0; i < SET_COUNT; i++) {
        if (strcmp(sets[i], dataset) == 0) {
            return i;
        }
    }
    return -1;
}

double eval_published_miou(const char *dataset, const char *method) {
    const int column = eval_published_column(dataset);
    for (size_t i = 0; column >= 0 && i < ROW_COUNT; i++) {
        if (rows[i].method[0] != '\0' && strcmp(rows[i].method, method) == 0) {
            return rows[i].miou[column];
        }
    }
    return NAN;
}
