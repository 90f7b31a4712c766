/*
 * http_admin.h - the admin listener: HTTP for browsers, probes and Prometheus.
 *
 * Listens on an address (loopback, unless a token protects it), on a Unix socket, or on both.
 * Listens for load balancers on another address, whose endpoints have no confidential content. Answers
 * GET and HEAD (load balancers: OPTIONS and POST, too) of a table of endpoints, in the thread of the
 * event loop. A request has at most 8 kB of headers; a client that is silent for 5 s is disconnected.
 * Connections of all addresses together are limited (http_clients.h); the oldest is closed for a new
 * one.
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
    const char *address; /* NULL: do not listen on an address */
    uint16_t port;
    const char *token;  /* that clients of the address must send; NULL: no token is needed */
    const char *socket; /* the Unix socket's path; NULL: none */
    const char *status_address; /* for load balancers; NULL: do not listen for them */
    uint16_t status_port;
};

struct fr_http_endpoint {
    const char *path;
    const char *type; /* MIME type of the body */
    bool public;      /* answered without the token: the body contains nothing confidential */
    bool listed;      /* named in the text of a 404 */
    /* Append the body to `out`. `query` is the text after the path's '?', or "". Returns the HTTP
     * status. */
    int (*render)(void *ctx, const char *query, struct fr_buffer *out);
};

/* Listen. `settings` is copied; `endpoints`, `status` (the endpoints for load balancers) and `ctx`
 * must outlive the result. A table of endpoints ends with a NULL path. Only one listener may exist in
 * a process. Returns NULL with `error` set on failure. */
struct fr_http_admin *fr_http_admin_new(struct event_base *base,
                                        const struct fr_http_admin_settings *settings,
                                        const struct fr_http_endpoint *endpoints,
                                        const struct fr_http_endpoint *status, void *ctx,
                                        struct fr_error *error);

/* Close the listeners and all connections. NULL is ignored. */
void fr_http_admin_free(struct fr_http_admin *admin);

/* Read a token (16 to 512 characters): the first line of the file `path`. The caller wipes and
 * frees the result. Returns NULL with `error` set on failure. */
char *fr_http_admin_read_token(const char *path, struct fr_error *error);

#endif
