/*
 * render.h - results from a stored tree: label maps in every format, leaves on pixels, heat maps of similarity, and
 * segments with names (render_names.c).
 *
 * Each leaves its answer in the job's result, or a problem in its error and returns false. Called by compute.c.
 */
#ifndef DIFFCUT_TOOLS_SERVE_RENDER_H
#define DIFFCUT_TOOLS_SERVE_RENDER_H

#include "jobs.h"

/* The segments at the query's tau on the pixels of the result. */
typedef struct result_map {
    diffcut_image small; /* the photo at the result's size, where that is another */
    const diffcut_image *image;
    diffcut_labels labels;
    uint32_t *nodes; /* of the labels */
} result_map;

/* To be freed in any case. */
bool result_map_make(job_worker *worker, job *what, result_map *map);
void result_map_free(result_map *map);

bool render_labels(job_worker *worker, job *what);
bool render_leaves(job_worker *worker, job *what);
bool render_similarity(job_worker *worker, job *what);
bool render_names(job_worker *worker, job *what);

#endif
