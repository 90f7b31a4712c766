/*
 * http_admin.h - the admin listener: HTTP for browsers, scripts, probes and Prometheus.
 *
 * Listens on an address, with TLS if a context is given, on a Unix socket, or on both. Listens for
 * load balancers on another address, whose endpoints have no confidential content. Answers a table
 * of endpoints in the thread of the event loop (load balancers: GET, HEAD, OPTIONS and POST).
 *
 * A request has at most 8 kB of headers and 4 kB of body; a client that is silent for 5 s is
 * disconnected, or one that takes no byte of an answer for 30 s. Connections of all addresses together are limited (http_clients.h); the oldest is
 * closed for a new one. Streams of records have a limit of their own (http_streams.h).
 *
 * What a web page elsewhere could send is refused (http_guard.h). With a token, all endpoints that
 * are not public need it: as `Authorization: Bearer`, or as a session that POST /api/login began
 * (http_sessions.h). GET /api/session and POST /api/logout belong to it.
 *
 * All functions: the thread of the event loop.
 */
#ifndef FR_HTTP_ADMIN_H
#define FR_HTTP_ADMIN_H

#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin/http_types.h"
#include "util/error.h"

struct fr_http_admin;
struct fr_jobs;
struct fr_record_feed;

struct fr_http_admin_settings {
    const char *address; /* NULL: do not listen on an address */
    uint16_t port;
    SSL_CTX *tls;       /* for the address; NULL: not encrypted. A reference is taken. */
    const char *token;  /* that clients of the address must send; NULL: no token is needed */
    char *const *hosts; /* further names of this server */
    size_t host_count;
    const char *map_tiles; /* URL of map tiles, checked by the configuration; NULL: none */
    const struct fr_http_zone *home; /* for the maps; it is copied; NULL: none */
    const char *socket;              /* the Unix socket's path; NULL: none */
    const char *status_address;      /* for load balancers; NULL: do not listen for them */
    uint16_t status_port;
    struct fr_jobs *jobs;        /* of FR_HTTP_JOB; freed before the listener; NULL: none */
    struct fr_record_feed *feed; /* of FR_HTTP_RECORDS; must outlive the listener; NULL: none */
    size_t max_streams;          /* of FR_HTTP_RECORDS, at the same time */
};

/* Listen. `settings` is copied; `endpoints`, `status` (the endpoints for load balancers) and `ctx`
 * must outlive the result. A table of endpoints ends with a NULL path. Only one listener may exist in
 * a process. Returns NULL with `error` set on failure. */
struct fr_http_admin *fr_http_admin_new(struct event_base *base,
                                        const struct fr_http_admin_settings *settings,
                                        const struct fr_http_endpoint *endpoints,
                                        const struct fr_http_endpoint *status, void *ctx,
                                        struct fr_error *error);

/* Use another certificate for new connections. A reference is taken. Only if the listener was made
 * with a context. */
void fr_http_admin_set_tls(struct fr_http_admin *admin, SSL_CTX *tls);

/* Open streams of records. */
size_t fr_http_admin_streams(const struct fr_http_admin *admin);

/* Close the listeners and all connections. NULL is ignored. */
void fr_http_admin_free(struct fr_http_admin *admin);

/* Read a token (16 to 512 characters): the first line of the file `path`, whose descriptor `fd` is
 * closed. The caller wipes and frees the result. Returns NULL with `error` set on failure. */
char *fr_http_admin_read_token(const char *path, int fd, struct fr_error *error);

/* Whether the listener was made with a token. */
bool fr_http_admin_has_token(const struct fr_http_admin *admin);

/* Use another token from now on. Only if the listener was made with one. Returns whether it differs
 * from the former one; then all sessions and all streams have ended. */
bool fr_http_admin_set_token(struct fr_http_admin *admin, const char *token);

#endif
