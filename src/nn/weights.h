/*
 * weights.h - from a checkpoint's tensors to a backend's weights.
 *
 * A network says what it needs (names, form, shape); here it is looked up, checked (missing, wrong shape, wrong
 * dtype, NaN or infinity: each names the tensor), and given to the backend. Called by nn/unet.
 */
#ifndef DIFFCUT_NN_WEIGHTS_H
#define DIFFCUT_NN_WEIGHTS_H

#include "backend/backend.h"
#include "model/checkpoint.h"

#define WEIGHT_MAX_PARTS 3
#define WEIGHT_NAME_SIZE 192

/* One weight of a module. Its tensors are prefix + part + ".weight" and, with bias, ".bias"; of a table prefix + part
 * as they are. */
typedef struct weight_need {
    /* Names below the module; several are stacked along `out` (to_q, to_k, to_v), one product instead of three. */
    const char *parts[WEIGHT_MAX_PARTS];
    enum weight_form {
        WEIGHT_FORM_ABSENT,     /* this slot is not used */
        WEIGHT_FORM_LINEAR,     /* (out, in) */
        WEIGHT_FORM_POINT,      /* (out, in, 1, 1): a 1x1 convolution, run as a linear layer */
        WEIGHT_FORM_PROJECTION, /* either of them: older files keep some attentions as 1x1 convolutions */
        WEIGHT_FORM_CONV3X3,    /* (out, in, 3, 3) */
        WEIGHT_FORM_NORM,       /* (out) and (out) */
        WEIGHT_FORM_CONV,       /* (out, in, kernel, kernel) */
        WEIGHT_FORM_DEPTHWISE,  /* (out, 1, kernel, kernel) */
        WEIGHT_FORM_TABLE       /* (out, in) numbers behind sides of 1, which need not be there: for weight_read */
    } form;
    uint32_t out, in; /* of each part */
    uint32_t kernel;  /* of the last convolutions */
    bool bias;
    uint32_t stride;   /* the convolution's; 0: not known, which costs a backend memory */
    bool large_grid;   /* a convolution over so many positions that memory spent on its weight pays */
    dtype precision;   /* of a linear form's product: DTYPE_F32 or, where the network allows it, DTYPE_BF16 */
    const char *scale; /* of a linear form in one part: below the module, a vector (out) by which its outputs, bias
                          included, are multiplied; NULL: none */
    bool once;         /* a linear form that is used about once, not stacked: its tensor is read in place */
} weight_need;

/* Called for each weight that a network needs; prefix is the module's name. */
typedef diffcut_status (*weight_visit_fn)(void *user, const char *component, const char *prefix,
                                          const weight_need *need);

/* What a set of weights takes on disk. */
typedef struct weight_totals {
    uint64_t parameters;
    uint64_t bytes;
    unsigned types; /* bit 1 << dtype for each element type that occurs */
} weight_totals;

/* The name of a part's tensor, or of its bias. */
void weight_name(const char *prefix, const weight_need *need, size_t part, bool bias, char out[WEIGHT_NAME_SIZE]);

/* Looks the tensors up and checks type and shape, without touching their data; adds them to totals. */
diffcut_status weight_check(const checkpoint *source, const char *component, const char *prefix,
                            const weight_need *need, weight_totals *totals, diffcut_diagnostics *diag);

/* Checks the numbers and makes the backend's weight. The caller destroys it, one that is used once before the source
 * is closed. */
diffcut_status weight_load(const checkpoint *source, const char *component, const char *prefix,
                           const weight_need *need, backend *target, backend_weight **out, diffcut_diagnostics *diag);
/* A table's numbers, checked, for the host: out (out * in). */
diffcut_status weight_read(const checkpoint *source, const char *component, const char *prefix,
                           const weight_need *need, float *out, diffcut_diagnostics *diag);
/* After the destruction of one that was used once: gives its tensors' pages back. */
void weight_release(const checkpoint *source, const char *component, const char *prefix, const weight_need *need);

/* The weights of one module, a slot each; slots of the form ABSENT have none. */

/* Stops at the first status that is not DIFFCUT_OK. */
diffcut_status weights_visit(const char *component, const char *prefix, const weight_need *needs, size_t count,
                             weight_visit_fn visit, void *user);
/* Loads what is not there yet, so that a call that failed half-way is gone on with by the next; what it made belongs
 * to the caller either way. */
diffcut_status weights_load(const checkpoint *source, const char *component, const char *prefix,
                            const weight_need *needs, size_t count, backend *target, backend_weight **weights,
                            diffcut_diagnostics *diag);
/* Leaves the slots NULL. */
void weights_destroy(backend *target, backend_weight **weights, size_t count);

/* "F32", "F16", "BF16" or "mixed". */
const char *weight_totals_type(const weight_totals *totals);

#endif
