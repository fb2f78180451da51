/* guard.c - see guard.h. */
#include "guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "values.h"

enum { NAME_SIZE = 256 };

static bool is_loopback_v4(struct in_addr address) {
    return (ntohl(address.s_addr) >> 24) == 127;
}

bool guard_is_loopback(const struct sockaddr *address) {
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return is_loopback_v4(in.sin_addr);
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
    }
    return false;
}

bool guard_is_loopback_name(const char *name) {
    struct in_addr in;
    struct in6_addr in6;
    if (strcasecmp(name, "localhost") == 0) {
        return true;
    }
    if (inet_pton(AF_INET, name, &in) == 1) {
        return is_loopback_v4(in);
    }
    return inet_pton(AF_INET6, name, &in6) == 1 && IN6_IS_ADDR_LOOPBACK(&in6);
}

/* Splits "name", "name:80", "[::1]:80"; the port is 80 where none is said. False for anything else. */
static bool split_host(const char *host, char name[NAME_SIZE], uint64_t *port) {
    const char *end = NULL;
    if (host[0] == '[') {
        host++;
        end = strchr(host, ']');
    } else {
        end = host + strcspn(host, ":");
    }
    if (end == NULL || end == host || (size_t)(end - host) >= NAME_SIZE) {
        return false;
    }
    memcpy(name, host, (size_t)(end - host));
    name[end - host] = '\0';
    end += *end == ']' ? 1 : 0;
    *port = 80;
    return *end == '\0' || (*end == ':' && value_unsigned(end + 1, port) && *port > 0 && *port <= UINT16_MAX);
}

/* Whether the name is the address that the request came to. */
static bool is_local(const struct sockaddr *local, const char *name) {
    char shown[INET6_ADDRSTRLEN] = {0};
    if (local->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, local, sizeof in);
        (void)inet_ntop(AF_INET, &in.sin_addr, shown, sizeof shown);
    } else if (local->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, local, sizeof in6);
        (void)inet_ntop(AF_INET6, &in6.sin6_addr, shown, sizeof shown);
    }
    if (shown[0] == '\0') {
        return false;
    }
    const char *plain = strncmp(shown, "::ffff:", 7) == 0 ? shown + 7 : shown; /* IPv4 on an IPv6 socket */
    return strcasecmp(name, shown) == 0 || strcasecmp(name, plain) == 0;
}

static bool is_allowed(const guard *g, const char *host, const char *name, uint64_t port) {
    for (size_t i = 0; i < g->host_count; i++) {
        char allowed[NAME_SIZE];
        uint64_t allowed_port = 0;
        if (strcasecmp(host, g->hosts[i]) == 0 && strchr(host, ':') != NULL) {
            return true;
        }
        if (!split_host(g->hosts[i], allowed, &allowed_port) || strcasecmp(name, allowed) != 0) {
            continue;
        }
        if (strchr(g->hosts[i], ':') == NULL) {
            allowed_port = g->port;
        }
        /* A Host without a port is the scheme's own one, which behind a proxy may be https's. */
        if (port == allowed_port || (strchr(host, ':') == NULL && (allowed_port == 80 || allowed_port == 443))) {
            return true;
        }
    }
    return false;
}

static bool check_host(const guard *g, const guard_request *r, problem *out) {
    char name[NAME_SIZE];
    uint64_t port = 0;
    if (r->host == NULL || !split_host(r->host, name, &port)) {
        return problem_set(out, 400, "bad_host", "Host", "the request names no host");
    }
    if (port == g->port && (guard_is_loopback_name(name) || (r->local != NULL && is_local(r->local, name)))) {
        return true;
    }
    if (is_allowed(g, r->host, name, port)) {
        return true;
    }
    return problem_set(out, 421, "bad_host", "Host",
                       "this server does not answer under that name; --allow-host allows others");
}

static bool check_origin(const guard_request *r, problem *out) {
    if (!r->changes || r->origin == NULL) {
        return true;
    }
    const char *rest = strncmp(r->origin, "http://", 7) == 0    ? r->origin + 7
                       : strncmp(r->origin, "https://", 8) == 0 ? r->origin + 8
                                                                : "";
    return strcasecmp(rest, r->host) == 0 ||
           problem_set(out, 403, "bad_origin", "Origin", "the request comes from another site's page");
}

/* Equally long for every `given` of one length. */
static bool same_secret(const char *given, size_t length, const char *secret) {
    const size_t secret_length = strlen(secret);
    volatile unsigned char differ = length == secret_length ? 0 : 1;
    for (size_t i = 0; i < length; i++) {
        const char other = secret_length > 0 ? secret[i % secret_length] : '\0';
        differ = (unsigned char)(differ | (unsigned char)(given[i] ^ other));
    }
    return differ == 0 && secret_length > 0;
}

bool guard_is_token(const guard *g, const char *given) {
    return g->token != NULL && same_secret(given, strlen(given), g->token);
}

/* Whether the cookies ("a=1; diffcut=...") hold ours. */
static bool has_cookie(const guard *g, const char *cookies) {
    static const char name[] = "diffcut=";
    for (const char *at = cookies; at != NULL && *at != '\0';) {
        at += strspn(at, "; ");
        const size_t length = strcspn(at, ";");
        if (strncmp(at, name, sizeof name - 1) == 0 &&
            same_secret(at + sizeof name - 1, length - (sizeof name - 1), g->cookie)) {
            return true;
        }
        at += length;
    }
    return false;
}

static bool check_token(const guard *g, const guard_request *r, problem *out) {
    if (g->token == NULL || r->open) {
        return true;
    }
    static const char scheme[] = "Bearer ";
    if (r->authorization != NULL && strncasecmp(r->authorization, scheme, sizeof scheme - 1) == 0 &&
        guard_is_token(g, r->authorization + sizeof scheme - 1)) {
        return true;
    }
    if (r->cookies != NULL && has_cookie(g, r->cookies)) {
        return true;
    }
    return problem_set(out, 401, "no_token", "Authorization",
                       "the server's token is needed: Authorization: Bearer TOKEN, or the page's address with "
                       "?token=TOKEN");
}

bool guard_check(const guard *g, const guard_request *r, problem *out) {
    return check_host(g, r, out) && check_origin(r, out) && check_token(g, r, out);
}
