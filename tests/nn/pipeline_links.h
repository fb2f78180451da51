/*
 * pipeline_links.h - a golden pipeline as a temporary folder of links to its files, of which each can be replaced or
 * taken away. Used by the tests of text encoders and contexts.
 */
#ifndef DIFFCUT_TESTS_NN_PIPELINE_LINKS_H
#define DIFFCUT_TESTS_NN_PIPELINE_LINKS_H

#include <stddef.h>

#define PIPELINE_PATH_SIZE 512

/* Links every file of `folder` (two levels) below a new folder. Fails the running test on trouble. */
void pipeline_link(const char *folder, char path[PIPELINE_PATH_SIZE]);
/* Puts CLIP's full vocabulary into a tokenizer's folder ("tokenizer"). */
void pipeline_vocabulary(const char *path, const char *tokenizer);
/* Replaces a file by these bytes, or adds it. */
void pipeline_write(const char *path, const char *name, const void *data, size_t size);
/* The file's bytes and a NUL; the caller frees them with free(). */
char *pipeline_read(const char *path, const char *name, size_t *size);
/* Replaces the first occurrence of `from` in a file by `to`. */
void pipeline_replace(const char *path, const char *name, const char *from, const char *to);
/* Takes a file away. */
void pipeline_drop(const char *path, const char *name);
/* Removes the folder. */
void pipeline_remove(const char *path);

#endif
