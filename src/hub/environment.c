/* environment.c - see environment.h. */
#include "hub/environment.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"

#define ENVIRONMENT_HUB "https://huggingface.co"
#define ENVIRONMENT_MAX_TOKEN 4096 /* bytes of the file that holds one */

static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

bool environment_offline(void) {
    static const char *const yes[] = {"1", "ON", "YES", "TRUE"};
    const char *value = setting("HF_HUB_OFFLINE");
    for (size_t i = 0; value != NULL && i < sizeof yes / sizeof *yes; i++) {
        if (strcasecmp(value, yes[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* A copy without the spaces around it. */
static diffcut_status copy_trimmed(const char *text, size_t length, const char *what, char **out,
                                   diffcut_diagnostics *diag) {
    while (length > 0 && isspace((unsigned char)*text)) {
        text++;
        length--;
    }
    while (length > 0 && isspace((unsigned char)text[length - 1])) {
        length--;
    }
    char *copy = mem_array(length + 1, 1);
    if (copy == NULL) {
        return diag_no_memory(diag, length + 1, what);
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    *out = copy;
    return DIFFCUT_OK;
}

diffcut_status environment_endpoint(const char *given, char **endpoint, diffcut_diagnostics *diag) {
    const char *named = given != NULL ? given : setting("HF_ENDPOINT");
    char *copy = NULL;
    if (named == NULL) {
        named = ENVIRONMENT_HUB;
    }
    diffcut_status status = copy_trimmed(named, strlen(named), "the endpoint", &copy, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    for (size_t length = strlen(copy); length > 0 && copy[length - 1] == '/'; length--) {
        copy[length - 1] = '\0';
    }
    *endpoint = copy;
    return DIFFCUT_OK;
}

void environment_free_token(char *token) {
    if (token != NULL) {
        explicit_bzero(token, strlen(token));
        mem_free(token);
    }
}

/* The file in which logging in stores the token: $HF_TOKEN_PATH, else token in the Hugging Face home. False where the
 * environment does not say. */
static bool token_file(char *path, size_t size) {
    static const struct {
        const char *variable, *below;
    } places[] = {{"HF_TOKEN_PATH", ""},
                  {"HF_HOME", "/token"},
                  {"XDG_CACHE_HOME", "/huggingface/token"},
                  {"HOME", "/.cache/huggingface/token"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *value = setting(places[i].variable);
        if (value != NULL) {
            const char *home = setting("HOME");
            const bool tilde = home != NULL && value[0] == '~' && (value[1] == '/' || value[1] == '\0');
            const int length =
                snprintf(path, size, "%s%s%s", tilde ? home : "", value + (tilde ? 1 : 0), places[i].below);
            return length > 0 && (size_t)length < size;
        }
    }
    return false;
}

/* The token that logging in stored; none is no failure. */
static diffcut_status stored_token(char **token, diffcut_diagnostics *diag) {
    char file[PATH_MAX];
    diffcut_buffer content = {0};
    if (!token_file(file, sizeof file) ||
        diffcut_read_file(file, ENVIRONMENT_MAX_TOKEN, &content, diag) != DIFFCUT_OK) {
        diag_clear(diag);
        return DIFFCUT_OK;
    }
    diffcut_status status = copy_trimmed((const char *)content.data, content.size, "the token", token, diag);
    explicit_bzero(content.data, content.size);
    diffcut_buffer_free(&content);
    return status;
}

diffcut_status environment_token(const char *given, char **token, diffcut_diagnostics *diag) {
    const char *named = given != NULL ? given : setting("HF_TOKEN");
    char *found = NULL;
    if (named == NULL) {
        named = setting("HUGGING_FACE_HUB_TOKEN"); /* its older name */
    }
    diffcut_status status =
        named != NULL ? copy_trimmed(named, strlen(named), "the token", &found, diag) : stored_token(&found, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (found != NULL && found[0] == '\0') {
        mem_free(found);
        found = NULL;
    }
    *token = found;
    return DIFFCUT_OK;
}
