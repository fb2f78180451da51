/* memory.c - see memory.h. */
#include "core/memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

/* From this size on, a block lies in pages of 2 MiB where the system has them: a weight's or activation's first touch
 * is then one fault where it would be 512, and products miss no address translation. */
#define LARGE_BLOCK ((size_t)4 << 20)
#define LARGE_PAGE ((size_t)2 << 20)

static atomic_long allocations_left = -1;

static bool told_to_fail(void) {
    if (atomic_load_explicit(&allocations_left, memory_order_relaxed) < 0) {
        return false;
    }
    long left = atomic_fetch_sub_explicit(&allocations_left, 1, memory_order_relaxed);
    if (left > 0) {
        return false;
    }
    atomic_store_explicit(&allocations_left, 0, memory_order_relaxed);
    return true;
}

void mem_fail_after(long count) {
    atomic_store_explicit(&allocations_left, count, memory_order_relaxed);
}

bool mem_mul(size_t a, size_t b, size_t *product) {
    return !__builtin_mul_overflow(a, b, product);
}

void *mem_array(size_t count, size_t size) {
    size_t bytes;
    if (!mem_mul(count, size, &bytes) || bytes > SIZE_MAX / 2 || told_to_fail()) {
        return NULL;
    }
    size_t alignment = bytes >= LARGE_BLOCK ? LARGE_PAGE : MEM_ALIGNMENT;
    bytes = (bytes + MEM_ALIGNMENT - 1) / MEM_ALIGNMENT * MEM_ALIGNMENT;
    void *block = NULL;
    if (posix_memalign(&block, alignment, bytes > 0 ? bytes : MEM_ALIGNMENT) != 0) {
        return NULL;
    }
#ifdef __linux__
    if (alignment == LARGE_PAGE) {
        (void)madvise(block, bytes / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE); /* a wish: a refusal changes nothing */
    }
#endif
    return block;
}

void *mem_array_zero(size_t count, size_t size) {
    void *block = mem_array(count, size);
    if (block != NULL) {
        memset(block, 0, count * size);
    }
    return block;
}

void *mem_array_grow(void *old, size_t used_count, size_t count, size_t size) {
    void *block = mem_array(count, size);
    if (block != NULL && old != NULL) {
        memcpy(block, old, (used_count < count ? used_count : count) * size);
        mem_free(old);
    }
    return block;
}

char *mem_string(const char *text) {
    size_t length = strlen(text) + 1;
    char *copy = mem_array(length, 1);
    if (copy != NULL) {
        memcpy(copy, text, length);
    }
    return copy;
}

void mem_free(void *block) {
    free(block);
}
