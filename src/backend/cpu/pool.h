/*
 * pool.h - the cpu backend's buffers, whose memory is kept for the next ones.
 *
 * A network's activations come and go with every photo, half a gigabyte at a time at 1024 pixels, and each page that
 * the system hands out anew is cleared first: on a virtual machine that can take as long as the arithmetic upon it.
 * So the memory of a buffer that is given back stays, and the next ones are cut from it: the smallest gap that is
 * large enough. What is not in use is freed when a stream ends. Thread-safe. Called by cpu.c.
 */
#ifndef DIFFCUT_BACKEND_CPU_POOL_H
#define DIFFCUT_BACKEND_CPU_POOL_H

#include "backend/host.h"

typedef struct cpu_pool cpu_pool;

diffcut_status cpu_pool_create(cpu_pool **out, diffcut_diagnostics *diag);
/* NULL is allowed. All buffers have been given back. */
void cpu_pool_destroy(cpu_pool *pool);
/* Frees what is not in use. */
void cpu_pool_trim(cpu_pool *pool);

/* A host_buffer of undefined contents. */
diffcut_status cpu_pool_take(cpu_pool *pool, size_t elements, backend_buffer **out, diffcut_diagnostics *diag);
/* NULL is allowed. */
void cpu_pool_give_back(backend_buffer *buffer);

#endif
