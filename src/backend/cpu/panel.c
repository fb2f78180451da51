/* panel.c - see panel.h. */
#include "backend/cpu/panel.h"

#include "core/memory.h"
#include "core/parallel.h"

typedef struct pack_task {
    const panel_kernels *kernels;
    const panel_matrix *matrix;
    size_t outer;
    dtype type;
    const char *data;
    float *columns; /* each worker: one panel's columns, widened */
} pack_task;

static void pack_panel(void *context, size_t piece, uint32_t worker) {
    const pack_task *task = context;
    const panel_matrix *matrix = task->matrix;
    size_t first = piece * matrix->cols;
    size_t count = task->outer - first < matrix->cols ? task->outer - first : matrix->cols;
    float *columns = task->columns + worker * matrix->cols * matrix->inner;
    task->kernels->widen(task->type, task->data + first * matrix->inner * dtype_size(task->type),
                         count * matrix->inner, columns);
    matrix->product->pack_columns(count, matrix->inner, columns, matrix->inner,
                                  matrix->words + piece * matrix->panel_words);
}

diffcut_status panel_matrix_create(const panel_kernels *kernels, size_t outer, size_t inner, dtype type,
                                   const void *data, dtype precision, panel_matrix *out, diffcut_diagnostics *diag) {
    panel_matrix matrix = {
        .product = precision == DTYPE_BF16 ? &kernels->bf16 : &kernels->f32,
        .cols = kernels->cols,
        .inner = inner,
        .panels = (outer + kernels->cols - 1) / kernels->cols,
    };
    uint32_t threads = parallel_default_threads();
    threads = threads < matrix.panels ? threads : (uint32_t)matrix.panels;
    size_t words = inner / matrix.product->inner_per_word + inner % matrix.product->inner_per_word;
    size_t group;
    size_t bytes;
    if (!mem_mul(words, matrix.cols, &matrix.panel_words) || !mem_mul(inner, matrix.cols * threads, &group) ||
        !mem_mul(matrix.panel_words, sizeof *matrix.words, &bytes) || !mem_mul(matrix.panels, bytes, &bytes)) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "a weight is larger than can be addressed");
    }
    matrix.words = mem_array(bytes, 1);
    float *columns = mem_array(group, sizeof *columns);
    if (matrix.words == NULL || columns == NULL) {
        mem_free(columns);
        mem_free(matrix.words);
        return diag_no_memory(diag, bytes, "a weight");
    }
    pack_task task = {kernels, &matrix, outer, type, data, columns};
    parallel_for_workers(threads, matrix.panels, pack_panel, &task);
    mem_free(columns);
    *out = matrix;
    return DIFFCUT_OK;
}

void panel_matrix_free(panel_matrix *matrix) {
    mem_free(matrix->words);
    matrix->words = NULL;
}

size_t panel_matrix_bytes(const panel_matrix *matrix) {
    return matrix->panels * matrix->panel_words * sizeof *matrix->words;
}

size_t panel_width(const panel_matrix *matrix, size_t cols) {
    /* A first column inside of a panel may add one to those that the others fill. */
    return (cols + matrix->cols - 1) / matrix->cols * matrix->cols + matrix->cols;
}

size_t panel_lead(const panel_matrix *matrix, size_t column) {
    return column % matrix->cols;
}

void panel_multiply(const panel_matrix *matrix, size_t rows, const float *x, size_t stride, size_t column,
                    size_t cols, uint32_t *a, float *c, size_t ldc) {
    const panel_product *product = matrix->product;
    size_t step = PANEL_WORDS * product->inner_per_word;
    size_t first = column / matrix->cols;
    size_t last = (column + cols - 1) / matrix->cols;
    for (size_t inner = 0; inner < matrix->inner; inner += step) {
        size_t here = matrix->inner - inner < step ? matrix->inner - inner : step;
        size_t words = (here + product->inner_per_word - 1) / product->inner_per_word;
        product->pack_rows(rows, here, x + inner, stride, a);
        for (size_t p = first; p <= last; p++) {
            const uint32_t *panel =
                matrix->words + p * matrix->panel_words + inner / product->inner_per_word * matrix->cols;
            product->multiply(rows, words, a, panel, inner > 0, c + (p - first) * matrix->cols, ldc);
        }
    }
}
