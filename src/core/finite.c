/*
 * finite.c - see finite.h. A number is none when its exponent bits are all set: whole blocks are asked at once, in a
 * form that compilers turn into vector instructions, and only a block that holds one is searched.
 */
#include "core/finite.h"

#include "core/parallel.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 4096                 /* numbers */
#define PIECE ((size_t)64 * BLOCK) /* of a thread's work */

/* True when one of count 32-bit numbers is bad. */
static bool any_bad32(const uint8_t *bytes, size_t count) {
    uint32_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, bytes + 4 * i, sizeof bits);
        bad |= (bits & 0x7F800000U) == 0x7F800000U;
    }
    return bad != 0;
}

/* The same of 16-bit numbers; mask: their exponent's bits. */
static bool any_bad16(const uint8_t *bytes, size_t count, uint16_t mask) {
    uint16_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, bytes + 2 * i, sizeof bits);
        bad |= (uint16_t)((bits & mask) == mask);
    }
    return bad != 0;
}

static bool any_bad(dtype type, const uint8_t *bytes, size_t count) {
    return type == DTYPE_F32 ? any_bad32(bytes, count)
                             : any_bad16(bytes, count, type == DTYPE_F16 ? 0x7C00U : 0x7F80U);
}

size_t finite_first_bad(dtype type, const void *data, size_t count) {
    const uint8_t *bytes = data;
    size_t size = dtype_size(type);
    for (size_t first = 0; first < count; first += BLOCK) {
        size_t end = count - first < BLOCK ? count : first + BLOCK;
        if (!any_bad(type, bytes + first * size, end - first)) {
            continue;
        }
        for (size_t i = first; i < end; i++) {
            if (any_bad(type, bytes + i * size, 1)) {
                return i;
            }
        }
    }
    return count;
}

typedef struct finite_task {
    dtype type;
    const uint8_t *bytes;
    size_t count;
    atomic_size_t first; /* bad one found yet; count: none */
} finite_task;

static void search_piece(void *context, size_t piece) {
    finite_task *task = context;
    size_t start = piece * PIECE;
    size_t length = task->count - start < PIECE ? task->count - start : PIECE;
    size_t bad = finite_first_bad(task->type, task->bytes + start * dtype_size(task->type), length);
    size_t known = atomic_load(&task->first);
    while (bad < length && start + bad < known && !atomic_compare_exchange_weak(&task->first, &known, start + bad)) {
    }
}

size_t finite_first_bad_of(uint32_t threads, dtype type, const void *data, size_t count) {
    finite_task task = {.type = type, .bytes = data, .count = count};
    atomic_init(&task.first, count);
    size_t pieces = (count + PIECE - 1) / PIECE;
    parallel_for(pieces < threads ? (uint32_t)pieces : threads, pieces, search_piece, &task);
    return atomic_load(&task.first);
}
