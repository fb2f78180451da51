/*
 * protocol.h - a benchmark's classes and which raw label value is which of them.
 * Made by protocol.c; read by the matching, the measuring and the score's files.
 */
#ifndef DIFFCUT_EVAL_PROTOCOL_H
#define DIFFCUT_EVAL_PROTOCOL_H

#include "core/status.h"

#define PROTOCOL_MAX_CLASSES 4096
#define PROTOCOL_VALUES 65536 /* raw values: a PNG has at most 16 bits */

/* What a raw value is besides a class. */
#define PROTOCOL_LEFT_OUT 0xFFFE
#define PROTOCOL_INVALID 0xFFFF

struct diffcut_protocol {
    char name[32];
    bool reference;
    diffcut_label_values label_values;
    uint32_t classes;
    int32_t background; /* -1: none */
    char **names;       /* (classes) */
    uint16_t *table;    /* (PROTOCOL_VALUES): a class, LEFT_OUT or INVALID */
    uint64_t identity;  /* hash of all that decides counts: two protocols with the same one may be merged */
};

/* Fills protocol->table, for a generic protocol from the settings' values, else from the data set's file (NULL for
 * generic), and sets the background. classes, reference and label_values are set. */
struct json_view;
diffcut_status protocol_fill_table(diffcut_protocol *protocol, const diffcut_protocol_settings *settings,
                                   const struct json_view *file, diffcut_diagnostics *diag);

#endif
