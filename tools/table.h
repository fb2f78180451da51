/*
 * table.h - numbers by 64-bit keys, in memory that does not grow.
 *
 * Up to 65,536 slots of 16 bytes lie in memory (1 MiB). Beyond that they move to a file in a folder of the caller's,
 * which has no name, so that nothing is left of it whatever ends the process; the system keeps in memory what it has
 * room for. Where no such file can be had (a full disk), the slots stay in memory and grow there: slower or larger,
 * never wrong. Called by output (which paths a run has written) and manifest (where the line of a photo is).
 */
#ifndef DIFFCUT_TOOLS_TABLE_H
#define DIFFCUT_TOOLS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct table_slot {
    uint64_t key; /* 0: empty */
    uint64_t value;
} table_slot;

typedef struct table {
    const char *folder; /* of the file; must outlive the table */
    table_slot *slots;  /* open addressing; NULL where they are in the file */
    int file;           /* -1 while they are in memory */
    size_t capacity;    /* slots, a power of two; 0 before the first */
    size_t count;
} table;

void table_open(table *t, const char *folder);
void table_close(table *t);

typedef enum table_result { TABLE_ADDED, TABLE_WAS_THERE, TABLE_FAILED } table_result;

/* Adds a key (not 0) with its value. One that is there keeps its value unless `replace`. TABLE_FAILED: without
 * memory, or the file failed. */
table_result table_put(table *t, uint64_t key, uint64_t value, bool replace);
/* False when the key is not there (or the file failed). */
bool table_get(const table *t, uint64_t key, uint64_t *value);

#endif
