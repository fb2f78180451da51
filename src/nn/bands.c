/* bands.c - see bands.h. */
#include "nn/bands.h"

#define KERNEL 3         /* side of the convolutions */
#define ROWS_MULTIPLE 12 /* bands start where a Winograd convolution's tiles of 2, 4 or 6 rows do */
#define LEAST_QUERIES 256

double bands_conv_operations(uint32_t h, uint32_t w, uint32_t in, uint32_t out) {
    return 2.0 * KERNEL * KERNEL * h * w * (double)in * out;
}

double bands_attention_operations(size_t queries, size_t keys, uint32_t channels) {
    return 4.0 * (double)queries * (double)keys * channels;
}

/* The nearest multiple below count, at least one, of what is left. */
static uint32_t rounded(double count, uint32_t multiple, uint32_t most) {
    if (!(count < most)) {
        return most;
    }
    uint32_t units = (uint32_t)(count / multiple);
    uint32_t rows = (units == 0 ? 1 : units) * multiple;
    return rows < most ? rows : most;
}

uint32_t bands_rows(const bands *b, uint32_t h, uint32_t w, uint32_t in, uint32_t out) {
    return rounded(b->piece / bands_conv_operations(1, w, in, out), ROWS_MULTIPLE, h);
}

void bands_advance(bands *b, double operations) {
    layers *l = b->layers;
    b->done += operations;
    if (l->status == DIFFCUT_OK) {
        l->status = work_progress(l->work, b->done < b->total ? b->done / b->total : 1.0);
    }
}

/* `rows` rows of t from `first` on. */
static tensor rows_of(const tensor *t, uint32_t first, uint32_t rows) {
    tensor part = *t;
    part.offset += (size_t)first * t->w * t->stride;
    part.h = rows;
    return part;
}

/* Output rows first .. end of the convolution. */
static void conv_band(layers *l, const tensor *x, const backend_weight *weight, const conv_geometry *geometry,
                      activation act, const tensor *residual, const tensor *y, uint32_t first, uint32_t end) {
    /* The input rows it reads, counted with the padding above the picture. */
    uint32_t top = first * geometry->stride;
    uint32_t bottom = (end - 1) * geometry->stride + KERNEL;
    uint32_t last = x->h + geometry->pad_top;
    conv_geometry part = *geometry;
    part.pad_top = top < geometry->pad_top ? geometry->pad_top - top : 0;
    part.pad_bottom = bottom > last ? bottom - last : 0;
    uint32_t from = top + part.pad_top - geometry->pad_top;
    uint32_t to = bottom - part.pad_bottom - geometry->pad_top;
    tensor in = rows_of(x, from, to - from);
    tensor out = rows_of(y, first, end - first);
    if (residual != NULL) {
        tensor added = rows_of(residual, first, end - first);
        layers_conv(l, &in, weight, &part, NULL, act, &added, &out);
    } else {
        layers_conv(l, &in, weight, &part, NULL, act, NULL, &out);
    }
}

void bands_conv(bands *b, const tensor *x, const backend_weight *weight, const conv_geometry *geometry,
                activation act, const tensor *residual, const tensor *y) {
    uint32_t rows = bands_rows(b, y->h, y->w, x->c, y->c);
    for (uint32_t first = 0; first < y->h && b->layers->status == DIFFCUT_OK; first += rows) {
        uint32_t end = y->h - first < rows ? y->h : first + rows;
        conv_band(b->layers, x, weight, geometry, act, residual, y, first, end);
        bands_advance(b, bands_conv_operations(end - first, y->w, x->c, y->c));
    }
}

void bands_attention(bands *b, const tensor *q, const tensor *k, const tensor *v, const tensor *y) {
    double each = bands_attention_operations(1, k->h, q->c);
    uint32_t queries = rounded(b->piece / each, LEAST_QUERIES, q->h);
    for (uint32_t first = 0; first < q->h && b->layers->status == DIFFCUT_OK; first += queries) {
        uint32_t count = q->h - first < queries ? q->h - first : queries;
        tensor some = rows_of(q, first, count);
        tensor result = rows_of(y, first, count);
        layers_attention(b->layers, &some, k, v, 1, false, &result);
        bands_advance(b, bands_attention_operations(count, k->h, q->c));
    }
}
