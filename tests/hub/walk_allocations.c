/* walk_allocations.c - run by pull.py with ENDPOINT, CACHE and NAME: a pull in which the first allocation fails, then
 * one in which the second does, and so on until one needs no more. None may crash, leak or touch the result. */
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "diffcut/diffcut.h"

int main(int argc, char **argv) {
    if (argc != 4) {
        (void)fprintf(stderr, "usage: walk_allocations ENDPOINT CACHE NAME\n");
        return 2;
    }
    diffcut_pull_settings settings;
    diffcut_pull_settings_init(&settings);
    settings.endpoint = argv[1];
    settings.cache = argv[2];
    settings.retries = 0;
    static diffcut_pull_result untouched;
    for (long n = 0; n < 1000; n++) {
        static diffcut_pull_result result;
        diffcut_diagnostics diagnostics = {{0}};
        mem_fail_after(n);
        const diffcut_status status = diffcut_model_pull(argv[3], &settings, &result, &diagnostics);
        mem_fail_after(-1);
        if (status == DIFFCUT_OK) {
            (void)printf("%ld\n", n);
            return result.files > 0 ? 0 : 1;
        }
        if (diagnostics.message[0] == '\0' || memcmp(&result, &untouched, sizeof result) != 0) {
            (void)fprintf(stderr, "allocation %ld: status %d, message '%s'\n", n, (int)status, diagnostics.message);
            return 1;
        }
    }
    (void)fprintf(stderr, "no end\n");
    return 1;
}
