/*
 * assignment.h - the matching of rows to columns with the largest total weight.
 * Called by matching.c.
 */
#ifndef DIFFCUT_EVAL_ASSIGNMENT_H
#define DIFFCUT_EVAL_ASSIGNMENT_H

#include "core/status.h"

/* weights: (rows, columns), whole numbers of magnitude below 2^53 / rows. column_of (rows): the column of each row,
 * -1 where there are more rows than columns. Among matchings with the same total it takes the one that scipy's
 * linear_sum_assignment(maximize=True) takes. Time: rows * rows * columns at worst, the smaller side being the rows.
 */
diffcut_status assignment_solve(size_t rows, size_t columns, const int64_t *weights, int32_t *column_of,
                                diffcut_diagnostics *diag);

#endif
