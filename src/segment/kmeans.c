/*
 * kmeans.c - see kmeans.h.
 *
 * Distances are squared and Euclidean, between unit vectors: |x - m|^2 = 1 - 2 x.m + |m|^2. So is the silhouette's,
 * and the mean of a token's squared distances to a cluster follows from the cluster's mean alone: no matrix of tokens
 * by tokens is needed.
 */
#include "segment/kmeans.h"

#include "core/gemm.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "core/random.h"
#include "segment/affinity.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define CHANNELS_PER_PIECE 64

/* One map being clustered. The arrays hold up to `room` clusters. */
typedef struct kmeans_state {
    const work *w;
    size_t tokens, channels, room;
    float *unit;     /* (tokens, channels) */
    double *square;  /* (tokens) squared length: 1 but for rounding, 0 for a token of zeros */
    float *means;    /* (room, channels) */
    double *norms;   /* (room) squared length of each mean */
    size_t *sizes;   /* (room) */
    float *products; /* (tokens, room) x.m; during a start (tokens) for one mean */
    double *nearest; /* (tokens) squared distance to the nearest mean */
    float *draws;    /* (room) standard normal numbers of a start */
    double *sums;    /* (pieces of channels, room, CHANNELS_PER_PIECE) of the tokens of each cluster */
    uint32_t *label; /* (tokens) */
} kmeans_state;

static void free_state(kmeans_state *s) {
    mem_free(s->unit);
    mem_free(s->square);
    mem_free(s->means);
    mem_free(s->norms);
    mem_free(s->sizes);
    mem_free(s->products);
    mem_free(s->nearest);
    mem_free(s->draws);
    mem_free(s->sums);
    mem_free(s->label);
}

static size_t mean_pieces(size_t channels) {
    return (channels + CHANNELS_PER_PIECE - 1) / CHANNELS_PER_PIECE;
}

static diffcut_status create_state(const work *w, const diffcut_features *features, size_t room, kmeans_state *out) {
    kmeans_state s = {.w = w, .tokens = (size_t)features->height * features->width, .channels = features->channels};
    size_t values, products, means, sums;
    s.room = room;
    if (!mem_mul(s.tokens, s.channels, &values) || !mem_mul(s.tokens, room, &products) ||
        !mem_mul(room, s.channels, &means) || !mem_mul(mean_pieces(s.channels) * CHANNELS_PER_PIECE, room, &sums)) {
        return diag_no_memory(w->diag, SIZE_MAX, "k-means");
    }
    s.unit = mem_array(values, sizeof *s.unit);
    s.square = mem_array(s.tokens, sizeof *s.square);
    s.means = mem_array(means, sizeof *s.means);
    s.norms = mem_array(room, sizeof *s.norms);
    s.sizes = mem_array(room, sizeof *s.sizes);
    s.products = mem_array(products, sizeof *s.products);
    s.nearest = mem_array(s.tokens, sizeof *s.nearest);
    s.draws = mem_array(room, sizeof *s.draws);
    s.sums = mem_array(sums, sizeof *s.sums);
    s.label = mem_array(s.tokens, sizeof *s.label);
    if (s.unit == NULL || s.square == NULL || s.means == NULL || s.norms == NULL || s.sizes == NULL ||
        s.products == NULL || s.nearest == NULL || s.draws == NULL || s.sums == NULL || s.label == NULL) {
        free_state(&s);
        return diag_no_memory(w->diag, values * sizeof *s.unit, "k-means");
    }
    affinity_normalise(features, s.unit);
    for (size_t i = 0; i < s.tokens; i++) {
        double sum = 0.0;
        for (size_t c = 0; c < s.channels; c++) {
            sum += (double)s.unit[i * s.channels + c] * (double)s.unit[i * s.channels + c];
        }
        s.square[i] = sum;
    }
    *out = s;
    return DIFFCUT_OK;
}

static diffcut_status multiply(kmeans_state *s, size_t count) {
    return gemm_nt(s->w->threads, s->tokens, count, s->channels, s->unit, s->channels, s->means, s->channels, 0.0F,
                   s->products, count, s->w->diag);
}

static double distance(const kmeans_state *s, size_t token, size_t mean, size_t count) {
    double d = s->square[token] - 2.0 * (double)s->products[token * count + mean] + s->norms[mean];
    return d > 0.0 ? d : 0.0;
}

static void set_mean(kmeans_state *s, size_t mean, size_t token) {
    memcpy(s->means + mean * s->channels, s->unit + token * s->channels, s->channels * sizeof *s->means);
    s->norms[mean] = s->square[token];
}

/* ------------------------------------------------------------------------------------------------- a start */

/* The distribution function of a standard normal number is uniform in 0 .. 1. */
static double uniform(float normal) {
    return 0.5 * erfc(-(double)normal * M_SQRT1_2);
}

/* A token, each as likely as its weight; without any weight, each as the others. */
static size_t pick(const double *weight, size_t tokens, double point) {
    double total = 0.0, sum = 0.0;
    for (size_t i = 0; i < tokens; i++) {
        total += weight[i];
    }
    if (!(total > 0.0)) {
        size_t i = (size_t)(point * (double)tokens);
        return i < tokens ? i : tokens - 1;
    }
    size_t last = 0;
    for (size_t i = 0; i < tokens; i++) {
        sum += weight[i];
        last = weight[i] > 0.0 ? i : last;
        if (weight[i] > 0.0 && sum > point * total) {
            return i;
        }
    }
    return last;
}

/* The first mean is any token; each further one as likely as its squared distance to the nearest so far. */
static diffcut_status start_means(kmeans_state *s, size_t count, random_stream *stream) {
    diffcut_status status = DIFFCUT_OK;
    float *means = s->means;
    random_stream_normal(stream, count, s->draws);
    for (size_t i = 0; i < s->tokens; i++) {
        s->nearest[i] = 0.0;
    }
    set_mean(s, 0, pick(s->nearest, s->tokens, uniform(s->draws[0])));
    for (size_t i = 0; i < s->tokens; i++) {
        s->nearest[i] = DBL_MAX;
    }
    for (size_t k = 1; k < count && status == DIFFCUT_OK; k++) {
        status = gemm_nt(s->w->threads, s->tokens, 1, s->channels, s->unit, s->channels,
                         means + (k - 1) * s->channels, s->channels, 0.0F, s->products, 1, s->w->diag);
        for (size_t i = 0; status == DIFFCUT_OK && i < s->tokens; i++) {
            double d = s->square[i] - 2.0 * (double)s->products[i] + s->norms[k - 1];
            s->nearest[i] = fmin(s->nearest[i], d > AFFINITY_CONSTANT_RANGE ? d : 0.0);
        }
        if (status == DIFFCUT_OK) {
            set_mean(s, k, pick(s->nearest, s->tokens, uniform(s->draws[k])));
        }
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- iterations */

/* Each token to its nearest mean, the first on ties; returns how many changed. */
static size_t assign(kmeans_state *s, size_t count) {
    size_t changed = 0;
    for (size_t i = 0; i < s->tokens; i++) {
        size_t best = 0;
        double least = distance(s, i, 0, count);
        for (size_t k = 1; k < count; k++) {
            double d = distance(s, i, k, count);
            if (d < least) {
                least = d;
                best = k;
            }
        }
        changed += s->label[i] != (uint32_t)best;
        s->label[i] = (uint32_t)best;
        s->nearest[i] = least;
    }
    return changed;
}

struct mean_task {
    kmeans_state *s;
    size_t count;
};

/* Channels of one piece of every mean: each token is read once, whatever the number of clusters. The sums, in double
 * precision, are taken in the tokens' order. */
static void average_piece(void *context, size_t piece) {
    const struct mean_task *task = context;
    kmeans_state *s = task->s;
    size_t first = piece * CHANNELS_PER_PIECE;
    size_t channels = s->channels - first < CHANNELS_PER_PIECE ? s->channels - first : CHANNELS_PER_PIECE;
    double *sums = s->sums + piece * CHANNELS_PER_PIECE * s->room;
    memset(sums, 0, task->count * CHANNELS_PER_PIECE * sizeof *sums);
    for (size_t i = 0; i < s->tokens; i++) {
        const float *x = s->unit + i * s->channels + first;
        double *restrict sum = sums + s->label[i] * (size_t)CHANNELS_PER_PIECE;
        for (size_t c = 0; c < channels; c++) {
            sum[c] += (double)x[c];
        }
    }
    for (size_t k = 0; k < task->count; k++) {
        for (size_t c = 0; c < channels && s->sizes[k] > 0; c++) {
            s->means[k * s->channels + first + c] = (float)(sums[k * CHANNELS_PER_PIECE + c] / (double)s->sizes[k]);
        }
    }
}

static size_t farthest(const kmeans_state *s) {
    size_t best = 0;
    for (size_t i = 1; i < s->tokens; i++) {
        best = s->nearest[i] > s->nearest[best] ? i : best;
    }
    return best;
}

/* Means of the labels; an empty cluster moves to the token farthest from its mean. */
static void update_means(kmeans_state *s, size_t count) {
    memset(s->sizes, 0, count * sizeof *s->sizes);
    for (size_t i = 0; i < s->tokens; i++) {
        s->sizes[s->label[i]]++;
    }
    struct mean_task task = {s, count};
    parallel_for(s->w->threads, mean_pieces(s->channels), average_piece, &task);
    for (size_t k = 0; k < count; k++) {
        if (s->sizes[k] == 0) {
            size_t token = farthest(s);
            set_mean(s, k, token);
            s->nearest[token] = 0.0;
            continue;
        }
        double norm = 0.0;
        for (size_t c = 0; c < s->channels; c++) {
            norm += (double)s->means[k * s->channels + c] * (double)s->means[k * s->channels + c];
        }
        s->norms[k] = norm;
    }
}

/* One start, iterated until no label changes; *inertia is the sum of the squared distances. */
static diffcut_status run_once(kmeans_state *s, size_t count, random_stream *stream, double *inertia) {
    diffcut_status status = start_means(s, count, stream);
    memset(s->label, 0xFF, s->tokens * sizeof *s->label);
    for (int i = 0; i < KMEANS_MAX_ITERATIONS && status == DIFFCUT_OK; i++) {
        status = multiply(s, count);
        if (status == DIFFCUT_OK && assign(s, count) == 0) {
            break;
        }
        if (status == DIFFCUT_OK) {
            update_means(s, count);
        }
    }
    *inertia = 0.0;
    for (size_t i = 0; i < s->tokens; i++) {
        *inertia += s->nearest[i];
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- the silhouette */

/* Mean over the tokens of (b - a) / max(a, b): a, the mean squared distance to the other tokens of its own cluster,
 * b, the least mean to another cluster; 0 for a token that is alone. Uses the labels; recomputes the means. */
static diffcut_status silhouette(kmeans_state *s, size_t count, double *out) {
    update_means(s, count);
    diffcut_status status = multiply(s, count);
    double sum = 0.0;
    for (size_t i = 0; status == DIFFCUT_OK && i < s->tokens; i++) {
        size_t own = s->label[i];
        double a = 0.0, b = DBL_MAX;
        for (size_t k = 0; k < count; k++) {
            /* Mean over the cluster of |x - y|^2 = |x|^2 - 2 x.m + mean |y|^2, and |y| is 1. */
            double mean = fmax(s->square[i] - 2.0 * (double)s->products[i * count + k] + 1.0, 0.0);
            double size = (double)s->sizes[k];
            if (k == own) {
                a = s->sizes[k] > 1 ? mean * size / (size - 1.0) : 0.0;
            } else if (s->sizes[k] > 0) {
                b = fmin(b, mean);
            }
        }
        if (s->sizes[own] > 1 && b < DBL_MAX && fmax(a, b) > 0.0) {
            sum += (b - a) / fmax(a, b);
        }
    }
    *out = sum / (double)s->tokens;
    return status;
}

/* ------------------------------------------------------------------------------------------------- the interface */

/* The best of several starts; labels holds it. */
static diffcut_status run_restarts(kmeans_state *s, size_t count, const kmeans_rules *rules, double from, double to,
                                   uint32_t *labels) {
    random_stream stream;
    random_stream_init(&stream, DIFFCUT_NOISE_CPU, rules->seed);
    diffcut_status status = DIFFCUT_OK;
    double best = DBL_MAX, inertia;
    for (uint32_t r = 0; r < rules->restarts && status == DIFFCUT_OK; r++) {
        status = work_progress(s->w, from + (to - from) * r / rules->restarts);
        if (status == DIFFCUT_OK) {
            status = run_once(s, count, &stream, &inertia);
        }
        if (status == DIFFCUT_OK && inertia < best) {
            best = inertia;
            memcpy(labels, s->label, s->tokens * sizeof *labels);
        }
    }
    return status;
}

static diffcut_status search(kmeans_state *s, const kmeans_rules *rules, uint32_t *trial, uint32_t *labels) {
    diffcut_status status = DIFFCUT_OK;
    double best = -DBL_MAX, value;
    for (size_t count = 2; count <= s->room && status == DIFFCUT_OK; count++) {
        double step = 1.0 / (double)(s->room - 1);
        status = run_restarts(s, count, rules, (double)(count - 2) * step, (double)(count - 1) * step, trial);
        if (status == DIFFCUT_OK) {
            memcpy(s->label, trial, s->tokens * sizeof *trial);
            status = silhouette(s, count, &value);
        }
        if (status == DIFFCUT_OK && value > best) {
            best = value;
            memcpy(labels, trial, s->tokens * sizeof *labels);
        }
    }
    return status;
}

/* Numbers the labels by their first token; returns how many there are. table: (room). */
static size_t renumber(size_t tokens, size_t room, size_t *table, uint32_t *labels) {
    size_t count = 0;
    for (size_t k = 0; k < room; k++) {
        table[k] = SIZE_MAX;
    }
    for (size_t i = 0; i < tokens; i++) {
        size_t *to = &table[labels[i]];
        *to = *to == SIZE_MAX ? count++ : *to;
        labels[i] = (uint32_t)*to;
    }
    return count;
}

/* All tokens within rounding of the first. */
static bool is_constant(const kmeans_state *s) {
    for (size_t i = 1; i < s->tokens; i++) {
        double d = 0.0;
        for (size_t c = 0; c < s->channels; c++) {
            double difference = (double)s->unit[i * s->channels + c] - (double)s->unit[c];
            d += difference * difference;
        }
        if (d > (double)AFFINITY_CONSTANT_RANGE) {
            return false;
        }
    }
    return true;
}

diffcut_status kmeans_cluster(const work *w, const diffcut_features *features, const kmeans_rules *rules,
                              uint32_t *labels, size_t *clusters) {
    size_t tokens = (size_t)features->height * features->width;
    size_t wanted = rules->clusters > 0 ? rules->clusters : rules->max_clusters;
    kmeans_state s;
    diffcut_status status = create_state(w, features, wanted < tokens ? wanted : tokens, &s);
    if (status != DIFFCUT_OK) {
        return status;
    }
    uint32_t *trial = mem_array(tokens, sizeof *trial);
    if (trial == NULL) {
        status = diag_no_memory(w->diag, tokens * sizeof *trial, "k-means");
    } else if (s.room == 1 || is_constant(&s)) {
        memset(labels, 0, tokens * sizeof *labels);
    } else if (rules->clusters > 0) {
        status = run_restarts(&s, s.room, rules, 0.0, 1.0, labels);
    } else {
        status = search(&s, rules, trial, labels);
    }
    if (status == DIFFCUT_OK) {
        *clusters = renumber(tokens, s.room, s.sizes, labels);
    }
    mem_free(trial);
    free_state(&s);
    return status;
}
