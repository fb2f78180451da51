/*
 * info.h - what the server tells about itself: /v1/info, and /metrics in Prometheus' text format.
 *
 * Called by routes.c.
 */
#ifndef DIFFCUT_TOOLS_SERVE_INFO_H
#define DIFFCUT_TOOLS_SERVE_INFO_H

#include "server.h"

void info_json(server *s, text *out);
void info_metrics(server *s, text *out);

#endif
