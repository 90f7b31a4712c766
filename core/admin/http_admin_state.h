/* http_admin_state.h - the state of the admin listener; internal to core/admin. Main thread. */
#ifndef FR_HTTP_ADMIN_STATE_H
#define FR_HTTP_ADMIN_STATE_H

#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <openssl/ssl.h>

#include "admin/http_clients.h"
#include "admin/http_types.h"

struct fr_jobs;
struct fr_http_later;
struct fr_http_names;
struct fr_http_sessions;
struct fr_http_streams;

#define FR_HTTP_TIMEOUT_S 5        /* without a byte of a request */
#define FR_HTTP_WRITE_TIMEOUT_S 30 /* without a byte that a client takes */

/* On the address, on the Unix socket, on the address for load balancers. */
enum admin_server { ADMIN_NETWORK, ADMIN_LOCAL, ADMIN_STATUS, ADMIN_SERVERS };

struct fr_http_admin {
    struct event_base *base;
    struct evhttp *servers[ADMIN_SERVERS];               /* NULL: not used */
    struct evconnlistener *listeners[ADMIN_SERVERS];     /* of `servers`, which own them */
    struct bufferevent *accepted[FR_HTTP_CLIENTS_BURST]; /* in this loop iteration */
    size_t accepted_count;
    struct fr_http_clients clients;
    struct event *register_event, *resume;
    char *socket;

    SSL_CTX *tls; /* of ADMIN_NETWORK; one reference; NULL: not encrypted */
    bool has_token;
    char cookie[32]; /* its name, which differs for each port of a host */
    struct fr_http_names *names;
    struct fr_http_sessions *sessions;
    struct fr_http_streams *streams; /* NULL: none */
    struct fr_jobs *jobs;            /* of the owner; NULL: none */
    struct fr_http_later *later;     /* requests that are not answered */
    char *policy;                    /* the Content-Security-Policy */
    char *map_tiles;                 /* NULL: none */
    bool has_home;                   /* `home` is set */
    struct fr_http_zone home;

    const struct fr_http_endpoint *endpoints, *status; /* `status`: for load balancers */
    void *ctx;
};

/* A request while its endpoint is called. */
struct fr_http_exchange {
    struct fr_http_admin *admin;
    struct evhttp_request *request;
    const struct fr_http_endpoint *endpoint;
    uint64_t source; /* the client's key in jobs.h */
};

#endif
