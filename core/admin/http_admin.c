#include "admin/http_admin.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "admin/http_clients.h"
#include "util/address.h"
#include "util/log.h"
#include "util/memory.h"
#include "util/unix_socket.h"

#define HEADERS_MAX 8192 /* bytes */
#define BODY_MAX 1024    /* bytes */
#define TIMEOUT_S 5      /* without a byte from the client */
#define PAUSE_US 100000  /* between accept(2) failing and the next try */
#define SHED_COUNT 8     /* connections to close when accept(2) fails */
#define TOKEN_MIN 16     /* characters */
#define TOKEN_MAX 512

/* On the address, on the Unix socket, on the address for load balancers. */
enum admin_server { ADMIN_NETWORK, ADMIN_LOCAL, ADMIN_STATUS, ADMIN_SERVERS };

struct fr_http_admin {
    struct evhttp *servers[ADMIN_SERVERS];               /* NULL: not used */
    struct evconnlistener *listeners[ADMIN_SERVERS];     /* of `servers`, which own them */
    struct bufferevent *accepted[FR_HTTP_CLIENTS_BURST]; /* in this loop iteration */
    size_t accepted_count;
    struct fr_http_clients clients;
    struct event *register_event, *resume;
    char *token, *socket;
    const struct fr_http_endpoint *endpoints, *status; /* `status`: for load balancers */
    void *ctx;
};

static void admin_send(struct evhttp_request *request, int code, const char *type,
                       const struct fr_buffer *body)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    struct evbuffer *out = evhttp_request_get_output_buffer(request);
    char length[24];

    evhttp_add_header(headers, "Content-Type", type);
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    evhttp_add_header(headers, "Content-Security-Policy",
                      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src "
                      "'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'");
    if (code == 401)
        evhttp_add_header(headers, "WWW-Authenticate", "Bearer realm=\"fleetroute\"");
    snprintf(length, sizeof length, "%zu", body->len);
    evhttp_add_header(headers, "Content-Length", length);
    if (evhttp_request_get_command(request) != EVHTTP_REQ_HEAD)
        evbuffer_add(out, body->bytes, body->len);
    evhttp_send_reply(request, code, NULL, NULL);
}

static void admin_send_text(struct evhttp_request *request, int code, const char *text)
{
    struct fr_buffer body = {0};

    fr_buffer_text(&body, text);
    admin_send(request, code, "text/plain; charset=utf-8", &body);
    fr_buffer_free(&body);
}

static bool admin_has_token(const struct fr_http_admin *admin, struct evhttp_request *request)
{
    const char *sent =
        evhttp_find_header(evhttp_request_get_input_headers(request), "Authorization");
    size_t len = strlen(admin->token);

    return sent != NULL && strncasecmp(sent, "Bearer ", 7) == 0 && strlen(sent + 7) == len &&
           CRYPTO_memcmp(sent + 7, admin->token, len) == 0;
}

/* DNS rebinding: a web site can resolve its own name to a loopback address and read the answers
 * in the administrator's browser. So without a token the Host header must name this machine. */
static bool admin_host_is_local(struct evhttp_request *request)
{
    const char *host = evhttp_find_header(evhttp_request_get_input_headers(request), "Host");
    char name[64];
    size_t len;

    if (host == NULL)
        return true; /* browsers always send one */
    len = host[0] == '[' ? strcspn(host, "]") : strcspn(host, ":");
    if (len >= sizeof name)
        return false;
    memcpy(name, host, len);
    name[len] = '\0';
    return strcasecmp(name, "localhost") == 0 || fr_is_loopback(name[0] == '[' ? name + 1 : name);
}

static void admin_send_not_found(const struct fr_http_admin *admin, struct evhttp_request *request)
{
    struct fr_buffer body = {0};

    fr_buffer_text(&body, "no such endpoint; the endpoints are");
    for (const struct fr_http_endpoint *e = admin->endpoints; e->path != NULL; e++)
        if (e->listed)
            fr_buffer_printf(&body, " %s", e->path);
    fr_buffer_byte(&body, '\n');
    admin_send(request, 404, "text/plain; charset=utf-8", &body);
    fr_buffer_free(&body);
}

static const struct fr_http_endpoint *admin_find(const struct fr_http_endpoint *endpoint,
                                                 const struct evhttp_uri *uri)
{
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;

    while (endpoint->path != NULL && (path == NULL || strcmp(endpoint->path, path) != 0))
        endpoint++;
    return endpoint;
}

static void admin_render(struct fr_http_admin *admin, struct evhttp_request *request,
                         const struct fr_http_endpoint *endpoint, const char *query)
{
    struct fr_buffer body = {0};
    int code = endpoint->render(admin->ctx, query != NULL ? query : "", &body);

    if (body.failed)
        admin_send_text(request, 503, "out of memory\n");
    else
        admin_send(request, code, endpoint->type, &body);
    fr_buffer_free(&body);
}

static void admin_serve(struct fr_http_admin *admin, struct evhttp_request *request, bool local)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const struct fr_http_endpoint *endpoint = admin_find(admin->endpoints, uri);

    if (!local && admin->token == NULL && !admin_host_is_local(request))
        admin_send_text(
            request, 403,
            "the Host header does not name this machine; use localhost, or set admin.token_file\n");
    else if (endpoint->path == NULL)
        admin_send_not_found(admin, request);
    else if (!local && admin->token != NULL && !endpoint->public &&
             !admin_has_token(admin, request))
        admin_send_text(
            request, 401,
            "a token is required; send the header Authorization: Bearer TOKEN with the first line "
            "of admin.token_file\n");
    else
        admin_render(admin, request, endpoint, evhttp_uri_get_query(uri));
}

static void admin_serve_network(struct evhttp_request *request, void *ctx)
{
    admin_serve(ctx, request, false);
}

static void admin_serve_local(struct evhttp_request *request, void *ctx)
{
    admin_serve(ctx, request, true);
}

/* Load balancers have no token and send any Host header; the answers are not confidential. */
static void admin_serve_status(struct evhttp_request *request, void *ctx)
{
    struct fr_http_admin *admin = ctx;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const struct fr_http_endpoint *endpoint = admin_find(admin->status, uri);

    if (endpoint->path == NULL)
        admin_send_text(request, 404, "404 page not found\n");
    else
        admin_render(admin, request, endpoint, evhttp_uri_get_query(uri));
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
static struct bufferevent *admin_new_connection(struct event_base *base, void *ctx)
{
    struct fr_http_admin *admin = ctx;
    struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);

    if (bev == NULL)
        return NULL;
    if (admin->accepted_count < FR_HTTP_CLIENTS_BURST)
        admin->accepted[admin->accepted_count++] = bev;
    if (admin->accepted_count == FR_HTTP_CLIENTS_BURST)
        admin_set_listening(admin, false);
    event_active(admin->register_event, 0, 0);
    return bev;
}

static struct evhttp *admin_new_server(struct event_base *base,
                                       void (*serve)(struct evhttp_request *, void *),
                                       struct fr_http_admin *admin)
{
    struct evhttp *http = evhttp_new(base);

    if (http == NULL)
        return NULL;
    evhttp_set_max_headers_size(http, HEADERS_MAX);
    evhttp_set_max_body_size(http, BODY_MAX);
    evhttp_set_timeout(http, TIMEOUT_S);
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_gencb(http, serve, admin);
    evhttp_set_bevcb(http, admin_new_connection, admin);
    return http;
}

static int admin_listen_address(struct fr_http_admin *admin, struct event_base *base,
                                enum admin_server server, const char *address, uint16_t port,
                                struct fr_error *error)
{
    bool status = server == ADMIN_STATUS;
    struct evhttp_bound_socket *bound = NULL;
    struct evhttp *http =
        admin_new_server(base, status ? admin_serve_status : admin_serve_network, admin);

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

static int admin_listen_socket(struct fr_http_admin *admin, struct event_base *base,
                               const char *path, struct fr_error *error)
{
    struct evhttp_bound_socket *bound;
    struct evhttp *http;
    int fd = fr_unix_listen(path, "admin", error);

    if (fd < 0)
        return -1;
    admin->socket = fr_strdup(path);
    http = admin->servers[ADMIN_LOCAL] = admin_new_server(base, admin_serve_local, admin);
    bound = http != NULL ? evhttp_accept_socket_with_handle(http, fd) : NULL;
    if (bound == NULL) {
        close(fd);
        return fr_error_set(error, "admin: cannot create its events");
    }
    admin->listeners[ADMIN_LOCAL] = evhttp_bound_socket_get_listener(bound);
    return 0;
}

static int admin_listen(struct fr_http_admin *admin, struct event_base *base,
                        const struct fr_http_admin_settings *settings, struct fr_error *error)
{
    if (settings->address != NULL &&
        admin_listen_address(admin, base, ADMIN_NETWORK, settings->address, settings->port,
                             error) != 0)
        return -1;
    if (settings->status_address != NULL &&
        admin_listen_address(admin, base, ADMIN_STATUS, settings->status_address,
                             settings->status_port, error) != 0)
        return -1;
    if (settings->socket != NULL)
        return admin_listen_socket(admin, base, settings->socket, error);
    return 0;
}

struct fr_http_admin *fr_http_admin_new(struct event_base *base,
                                        const struct fr_http_admin_settings *settings,
                                        const struct fr_http_endpoint *endpoints,
                                        const struct fr_http_endpoint *status, void *ctx,
                                        struct fr_error *error)
{
    struct fr_http_admin *admin = fr_calloc(1, sizeof *admin);

    admin->endpoints = endpoints;
    admin->status = status;
    admin->ctx = ctx;
    admin->token = settings->token != NULL ? fr_strdup(settings->token) : NULL;
    admin->register_event = event_new(base, -1, 0, admin_register_accepted, admin);
    admin->resume = event_new(base, -1, 0, admin_resume_listening, admin);
    if (admin->register_event == NULL || admin->resume == NULL)
        fr_error_set(error, "admin: cannot create its events");
    else if (admin_listen(admin, base, settings, error) == 0) {
        accepting = admin;
        for (size_t i = 0; i < ADMIN_SERVERS; i++)
            if (admin->listeners[i] != NULL)
                evconnlistener_set_error_cb(admin->listeners[i], admin_on_accept_error);
        return admin;
    }
    fr_http_admin_free(admin);
    return NULL;
}

void fr_http_admin_free(struct fr_http_admin *admin)
{
    if (admin == NULL)
        return;
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
    if (admin->token != NULL)
        OPENSSL_cleanse(admin->token, strlen(admin->token));
    free(admin->token);
    free(admin->socket);
    free(admin);
}

char *fr_http_admin_read_token(const char *path, struct fr_error *error)
{
    FILE *file = fopen(path, "re");
    char line[TOKEN_MAX + 2];
    bool read;
    size_t len;

    if (file == NULL) {
        fr_error_set(error, "token_file: %s: %s", path, strerror(errno));
        return NULL;
    }
    read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    len = read ? strcspn(line, "\r\n") : 0;
    line[len] = '\0';
    if (len >= TOKEN_MIN && len <= TOKEN_MAX)
        return fr_strdup(line);
    fr_error_set(error, "token_file: the first line of %s must be a token of %d to %d characters",
                 path, TOKEN_MIN, TOKEN_MAX);
    return NULL;
}
