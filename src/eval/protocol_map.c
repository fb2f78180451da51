/*
 * protocol_map.c - raw label values to classes: the table of a protocol, and label maps through it.
 *
 * Three ways of storing classes are in use: from zero with 255 for "no class", from one with 0 for "no class" (and
 * 255 for the line drawn between objects), and ids of the data set's own. "No class" is the background where the
 * protocol has one, else it is left out. Called by protocol.c and through the public interface.
 */
#include <inttypes.h>
#include <string.h>

#include "core/memory.h"
#include "eval/protocol.h"
#include "io/entry.h"
#include "io/json.h"
#include "segment/labels.h"

/* In the data sets' files. */
#define FILE_NONE 255
#define FILE_INVALID 254
#define FILE_MAX_VALUES 512

#define VOID_VALUE 255

static uint16_t no_class(const diffcut_protocol *p) {
    return p->background >= 0 ? (uint16_t)p->background : PROTOCOL_LEFT_OUT;
}

/* Classes that are stored as such: all but the background, which has no value of its own. */
static uint32_t stored_classes(const diffcut_protocol *p) {
    return p->background >= 0 ? p->classes - 1 : p->classes;
}

static void fill_from_zero(diffcut_protocol *p) {
    for (uint32_t c = 0; c < stored_classes(p); c++) {
        p->table[c] = (uint16_t)c;
    }
    p->table[VOID_VALUE] = no_class(p);
}

/* The published code takes the void line between objects for background. */
static void fill_from_one(diffcut_protocol *p) {
    for (uint32_t c = 0; c < stored_classes(p); c++) {
        p->table[c + 1] = (uint16_t)c;
    }
    p->table[0] = no_class(p);
    p->table[VOID_VALUE] = p->reference ? no_class(p) : PROTOCOL_LEFT_OUT;
}

static diffcut_status fill_by_list(diffcut_protocol *p, json_view file, diffcut_diagnostics *diag) {
    uint32_t values[FILE_MAX_VALUES];
    size_t count = 0;
    diffcut_status status = json_get_uint_list(file, "table", 0, FILE_NONE, FILE_MAX_VALUES, values, &count, diag);
    for (size_t v = 0; status == DIFFCUT_OK && v < count; v++) {
        if (values[v] != FILE_INVALID) {
            p->table[v] = values[v] == FILE_NONE ? no_class(p) : (uint16_t)values[v];
        }
    }
    if (status == DIFFCUT_OK) {
        p->table[VOID_VALUE] = no_class(p);
    }
    return status;
}

/* Ids of a larger list, of which a part is classes; everything else has none. */
static diffcut_status fill_detail(diffcut_protocol *p, json_view file, diffcut_diagnostics *diag) {
    uint32_t ids[FILE_MAX_VALUES];
    size_t count = 0;
    diffcut_status status =
        json_get_uint_list(file, "detail", 0, PROTOCOL_VALUES - 1, FILE_MAX_VALUES, ids, &count, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    for (size_t v = 0; v < FILE_MAX_VALUES; v++) {
        p->table[v] = no_class(p);
    }
    for (size_t c = 0; c < count; c++) {
        p->table[ids[c]] = (uint16_t)c;
    }
    return DIFFCUT_OK;
}

/* As the data set's own files have them; for the published code where it differs. */
static diffcut_status fill_dataset(diffcut_protocol *p, json_view file, diffcut_diagnostics *diag) {
    const char *form = NULL;
    const char *key = p->reference && json_has(file, "reference_dataset") ? "reference_dataset" : "dataset";
    diffcut_status status = json_get_text(file, key, true, NULL, 16, &form, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (strcmp(form, "table") == 0) {
        return fill_by_list(p, file, diag);
    }
    if (strcmp(form, "from_zero") == 0) {
        fill_from_zero(p);
    } else {
        fill_from_one(p);
    }
    uint32_t dropped[8];
    size_t count = 0;
    if (p->reference && json_has(file, "reference_left_out")) {
        status = json_get_uint_list(file, "reference_left_out", 0, PROTOCOL_VALUES - 1, 8, dropped, &count, diag);
    }
    for (size_t i = 0; i < count; i++) {
        p->table[dropped[i]] = PROTOCOL_LEFT_OUT;
    }
    return status;
}

/* What has no class in the two usual forms is left out, unless it is a class here. */
static void leave_out(diffcut_protocol *p, uint32_t value) {
    if (p->table[value] == PROTOCOL_INVALID) {
        p->table[value] = PROTOCOL_LEFT_OUT;
    }
}

static diffcut_status fill_generic(diffcut_protocol *p, const diffcut_protocol_settings *settings,
                                   diffcut_diagnostics *diag) {
    const bool from_one = settings->label_values == DIFFCUT_VALUES_FROM_ONE;
    if (settings->values != NULL && settings->label_values != DIFFCUT_VALUES_DATASET) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "protocol generic: values and label_values exclude each other");
    }
    for (uint32_t c = 0; c < p->classes; c++) {
        uint32_t value = settings->values != NULL ? settings->values[c] : from_one ? c + 1 : c;
        if (value >= PROTOCOL_VALUES || p->table[value] != PROTOCOL_INVALID) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "protocol generic: values[%" PRIu32 "] is %" PRIu32 ", %s",
                             c, value, value >= PROTOCOL_VALUES ? "above 65535" : "another class's already");
        }
        p->table[value] = (uint16_t)c;
    }
    if (settings->background >= 0) {
        if (settings->background >= PROTOCOL_VALUES || p->table[settings->background] == PROTOCOL_INVALID) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                             "protocol generic: background is %" PRId64 ", the value of no class",
                             settings->background);
        }
        p->background = p->table[settings->background];
    }
    if (settings->label_values != DIFFCUT_VALUES_DATASET) {
        leave_out(p, VOID_VALUE);
        leave_out(p, 0);
    }
    return DIFFCUT_OK;
}

diffcut_status protocol_fill_table(diffcut_protocol *protocol, const diffcut_protocol_settings *settings,
                                   const json_view *file, diffcut_diagnostics *diag) {
    protocol->table = mem_array(PROTOCOL_VALUES, sizeof *protocol->table);
    if (protocol->table == NULL) {
        return diag_no_memory(diag, PROTOCOL_VALUES * sizeof *protocol->table, "the table of label values");
    }
    for (size_t v = 0; v < PROTOCOL_VALUES; v++) {
        protocol->table[v] = PROTOCOL_INVALID;
    }
    diffcut_status status = DIFFCUT_OK;
    if (file == NULL) {
        status = fill_generic(protocol, settings, diag);
    } else if (settings->label_values == DIFFCUT_VALUES_FROM_ZERO) {
        fill_from_zero(protocol);
    } else if (settings->label_values == DIFFCUT_VALUES_FROM_ONE) {
        fill_from_one(protocol);
    } else if (settings->label_values == DIFFCUT_VALUES_DETAIL) {
        status = fill_detail(protocol, *file, diag);
    } else {
        status = fill_dataset(protocol, *file, diag);
    }
    if (status != DIFFCUT_OK || settings->ignore < 0) {
        return status;
    }
    if (file == NULL && protocol->table[settings->ignore] < protocol->classes) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "protocol generic: ignore is %" PRId64 ", the value of class %u", settings->ignore,
                         (unsigned)protocol->table[settings->ignore]);
    }
    protocol->table[settings->ignore] = PROTOCOL_LEFT_OUT;
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- maps */

diffcut_status diffcut_protocol_map(const diffcut_protocol *protocol, const diffcut_labels *raw, diffcut_labels *out,
                                    diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (protocol == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_protocol_map: protocol or out is NULL");
    }
    diffcut_status status = labels_check(raw, "diffcut_protocol_map", diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    size_t pixels = (size_t)raw->width * raw->height;
    uint32_t *classes = mem_array(pixels, sizeof *classes);
    if (classes == NULL) {
        return diag_no_memory(diag, pixels * sizeof *classes, "a map of classes");
    }
    for (size_t i = 0; i < pixels; i++) {
        uint32_t value = raw->data[i];
        uint32_t class = value < PROTOCOL_VALUES ? protocol->table[value] : PROTOCOL_INVALID;
        if (class == PROTOCOL_INVALID) {
            mem_free(classes);
            return diag_fail(diag, DIFFCUT_ERROR_FORMAT,
                             "label value %" PRIu32 " at row %zu, column %zu is no class of protocol %s", value,
                             i / raw->width, i % raw->width, protocol->name);
        }
        classes[i] = class == PROTOCOL_LEFT_OUT ? protocol->classes : class;
    }
    *out = (diffcut_labels){raw->width, raw->height, protocol->classes + 1, classes};
    return DIFFCUT_OK;
}
