/*
 * peak.h - the rate of a large product on a backend: the yardstick that operations are measured by.
 * Called by the session.
 */
#ifndef DIFFCUT_NN_PEAK_H
#define DIFFCUT_NN_PEAK_H

#include "nn/layers.h"

/* Floating-point operations a second of the quickest of a few runs of a 2048 x 1280 x 1280 product. */
diffcut_status peak_measure(backend *target, backend_stream *stream, const work *w, double *flops);

#endif
