/* autosc.c - see autosc.h. */
#include "segment/autosc.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "segment/affinity.h"
#include "segment/cluster_qr.h"
#include "segment/eigen_dense.h"

#include <math.h>
#include <string.h>

static const double exponents[] = {1.0, 5.0, 10.0, 15.0}; /* those that the published ablation tries */
#define EXPONENTS (sizeof exponents / sizeof *exponents)
#define GAP_EPSILON 1e-6

/* ------------------------------------------------------------------------------------------------- the matrix */

struct scale_task {
    size_t tokens;
    const float *affinity;
    double *scale; /* (tokens) degree^-1/2 */
    double *matrix;
};

static void measure_row(void *context, size_t i) {
    const struct scale_task *task = context;
    double sum = 0.0;
    for (size_t j = 0; j < task->tokens; j++) {
        sum += (double)task->affinity[i * task->tokens + j];
    }
    task->scale[i] = sum > 0.0 ? 1.0 / sqrt(sum) : 0.0;
}

static void scale_row(void *context, size_t i) {
    const struct scale_task *task = context;
    for (size_t j = 0; j < task->tokens; j++) {
        size_t at = i * task->tokens + j;
        task->matrix[at] = task->scale[i] * (double)task->affinity[at] * task->scale[j];
    }
}

/* matrix (tokens, tokens) = D^-1/2 W D^-1/2, whose eigenvalues are 1 - lambda, and scale (tokens) = D^-1/2; *constant
 * where there is no W. */
static diffcut_status make_matrix(const work *w, const diffcut_features *features, double alpha, double *matrix,
                                  double *scale, bool *constant) {
    struct scale_task task = {.tokens = (size_t)features->height * features->width, .scale = scale, .matrix = matrix};
    float *affinity = NULL;
    diffcut_status status = affinity_create(w, features, alpha, &affinity);
    *constant = status == DIFFCUT_OK && affinity == NULL;
    if (status != DIFFCUT_OK || *constant) {
        return status;
    }
    task.affinity = affinity;
    parallel_for(w->threads, task.tokens, measure_row, &task);
    parallel_for(w->threads, task.tokens, scale_row, &task);
    mem_free(affinity);
    return status;
}

/* ------------------------------------------------------------------------------------------------- the number */

/* theta (n) ascending, lambda_i = 1 - theta[n - 1 - i]. Replaces *choice where a gap is larger. */
static void widest_gap(size_t n, const double *theta, double alpha, autosc_choice *choice) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        double lambda = 1.0 - theta[n - 1 - i];
        sum += lambda;
        double mean = sum / (double)(i + 1), gap = (lambda - mean) / (mean + GAP_EPSILON);
        if (i > 0 && gap > choice->gap) { /* no gap lies before the first */
            *choice = (autosc_choice){.clusters = i, .alpha = alpha, .gap = gap};
        }
    }
}

/* All eigenvalues at every exponent; theta (tokens) is room for them. Leaves *choice at one cluster for a constant
 * map. */
static diffcut_status choose(const work *w, const diffcut_features *features, double *matrix, double *theta,
                             autosc_choice *choice) {
    size_t n = (size_t)features->height * features->width;
    diffcut_status status = DIFFCUT_OK;
    bool constant = false;
    for (size_t k = 0; k < EXPONENTS && status == DIFFCUT_OK && !constant; k++) {
        const work part = work_part(w, 0.8 * (double)k / EXPONENTS, 0.8 * (double)(k + 1) / EXPONENTS);
        status = make_matrix(&part, features, exponents[k], matrix, theta, &constant);
        if (status == DIFFCUT_OK && !constant) {
            status = eigen_dense_values(n, matrix, theta, w->diag);
        }
        if (status == DIFFCUT_OK && !constant) {
            widest_gap(n, theta, exponents[k], choice);
            status = work_progress(&part, 1.0);
        }
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- the clusters */

/* Clusters of the vectors v = D^-1/2 u, as in the cut. scale (tokens) is room. */
static diffcut_status make_clusters(const work *w, const diffcut_features *features, const autosc_choice *choice,
                                    double *matrix, double *scale, uint32_t *labels) {
    size_t n = (size_t)features->height * features->width, entries;
    bool constant = false;
    double *vectors = mem_mul(n, choice->clusters, &entries) ? mem_array(entries, sizeof *vectors) : NULL;
    if (vectors == NULL) {
        return diag_no_memory(w->diag, n * sizeof *vectors, "the spectral vectors");
    }
    diffcut_status status = make_matrix(w, features, choice->vectors_alpha, matrix, scale, &constant);
    if (status == DIFFCUT_OK && !constant) {
        status = eigen_dense_largest(n, choice->clusters, matrix, vectors, w->diag);
    }
    for (size_t i = 0; status == DIFFCUT_OK && !constant && i < entries; i++) {
        vectors[i] *= scale[i % n];
    }
    if (status == DIFFCUT_OK && !constant) {
        status = cluster_qr(w, n, choice->clusters, vectors, labels);
    } else if (status == DIFFCUT_OK) {
        memset(labels, 0, n * sizeof *labels);
    }
    mem_free(vectors);
    return status;
}

diffcut_status autosc_cluster(const work *w, const diffcut_features *features, const autosc_rules *rules,
                              uint32_t *labels, autosc_choice *choice) {
    size_t n = (size_t)features->height * features->width, entries;
    autosc_choice chosen = {.clusters = 1, .alpha = exponents[0], .gap = 0.0};
    diffcut_status status = DIFFCUT_OK;
    double *matrix = mem_mul(n, n, &entries) ? mem_array(entries + n, sizeof *matrix) : NULL; /* and n beside it */
    if (matrix == NULL) {
        return diag_no_memory(w->diag, n * n * sizeof *matrix, "the normalised affinity");
    }
    double *beside = matrix + entries;
    if (rules->clusters > 0) {
        chosen.clusters = rules->clusters;
        chosen.alpha = chosen.vectors_alpha = rules->alpha;
    } else {
        status = choose(w, features, matrix, beside, &chosen);
        chosen.vectors_alpha = rules->reference ? exponents[EXPONENTS - 1] : chosen.alpha;
    }
    if (status == DIFFCUT_OK && chosen.clusters > 1) {
        const work part = work_part(w, 0.8, 1.0);
        status = make_clusters(&part, features, &chosen, matrix, beside, labels);
    } else if (status == DIFFCUT_OK) {
        memset(labels, 0, n * sizeof *labels);
    }
    mem_free(matrix);
    if (status == DIFFCUT_OK && choice != NULL) {
        *choice = chosen;
    }
    return status;
}
