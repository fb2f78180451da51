/* pool.c - see pool.h. Blocks are kept in slabs, each cut into blocks in the order of their addresses. */
#include "backend/cpu/pool.h"

#include "core/memory.h"

#include <pthread.h>

#define LINE (MEM_ALIGNMENT / sizeof(float)) /* blocks start at whole cache lines */

typedef struct cpu_block {
    host_buffer host;  /* its elements are those asked for */
    size_t start, end; /* floats of its slab */
    struct cpu_slab *slab;
    struct cpu_block *next; /* in its slab, behind this one */
} cpu_block;

typedef struct cpu_slab {
    float *data;
    size_t size; /* floats */
    cpu_block *blocks;
    cpu_pool *pool;
    struct cpu_slab *next;
} cpu_slab;

struct cpu_pool {
    pthread_mutex_t lock;
    cpu_slab *slabs;
};

diffcut_status cpu_pool_create(cpu_pool **out, diffcut_diagnostics *diag) {
    cpu_pool *pool = mem_array_zero(1, sizeof *pool);
    if (pool == NULL) {
        return diag_no_memory(diag, sizeof *pool, "the cpu backend");
    }
    if (pthread_mutex_init(&pool->lock, NULL) != 0) {
        mem_free(pool);
        return diag_fail(diag, DIFFCUT_ERROR_MEMORY, "no memory for the cpu backend's lock");
    }
    *out = pool;
    return DIFFCUT_OK;
}

/* Frees the slabs without blocks that have at least this size. The lock is held. */
static void free_unused(cpu_pool *pool, size_t least) {
    for (cpu_slab **at = &pool->slabs; *at != NULL;) {
        cpu_slab *slab = *at;
        if (slab->blocks != NULL || slab->size < least) {
            at = &slab->next;
            continue;
        }
        *at = slab->next;
        mem_free(slab->data);
        mem_free(slab);
    }
}

void cpu_pool_trim(cpu_pool *pool) {
    (void)pthread_mutex_lock(&pool->lock);
    free_unused(pool, 0);
    (void)pthread_mutex_unlock(&pool->lock);
}

void cpu_pool_destroy(cpu_pool *pool) {
    if (pool != NULL) {
        cpu_pool_trim(pool);
        (void)pthread_mutex_destroy(&pool->lock);
        mem_free(pool);
    }
}

/* A gap: from `start` on, behind the block whose `next` (or the slab whose `blocks`) is *link. */
typedef struct gap {
    cpu_slab *slab;
    cpu_block **link;
    size_t start, size;
} gap;

/* The smallest gap of at least `size` floats; its slab is NULL where there is none. */
static gap find_gap(const cpu_pool *pool, size_t size) {
    gap best = {.slab = NULL};
    for (cpu_slab *slab = pool->slabs; slab != NULL; slab = slab->next) {
        size_t start = 0;
        cpu_block **link = &slab->blocks;
        for (;;) {
            size_t end = *link != NULL ? (*link)->start : slab->size;
            if (end - start >= size && (best.slab == NULL || end - start < best.size)) {
                best = (gap){slab, link, start, end - start};
            }
            if (*link == NULL) {
                break;
            }
            start = (*link)->end;
            link = &(*link)->next;
        }
    }
    return best;
}

/* A new slab with one gap. Slabs of the pictures before, which have become too small, go. */
static gap add_slab(cpu_pool *pool, size_t size) {
    free_unused(pool, size / 2);
    cpu_slab *slab = mem_array_zero(1, sizeof *slab);
    float *data = mem_array(size, sizeof *data);
    if (slab != NULL && data == NULL) {
        free_unused(pool, 0); /* what is kept may be what is lacking */
        data = mem_array(size, sizeof *data);
    }
    if (slab == NULL || data == NULL) {
        mem_free(slab);
        mem_free(data);
        return (gap){.slab = NULL};
    }
    *slab = (cpu_slab){.data = data, .size = size, .pool = pool, .next = pool->slabs};
    pool->slabs = slab;
    return (gap){slab, &slab->blocks, 0, size};
}

diffcut_status cpu_pool_take(cpu_pool *pool, size_t elements, backend_buffer **out, diffcut_diagnostics *diag) {
    cpu_block *block = elements <= SIZE_MAX / 8 ? mem_array_zero(1, sizeof *block) : NULL;
    if (block == NULL) {
        return diag_no_memory(diag, elements < SIZE_MAX / 8 ? elements * sizeof(float) : SIZE_MAX,
                              "an activation buffer");
    }
    size_t size = (elements + LINE - 1) / LINE * LINE;
    size = size > 0 ? size : LINE;
    (void)pthread_mutex_lock(&pool->lock);
    gap place = find_gap(pool, size);
    if (place.slab == NULL) {
        place = add_slab(pool, size);
    }
    if (place.slab != NULL) {
        *block = (cpu_block){.host = {.data = place.slab->data + place.start},
                             .start = place.start,
                             .end = place.start + size,
                             .slab = place.slab,
                             .next = *place.link};
        block->host.head.elements = elements;
        *place.link = block;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    if (place.slab == NULL) {
        mem_free(block);
        return diag_no_memory(diag, elements * sizeof(float), "an activation buffer");
    }
    *out = &block->host.head;
    return DIFFCUT_OK;
}

void cpu_pool_give_back(backend_buffer *buffer) {
    if (buffer == NULL) {
        return;
    }
    cpu_block *block = (cpu_block *)(void *)buffer;
    cpu_slab *slab = block->slab;
    cpu_pool *pool = slab->pool;
    (void)pthread_mutex_lock(&pool->lock);
    cpu_block **link = &slab->blocks;
    while (*link != block) {
        link = &(*link)->next;
    }
    *link = block->next;
    (void)pthread_mutex_unlock(&pool->lock);
    mem_free(block);
}
