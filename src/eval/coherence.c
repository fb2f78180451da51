/*
 * coherence.c - semantic coherence of features: do patches of one class have more similar features than patches of
 * two? ROC curve and its area over pairs of tokens, as the paper's analysis compares encoders.
 *
 * AUC = P(positive pair more similar than negative one) + P(equal) / 2, from histograms of both kinds: similarities
 * in one bin count as equal. That moves the area by at most the sum over bins of positive * negative / 2, which is
 * reported. Counts are whole numbers, so sets merge exactly. Called by `diffcut eval --coherence`.
 */
#include "eval/coherence.h"

#include <inttypes.h>
#include <math.h>

#include "core/gemm.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "io/entry.h"
#include "segment/features.h"
#include "segment/labels.h"

#define ROWS_AT_ONCE 128 /* of the similarity matrix: 512 KiB of it at 1024 tokens */

void diffcut_coherence_settings_init(diffcut_coherence_settings *settings) {
    if (settings != NULL) {
        *settings = (diffcut_coherence_settings){.bins = 4000, .max_tokens = 1024};
    }
}

static diffcut_status check_range(const char *field, uint32_t value, uint32_t low, uint32_t high,
                                  diffcut_diagnostics *diag) {
    if (value >= low && value <= high) {
        return DIFFCUT_OK;
    }
    return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "coherence: %s is %" PRIu32 ", outside %" PRIu32 " .. %" PRIu32,
                     field, value, low, high);
}

diffcut_status diffcut_coherence_create(const diffcut_coherence_settings *settings, diffcut_coherence **out,
                                        diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (settings == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_coherence_create: settings or out is NULL");
    }
    diffcut_status status = check_range("bins", settings->bins, 2, COHERENCE_MAX_BINS, diag);
    if (status == DIFFCUT_OK) {
        status = check_range("classes", settings->classes, 1, UINT32_MAX, diag);
    }
    if (status == DIFFCUT_OK) {
        status = check_range("max_tokens", settings->max_tokens, 2, FEATURES_MAX_TOKENS, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    diffcut_coherence *made = mem_array_zero(1, sizeof *made);
    uint64_t *positive = mem_array_zero(settings->bins, sizeof *positive);
    uint64_t *negative = mem_array_zero(settings->bins, sizeof *negative);
    if (made == NULL || positive == NULL || negative == NULL) {
        mem_free(made);
        mem_free(positive);
        mem_free(negative);
        return diag_no_memory(diag, (size_t)settings->bins * 2 * sizeof *positive, "coherence");
    }
    *made = (diffcut_coherence){.settings = *settings, .positive = positive, .negative = negative};
    *out = made;
    return DIFFCUT_OK;
}

void diffcut_coherence_free(diffcut_coherence *coherence) {
    if (coherence != NULL) {
        mem_free(coherence->positive);
        mem_free(coherence->negative);
        mem_free(coherence);
    }
}

/* ------------------------------------------------------------------------------------------------- tokens' classes
 */

/* The value that most of count values have, the lowest on ties; sorts them. */
static uint32_t most_frequent(uint32_t *values, size_t count) {
    for (size_t gap = count / 2; gap > 0; gap /= 2) { /* shell sort: a cell is a few thousand pixels at most */
        for (size_t i = gap; i < count; i++) {
            const uint32_t value = values[i];
            size_t j = i;
            for (; j >= gap && values[j - gap] > value; j -= gap) {
                values[j] = values[j - gap];
            }
            values[j] = value;
        }
    }
    uint32_t best = values[0];
    size_t best_length = 0;
    for (size_t start = 0, end; start < count; start = end) {
        for (end = start; end < count && values[end] == values[start];) {
            end++;
        }
        if (end - start > best_length) {
            best_length = end - start;
            best = values[start];
        }
    }
    return best;
}

/* classes: (height, width) of the grid. Cell (y, x) is the pixels from floor(y * truth height / grid height) on;
 * cell: room for the largest one's pixels. */
static void classify_tokens(const diffcut_labels *truth, uint32_t height, uint32_t width, uint32_t ignored_from,
                            uint32_t *cell, uint32_t *classes) {
    for (uint64_t y = 0; y < height; y++) {
        const uint64_t top = y * truth->height / height;
        const uint64_t bottom = (y + 1) * truth->height / height;
        for (uint64_t x = 0; x < width; x++) {
            const uint64_t left = x * truth->width / width;
            const uint64_t right = (x + 1) * truth->width / width;
            size_t count = 0;
            for (uint64_t row = top; row < bottom; row++) {
                for (uint64_t column = left; column < right; column++) {
                    const uint32_t label = truth->data[row * truth->width + column];
                    cell[count++] = label < ignored_from ? label : ignored_from; /* one class of all ignored */
                }
            }
            classes[y * width + x] = most_frequent(cell, count);
        }
    }
}

/* ------------------------------------------------------------------------------------------------- choice */

/* SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). */
static uint64_t next_random(uint64_t *state) {
    *state += 0x9E3779B97F4A7C15U;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

/* A start that depends on the photo, so that not the same places are drawn from each, but on nothing before it. */
static uint64_t draw_seed(uint64_t seed, const uint32_t *classes, size_t tokens) {
    uint64_t state = seed;
    for (size_t i = 0; i < tokens; i++) {
        state ^= classes[i];
        state = next_random(&state);
    }
    return state;
}

/* Of the tokens that count, at most `most` at random, ascending. tokens: room for all. Returns how many. Each next
 * one is taken with the chance of those still wanted among those left (Knuth's selection sampling, TAOCP 2, 3.4.2).
 */
static size_t choose_tokens(const uint32_t *classes, size_t count, uint32_t ignored_from, size_t most, uint64_t seed,
                            uint32_t *tokens) {
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        left += classes[i] < ignored_from;
    }
    size_t wanted = left < most ? left : most;
    size_t chosen = 0;
    uint64_t state = draw_seed(seed, classes, count);
    for (size_t i = 0; i < count && wanted > 0; i++) {
        if (classes[i] < ignored_from) {
            /* below 2^14 tokens the remainder favours none by more than 2^-50 */
            if (wanted == left || next_random(&state) % left < wanted) {
                tokens[chosen++] = (uint32_t)i;
                wanted--;
            }
            left--;
        }
    }
    return chosen;
}

/* unit: (count, channels), the chosen tokens' features of length 1; all 0 stay so. */
static void gather_units(const diffcut_features *features, const uint32_t *tokens, size_t count, float *unit) {
    const size_t channels = features->channels;
    for (size_t i = 0; i < count; i++) {
        const float *from = features->data + tokens[i] * channels;
        double squares = 0;
        for (size_t c = 0; c < channels; c++) {
            squares += (double)from[c] * (double)from[c];
        }
        const double factor = squares > 0 ? 1 / sqrt(squares) : 0;
        for (size_t c = 0; c < channels; c++) {
            unit[i * channels + c] = (float)((double)from[c] * factor);
        }
    }
}

/* ------------------------------------------------------------------------------------------------- counting */

static uint32_t bin_of(float similarity, uint32_t bins) {
    const double at = ((double)similarity + 1) / 2 * bins;
    return at <= 0 ? 0 : at >= bins - 1 ? bins - 1 : (uint32_t)at;
}

/* Pairs of rows first .. first+rows-1 with every later token. similarities: (rows, count - first). */
static void count_pairs(const diffcut_coherence *c, const uint32_t *classes, const uint32_t *tokens, size_t count,
                        size_t first, size_t rows, const float *similarities, uint64_t *positive,
                        uint64_t *negative) {
    const size_t columns = count - first;
    for (size_t i = 0; i < rows; i++) {
        const uint32_t own = classes[tokens[first + i]];
        for (size_t j = i + 1; j < columns; j++) {
            const uint32_t bin = bin_of(similarities[i * columns + j], c->settings.bins);
            if (classes[tokens[first + j]] == own) {
                positive[bin]++;
            } else {
                negative[bin]++;
            }
        }
    }
}

/* All pairs, in blocks of rows. counts: (2, bins), zero. */
static diffcut_status count_all(const diffcut_coherence *c, const uint32_t *classes, const uint32_t *tokens,
                                size_t count, const float *unit, size_t channels, uint32_t threads, float *block,
                                uint64_t *counts, diffcut_diagnostics *diag) {
    for (size_t first = 0; first < count; first += ROWS_AT_ONCE) {
        const size_t rows = count - first < ROWS_AT_ONCE ? count - first : ROWS_AT_ONCE;
        const float *from = unit + first * channels;
        const diffcut_status status = gemm_nt(threads, rows, count - first, channels, from, channels, from, channels,
                                              0, block, count - first, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
        count_pairs(c, classes, tokens, count, first, rows, block, counts, counts + c->settings.bins);
    }
    return DIFFCUT_OK;
}

static diffcut_status add_check(const diffcut_coherence *c, const diffcut_features *features,
                                const diffcut_labels *truth, diffcut_diagnostics *diag) {
    if (c == NULL || features == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_coherence_add: coherence or features is NULL");
    }
    const diffcut_status status = labels_check(truth, "diffcut_coherence_add", diag);
    if (status == DIFFCUT_OK && (truth->width < features->width || truth->height < features->height)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "diffcut_coherence_add: labels of %" PRIu32 "x%" PRIu32
                         " are smaller than the features' grid of %" PRIu32 "x%" PRIu32,
                         truth->width, truth->height, features->width, features->height);
    }
    return status;
}

diffcut_status diffcut_coherence_add(diffcut_coherence *coherence, const diffcut_features *features,
                                     const diffcut_labels *truth, uint32_t threads,
                                     diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    diffcut_status status = add_check(coherence, features, truth, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    const diffcut_coherence_settings *s = &coherence->settings;
    const size_t grid = (size_t)features->height * features->width;
    const size_t most = grid < s->max_tokens ? grid : s->max_tokens;
    const size_t cell_size = ((size_t)truth->height / features->height + 1) * (truth->width / features->width + 1);
    size_t unit_size = 0;
    uint32_t *classes = mem_array(grid, 2 * sizeof *classes); /* and the chosen tokens */
    uint32_t *cell = mem_array(cell_size, sizeof *cell);
    float *unit = mem_mul(most, features->channels, &unit_size) ? mem_array(unit_size, sizeof *unit) : NULL;
    float *block = mem_array(most * ROWS_AT_ONCE, sizeof *block);
    uint64_t *counts = mem_array_zero(s->bins, 2 * sizeof *counts);
    if (classes == NULL || cell == NULL || unit == NULL || block == NULL || counts == NULL) {
        status = diag_no_memory(diag, unit_size * sizeof *unit, "pairs of tokens");
        goto cleanup;
    }
    uint32_t *tokens = classes + grid;
    classify_tokens(truth, features->height, features->width, s->classes, cell, classes);
    const size_t count = choose_tokens(classes, grid, s->classes, most, s->seed, tokens);
    gather_units(features, tokens, count, unit);
    status = count_all(coherence, classes, tokens, count, unit, features->channels,
                       threads > 0 ? threads : parallel_default_threads(), block, counts, diag);
    if (status == DIFFCUT_OK) {
        for (size_t b = 0; b < s->bins; b++) {
            coherence->positive[b] += counts[b];
            coherence->negative[b] += counts[s->bins + b];
        }
        coherence->photos++;
    }
cleanup:
    mem_free(counts);
    mem_free(block);
    mem_free(unit);
    mem_free(cell);
    mem_free(classes);
    return status;
}

diffcut_status diffcut_coherence_merge(diffcut_coherence *into, const diffcut_coherence *from,
                                       diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (into == NULL || from == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_coherence_merge: into or from is NULL");
    }
    const diffcut_coherence_settings *a = &into->settings;
    const diffcut_coherence_settings *b = &from->settings;
    if (a->bins != b->bins || a->classes != b->classes || a->max_tokens != b->max_tokens || a->seed != b->seed) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "coherence: counts of bins %" PRIu32 ", classes %" PRIu32 ", max_tokens %" PRIu32
                         ", seed %" PRIu64 " do not merge with those of %" PRIu32 ", %" PRIu32 ", %" PRIu32
                         ", %" PRIu64,
                         b->bins, b->classes, b->max_tokens, b->seed, a->bins, a->classes, a->max_tokens, a->seed);
    }
    for (size_t bin = 0; bin < a->bins; bin++) {
        into->positive[bin] += from->positive[bin];
        into->negative[bin] += from->negative[bin];
    }
    into->photos += from->photos;
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- curve */

void diffcut_coherence_get_report(const diffcut_coherence *coherence, diffcut_coherence_report *out) {
    *out = (diffcut_coherence_report){.photos = coherence->photos, .bin_width = 2.0 / coherence->settings.bins};
    for (size_t b = 0; b < coherence->settings.bins; b++) {
        out->positive += coherence->positive[b];
        out->negative += coherence->negative[b];
    }
    if (out->positive == 0 || out->negative == 0) {
        out->auc = NAN;
        out->auc_error = NAN;
        return;
    }
    double below = 0; /* share of the negatives in lower bins */
    for (size_t b = 0; b < coherence->settings.bins; b++) {
        const double p = (double)coherence->positive[b] / (double)out->positive;
        const double n = (double)coherence->negative[b] / (double)out->negative;
        out->auc += p * (below + n / 2);
        out->auc_error += p * n / 2;
        below += n;
    }
}

static double rate(uint64_t part, uint64_t whole) {
    return whole > 0 ? (double)part / (double)whole : 0;
}

void diffcut_coherence_curve(const diffcut_coherence *coherence, diffcut_roc_point *points, size_t room,
                             size_t *count) {
    const uint32_t bins = coherence->settings.bins;
    diffcut_coherence_report all;
    diffcut_coherence_get_report(coherence, &all);
    uint64_t positive = 0;
    uint64_t negative = 0;
    size_t made = 0;
    for (uint32_t b = bins + 1; b-- > 0;) {
        const bool moves = b < bins && (coherence->positive[b] > 0 || coherence->negative[b] > 0);
        if (b < bins) {
            positive += coherence->positive[b];
            negative += coherence->negative[b];
        }
        if (b != bins && !moves) {
            continue;
        }
        if (points != NULL && made < room) {
            points[made] = (diffcut_roc_point){.threshold = -1 + b * (2.0 / bins),
                                               .false_positive = rate(negative, all.negative),
                                               .true_positive = rate(positive, all.positive)};
        }
        made++;
    }
    *count = made;
}
