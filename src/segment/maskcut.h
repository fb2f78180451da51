/*
 * maskcut.h - several objects, by TokenCut's cut repeated with what was found taken out of the graph (Wang et al.,
 * "Cut and Learn for Unsupervised Object Detection and Instance Segmentation", CVPR 2023, section 3.2). Called by
 * cluster.
 */
#ifndef DIFFCUT_SEGMENT_MASKCUT_H
#define DIFFCUT_SEGMENT_MASKCUT_H

#include "segment/tokencut.h"

/* out: (attempts, height * width), 1 where the attempt found an object that no earlier one holds; an attempt that
 * was dropped is all 0. */
diffcut_status maskcut_objects(const work *w, const diffcut_features *features, const tokencut_rules *rules,
                               size_t attempts, uint8_t *out);

#endif
