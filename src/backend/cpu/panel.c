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

/* All but the words; false when they are too many to address. */
static bool describe(const panel_kernels *kernels, size_t outer, size_t inner, dtype type, const void *data,
                     dtype precision, panel_matrix *out) {
    *out = (panel_matrix){
        .product = precision == DTYPE_BF16 ? &kernels->bf16 : &kernels->f32,
        .cols = kernels->cols,
        .inner = inner,
        .panels = (outer + kernels->cols - 1) / kernels->cols,
        .kernels = kernels,
        .outer = outer,
        .type = type,
        .data = data,
    };
    size_t words = inner / out->product->inner_per_word + inner % out->product->inner_per_word;
    size_t bytes;
    return mem_mul(words, out->cols, &out->panel_words) && mem_mul(out->panel_words, sizeof *out->words, &bytes) &&
           mem_mul(out->panels, bytes, &bytes);
}

diffcut_status panel_matrix_create(const panel_kernels *kernels, size_t outer, size_t inner, dtype type,
                                   const void *data, dtype precision, panel_matrix *out, diffcut_diagnostics *diag) {
    panel_matrix matrix;
    size_t group;
    bool fits = describe(kernels, outer, inner, type, data, precision, &matrix);
    uint32_t threads = parallel_default_threads();
    threads = threads < matrix.panels ? threads : (uint32_t)matrix.panels;
    if (!fits || !mem_mul(inner, matrix.cols * threads, &group)) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "a weight is larger than can be addressed");
    }
    matrix.words = mem_array(matrix.panels * matrix.panel_words, sizeof *matrix.words);
    float *columns = mem_array(group, sizeof *columns);
    if (matrix.words == NULL || columns == NULL) {
        mem_free(columns);
        mem_free(matrix.words);
        return diag_no_memory(diag, matrix.panels * matrix.panel_words * sizeof *matrix.words, "a weight");
    }
    pack_task task = {kernels, &matrix, outer, type, data, columns};
    parallel_for_workers(threads, matrix.panels, pack_panel, &task);
    mem_free(columns);
    matrix.data = NULL;
    *out = matrix;
    return DIFFCUT_OK;
}

diffcut_status panel_matrix_lend(const panel_kernels *kernels, size_t outer, size_t inner, dtype type,
                                 const void *data, dtype precision, panel_matrix *out, diffcut_diagnostics *diag) {
    panel_matrix matrix;
    if (!describe(kernels, outer, inner, type, data, precision, &matrix)) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "a weight is larger than can be addressed");
    }
    *out = matrix;
    return DIFFCUT_OK;
}

void panel_matrix_free(panel_matrix *matrix) {
    mem_free(matrix->words);
    matrix->words = NULL;
}

size_t panel_matrix_bytes(const panel_matrix *matrix) {
    return matrix->words != NULL ? matrix->panels * matrix->panel_words * sizeof *matrix->words : 0;
}

size_t panel_width(const panel_matrix *matrix, size_t cols) {
    /* A first column inside of a panel may add one to those that the others fill. */
    return (cols + matrix->cols - 1) / matrix->cols * matrix->cols + matrix->cols;
}

size_t panel_lead(const panel_matrix *matrix, size_t column) {
    return column % matrix->cols;
}

/* Inner elements of one step. */
static size_t step_of(const panel_matrix *matrix) {
    return PANEL_WORDS * matrix->product->inner_per_word;
}

size_t panel_scratch(const panel_matrix *matrix, size_t rows) {
    /* Of a matrix that is read in place, also a panel's piece and its columns, widened. */
    size_t piece = matrix->words != NULL ? 0 : matrix->cols * (PANEL_WORDS + step_of(matrix));
    return rows * PANEL_ROW + piece;
}

/* Elements inner .. inner + here of panel p, packed into `piece`. columns: scratch. */
static void pack_piece(const panel_matrix *matrix, size_t p, size_t inner, size_t here, uint32_t *piece,
                       float *columns) {
    size_t first = p * matrix->cols;
    size_t count = matrix->outer - first < matrix->cols ? matrix->outer - first : matrix->cols;
    for (size_t i = 0; i < count; i++) {
        matrix->kernels->widen(matrix->type,
                               matrix->data + ((first + i) * matrix->inner + inner) * dtype_size(matrix->type), here,
                               columns + i * here);
    }
    matrix->product->pack_columns(count, here, columns, here, piece);
}

void panel_multiply(const panel_matrix *matrix, size_t rows, const float *x, size_t stride, size_t column,
                    size_t cols, uint32_t *a, float *c, size_t ldc) {
    const panel_product *product = matrix->product;
    size_t step = step_of(matrix);
    size_t first = column / matrix->cols;
    size_t last = (column + cols - 1) / matrix->cols;
    uint32_t *piece = a + rows * PANEL_ROW;
    for (size_t inner = 0; inner < matrix->inner; inner += step) {
        size_t here = matrix->inner - inner < step ? matrix->inner - inner : step;
        size_t words = (here + product->inner_per_word - 1) / product->inner_per_word;
        product->pack_rows(rows, here, x + inner, stride, a);
        for (size_t p = first; p <= last; p++) {
            const uint32_t *panel = piece;
            if (matrix->words == NULL) {
                pack_piece(matrix, p, inner, here, piece, (float *)(void *)(piece + matrix->cols * PANEL_WORDS));
            } else {
                panel = matrix->words + p * matrix->panel_words + inner / product->inner_per_word * matrix->cols;
            }
            product->multiply(rows, words, a, panel, inner > 0, c + (p - first) * matrix->cols, ldc);
        }
    }
}
