/*
 * mhd.h - libmicrohttpd, opened when the server starts.
 *
 * Only `diffcut serve` needs it. Linked, it would bring a TLS library into every start of the command; so its
 * functions are found by dlopen, as libcurl's are, and its header gives their types when the command is built.
 * Called by tools/serve.
 */
#ifndef DIFFCUT_TOOLS_SERVE_MHD_H
#define DIFFCUT_TOOLS_SERVE_MHD_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "diffcut/diffcut.h"

/* The functions in use, by their names without the prefix. */
typedef struct mhd_library {
    struct MHD_Daemon *(*start_daemon)(unsigned int flags, uint16_t port, MHD_AcceptPolicyCallback accept,
                                       void *accept_user, MHD_AccessHandlerCallback handle, void *handle_user, ...);
    void (*stop_daemon)(struct MHD_Daemon *daemon);
    MHD_socket (*quiesce_daemon)(struct MHD_Daemon *daemon);
    enum MHD_Result (*run)(struct MHD_Daemon *daemon);
    enum MHD_Result (*get_timeout)(struct MHD_Daemon *daemon, MHD_UNSIGNED_LONG_LONG *timeout);
    const union MHD_DaemonInfo *(*get_daemon_info)(struct MHD_Daemon *daemon, enum MHD_DaemonInfoType type, ...);
    const union MHD_ConnectionInfo *(*get_connection_info)(struct MHD_Connection *connection,
                                                           enum MHD_ConnectionInfoType type, ...);
    enum MHD_Result (*set_connection_option)(struct MHD_Connection *connection, enum MHD_CONNECTION_OPTION option,
                                             ...);
    int (*get_connection_values_n)(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                                   MHD_KeyValueIteratorN iterator, void *user);
    const char *(*lookup_connection_value)(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                                           const char *key);
    void (*suspend_connection)(struct MHD_Connection *connection);
    void (*resume_connection)(struct MHD_Connection *connection);
    struct MHD_Response *(*create_response_from_buffer_with_free_callback_cls)(size_t size, const void *buffer,
                                                                               MHD_ContentReaderFreeCallback release,
                                                                               void *release_user);
    struct MHD_Response *(*create_response_from_callback)(uint64_t size, size_t block, MHD_ContentReaderCallback read,
                                                          void *user, MHD_ContentReaderFreeCallback release);
    enum MHD_Result (*add_response_header)(struct MHD_Response *response, const char *name, const char *value);
    enum MHD_Result (*queue_response)(struct MHD_Connection *connection, unsigned int status,
                                      struct MHD_Response *response);
    void (*destroy_response)(struct MHD_Response *response);
} mhd_library;

/* Finds the library and its functions; it stays loaded until the process ends. */
bool mhd_open(mhd_library *out, diffcut_diagnostics *diagnostics);

#endif
