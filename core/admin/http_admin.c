#include "admin/http_admin.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/http_admin_state.h"
#include "admin/http_guard.h"
#include "admin/http_later.h"
#include "admin/http_reply.h"
#include "admin/http_serve.h"
#include "admin/http_sessions.h"
#include "admin/http_streams.h"
#include "util/log.h"
#include "util/memory.h"
#include "util/unix_socket.h"

#define HEADERS_MAX 8192 /* bytes */
#define BODY_MAX 4096    /* bytes */
#define UNREAD_MAX 16384 /* bytes of requests that wait: more than HEADERS_MAX and BODY_MAX */
#define PAUSE_US 100000  /* between accept(2) failing and the next try */
#define SHED_COUNT 8     /* connections to close when accept(2) fails */
#define TOKEN_MIN 16     /* characters */
#define TOKEN_MAX 512

static void admin_serve_network(struct evhttp_request *request, void *ctx)
{
    fr_http_serve(ctx, request, false);
}

static void admin_serve_local(struct evhttp_request *request, void *ctx)
{
    fr_http_serve(ctx, request, true);
}

static void admin_serve_status(struct evhttp_request *request, void *ctx)
{
    fr_http_serve_status(ctx, request);
}

/* ---- connections ----------------------------------------------------------------- */

static void admin_set_listening(struct fr_http_admin *admin, bool on)
{
    for (size_t i = 0; i < ADMIN_SERVERS; i++)
        if (admin->listeners[i] != NULL && on)
            evconnlistener_enable(admin->listeners[i]);
        else if (admin->listeners[i] != NULL)
            evconnlistener_disable(admin->listeners[i]);
}

static void admin_resume_listening(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    admin_set_listening(ctx, true);
}

/* The context of admin_on_accept_error(), whose own ctx belongs to evhttp. A process has one admin
 * listener. */
static struct fr_http_admin *accepting;

/* accept(2) failed. The socket stays readable; without a pause the event loop would spin. */
static void admin_on_accept_error(struct evconnlistener *listener, void *ctx)
{
    static struct fr_log_limit limit;
    struct fr_http_admin *admin = accepting;
    struct timeval pause = {0, PAUSE_US};

    (void)listener, (void)ctx;
    fr_log_limited(&limit, FR_LOG_ERROR,
                   "admin: cannot accept a connection: %s; the oldest connections are closed",
                   strerror(EVUTIL_SOCKET_ERROR()));
    fr_http_clients_shed(&admin->clients, SHED_COUNT);
    admin_set_listening(admin, false);
    event_add(admin->resume, &pause);
}

/* Add the accepted connections to the list. Runs in the loop iteration that accepted them, before
 * one of them can be closed. */
static void admin_register_accepted(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_http_admin *admin = ctx;

    (void)fd, (void)what;
    for (size_t i = 0; i < admin->accepted_count; i++)
        fr_http_clients_add(&admin->clients, bufferevent_getfd(admin->accepted[i]));
    admin->accepted_count = 0;
    admin_set_listening(admin, true);
}

/* evhttp is about to accept a connection. evhttp accepts all waiting connections in one loop
 * iteration, so the listeners are disabled after FR_HTTP_CLIENTS_BURST. */
static struct bufferevent *admin_add_accepted(struct fr_http_admin *admin, struct bufferevent *io)
{
    if (io == NULL)
        return NULL;
    /* evhttp goes on reading while an answer is written, and parses nothing then. */
    bufferevent_setwatermark(io, EV_READ, 0, UNREAD_MAX);
    if (admin->accepted_count < FR_HTTP_CLIENTS_BURST)
        admin->accepted[admin->accepted_count++] = io;
    if (admin->accepted_count == FR_HTTP_CLIENTS_BURST)
        admin_set_listening(admin, false);
    event_active(admin->register_event, 0, 0);
    return io;
}

static struct bufferevent *admin_new_connection(struct event_base *base, void *ctx)
{
    return admin_add_accepted(ctx, bufferevent_socket_new(base, -1, 0));
}

/* With BEV_OPT_CLOSE_ON_FREE the bufferevent closes the socket and frees the SSL; evhttp closes the
 * socket of a bufferevent without it. */
static struct bufferevent *admin_new_tls_connection(struct event_base *base, void *ctx)
{
    struct fr_http_admin *admin = ctx;
    SSL *ssl = SSL_new(admin->tls);
    struct bufferevent *io;

    if (ssl == NULL)
        return NULL;
    io = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                        BEV_OPT_CLOSE_ON_FREE);
    if (io == NULL)
        SSL_free(ssl);
    return admin_add_accepted(admin, io);
}

/* ---- start and end --------------------------------------------------------------- */

static struct evhttp *admin_new_server(struct event_base *base,
                                       void (*serve)(struct evhttp_request *, void *), bool tls,
                                       struct fr_http_admin *admin)
{
    struct evhttp *http = evhttp_new(base);

    if (http == NULL)
        return NULL;
    evhttp_set_max_headers_size(http, HEADERS_MAX);
    evhttp_set_max_body_size(http, BODY_MAX);
    evhttp_set_timeout(http, FR_HTTP_TIMEOUT_S);
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST);
    evhttp_set_gencb(http, serve, admin);
    evhttp_set_bevcb(http, tls ? admin_new_tls_connection : admin_new_connection, admin);
    return http;
}

static int admin_listen_address(struct fr_http_admin *admin, enum admin_server server,
                                const char *address, uint16_t port, struct fr_error *error)
{
    bool status = server == ADMIN_STATUS;
    struct evhttp_bound_socket *bound = NULL;
    struct evhttp *http =
        admin_new_server(admin->base, status ? admin_serve_status : admin_serve_network,
                         !status && admin->tls != NULL, admin);

    admin->servers[server] = http;
    if (http != NULL)
        bound = evhttp_bind_socket_with_handle(http, address, port);
    if (bound == NULL)
        return fr_error_set(error, "%s: cannot listen on %s port %u: %s",
                            status ? "status" : "admin", address, port, strerror(errno));
    if (status) /* HAProxy's default is OPTIONS */
        evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_OPTIONS |
                                             EVHTTP_REQ_POST);
    admin->listeners[server] = evhttp_bound_socket_get_listener(bound);
    return 0;
}

static int admin_listen_socket(struct fr_http_admin *admin, const char *path,
                               struct fr_error *error)
{
    struct evhttp_bound_socket *bound;
    struct evhttp *http;
    int fd = fr_unix_listen(path, "admin", error);

    if (fd < 0)
        return -1;
    admin->socket = fr_strdup(path);
    http = admin->servers[ADMIN_LOCAL] =
        admin_new_server(admin->base, admin_serve_local, false, admin);
    bound = http != NULL ? evhttp_accept_socket_with_handle(http, fd) : NULL;
    if (bound == NULL) {
        close(fd);
        return fr_error_set(error, "admin: cannot create its events");
    }
    admin->listeners[ADMIN_LOCAL] = evhttp_bound_socket_get_listener(bound);
    return 0;
}

static int admin_listen(struct fr_http_admin *admin, const struct fr_http_admin_settings *settings,
                        struct fr_error *error)
{
    if (settings->address != NULL &&
        admin_listen_address(admin, ADMIN_NETWORK, settings->address, settings->port, error) != 0)
        return -1;
    if (settings->status_address != NULL &&
        admin_listen_address(admin, ADMIN_STATUS, settings->status_address, settings->status_port,
                             error) != 0)
        return -1;
    if (settings->socket != NULL)
        return admin_listen_socket(admin, settings->socket, error);
    return 0;
}

static int admin_create_parts(struct fr_http_admin *admin,
                              const struct fr_http_admin_settings *settings, struct fr_error *error)
{
    if (settings->tls != NULL)
        fr_http_admin_set_tls(admin, settings->tls);
    admin->has_token = settings->token != NULL;
    snprintf(admin->cookie, sizeof admin->cookie, "fleetroute_%u", settings->port);
    admin->map_tiles = settings->map_tiles != NULL ? fr_strdup(settings->map_tiles) : NULL;
    admin->policy = fr_http_policy(settings->map_tiles);
    admin->has_home = settings->home != NULL;
    if (settings->home != NULL)
        admin->home = *settings->home;
    admin->names = fr_http_names_new(settings->hosts, settings->host_count);
    admin->sessions = fr_http_sessions_new(settings->token);
    admin->jobs = settings->jobs;
    if (settings->feed != NULL &&
        (admin->streams = fr_http_streams_new(admin->base, settings->feed, settings->max_streams,
                                              error)) == NULL)
        return -1;
    admin->register_event = event_new(admin->base, -1, 0, admin_register_accepted, admin);
    admin->resume = event_new(admin->base, -1, 0, admin_resume_listening, admin);
    if (admin->register_event == NULL || admin->resume == NULL)
        return fr_error_set(error, "admin: cannot create its events");
    return 0;
}

struct fr_http_admin *fr_http_admin_new(struct event_base *base,
                                        const struct fr_http_admin_settings *settings,
                                        const struct fr_http_endpoint *endpoints,
                                        const struct fr_http_endpoint *status, void *ctx,
                                        struct fr_error *error)
{
    struct fr_http_admin *admin = fr_calloc(1, sizeof *admin);

    admin->base = base;
    admin->endpoints = endpoints;
    admin->status = status;
    admin->ctx = ctx;
    if (admin_create_parts(admin, settings, error) == 0 &&
        admin_listen(admin, settings, error) == 0) {
        accepting = admin;
        for (size_t i = 0; i < ADMIN_SERVERS; i++)
            if (admin->listeners[i] != NULL)
                evconnlistener_set_error_cb(admin->listeners[i], admin_on_accept_error);
        return admin;
    }
    fr_http_admin_free(admin);
    return NULL;
}

void fr_http_admin_set_tls(struct fr_http_admin *admin, SSL_CTX *tls)
{
    SSL_CTX_up_ref(tls);
    SSL_CTX_free(admin->tls);
    admin->tls = tls;
}

size_t fr_http_admin_streams(const struct fr_http_admin *admin)
{
    return admin->streams != NULL ? fr_http_streams_count(admin->streams) : 0;
}

void fr_http_admin_free(struct fr_http_admin *admin)
{
    if (admin == NULL)
        return;
    fr_http_later_abandon(admin);
    fr_http_streams_free(admin->streams);
    for (size_t i = 0; i < ADMIN_SERVERS; i++) {
        admin->listeners[i] = NULL; /* evhttp_free() frees them */
        if (admin->servers[i] != NULL)
            evhttp_free(admin->servers[i]);
    }
    if (admin->register_event != NULL)
        event_free(admin->register_event);
    if (admin->resume != NULL)
        event_free(admin->resume);
    if (admin->socket != NULL)
        unlink(admin->socket);
    fr_http_sessions_free(admin->sessions);
    fr_http_names_free(admin->names);
    SSL_CTX_free(admin->tls);
    free(admin->policy);
    free(admin->map_tiles);
    free(admin->socket);
    free(admin);
}

bool fr_http_admin_has_token(const struct fr_http_admin *admin)
{
    return admin->has_token;
}

bool fr_http_admin_set_token(struct fr_http_admin *admin, const char *token)
{
    if (!fr_http_sessions_set_token(admin->sessions, token))
        return false;
    if (admin->streams != NULL) /* those that the former token opened have no session */
        fr_http_streams_end_all(admin->streams);
    return true;
}

char *fr_http_admin_read_token(const char *path, int fd, struct fr_error *error)
{
    FILE *file = fdopen(fd, "r");
    char line[TOKEN_MAX + 2];
    bool read;
    size_t len;

    if (file == NULL) {
        fr_error_set(error, "token_file: %s: %s", path, strerror(errno));
        close(fd);
        return NULL;
    }
    read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    len = read ? strcspn(line, "\r\n") : 0;
    line[len] = '\0';
    if (len >= TOKEN_MIN && len <= TOKEN_MAX) {
        char *token = fr_strdup(line);

        OPENSSL_cleanse(line, sizeof line);
        return token;
    }
    fr_error_set(error, "token_file: the first line of %s must be a token of %d to %d characters",
                 path, TOKEN_MIN, TOKEN_MAX);
    return NULL;
}
