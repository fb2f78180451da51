/*
 * fuzz_vocabulary.c - any bytes as a file of classes and as one of templates: refused with a message, or names that
 * are not empty, in classes that are in order.
 */
#include <stdlib.h>
#include <string.h>

#include "diffcut/diffcut.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool condition) {
    if (!condition) {
        abort();
    }
}

static void check_list(const diffcut_vocabulary *v) {
    const uint32_t *classes = NULL;
    size_t count = 0;
    const char *const *names = diffcut_vocabulary_names(v, &classes, &count);
    check(count > 0 && classes[0] == 0 && classes[count - 1] + 1 == diffcut_vocabulary_class_count(v));
    for (size_t i = 0; i < count; i++) {
        check(names[i][0] != '\0' && strchr(names[i], '\n') == NULL && strchr(names[i], '|') == NULL);
        check(i == 0 || classes[i] == classes[i - 1] || classes[i] == classes[i - 1] + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    diffcut_diagnostics diag = {.message = ""};
    diffcut_vocabulary *list = NULL;
    diffcut_vocabulary *larger = NULL;
    diffcut_templates *templates = NULL;
    if (diffcut_vocabulary_decode(data, size, "input", &list, &diag) != DIFFCUT_OK) {
        check(diag.message[0] != '\0' && list == NULL);
    } else {
        check_list(list);
        if (diffcut_vocabulary_with_background(list, "none of them|rest", &larger, &diag) == DIFFCUT_OK) {
            check_list(larger);
            check(diffcut_vocabulary_class_count(larger) == diffcut_vocabulary_class_count(list) + 1);
        }
    }
    if (size > 0 && diffcut_templates_decode(data, size, "input", &templates, &diag) == DIFFCUT_OK) {
        for (size_t i = 0; i < diffcut_templates_count(templates); i++) {
            check(strstr(diffcut_templates_at(templates, i), "{}") != NULL);
        }
    }
    diffcut_vocabulary_free(list);
    diffcut_vocabulary_free(larger);
    diffcut_templates_free(templates);
    return 0;
}
