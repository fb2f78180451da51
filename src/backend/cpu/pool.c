/* pool.c - see pool.h. */
#include "backend/cpu/pool.h"

#include "core/memory.h"

#include <pthread.h>

/* A kept buffer serves one of at least this part of its size: smaller ones would hold large blocks that the next
 * large one then lacks. */
#define LEAST_PART 4

typedef struct cpu_buffer {
    host_buffer host; /* its elements are those in use */
    size_t capacity;
    cpu_pool *pool;
    struct cpu_buffer *next; /* while it is kept */
} cpu_buffer;

struct cpu_pool {
    pthread_mutex_t lock;
    cpu_buffer *kept;
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

static void free_buffer(cpu_buffer *buffer) {
    if (buffer != NULL) {
        mem_free(buffer->host.data);
        mem_free(buffer);
    }
}

void cpu_pool_trim(cpu_pool *pool) {
    (void)pthread_mutex_lock(&pool->lock);
    cpu_buffer *kept = pool->kept;
    pool->kept = NULL;
    (void)pthread_mutex_unlock(&pool->lock);
    while (kept != NULL) {
        cpu_buffer *next = kept->next;
        free_buffer(kept);
        kept = next;
    }
}

void cpu_pool_destroy(cpu_pool *pool) {
    if (pool != NULL) {
        cpu_pool_trim(pool);
        (void)pthread_mutex_destroy(&pool->lock);
        mem_free(pool);
    }
}

/* Takes the kept buffer at *at off the list. */
static cpu_buffer *unlink_kept(cpu_buffer **at) {
    cpu_buffer *buffer = *at;
    *at = buffer->next;
    return buffer;
}

/* The smallest kept buffer that serves, no longer kept. Where there is none, NULL, and *outgrown is the largest that
 * is too small: pictures have become larger, and the new buffer takes its place. */
static cpu_buffer *find_kept(cpu_pool *pool, size_t elements, cpu_buffer **outgrown) {
    cpu_buffer **best = NULL;
    cpu_buffer **small = NULL;
    (void)pthread_mutex_lock(&pool->lock);
    for (cpu_buffer **at = &pool->kept; *at != NULL; at = &(*at)->next) {
        size_t capacity = (*at)->capacity;
        if (capacity < elements) {
            small = small == NULL || capacity > (*small)->capacity ? at : small;
        } else if (capacity / LEAST_PART <= elements && (best == NULL || capacity < (*best)->capacity)) {
            best = at;
        }
    }
    cpu_buffer *found = best != NULL ? unlink_kept(best) : NULL;
    *outgrown = best == NULL && small != NULL ? unlink_kept(small) : NULL;
    (void)pthread_mutex_unlock(&pool->lock);
    return found;
}

static cpu_buffer *make_buffer(cpu_pool *pool, size_t elements) {
    cpu_buffer *buffer = mem_array_zero(1, sizeof *buffer);
    float *data = mem_array(elements, sizeof *data);
    if (buffer == NULL || data == NULL) {
        mem_free(buffer);
        mem_free(data);
        return NULL;
    }
    buffer->host.data = data;
    buffer->capacity = elements;
    buffer->pool = pool;
    return buffer;
}

diffcut_status cpu_pool_take(cpu_pool *pool, size_t elements, backend_buffer **out, diffcut_diagnostics *diag) {
    cpu_buffer *outgrown;
    cpu_buffer *buffer = find_kept(pool, elements, &outgrown);
    if (buffer == NULL) {
        free_buffer(outgrown);
        buffer = make_buffer(pool, elements);
    }
    if (buffer == NULL) {
        cpu_pool_trim(pool); /* what is kept may be what is lacking */
        buffer = make_buffer(pool, elements);
    }
    if (buffer == NULL) {
        return diag_no_memory(diag, elements * sizeof(float), "an activation buffer");
    }
    buffer->host.head.elements = elements;
    *out = &buffer->host.head;
    return DIFFCUT_OK;
}

void cpu_pool_give_back(backend_buffer *buffer) {
    if (buffer == NULL) {
        return;
    }
    cpu_buffer *given = (cpu_buffer *)(void *)buffer;
    cpu_pool *pool = given->pool;
    (void)pthread_mutex_lock(&pool->lock);
    given->next = pool->kept;
    pool->kept = given;
    (void)pthread_mutex_unlock(&pool->lock);
}
