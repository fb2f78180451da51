/*
 * fuzz_listing.c - any bytes as a hub's list of a repository's files: refused with a message, or files whose paths
 * stay inside their folder and whose hashes are such.
 */
#include "core/memory.h"
#include "hub/listing.h"
#include "hub/names.h"
#include "hub/select.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool condition) {
    if (!condition) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    diffcut_diagnostics diag = {.message = ""};
    listing all;
    if (listing_parse(data, size, "input", &all, &diag) != DIFFCUT_OK) {
        check(diag.message[0] != '\0');
        return 0;
    }
    check(names_is_hex(all.commit, 40));
    for (size_t i = 0; i < all.count; i++) {
        const listing_file *file = &all.files[i];
        check(names_is_relative(file->path) && listing_find(&all, file->path) == i);
        check(file->hash[0] == '\0' || names_is_hex(file->hash, 40) || names_is_hex(file->hash, 64));
        check(file->size <= LISTING_MAX_FILE || file->size == LISTING_NOT_SAID);
    }
    bool *wanted = mem_array_zero(all.count, sizeof *wanted);
    static const char *const variants[] = {NULL, "", "fp16"};
    for (size_t v = 0; wanted != NULL && v < sizeof variants / sizeof *variants; v++) {
        const select_settings settings = {variants[v], NULL};
        check(select_files(&all, "org/name", &settings, wanted, &diag) == DIFFCUT_OK || diag.message[0] != '\0');
    }
    mem_free(wanted);
    listing_free(&all);
    return 0;
}
