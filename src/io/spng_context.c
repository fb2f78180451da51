/*
 * spng_context.c - see spng_context.h. libspng resizes blocks without saying how large they were, so each carries its
 * size before it.
 */
#include "io/spng_context.h"

#include <string.h>

#include "core/memory.h"

#define BLOCK_HEADER MEM_ALIGNMENT /* bytes before the block, so that it stays aligned */
#define INFLATE_WINDOW 65536       /* bytes; zlib's is half of it at most */

static void *block_allocate(size_t size) {
    if (size > SIZE_MAX - BLOCK_HEADER) {
        return NULL;
    }
    uint8_t *block = mem_array(size + BLOCK_HEADER, 1);
    if (block == NULL) {
        return NULL;
    }
    memcpy(block, &size, sizeof size);
    return block + BLOCK_HEADER;
}

static void block_free(void *user) {
    if (user != NULL) {
        mem_free((uint8_t *)user - BLOCK_HEADER);
    }
}

static void *block_resize(void *user, size_t size) {
    void *larger = block_allocate(size);
    if (larger != NULL && user != NULL) {
        size_t old;
        memcpy(&old, (uint8_t *)user - BLOCK_HEADER, sizeof old);
        memcpy(larger, user, old < size ? old : size);
        block_free(user);
    }
    return larger;
}

static void *block_allocate_zero(size_t count, size_t size) {
    size_t total;
    void *block = mem_mul(count, size, &total) ? block_allocate(total) : NULL;
    if (block != NULL) {
        memset(block, 0, total);
    }
    return block;
}

spng_ctx *spng_context_new(int flags) {
    struct spng_alloc allocator = {.malloc_fn = block_allocate,
                                   .realloc_fn = block_resize,
                                   .calloc_fn = block_allocate_zero,
                                   .free_fn = block_free};
    return spng_ctx_new2(&allocator, flags);
}

/* inflate takes its window when the stream begins, and libspng calls the failure of that a bad stream. Whether memory
 * is short is seen by asking for as much again. */
static bool memory_is_short(void) {
    void *window = mem_array(INFLATE_WINDOW, 1);
    mem_free(window);
    return window == NULL;
}

diffcut_status spng_context_fail(int code, diffcut_diagnostics *diag) {
    if (code == SPNG_EIDAT_STREAM && memory_is_short()) {
        code = SPNG_EMEM;
    }
    switch (code) {
    case SPNG_EMEM:
    case SPNG_EZLIB_INIT: /* zlib's own start fails for want of memory only */
        return diag_fail(diag, DIFFCUT_ERROR_MEMORY, "no memory for the PNG");
    case SPNG_IO_EOF:
    case SPNG_EOF:
    case SPNG_EIDAT_TOO_SHORT:
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "truncated PNG: %s", spng_strerror(code));
    case SPNG_ESIGNATURE:
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "not a PNG image");
    case SPNG_ECHUNK_LIMITS:
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "the PNG's metadata is too large: %s", spng_strerror(code));
    default:
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "corrupt PNG: %s", spng_strerror(code));
    }
}
