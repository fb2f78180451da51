/*
 * synth_list.h - a network's tensors as a list: name, shape, and what kind of number each holds.
 *
 * The networks' own lists (synth_unet, synth_vae, synth_text) append module by module, in diffusers' names. Failure
 * is sticky, as in io/bytes.h: once memory runs out, appending does nothing, and synth_list_finish reports it.
 * Called by synth.c and the files named above.
 */
#ifndef DIFFCUT_SYNTH_LIST_H
#define DIFFCUT_SYNTH_LIST_H

#include "io/json.h"

#define SYNTH_NAME_SIZE 112
#define SYNTH_MAX_RANK 4

/* What decides a tensor's distribution (synth_values.h). */
typedef enum synth_kind {
    SYNTH_WEIGHT,   /* of a product or convolution */
    SYNTH_BIAS,     /* and a norm's shift */
    SYNTH_SCALE,    /* a norm's scale */
    SYNTH_EMBEDDING /* a table of vectors */
} synth_kind;

typedef struct synth_tensor {
    char name[SYNTH_NAME_SIZE];
    size_t shape[SYNTH_MAX_RANK];
    size_t rank;
    size_t elements;
    size_t fan_in; /* inputs of each output; weights only */
    synth_kind kind;
} synth_tensor;

typedef struct synth_list {
    synth_tensor *tensors;
    size_t count, capacity;
    size_t wanted;  /* bytes of the allocation that failed; 0 while there was none */
    bool too_large; /* a name or a shape beyond what a tensor can have */
} synth_list;

void synth_list_free(synth_list *list);
/* Reports a sticky failure; sorts by name, the order in which a file keeps them. */
diffcut_status synth_list_finish(synth_list *list, diffcut_diagnostics *diag);

/* The modules that networks are made of; names are prefix + part. */
void synth_linear(synth_list *list, const char *prefix, const char *part, size_t out, size_t in, bool bias);
void synth_conv(synth_list *list, const char *prefix, const char *part, size_t out, size_t in, size_t side);
void synth_norm(synth_list *list, const char *prefix, const char *part, size_t channels);
void synth_embedding(synth_list *list, const char *prefix, const char *part, size_t rows, size_t width);
/* A residual block: two norms and 3x3 convolutions, a 1x1 shortcut where the width changes, and, with time > 0, a
 * projection of that wide a time embedding. */
void synth_resnet(synth_list *list, const char *prefix, size_t in, size_t out, size_t time);

/* Each appends a whole network, encoder and decoder, from its configuration. DIFFCUT_ERROR_MODEL or
 * DIFFCUT_ERROR_UNSUPPORTED with the key. */
diffcut_status synth_unet(json_view config, synth_list *out, diffcut_diagnostics *diag);
diffcut_status synth_vae(json_view config, synth_list *out, diffcut_diagnostics *diag);
/* bare: names without the leading "text_model.", as some checkpoints have them. */
diffcut_status synth_text(json_view config, bool bare, synth_list *out, diffcut_diagnostics *diag);

#endif
