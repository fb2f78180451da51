/* operations.c - see operations.h. */
#include "operations.h"

#include <stdlib.h>
#include <string.h>

static operation_row *find(operations *self, const char *kind, const char *shape) {
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(self->rows[i].kind, kind) == 0 && strcmp(self->rows[i].shape, shape) == 0) {
            return &self->rows[i];
        }
    }
    return NULL;
}

static operation_row *append(operations *self, const char *kind, const char *shape) {
    if (self->count == self->capacity) {
        const size_t capacity = self->capacity > 0 ? 2 * self->capacity : 64;
        operation_row *rows = realloc(self->rows, capacity * sizeof *rows);
        if (rows == NULL) {
            return NULL;
        }
        self->rows = rows;
        self->capacity = capacity;
    }
    operation_row row = {.kind = strdup(kind), .shape = strdup(shape)};
    if (row.kind == NULL || row.shape == NULL) {
        free(row.kind);
        free(row.shape);
        return NULL;
    }
    self->rows[self->count] = row;
    return &self->rows[self->count++];
}

void operations_add(void *user, const diffcut_operation *operation) {
    operations *self = user;
    operation_row *row = find(self, operation->kind, operation->shape);
    if (row == NULL) {
        row = append(self, operation->kind, operation->shape);
    }
    if (row == NULL) {
        self->failed = true;
        return;
    }
    row->count++;
    row->flop += operation->flop;
    row->seconds += operation->seconds;
}

void operations_free(operations *self) {
    for (size_t i = 0; i < self->count; i++) {
        free(self->rows[i].kind);
        free(self->rows[i].shape);
    }
    free(self->rows);
    *self = (operations){0};
}

static int slowest_first(const void *a, const void *b) {
    const operation_row *x = a;
    const operation_row *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

/* "   4.50 %" of the whole, the rate and the share of the peak; the latter two only where there are products. */
static void add_line(const operation_row *row, uint32_t runs, double whole, double peak, text *out) {
    text_print(out, "%-11s %-36s %6.0f %10.2f %6.1f", row->kind, row->shape, (double)row->count / runs,
               row->seconds * 1e3 / runs, whole > 0 ? 100 * row->seconds / whole : 0);
    if (row->flop > 0 && row->seconds > 0) {
        const double rate = row->flop / row->seconds;
        text_print(out, " %9.1f %8.0f", rate * 1e-9, peak > 0 ? 100 * rate / peak : 0);
    }
    text_add(out, "\n");
}

void operations_table(operations *self, uint32_t runs, double peak, bool each, text *out) {
    operation_row kinds[16];
    size_t count = 0;
    double whole = 0;
    qsort(self->rows, self->count, sizeof *self->rows, slowest_first);
    for (size_t i = 0; i < self->count; i++) {
        const operation_row *row = &self->rows[i];
        size_t k = 0;
        while (k < count && strcmp(kinds[k].kind, row->kind) != 0) {
            k++;
        }
        if (k == sizeof kinds / sizeof *kinds) {
            continue; /* there are fewer kinds than that */
        }
        if (k == count) {
            kinds[count++] = (operation_row){.kind = row->kind, .shape = ""};
        }
        kinds[k].count += row->count;
        kinds[k].flop += row->flop;
        kinds[k].seconds += row->seconds;
        whole += row->seconds;
    }
    qsort(kinds, count, sizeof *kinds, slowest_first);
    text_print(out, "%-11s %-36s %6s %10s %6s %9s %8s\n", "operation", each ? "shape" : "", "calls", "ms", "%",
               "GFLOP/s", "% of peak");
    for (size_t k = 0; k < count; k++) {
        add_line(&kinds[k], runs, whole, peak, out);
    }
    for (size_t i = 0; each && i < self->count; i++) {
        add_line(&self->rows[i], runs, whole, peak, out);
    }
}

void operations_json(operations *self, uint32_t runs, double peak, text *out) {
    qsort(self->rows, self->count, sizeof *self->rows, slowest_first);
    text_add(out, "[");
    for (size_t i = 0; i < self->count; i++) {
        const operation_row *row = &self->rows[i];
        const double rate = row->seconds > 0 ? row->flop / row->seconds : 0;
        text_print(out, "%s{\"kind\": ", i > 0 ? ", " : "");
        json_string(out, row->kind);
        text_add(out, ", \"shape\": ");
        json_string(out, row->shape);
        text_add(out, ", \"calls\": ");
        json_real(out, (double)row->count / runs, 9);
        text_add(out, ", \"ms\": ");
        json_real(out, row->seconds * 1e3 / runs, 6);
        text_add(out, ", \"gflop\": ");
        json_real(out, row->flop * 1e-9 / runs, 9);
        text_add(out, ", \"gflops\": ");
        json_real(out, rate * 1e-9, 6);
        text_add(out, ", \"peak_share\": ");
        json_real(out, peak > 0 ? rate / peak : 0, 6);
        text_add(out, "}");
    }
    text_add(out, "]");
}
