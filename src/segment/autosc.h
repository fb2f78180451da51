/*
 * autosc.h - spectral clustering that finds the number of clusters itself (DiffCut's ablation "automatic spectral
 * clustering"; the relative eigengap as in Ng, Jordan & Weiss 2002 and von Luxburg 2007).
 *
 * For each exponent of the affinity, 1, 5, 10, 15: all eigenvalues of the normalised Laplacian, ascending, and
 * gap_i = (lambda_i - mean(lambda_0 .. lambda_i)) / (that mean + 1e-6). The exponent of the largest gap decides, and
 * the gap's index is the number of clusters, which cluster_qr makes of the first vectors. Called by cluster.
 */
#ifndef DIFFCUT_SEGMENT_AUTOSC_H
#define DIFFCUT_SEGMENT_AUTOSC_H

#include "core/work.h"
#include "segment/features.h"

typedef struct autosc_rules {
    size_t clusters; /* 0: by the gap; else this many, of the vectors at alpha */
    double alpha;    /* used with clusters */
    bool reference;  /* the published code's vectors: of the last exponent, whichever decided */
} autosc_rules;

/* What decided, for tests and reports. */
typedef struct autosc_choice {
    size_t clusters;
    double alpha;         /* of the largest gap */
    double vectors_alpha; /* whose vectors were clustered */
    double gap;
} autosc_choice;

/* labels (tokens): 0 .. clusters - 1. A constant map is one cluster. choice may be NULL. */
diffcut_status autosc_cluster(const work *w, const diffcut_features *features, const autosc_rules *rules,
                              uint32_t *labels, autosc_choice *choice);

#endif
