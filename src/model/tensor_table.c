/* tensor_table.c - see tensor_table.h. */
#include "model/tensor_table.h"

#include "core/memory.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 64
#define BLOCK_BYTES ((size_t)32 << 10) /* of names; larger pieces get a block of their own */

/* A block of memory that lives as long as the table. */
struct table_block {
    struct table_block *next;
    size_t size, used;
    uint8_t *bytes;
};

void tensor_table_free(tensor_table *table) {
    for (size_t i = 0; i < table->file_count; i++) {
        safetensors_close(table->files[i]);
    }
    while (table->blocks != NULL) {
        struct table_block *block = table->blocks;
        table->blocks = block->next;
        mem_free(block->bytes);
        mem_free(block);
    }
    mem_free(table->files);
    mem_free(table->entries);
    *table = (tensor_table){0};
}

diffcut_status tensor_table_own(tensor_table *table, safetensors *file, diffcut_diagnostics *diag) {
    safetensors **grown = mem_array_grow(table->files, table->file_count, table->file_count + 1, sizeof *grown);
    if (grown == NULL) {
        safetensors_close(file);
        return diag_no_memory(diag, (table->file_count + 1) * sizeof *grown, "the list of weight files");
    }
    table->files = grown;
    table->files[table->file_count++] = file;
    return DIFFCUT_OK;
}

/* size bytes that live as long as the table; NULL without memory. */
static void *keep(tensor_table *table, size_t size) {
    struct table_block *block = table->blocks;
    if (block == NULL || block->size - block->used < size) {
        block = mem_array_zero(1, sizeof *block);
        if (block == NULL) {
            return NULL;
        }
        block->size = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        block->bytes = mem_array(block->size, 1);
        if (block->bytes == NULL) {
            mem_free(block);
            return NULL;
        }
        block->next = table->blocks;
        table->blocks = block;
    }
    void *place = block->bytes + block->used;
    block->used += size;
    return place;
}

/* Room for one more entry. */
static bool make_room(tensor_table *table) {
    if (table->count < table->capacity) {
        return true;
    }
    size_t capacity = table->capacity == 0 ? FIRST_CAPACITY : 2 * table->capacity;
    tensor_entry *grown = mem_array_grow(table->entries, table->count, capacity, sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    table->entries = grown;
    table->capacity = capacity;
    return true;
}

diffcut_status tensor_table_add(tensor_table *table, const safetensors *file, const safetensors_tensor *tensor,
                                const char *name, bool transpose, diffcut_diagnostics *diag) {
    const char *own = tensor->name;
    if (strcmp(own, name) != 0) {
        char *copy = keep(table, strlen(name) + 1);
        if (copy == NULL) {
            return diag_no_memory(diag, strlen(name) + 1, "a tensor's name");
        }
        memcpy(copy, name, strlen(name) + 1);
        own = copy;
    }
    if (!make_room(table)) {
        return diag_no_memory(diag, 2 * table->capacity * sizeof *table->entries, "the table of tensors");
    }
    tensor_entry *entry = &table->entries[table->count++];
    *entry = (tensor_entry){.tensor = *tensor, .stored_name = tensor->name, .file = file};
    entry->tensor.name = own;
    if (transpose) {
        entry->tensor.shape[0] = tensor->shape[1];
        entry->tensor.shape[1] = tensor->shape[0];
        entry->tensor.data = NULL;
        entry->transposed = tensor->data;
    }
    return DIFFCUT_OK;
}

diffcut_status tensor_table_add_stacked(tensor_table *table, const safetensors *file,
                                        const safetensors_tensor *stacked, char *name, diffcut_diagnostics *diag) {
    if (stacked->rank < 1 || stacked->shape[0] % 3 != 0) {
        char shape[96];
        safetensors_shape_text(stacked->shape, stacked->rank, shape, sizeof shape);
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: tensor %.120s has shape %s, expected three stacked parts",
                         safetensors_name(file), stacked->name, shape);
    }
    safetensors_tensor part = *stacked;
    part.shape[0] /= 3;
    part.elements /= 3;
    part.bytes /= 3;
    char *letter = strchr(name, '?');
    for (size_t i = 0; i < 3 && letter != NULL; i++) {
        *letter = "qkv"[i];
        part.data = (const uint8_t *)stacked->data + i * part.bytes;
        diffcut_status status = tensor_table_add(table, file, &part, name, false, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
    }
    return DIFFCUT_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const tensor_entry *)a)->tensor.name, ((const tensor_entry *)b)->tensor.name);
}

diffcut_status tensor_table_sort(tensor_table *table, diffcut_diagnostics *diag) {
    if (table->count > 1) {
        qsort(table->entries, table->count, sizeof *table->entries, by_name);
    }
    for (size_t i = 1; i < table->count; i++) {
        const tensor_entry *a = &table->entries[i - 1];
        const tensor_entry *b = &table->entries[i];
        if (strcmp(a->tensor.name, b->tensor.name) != 0) {
            continue;
        }
        if (a->file == b->file) {
            return diag_fail(diag, DIFFCUT_ERROR_MODEL, "%s: %.120s and %.120s are both tensor %.120s",
                             safetensors_name(a->file), a->stored_name, b->stored_name, a->tensor.name);
        }
        return diag_fail(diag, DIFFCUT_ERROR_MODEL, "tensor %.120s is in both %s and %s", a->tensor.name,
                         safetensors_name(a->file), safetensors_name(b->file));
    }
    return DIFFCUT_OK;
}

/* from (columns, rows) -> to (rows, columns), elements of size bytes. */
static void transpose(const uint8_t *from, size_t rows, size_t columns, size_t size, uint8_t *to) {
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < columns; c++) {
            memcpy(to + (r * columns + c) * size, from + (c * rows + r) * size, size);
        }
    }
}

diffcut_status tensor_table_settle(tensor_table *table, diffcut_diagnostics *diag) {
    for (size_t i = 0; i < table->count; i++) {
        tensor_entry *entry = &table->entries[i];
        safetensors_tensor *tensor = &entry->tensor;
        if (entry->transposed == NULL || tensor->data != NULL) {
            continue;
        }
        uint8_t *copy = keep(table, tensor->bytes);
        if (copy == NULL) {
            return diag_no_memory(diag, tensor->bytes, tensor->name);
        }
        size_t size = tensor->elements > 0 ? tensor->bytes / tensor->elements : 0;
        transpose(entry->transposed, tensor->shape[0], tensor->shape[1], size, copy);
        tensor->data = copy;
    }
    return DIFFCUT_OK;
}

const tensor_entry *tensor_table_find(const tensor_table *table, const char *name) {
    size_t low = 0;
    size_t high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, table->entries[middle].tensor.name);
        if (order == 0) {
            return &table->entries[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}
