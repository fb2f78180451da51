/* panel.c - see panel.h. */
#include "backend/cpu/panel.h"

#include "core/memory.h"
#include "core/parallel.h"

#include <string.h>

typedef struct pack_task {
    const panel_matrix *matrix;
    size_t in, taps;
    float *columns; /* each worker: one panel's columns, widened, and room to put them in order */
} pack_task;

/* (count, in, taps) to (count, taps, in). */
static void order_taps(size_t count, size_t in, size_t taps, const float *from, float *to) {
    for (size_t i = 0; i < count; i++) {
        for (size_t tap = 0; tap < taps; tap++) {
            for (size_t c = 0; c < in; c++) {
                to[(i * taps + tap) * in + c] = from[(i * in + c) * taps + tap];
            }
        }
    }
}

/* Panel `piece` of elements of two bytes, which keep their type; absent columns are 0. */
static void pack_halves(void *context, size_t piece) {
    const pack_task *task = context;
    const panel_matrix *matrix = task->matrix;
    size_t cols = matrix->cols, first = piece * cols;
    size_t count = matrix->outer - first < cols ? matrix->outer - first : cols;
    const char *from = matrix->data + first * matrix->inner * sizeof(uint16_t); /* not aligned in a file */
    uint16_t *to = matrix->halves + piece * matrix->panel_words;
    for (size_t tap = 0; tap < task->taps; tap++) {
        for (size_t c = 0; c < task->in; c++, to += cols) {
            const char *element = from + (c * task->taps + tap) * sizeof *to;
            for (size_t i = 0; i < count; i++) {
                memcpy(&to[i], element + i * matrix->inner * sizeof *to, sizeof *to);
            }
            memset(to + count, 0, (cols - count) * sizeof *to);
        }
    }
}

static void pack_panel(void *context, size_t piece, uint32_t worker) {
    const pack_task *task = context;
    const panel_matrix *matrix = task->matrix;
    size_t first = piece * matrix->cols;
    size_t count = matrix->outer - first < matrix->cols ? matrix->outer - first : matrix->cols;
    float *columns = task->columns + worker * 2 * matrix->cols * matrix->inner;
    float *ordered = columns + matrix->cols * matrix->inner;
    matrix->kernels->widen(matrix->type, matrix->data + first * matrix->inner * dtype_size(matrix->type),
                           count * matrix->inner, columns);
    if (task->taps > 1) {
        order_taps(count, task->in, task->taps, columns, ordered);
        columns = ordered;
    }
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

/* A matrix of two-byte elements for products in float32. */
static diffcut_status keep_halves(pack_task *task, panel_matrix *matrix, diffcut_diagnostics *diag) {
    matrix->halves = mem_array(matrix->panels * matrix->panel_words, sizeof *matrix->halves);
    if (matrix->halves == NULL) {
        return diag_no_memory(diag, matrix->panels * matrix->panel_words * sizeof *matrix->halves, "a weight");
    }
    parallel_for(parallel_default_threads(), matrix->panels, pack_halves, task);
    return DIFFCUT_OK;
}

static diffcut_status pack_words(pack_task *task, panel_matrix *matrix, diffcut_diagnostics *diag) {
    uint32_t threads = parallel_default_threads();
    threads = threads < matrix->panels ? threads : (uint32_t)matrix->panels;
    size_t group;
    if (!mem_mul(matrix->inner, 2 * matrix->cols * threads, &group)) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "a weight is larger than can be addressed");
    }
    matrix->words = mem_array(matrix->panels * matrix->panel_words, sizeof *matrix->words);
    task->columns = mem_array(group, sizeof *task->columns);
    if (matrix->words == NULL || task->columns == NULL) {
        mem_free(task->columns);
        panel_matrix_free(matrix);
        return diag_no_memory(diag, matrix->panels * matrix->panel_words * sizeof *matrix->words, "a weight");
    }
    parallel_for_workers(threads, matrix->panels, pack_panel, task);
    mem_free(task->columns);
    return DIFFCUT_OK;
}

diffcut_status panel_matrix_create(const panel_kernels *kernels, size_t outer, size_t in, size_t taps, dtype type,
                                   const void *data, dtype precision, panel_matrix *out, diffcut_diagnostics *diag) {
    panel_matrix matrix;
    size_t inner;
    if (!mem_mul(in, taps, &inner) || !describe(kernels, outer, inner, type, data, precision, &matrix)) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "a weight is larger than can be addressed");
    }
    pack_task task = {.matrix = &matrix, .in = in, .taps = taps};
    bool narrow = precision != DTYPE_BF16 && dtype_size(type) == sizeof *matrix.halves;
    diffcut_status status = narrow ? keep_halves(&task, &matrix, diag) : pack_words(&task, &matrix, diag);
    if (status == DIFFCUT_OK) {
        matrix.data = NULL;
        *out = matrix;
    }
    return status;
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
    mem_free(matrix->halves);
    matrix->words = NULL;
    matrix->halves = NULL;
}

size_t panel_matrix_bytes(const panel_matrix *matrix) {
    size_t element = matrix->words != NULL    ? sizeof *matrix->words
                     : matrix->halves != NULL ? sizeof *matrix->halves
                                              : 0;
    return matrix->panels * matrix->panel_words * element;
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
    /* Where words are made on the way, also a panel's piece and its columns, widened. */
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

void panel_multiply(const panel_matrix *matrix, size_t first, size_t count, size_t rows, const float *x,
                    size_t stride, size_t column, size_t cols, uint32_t *a, float *c, size_t ldc) {
    const panel_product *product = matrix->product;
    size_t step = step_of(matrix);
    size_t panel_begin = column / matrix->cols;
    size_t panel_last = (column + cols - 1) / matrix->cols;
    uint32_t *piece = a + rows * PANEL_ROW;
    for (size_t done = 0; done < count; done += step) {
        size_t inner = first + done;
        size_t here = count - done < step ? count - done : step;
        size_t words = (here + product->inner_per_word - 1) / product->inner_per_word;
        product->pack_rows(rows, here, x + done, stride, a);
        for (size_t p = panel_begin; p <= panel_last; p++) {
            const uint32_t *panel = piece;
            if (matrix->halves != NULL) {
                matrix->kernels->widen(matrix->type, matrix->halves + p * matrix->panel_words + inner * matrix->cols,
                                       here * matrix->cols, (float *)(void *)piece);
            } else if (matrix->words == NULL) {
                pack_piece(matrix, p, inner, here, piece, (float *)(void *)(piece + matrix->cols * PANEL_WORDS));
            } else {
                panel = matrix->words + p * matrix->panel_words + inner / product->inner_per_word * matrix->cols;
            }
            product->multiply(rows, words, a, panel, inner > 0, c + (p - panel_begin) * matrix->cols, ldc);
        }
    }
}
