/* fuzz_safetensors.c - any bytes as a safetensors file: refused with a message, or every tensor readable to its end.
 */
#include "io/safetensors.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t touched; /* keeps the reads */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    diffcut_diagnostics diag = {.message = ""};
    safetensors *file = NULL;
    if (safetensors_parse(data, size, "input", &file, &diag) != DIFFCUT_OK) {
        if (file != NULL || diag.message[0] == '\0') {
            abort();
        }
        return 0;
    }
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const safetensors_tensor *tensor = safetensors_at(file, i);
        const uint8_t *bytes = tensor->data;
        if (tensor->bytes > 0) {
            touched = bytes[0];
            touched = bytes[tensor->bytes - 1];
        }
        (void)touched;
        if (safetensors_find(file, tensor->name) != tensor) {
            abort();
        }
    }
    safetensors_close(file);
    return 0;
}
