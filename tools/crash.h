/*
 * crash.h - a photo that takes the process with it leaves word of itself.
 *
 * Decoders run in the process. Should one meet a photo that makes it crash (a fatal signal: segmentation fault, bus
 * error, arithmetic, illegal instruction, abort), the signal's handler writes a line that was made ready before: the
 * next run leaves that photo out instead of crashing at it again. Then the signal takes its course. A handler can
 * reach globals only, so the lines in question are such, as in interrupt.c. Called by segment, segment_flow and
 * segment_record.
 */
#ifndef DIFFCUT_TOOLS_CRASH_H
#define DIFFCUT_TOOLS_CRASH_H

#include <stddef.h>

/* From now on a crash appends a line to this open file; -1: no more. */
void crash_watch(int file);

/* This thread is at work on what the line tells of, until it says NULL; the line must stay. Once the computation has
 * a line, the threads that help it crash for it. */
void crash_reading(const char *line, size_t size);
void crash_computing(const char *line, size_t size);
void crash_writing(const char *line, size_t size);

#endif
