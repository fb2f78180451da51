/* fuzz_index.c - any bytes as the index of sharded weights, and as a name in the Hugging Face cache: refused with a
 * message, or every file that is named lies beside the index. */
#include "model/hub_cache.h"
#include "model/shard_index.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_name(const uint8_t *data, size_t size) {
    char text[512] = "";
    hub_name name;
    memcpy(text, data, size < sizeof text ? size : sizeof text - 1);
    if (hub_name_parse(text, &name) && (strstr(name.name, "..") != NULL || strstr(name.revision, "..") != NULL ||
                                        strchr(name.name, '/') != strrchr(name.name, '/'))) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    diffcut_diagnostics diag = {.message = ""};
    shard_index index;
    try_name(data, size);
    if (shard_index_parse(data, size, "input", &index, &diag) != DIFFCUT_OK) {
        if (diag.message[0] == '\0') {
            abort();
        }
        return 0;
    }
    for (size_t i = 0; i < index.file_count; i++) {
        if (strchr(index.files[i], '/') != NULL || index.files[i][0] == '.' ||
            (i > 0 && strcmp(index.files[i - 1], index.files[i]) >= 0)) {
            abort();
        }
    }
    shard_index_free(&index);
    return 0;
}
