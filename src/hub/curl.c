/* curl.c - see curl.h. */
#include "hub/curl.h"

#ifdef DIFFCUT_HAVE_CURL

#include <dlfcn.h>
#include <string.h>

#define CURL_INSTALL "install libcurl (Debian: apt install libcurl4)"

/* The same interface under the names that distributions give it. */
static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.4.dylib"};

static void *open_library(void) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        /* Not unloaded again: the TLS library behind it leaves handlers for the end of the process. */
        void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (library != NULL) {
            return library;
        }
    }
    return NULL;
}

diffcut_status curl_open(curl_library *out, diffcut_diagnostics *diag) {
    curl_library found = {0};
    struct {
        const char *name;
        void *place; /* of a function pointer in `found` */
    } const wanted[] = {
        {"curl_global_init", &found.global_init},
        {"curl_easy_init", &found.easy_init},
        {"curl_easy_cleanup", &found.easy_cleanup},
        {"curl_easy_reset", &found.easy_reset},
        {"curl_easy_setopt", &found.easy_setopt},
        {"curl_easy_perform", &found.easy_perform},
        {"curl_easy_getinfo", &found.easy_getinfo},
        {"curl_easy_strerror", &found.easy_strerror},
        {"curl_slist_append", &found.slist_append},
        {"curl_slist_free_all", &found.slist_free_all},
        {"curl_url", &found.url},
        {"curl_url_cleanup", &found.url_cleanup},
        {"curl_url_set", &found.url_set},
        {"curl_url_get", &found.url_get},
        {"curl_free", &found.free},
    };
    void *library = open_library();
    if (library == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "downloading needs libcurl, which is not here: " CURL_INSTALL);
    }
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        void *function = dlsym(library, wanted[i].name);
        if (function == NULL) {
            (void)dlclose(library);
            return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                             "libcurl has no %s: it is older than 7.66; " CURL_INSTALL, wanted[i].name);
        }
        memcpy(wanted[i].place, &function, sizeof function); /* POSIX: pointers to data and functions are alike */
    }
    const CURLcode code = found.global_init(CURL_GLOBAL_DEFAULT);
    if (code != CURLE_OK) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "libcurl does not start: %s", found.easy_strerror(code));
    }
    *out = found;
    return DIFFCUT_OK;
}

#endif
