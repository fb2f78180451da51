/*
 * environment.h - the settings of a pull that people keep in their environment, by the names that Python's
 * huggingface_hub reads: HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HUB_OFFLINE. Called by hub/pull.
 */
#ifndef DIFFCUT_HUB_ENVIRONMENT_H
#define DIFFCUT_HUB_ENVIRONMENT_H

#include "core/status.h"

/* True when the network is not to be used. */
bool environment_offline(void);

/* given, else $HF_ENDPOINT, else the public hub; without slashes at its end. The caller frees *endpoint. */
diffcut_status environment_endpoint(const char *given, char **endpoint, diffcut_diagnostics *diag);

/* given, else $HF_TOKEN, else the stored one. *token is NULL where there is none; free it with
 * environment_free_token, which wipes it. */
diffcut_status environment_token(const char *given, char **token, diffcut_diagnostics *diag);
/* NULL is allowed. */
void environment_free_token(char *token);

#endif
