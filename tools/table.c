/* table.c - see table.h. */
#include "table.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "text.h"

enum { FIRST_SLOTS = 1024, MEMORY_SLOTS = 65536 }; /* 16 KiB; 1 MiB */

void table_open(table *t, const char *folder) {
    *t = (table){.folder = folder, .file = -1};
}

static void drop(table *t) {
    free(t->slots);
    if (t->file >= 0) {
        (void)close(t->file);
    }
}

void table_close(table *t) {
    drop(t);
    table_open(t, t->folder);
}

/* A file without a name; where the file system has no such thing, the name is taken from it at once. */
static int open_nameless(const char *folder) {
    int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file >= 0) {
        return file;
    }
    text path = {0};
    text_print(&path, "%s/.diffcut-table-XXXXXX", folder);
    if (!path.failed) {
        file = mkostemp(path.data, O_CLOEXEC);
    }
    if (file >= 0) {
        (void)unlink(path.data);
    }
    text_free(&path);
    return file;
}

/* An empty table of this capacity, in memory or in a file. posix_fallocate reserves the file's space, so that a disk
 * that is full says so now. */
static bool make(table *t, const char *folder, size_t capacity, bool in_memory) {
    table_open(t, folder);
    t->capacity = capacity;
    if (in_memory) {
        t->slots = calloc(capacity, sizeof *t->slots);
        return t->slots != NULL;
    }
    t->file = open_nameless(folder);
    if (t->file >= 0 && posix_fallocate(t->file, 0, (off_t)(capacity * sizeof *t->slots)) == 0) {
        return true;
    }
    drop(t);
    return false;
}

static bool read_slot(const table *t, size_t index, table_slot *slot) {
    if (t->slots != NULL) {
        *slot = t->slots[index];
        return true;
    }
    return pread(t->file, slot, sizeof *slot, (off_t)(index * sizeof *slot)) == (ssize_t)sizeof *slot;
}

static bool write_slot(table *t, size_t index, const table_slot *slot) {
    if (t->slots != NULL) {
        t->slots[index] = *slot;
        return true;
    }
    return pwrite(t->file, slot, sizeof *slot, (off_t)(index * sizeof *slot)) == (ssize_t)sizeof *slot;
}

/* Where the key is or would be, and what is there. */
static bool find(const table *t, uint64_t key, size_t *index, table_slot *slot) {
    for (*index = (size_t)key & (t->capacity - 1);; *index = (*index + 1) & (t->capacity - 1)) {
        if (!read_slot(t, *index, slot)) {
            return false;
        }
        if (slot->key == 0 || slot->key == key) {
            return true;
        }
    }
}

static bool copy_slots(const table *from, table *to) {
    table_slot slot;
    table_slot there;
    size_t index = 0;
    for (size_t i = 0; i < from->capacity; i++) {
        if (!read_slot(from, i, &slot)) {
            return false;
        }
        if (slot.key != 0 && (!find(to, slot.key, &index, &there) || !write_slot(to, index, &slot))) {
            return false;
        }
    }
    to->count = from->count;
    return true;
}

static bool grow(table *t) {
    const size_t capacity = t->capacity > 0 ? 2 * t->capacity : FIRST_SLOTS;
    table larger;
    for (int in_memory = capacity <= MEMORY_SLOTS ? 1 : 0; in_memory <= 1; in_memory++) {
        if (make(&larger, t->folder, capacity, in_memory == 1)) {
            if (copy_slots(t, &larger)) {
                drop(t);
                *t = larger;
                return true;
            }
            drop(&larger);
        }
    }
    return false;
}

table_result table_put(table *t, uint64_t key, uint64_t value, bool replace) {
    if (4 * t->count >= 3 * t->capacity && !grow(t)) {
        return TABLE_FAILED;
    }
    size_t index = 0;
    table_slot slot;
    if (!find(t, key, &index, &slot)) {
        return TABLE_FAILED;
    }
    const bool was_there = slot.key != 0;
    slot = (table_slot){key, value};
    if ((!was_there || replace) && !write_slot(t, index, &slot)) {
        return TABLE_FAILED;
    }
    t->count += was_there ? 0 : 1;
    return was_there ? TABLE_WAS_THERE : TABLE_ADDED;
}

bool table_get(const table *t, uint64_t key, uint64_t *value) {
    size_t index = 0;
    table_slot slot;
    if (t->capacity == 0 || !find(t, key, &index, &slot) || slot.key == 0) {
        return false;
    }
    *value = slot.value;
    return true;
}
