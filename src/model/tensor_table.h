/*
 * tensor_table.h - a component's tensors under diffusers' names, whatever files and names they come from.
 *
 * Entries are views into mapped files; nothing is read until a tensor's data are. What a file stores transposed is
 * copied when the table is settled. Filled once, then sorted, then immutable. Called by model/checkpoint, the
 * layouts.
 */
#ifndef DIFFCUT_MODEL_TENSOR_TABLE_H
#define DIFFCUT_MODEL_TENSOR_TABLE_H

#include "io/safetensors.h"

typedef struct tensor_entry {
    safetensors_tensor tensor; /* name: diffusers'; data NULL: to be transposed */
    const char *stored_name;   /* the name in the file */
    const safetensors *file;
    const void *transposed; /* the numbers as the file has them, (in, out); else NULL */
} tensor_entry;

typedef struct tensor_table {
    tensor_entry *entries;
    size_t count, capacity;
    struct table_block *blocks; /* names and copies that are the table's own */
    safetensors **files;        /* opened for this table */
    size_t file_count;
} tensor_table;

void tensor_table_free(tensor_table *table);

/* The file becomes the table's, on failure too. */
diffcut_status tensor_table_own(tensor_table *table, safetensors *file, diffcut_diagnostics *diag);

/* Adds a view; name is copied. transpose: tensor is a matrix that is stored transposed; its shape is turned here. */
diffcut_status tensor_table_add(tensor_table *table, const safetensors *file, const safetensors_tensor *tensor,
                                const char *name, bool transpose, diffcut_diagnostics *diag);

/* Queries, keys and values that are rows of one tensor: three views, under name with its '?' being q, k and v. */
diffcut_status tensor_table_add_stacked(tensor_table *table, const safetensors *file,
                                        const safetensors_tensor *stacked, char *name, diffcut_diagnostics *diag);

/* Sorts by name. DIFFCUT_ERROR_MODEL names a tensor that is there twice, and where. */
diffcut_status tensor_table_sort(tensor_table *table, diffcut_diagnostics *diag);
/* Makes the transposed copies that are still to be made. */
diffcut_status tensor_table_settle(tensor_table *table, diffcut_diagnostics *diag);

/* NULL when there is none. The table is sorted. */
const tensor_entry *tensor_table_find(const tensor_table *table, const char *name);

#endif
