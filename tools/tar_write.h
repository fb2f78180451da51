/*
 * tar_write.h - members of a tar archive, written into memory: ustar, with a pax header where a name does not fit.
 *
 * The same name and data give the same bytes: no time, owner or number of the machine goes in. Called by
 * segment_write (a photo's results for a shard) and shards (the archive's end).
 */
#ifndef DIFFCUT_TOOLS_TAR_WRITE_H
#define DIFFCUT_TOOLS_TAR_WRITE_H

#include "text.h"

/* Adds a plain file; the name is not empty. Without memory out->failed is set. */
void tar_add_file(text *out, const char *name, const void *data, size_t size);
/* The two blocks that end an archive. */
void tar_add_end(text *out);

#endif
