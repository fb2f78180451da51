/* encoder_output.c - see encoder_output.h. */
#include "nn/encoder_output.h"

#include "core/finite.h"
#include "core/memory.h"

void encoder_take(layers *l, const tensor *result, uint32_t h, uint32_t w, encoder_map *out) {
    size_t elements = tensor_positions(result) * result->c;
    if (l->status != DIFFCUT_OK) {
        return;
    }
    *out = (encoder_map){.h = h, .w = w, .c = result->c, .data = mem_array(elements, sizeof *out->data)};
    if (out->data == NULL) {
        l->status = diag_no_memory(l->work->diag, elements * sizeof *out->data, "what an image is encoded to");
        return;
    }
    layers_download(l, result, out->data);
    if (l->status == DIFFCUT_OK && finite_first_bad(DTYPE_F32, out->data, elements) < elements) {
        l->status =
            diag_fail(l->work->diag, DIFFCUT_ERROR_NUMERIC, "the image encoder's output holds NaN or infinity");
    }
}
