/*
 * protocol.c - the benchmarks that maps are scored by: diffcut_protocol_open and what is asked of one.
 *
 * The six of the paper are data files (protocols/NAME.json); a generic one is described by its settings.
 * Called through the public interface.
 */
#include "eval/protocol.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "eval/protocol_data.h"
#include "io/entry.h"
#include "io/json.h"

#define GENERIC "generic"

void diffcut_protocol_settings_init(diffcut_protocol_settings *settings) {
    if (settings != NULL) {
        *settings = (diffcut_protocol_settings){.ignore = -1, .background = -1};
    }
}

const char *diffcut_protocol_list(size_t index) {
    if (index < protocol_files_count) {
        return protocol_files[index].name;
    }
    return index == protocol_files_count ? GENERIC : NULL;
}

const char *diffcut_protocol_name(const diffcut_protocol *protocol) {
    return protocol != NULL ? protocol->name : NULL;
}

bool diffcut_protocol_is_reference(const diffcut_protocol *protocol) {
    return protocol != NULL && protocol->reference;
}

uint32_t diffcut_protocol_class_count(const diffcut_protocol *protocol) {
    return protocol != NULL ? protocol->classes : 0;
}

const char *diffcut_protocol_class_name(const diffcut_protocol *protocol, uint32_t index) {
    return protocol != NULL && index < protocol->classes ? protocol->names[index] : NULL;
}

int32_t diffcut_protocol_background(const diffcut_protocol *protocol) {
    return protocol != NULL ? protocol->background : -1;
}

void diffcut_protocol_free(diffcut_protocol *protocol) {
    if (protocol == NULL) {
        return;
    }
    for (uint32_t c = 0; protocol->names != NULL && c < protocol->classes; c++) {
        mem_free(protocol->names[c]);
    }
    mem_free(protocol->names);
    mem_free(protocol->table);
    mem_free(protocol);
}

/* ------------------------------------------------------------------------------------------------- opening */

/* FNV-1a, 64 bits. */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001B3);
    }
    return hash;
}

static uint64_t identity(const diffcut_protocol *p) {
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    hash = hash_bytes(hash, p->name, strlen(p->name) + 1);
    hash = hash_bytes(hash, p->reference ? "r" : "d", 1);
    for (uint32_t c = 0; c < p->classes; c++) {
        hash = hash_bytes(hash, p->names[c], strlen(p->names[c]) + 1);
    }
    for (size_t v = 0; v < PROTOCOL_VALUES; v++) { /* byte by byte: the same on every machine */
        const unsigned char value[2] = {(unsigned char)(p->table[v] & 0xFF), (unsigned char)(p->table[v] >> 8)};
        hash = hash_bytes(hash, value, sizeof value);
    }
    char background[16];
    int length = snprintf(background, sizeof background, "%" PRId32, p->background);
    return hash_bytes(hash, background, (size_t)length);
}

/* Takes count names (NULL: numbers), and the background's as the last where there is one. */
static diffcut_status take_names(diffcut_protocol *p, const char *const *names, uint32_t count, bool background,
                                 diffcut_diagnostics *diag) {
    p->classes = count + (background ? 1 : 0);
    p->names = mem_array_zero(p->classes, sizeof *p->names);
    for (uint32_t c = 0; p->names != NULL && c < p->classes; c++) {
        char number[16];
        (void)snprintf(number, sizeof number, "%" PRIu32, c);
        p->names[c] = mem_string(c == count ? "background" : names == NULL ? number : names[c]);
        if (p->names[c] == NULL) {
            return diag_no_memory(diag, 16, "a class name");
        }
    }
    return p->names != NULL ? DIFFCUT_OK : diag_no_memory(diag, p->classes * sizeof *p->names, "the class names");
}

static diffcut_status open_file(diffcut_protocol *p, const embedded_file *file,
                                const diffcut_protocol_settings *settings, diffcut_diagnostics *diag) {
    const char *names[PROTOCOL_MAX_CLASSES];
    size_t count = 0;
    bool background = false;
    json_document document = {0};
    diffcut_status status = json_parse(file->text, file->size, file->name, &document, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_text_list(document.root, "classes", PROTOCOL_MAX_CLASSES - 1, names, &count, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_flag(document.root, "background", false, &background, diag);
    }
    if (status == DIFFCUT_OK) {
        status = take_names(p, names, (uint32_t)count, background, diag);
    }
    if (status == DIFFCUT_OK) {
        p->background = background ? (int32_t)count : -1;
        status = protocol_fill_table(p, settings, &document.root, diag);
    }
    json_document_free(&document);
    return status;
}

static diffcut_status open_generic(diffcut_protocol *p, const diffcut_protocol_settings *settings,
                                   diffcut_diagnostics *diag) {
    if (settings->classes < 1 || settings->classes > PROTOCOL_MAX_CLASSES) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "protocol generic: classes is %" PRIu32 ", not 1 .. %d",
                         settings->classes, PROTOCOL_MAX_CLASSES);
    }
    for (uint32_t c = 0; settings->names != NULL && c < settings->classes; c++) {
        if (settings->names[c] == NULL) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "protocol generic: class %" PRIu32 " has no name", c);
        }
    }
    diffcut_status status = take_names(p, settings->names, settings->classes, false, diag);
    return status == DIFFCUT_OK ? protocol_fill_table(p, settings, NULL, diag) : status;
}

static diffcut_status unknown_name(const char *name, diffcut_diagnostics *diag) {
    char known[256] = "";
    for (size_t i = 0; diffcut_protocol_list(i) != NULL; i++) {
        size_t used = strlen(known);
        (void)snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "", diffcut_protocol_list(i));
    }
    return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "no protocol '%.60s'; there are %s", name, known);
}

static diffcut_status check_settings(const char *name, const diffcut_protocol_settings *settings,
                                     diffcut_diagnostics *diag) {
    bool generic = strcmp(name, GENERIC) == 0;
    if ((int)settings->label_values < DIFFCUT_VALUES_DATASET || (int)settings->label_values > DIFFCUT_VALUES_DETAIL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "protocol %s: label_values is %d", name,
                         (int)settings->label_values);
    }
    if (settings->label_values == DIFFCUT_VALUES_DETAIL && strcmp(name, "context") != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "protocol %s: only context has the detail's label values",
                         name);
    }
    if (settings->ignore < -1 || settings->ignore >= PROTOCOL_VALUES) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "protocol %s: ignore is %" PRId64 ", not -1 .. 65535", name,
                         settings->ignore);
    }
    if (!generic && (settings->classes != 0 || settings->names != NULL || settings->values != NULL ||
                     settings->background != -1)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT,
                         "protocol %s has classes of its own: classes, names, values and background are for generic",
                         name);
    }
    return DIFFCUT_OK;
}

diffcut_status diffcut_protocol_open(const char *name, const diffcut_protocol_settings *settings,
                                     diffcut_protocol **out, diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    diffcut_protocol_settings defaults;
    diffcut_protocol_settings_init(&defaults);
    settings = settings != NULL ? settings : &defaults;
    if (name == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_protocol_open: name or out is NULL");
    }
    size_t known = 0;
    while (diffcut_protocol_list(known) != NULL && strcmp(diffcut_protocol_list(known), name) != 0) {
        known++;
    }
    if (diffcut_protocol_list(known) == NULL) {
        return unknown_name(name, diag);
    }
    diffcut_status status = check_settings(name, settings, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    diffcut_protocol *p = mem_array_zero(1, sizeof *p);
    if (p == NULL) {
        return diag_no_memory(diag, sizeof *p, "a protocol");
    }
    (void)snprintf(p->name, sizeof p->name, "%s", name);
    p->reference = settings->reference;
    p->label_values = settings->label_values;
    p->background = -1;
    status = known < protocol_files_count ? open_file(p, &protocol_files[known], settings, diag)
                                          : open_generic(p, settings, diag);
    if (status != DIFFCUT_OK) {
        diffcut_protocol_free(p);
        return status;
    }
    p->identity = identity(p);
    *out = p;
    return DIFFCUT_OK;
}
