/*
 * http_admin.h - the admin listener: HTTP for people, probes and Prometheus.
 *
 * On an address (loopback, unless a token protects it) and, if asked for, on a Unix socket. It
 * answers GET and HEAD of the pages that it is given, on the daemon's own thread. A request is at most
 * 8 kB; a client that is silent for 5 s is hung up on. 128 connections are kept, 24 of one address, 32
 * for this machine alone; the oldest is closed for a new one.
 */
#ifndef FR_HTTP_ADMIN_H
#define FR_HTTP_ADMIN_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/buffer.h"
#include "util/error.h"

struct fr_http_admin;

struct fr_http_admin_settings {
    const char *address; /* NULL: on no address */
    uint16_t port;
    const char *token;  /* what clients of the address must show; NULL: nothing */
    const char *socket; /* the Unix socket's path; NULL: none */
};

struct fr_http_page {
    const char *path;
    const char *type; /* MIME */
    bool for_all;     /* without the token too: it says nothing worth hiding */
    /* Append the body; `query` is what stood behind the path's '?', or "". Returns the HTTP
     * status. */
    int (*render)(void *ctx, const char *query, struct fr_buffer *out);
};

/* Listen. `pages` ends with a NULL path and, as ctx, outlives it. NULL and why. */
struct fr_http_admin *fr_http_admin_new(struct event_base *base,
                                        const struct fr_http_admin_settings *settings,
                                        const struct fr_http_page *pages, void *ctx,
                                        struct fr_error *error);

void fr_http_admin_free(struct fr_http_admin *admin);

/* A token from a file: its first line. The caller frees it; NULL and why. */
char *fr_http_admin_token(const char *path, struct fr_error *error);

#endif
