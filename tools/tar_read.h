/*
 * tar_read.h - the members of a tar archive, one after the other, from a stream: no seeks.
 *
 * POSIX ustar and pax (IEEE Std 1003.1, "pax Interchange Format" and "ustar Interchange Format"), the GNU forms of
 * long names and large numbers, and the plain headers of before. Strict: every header's checksum is right, every
 * number is one, an archive ends with its two blocks of zeros. What cannot be had from a stream of plain files
 * (sparse files, several volumes) is refused by name. Memory is bounded: names to 64 KiB, extended headers to 1 MiB.
 * Called by source; fuzzed by fuzz/fuzz_tar.c.
 */
#ifndef DIFFCUT_TOOLS_TAR_READ_H
#define DIFFCUT_TOOLS_TAR_READ_H

#include <stdint.h>
#include <sys/types.h>

#include "text.h"

enum { TAR_BLOCK = 512 };

/* Reads up to size bytes, as read() does: 0 at the end, -1 with errno. */
typedef ssize_t (*tar_read_fn)(void *user, void *data, size_t size);

typedef enum tar_result {
    TAR_FILE,  /* a plain file; its data may be read, or is skipped */
    TAR_OTHER, /* a folder, link, device or such: nothing to read */
    TAR_END,
    TAR_BAD /* the archive cannot be read on: the message says why and where */
} tar_result;

typedef struct tar_reader {
    tar_read_fn read;
    void *user;
    uint64_t offset;  /* bytes read so far */
    text name;        /* of the member */
    uint64_t size;    /* of its data */
    int64_t modified; /* seconds since 1970 */
    char type;        /* the header's typeflag */
    text message;     /* of TAR_BAD */
    uint64_t left;    /* of the data, not read yet */
    unsigned padding;
    text extended; /* the data of an extended header, or a long name */
    bool ended;
} tar_reader;

void tar_open(tar_reader *reader, tar_read_fn read, void *user);
void tar_close(tar_reader *reader);

/* The next member; what was not read of the one before is skipped. After TAR_END and TAR_BAD there is no more. */
tar_result tar_next(tar_reader *reader);

/* All of the member's data (of TAR_FILE, once), malloc'ed for the caller; memory grows with what is really there, not
 * with what the header says. NULL: without memory, interrupted, or the archive ends within it; the message says
 * which. */
uint8_t *tar_data(tar_reader *reader);

#endif
