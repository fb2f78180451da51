/*
 * exif.h - the one EXIF field that matters here: which way up the photo is. Called by jpeg, png and webp.
 */
#ifndef DIFFCUT_IO_EXIF_H
#define DIFFCUT_IO_EXIF_H

#include <stddef.h>
#include <stdint.h>

#define EXIF_ORIENTATION_NORMAL 1

/* The orientation, 1 .. 8, of an EXIF block (a TIFF structure, with or without "Exif\0\0" before it); 1 where there
 * is none or the block is damaged: a bad tag never costs a photo. */
int exif_orientation(const uint8_t *data, size_t size);

#endif
