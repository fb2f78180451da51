/*
 * coherence.h - the counts behind a ROC curve. Shared by coherence.c and coherence_file.c.
 */
#ifndef DIFFCUT_EVAL_COHERENCE_H
#define DIFFCUT_EVAL_COHERENCE_H

#include "core/status.h"

#define COHERENCE_MAX_BINS ((uint32_t)1 << 20)

struct diffcut_coherence {
    diffcut_coherence_settings settings;
    uint64_t photos;
    uint64_t *positive; /* (bins): pairs of one class by similarity; bin b is -1 + b * 2 / bins and up */
    uint64_t *negative; /* (bins): pairs of two classes */
};

#endif
