/* mhd.c - see mhd.h. */
#include "mhd.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define MHD_INSTALL "install libmicrohttpd 0.9.75 or newer (Debian: apt install libmicrohttpd12)"

static void *open_library(void) {
    static const char *const names[] = {"libmicrohttpd.so.12", "libmicrohttpd.12.dylib"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (library != NULL) {
            return library;
        }
    }
    return NULL;
}

bool mhd_open(mhd_library *out, diffcut_diagnostics *diagnostics) {
    mhd_library found = {0};
    struct {
        const char *name;
        void *place; /* of a function pointer in `found` */
    } const wanted[] = {
        {"MHD_start_daemon", &found.start_daemon},
        {"MHD_stop_daemon", &found.stop_daemon},
        {"MHD_quiesce_daemon", &found.quiesce_daemon},
        {"MHD_run", &found.run},
        {"MHD_get_timeout", &found.get_timeout},
        {"MHD_get_daemon_info", &found.get_daemon_info},
        {"MHD_get_connection_info", &found.get_connection_info},
        {"MHD_set_connection_option", &found.set_connection_option},
        {"MHD_get_connection_values_n", &found.get_connection_values_n},
        {"MHD_lookup_connection_value", &found.lookup_connection_value},
        {"MHD_suspend_connection", &found.suspend_connection},
        {"MHD_resume_connection", &found.resume_connection},
        {"MHD_create_response_from_buffer_with_free_callback_cls",
         &found.create_response_from_buffer_with_free_callback_cls},
        {"MHD_create_response_from_callback", &found.create_response_from_callback},
        {"MHD_add_response_header", &found.add_response_header},
        {"MHD_queue_response", &found.queue_response},
        {"MHD_destroy_response", &found.destroy_response},
    };
    void *library = open_library();
    if (library == NULL) {
        (void)snprintf(diagnostics->message, sizeof diagnostics->message,
                       "serving needs libmicrohttpd, which is not here: " MHD_INSTALL);
        return false;
    }
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        void *function = dlsym(library, wanted[i].name);
        if (function == NULL) {
            (void)snprintf(diagnostics->message, sizeof diagnostics->message,
                           "libmicrohttpd has no %s: it is too old; " MHD_INSTALL, wanted[i].name);
            return false;
        }
        memcpy(wanted[i].place, &function, sizeof function); /* POSIX: pointers to data and functions are alike */
    }
    *out = found;
    return true;
}
