/*
 * fuzz_image.c - the photo decoders on any bytes: JPEG, PNG, WebP and their EXIF, with a limit small enough for
 * speed.
 */
#include "diffcut/diffcut.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const diffcut_decode_limits limits = {.max_pixels = 1 << 16};
    diffcut_image image = {0};
    diffcut_diagnostics diag;
    diffcut_status status = diffcut_decode_image(data, size, "fuzz", &limits, &image, &diag);
    bool whole = image.rgb != NULL && (uint64_t)image.width * image.height <= limits.max_pixels;
    if ((status == DIFFCUT_OK) != whole || (status == DIFFCUT_OK) != (diag.message[0] == '\0')) {
        __builtin_trap(); /* the contract: an image within the limits, or a message */
    }
    uint64_t sum = 0; /* every pixel is memory that was written */
    for (size_t i = 0; whole && i < (size_t)image.width * image.height * 3; i++) {
        sum += image.rgb[i];
    }
    diffcut_image_free(&image);
    return sum == UINT64_MAX;
}
