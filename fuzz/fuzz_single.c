/* fuzz_single.c - any safetensors file as a single-file checkpoint: refused with a message, or every component's
 * table is sorted and lies in the file, and its configurations are JSON or refused. */
#include "core/memory.h"
#include "io/json.h"
#include "model/single_config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A failure has a message. */
static bool failed(diffcut_status status, const diffcut_diagnostics *diag) {
    if (status != DIFFCUT_OK && diag->message[0] == '\0') {
        abort();
    }
    return status != DIFFCUT_OK;
}

static void try_config(const single_tables *tables, const char *name) {
    diffcut_diagnostics diag = {.message = ""};
    diffcut_buffer text = {0};
    json_document document;
    bytes sink = {0};
    if (failed(single_config_write(tables, name, &sink, &diag), &diag)) {
        bytes_free(&sink);
        return;
    }
    if (bytes_finish(&sink, name, &text, &diag) != DIFFCUT_OK ||
        json_parse(text.data, text.size, name, &document, &diag) != DIFFCUT_OK) {
        abort();
    }
    json_document_free(&document);
    mem_free(text.data);
}

static void check_table(const tensor_table *table, const uint8_t *data, size_t size) {
    for (size_t i = 0; i < table->count; i++) {
        const tensor_entry *entry = &table->entries[i];
        const uint8_t *at = entry->transposed != NULL ? entry->transposed : entry->tensor.data;
        if (tensor_table_find(table, entry->tensor.name) != entry || at < data ||
            at + entry->tensor.bytes > data + size) {
            abort();
        }
    }
}

static void try_file(const safetensors *file, single_kind kind, const uint8_t *data, size_t size) {
    static const char *const components[] = {"unet", "vae", "text_encoder", "text_encoder_2"};
    static const char *const names[] = {"unet/config.json", "vae/config.json", "text_encoder/config.json",
                                        "text_encoder_2/config.json", "scheduler/scheduler_config.json"};
    diffcut_diagnostics diag = {.message = ""};
    tensor_table parts[4] = {{0}};
    bool whole = true;
    for (size_t i = 0; i < 4 && whole; i++) {
        whole = !failed(single_file_load(file, kind, components[i], &parts[i], &diag), &diag);
        if (whole) {
            check_table(&parts[i], data, size);
            whole = tensor_table_settle(&parts[i], &diag) == DIFFCUT_OK;
        }
    }
    const single_tables tables = {.file = "input",
                                  .kind = kind,
                                  .scaling_factor = 1.0,
                                  .unet = &parts[0],
                                  .vae = &parts[1],
                                  .text_encoder = &parts[2],
                                  .text_encoder_2 = &parts[3]};
    for (size_t i = 0; i < sizeof names / sizeof *names && whole; i++) {
        try_config(&tables, names[i]);
    }
    for (size_t i = 0; i < 4; i++) {
        tensor_table_free(&parts[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    diffcut_diagnostics diag = {.message = ""};
    safetensors *file = NULL;
    single_kind kind;
    if (failed(safetensors_parse(data, size, "input", &file, &diag), &diag)) {
        return 0;
    }
    if (!failed(single_file_identify(file, &kind, &diag), &diag)) {
        try_file(file, kind, data, size);
    }
    if (!failed(single_file_identify_vae(file, &kind, &diag), &diag)) {
        try_file(file, kind, data, size);
    }
    safetensors_close(file);
    return 0;
}
