/*
 * render.h - results from a stored tree: label maps in every format, leaves on pixels, heat maps of similarity.
 *
 * Each leaves its answer in the job's result, or a problem in its error and returns false. Called by compute.c.
 */
#ifndef DIFFCUT_TOOLS_SERVE_RENDER_H
#define DIFFCUT_TOOLS_SERVE_RENDER_H

#include "jobs.h"

bool render_labels(job_worker *worker, job *what);
bool render_leaves(job_worker *worker, job *what);
bool render_similarity(job_worker *worker, job *what);

#endif
