/*
 * bands.h - operations over large grids, run in bands of rows.
 *
 * A convolution of a first stage takes seconds at 1024 pixels and the activation half a gigabyte. In bands, the
 * caller hears of progress and can stop the run between two of them; and since a band of a 3x3 convolution reads one
 * row beyond its own on either side only, its output may lie in the input's own buffer, one band and one row ahead of
 * what is still to be read (bands_margin). Bands are cut by the problem's size. Called by nn/autoencoder_encode.
 */
#ifndef DIFFCUT_NN_BANDS_H
#define DIFFCUT_NN_BANDS_H

#include "nn/layers.h"

typedef struct bands {
    layers *layers;
    double piece; /* arithmetic operations of one band, about; a multiply-add counts two */
    double done;  /* operations so far */
    double total; /* of the whole run */
} bands;

/* About half a second of two cores. */
#define BANDS_PIECE 4e10

/* Multiply-adds times two of a 3x3 convolution with this output. */
double bands_conv_operations(uint32_t h, uint32_t w, uint32_t in, uint32_t out);
/* The same of attention, scores and values. */
double bands_attention_operations(size_t queries, size_t keys, uint32_t channels);

/* Output rows of one band of a 3x3 convolution. */
uint32_t bands_rows(const bands *b, uint32_t h, uint32_t w, uint32_t in, uint32_t out);

/* y = act(conv3x3(x) + bias) + residual; residual may be NULL or y. x and y may share a buffer where y has x's width,
 * channels and stride, the geometry is of stride 1, and x lies bands_rows + 1 rows or more behind y. */
void bands_conv(bands *b, const tensor *x, const backend_weight *weight, const conv_geometry *geometry,
                activation act, const tensor *residual, const tensor *y);
/* Self-attention of one head. */
void bands_attention(bands *b, const tensor *q, const tensor *k, const tensor *v, const tensor *y);

/* Adds to what is done and tells the caller. */
void bands_advance(bands *b, double operations);

#endif
