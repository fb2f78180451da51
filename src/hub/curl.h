/*
 * curl.h - libcurl, opened when the first download starts.
 *
 * Only pulling a model needs it. Linked, it and what it brings would cost every start of the program several
 * milliseconds and every package a dependency; so its functions are found by dlopen, and its header gives their types
 * when the library is built. Without the header, pulling is DIFFCUT_ERROR_UNSUPPORTED. Called by hub/http.
 */
#ifndef DIFFCUT_HUB_CURL_H
#define DIFFCUT_HUB_CURL_H

#include "core/status.h"

#ifdef DIFFCUT_HAVE_CURL
#include <curl/curl.h>

/* The functions of libcurl in use, by their names without the prefix. */
typedef struct curl_library {
    CURLcode (*global_init)(long flags);
    CURL *(*easy_init)(void);
    void (*easy_cleanup)(CURL *handle);
    void (*easy_reset)(CURL *handle);
    CURLcode (*easy_setopt)(CURL *handle, CURLoption option, ...);
    CURLcode (*easy_perform)(CURL *handle);
    CURLcode (*easy_getinfo)(CURL *handle, CURLINFO info, ...);
    const char *(*easy_strerror)(CURLcode code);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free_all)(struct curl_slist *list);
    CURLU *(*url)(void);
    void (*url_cleanup)(CURLU *url);
    CURLUcode (*url_set)(CURLU *url, CURLUPart part, const char *content, unsigned int flags);
    CURLUcode (*url_get)(CURLU *url, CURLUPart part, char **content, unsigned int flags);
    void (*free)(void *block);
} curl_library;

/* Opens and starts libcurl; it stays loaded until the process ends. Thread-safe from libcurl 7.84 on. */
diffcut_status curl_open(curl_library *out, diffcut_diagnostics *diag);
#endif

#endif
