/*
 * consumer.c - the least program that uses the installed library: it prints the version, opens the embedded model
 * with no path given, and says its name. Also compiled as C++.
 */
#include <diffcut/diffcut.h>

#include <stdio.h>
#include <string.h>

int main(void) {
    diffcut_diagnostics diagnostics;
    diffcut_model *model = NULL;
    if (diffcut_model_open(NULL, NULL, &model, &diagnostics) != DIFFCUT_OK) {
        fprintf(stderr, "%s\n", diagnostics.message);
        return 1;
    }
    diffcut_model_info info;
    memset(&info, 0, sizeof info);
    diffcut_model_get_info(model, &info);
    printf("%s %s\n", diffcut_version(), info.name);
    diffcut_model_release(model);
    return 0;
}
