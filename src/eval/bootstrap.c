/* bootstrap.c - see bootstrap.h. */
#include "eval/bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "io/bytes.h"

/* The finaliser of splitmix64: every bit of the input changes every bit of the output. */
static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size) {
    const unsigned char *at = data;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001B3);
    }
    return hash;
}

diffcut_status bootstrap_key(const char *name, uint64_t seed, uint64_t *key, diffcut_diagnostics *diag) {
    bytes json = {0};
    diffcut_buffer written = {0};
    bytes_json_string(&json, name);
    diffcut_status status = bytes_finish(&json, "a photo's name", &written, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    /* U+FFFD itself is hashed as the escape that the writer puts for a byte that is not UTF-8. */
    static const char replaced[] = "\xEF\xBF\xBD", escape[] = "\\ufffd";
    uint64_t hash = UINT64_C(0xCBF29CE484222325); /* FNV-1a */
    for (size_t i = 0; i < written.size; i++) {
        if (written.size - i >= 3 && memcmp(written.data + i, replaced, 3) == 0) {
            hash = hash_bytes(hash, escape, sizeof escape - 1);
            i += 2;
        } else {
            hash = hash_bytes(hash, &written.data[i], 1);
        }
    }
    *key = mix(hash ^ mix(seed + UINT64_C(0x9E3779B97F4A7C15)));
    diffcut_buffer_free(&written);
    return DIFFCUT_OK;
}

uint32_t bootstrap_weight(uint64_t key, uint32_t replicate) {
    /* Poisson distribution of mean 1: 2^64 times the probability of at most 0, 1, 2, ... */
    static const uint64_t at_most[BOOTSTRAP_MAX_WEIGHT] = {
        0x5e2d58d8b3bcdf1a, 0xbc5ab1b16779be35, 0xeb715e1dc1582dc2, 0xfb23979734a252f1, 0xff1025f59174dc3d,
        0xffd90f3ba4055e19, 0xfffa8b71fc72c913, 0xffff540c0914b3c9, 0xffffed1f4aa8f120, 0xfffffe216e641462,
        0xffffffd4d85d3183, 0xfffffffc6da262b4, 0xffffffffba12d178, 0xfffffffffb07c64c, 0xffffffffffab8ea5,
        0xfffffffffffabe22, 0xffffffffffffb11a, 0xfffffffffffffba1, 0xffffffffffffffc5, 0xfffffffffffffffd,
    };
    uint64_t draw = mix(key + (uint64_t)(replicate + 1) * UINT64_C(0x9E3779B97F4A7C15));
    uint32_t weight = 0;
    while (weight < BOOTSTRAP_MAX_WEIGHT && draw >= at_most[weight]) {
        weight++;
    }
    return weight;
}

void bootstrap_add(const diffcut_score_photo *photo, uint64_t key, uint32_t replicates, uint32_t classes,
                   uint64_t *sums) {
    for (uint32_t r = 0; r < replicates; r++) {
        const uint64_t weight = bootstrap_weight(key, r);
        uint64_t *row = sums + (size_t)r * classes * 2;
        for (size_t i = 0; weight > 0 && i < photo->count; i++) {
            const diffcut_class_counts *c = &photo->counts[i];
            row[(size_t)c->index * 2] += weight * c->tp;
            row[(size_t)c->index * 2 + 1] += weight * (c->tp + c->fp + c->fn);
        }
    }
}

/* NaN when no photo of the replicate has a class. */
static double mean_iou(const uint64_t *row, uint32_t classes) {
    double sum = 0.0;
    uint32_t count = 0;
    for (size_t c = 0; c < classes; c++) {
        if (row[c * 2 + 1] > 0) {
            sum += (double)row[c * 2] / (double)row[c * 2 + 1];
            count++;
        }
    }
    return count > 0 ? sum / count : NAN;
}

static int compare_doubles(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static double percentile(const double *sorted, size_t count, double share) {
    double place = share * (double)(count - 1);
    size_t below = (size_t)place;
    size_t above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (place - (double)below) * (sorted[above] - sorted[below]);
}

diffcut_status bootstrap_interval(const uint64_t *sums, uint32_t replicates, uint32_t classes, double *low,
                                  double *high, diffcut_diagnostics *diag) {
    double *means = mem_array(replicates, sizeof *means);
    if (means == NULL) {
        return diag_no_memory(diag, replicates * sizeof *means, "the bootstrap's means");
    }
    size_t count = 0;
    for (uint32_t r = 0; r < replicates; r++) {
        double mean = mean_iou(sums + (size_t)r * classes * 2, classes);
        if (!isnan(mean)) {
            means[count++] = mean;
        }
    }
    qsort(means, count, sizeof *means, compare_doubles);
    *low = count > 0 ? percentile(means, count, 0.025) : NAN;
    *high = count > 0 ? percentile(means, count, 0.975) : NAN;
    mem_free(means);
    return DIFFCUT_OK;
}
