/*
 * memory.h - the one allocator path.
 *
 * Every block of the library comes from here (and the JSON reader's), so that sizes are overflow-checked once,
 * alignment suits every vector unit, and tests can make the n-th allocation fail (mem_fail_after) to walk every
 * error path. Called by every room.
 */
#ifndef DIFFCUT_CORE_MEMORY_H
#define DIFFCUT_CORE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#define MEM_ALIGNMENT 64 /* bytes: a cache line, and the widest vector register in use */

/* False when a * b does not fit; else *product is set. */
bool mem_mul(size_t a, size_t b, size_t *product);

/* count * size bytes, aligned to MEM_ALIGNMENT; NULL on overflow or failure. A count of 0 gives a valid pointer. */
void *mem_array(size_t count, size_t size);
/* The same, zeroed. */
void *mem_array_zero(size_t count, size_t size);
/* Grows or shrinks, keeping the first used_count elements; on failure NULL, and the old block stays valid. */
void *mem_array_grow(void *old, size_t used_count, size_t count, size_t size);
/* A copy of a string; NULL on failure. */
char *mem_string(const char *text);
/* NULL is allowed. */
void mem_free(void *block);

/* Test hook: the allocation after the next `count` ones, of the whole process, and every later one, fails; a
 * negative count switches it off. Not meant for threads at work. */
void mem_fail_after(long count);

#endif
