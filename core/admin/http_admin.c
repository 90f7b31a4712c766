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

#define HEADERS_MOST 8192
#define BODY_MOST 1024
#define SILENCE_S 5
#define PAUSE_US 100000 /* without accepting, when no descriptor is free */
#define SHED 8          /* connections that are closed then */
#define TOKEN_MOST 512
#define TOKEN_LEAST 16

struct fr_http_admin {
    struct evhttp *network, *local; /* at the address, at the Unix socket; NULL: not there */
    struct evconnlistener *listeners[2];
    struct bufferevent *fresh[FR_HTTP_CLIENTS_BURST]; /* accepted in this pass of the loop */
    size_t fresh_count;
    struct fr_http_clients clients;
    struct event *note, *resume;
    char *token, *socket;
    const struct fr_http_page *pages;
    void *ctx;
};

static void answer(struct evhttp_request *request, int code, const char *type,
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

static void say(struct evhttp_request *request, int code, const char *text)
{
    struct fr_buffer body = {0};

    fr_buffer_text(&body, text);
    answer(request, code, "text/plain; charset=utf-8", &body);
    fr_buffer_free(&body);
}

static bool shows_token(const struct fr_http_admin *admin, struct evhttp_request *request)
{
    const char *shown =
        evhttp_find_header(evhttp_request_get_input_headers(request), "Authorization");
    size_t len = strlen(admin->token);

    return shown != NULL && strncasecmp(shown, "Bearer ", 7) == 0 && strlen(shown + 7) == len &&
           CRYPTO_memcmp(shown + 7, admin->token, len) == 0;
}

/* Where no token is asked for, a web page elsewhere could have its name point to loopback and read
 * along in the administrator's browser; so the name must be one of this machine's own. */
static bool names_this_machine(struct evhttp_request *request)
{
    const char *host = evhttp_find_header(evhttp_request_get_input_headers(request), "Host");
    char name[64];
    size_t len;

    if (host == NULL)
        return true; /* no browser */
    len = host[0] == '[' ? strcspn(host, "]") : strcspn(host, ":");
    if (len >= sizeof name)
        return false;
    memcpy(name, host, len);
    name[len] = '\0';
    return strcasecmp(name, "localhost") == 0 || fr_is_loopback(name[0] == '[' ? name + 1 : name);
}

static void serve(struct fr_http_admin *admin, struct evhttp_request *request, bool local)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    const char *query = uri != NULL ? evhttp_uri_get_query(uri) : NULL;
    const struct fr_http_page *page = admin->pages;
    struct fr_buffer body = {0};
    int code;

    while (page->path != NULL && (path == NULL || strcmp(page->path, path) != 0))
        page++;
    if (!local && admin->token == NULL && !names_this_machine(request))
        say(request, 403, "call this listener by the name localhost, or give it a token_file\n");
    else if (page->path == NULL)
        say(request, 404, "there are /, /healthz, /readyz, /metrics, /status and /vehicles\n");
    else if (!local && admin->token != NULL && !page->for_all && !shows_token(admin, request))
        say(request, 401, "the token of admin.token_file is needed: Authorization: Bearer TOKEN\n");
    else {
        code = page->render(admin->ctx, query != NULL ? query : "", &body);
        if (body.failed)
            say(request, 503, "out of memory\n");
        else
            answer(request, code, page->type, &body);
    }
    fr_buffer_free(&body);
}

static void from_network(struct evhttp_request *request, void *ctx)
{
    serve(ctx, request, false);
}

static void from_local(struct evhttp_request *request, void *ctx)
{
    serve(ctx, request, true);
}

/* ---- connections ----------------------------------------------------------------- */

static void set_listening(struct fr_http_admin *admin, bool on)
{
    for (size_t i = 0; i < 2; i++)
        if (admin->listeners[i] != NULL && on)
            evconnlistener_enable(admin->listeners[i]);
        else if (admin->listeners[i] != NULL)
            evconnlistener_disable(admin->listeners[i]);
}

static void resume_listening(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    set_listening(ctx, true);
}

/* The listener that accept_failed is about: its ctx is evhttp's. A process has one. */
static struct fr_http_admin *accepting;

/* accept(2) failed. The socket stays readable, so without a pause the loop would spin. */
static void accept_failed(struct evconnlistener *listener, void *ctx)
{
    static struct fr_log_limit limit;
    struct fr_http_admin *admin = accepting;
    struct timeval pause = {0, PAUSE_US};

    (void)listener, (void)ctx;
    fr_log_limited(&limit, FR_LOG_ERROR,
                   "admin: cannot accept a connection: %s; the oldest ones are closed",
                   strerror(EVUTIL_SOCKET_ERROR()));
    fr_http_clients_shed(&admin->clients, SHED);
    set_listening(admin, false);
    event_add(admin->resume, &pause);
}

/* Right after they were accepted, before they can have ended. */
static void note_new(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_http_admin *admin = ctx;

    (void)fd, (void)what;
    for (size_t i = 0; i < admin->fresh_count; i++)
        fr_http_clients_add(&admin->clients, bufferevent_getfd(admin->fresh[i]));
    admin->fresh_count = 0;
    set_listening(admin, true);
}

/* evhttp is about to take a connection. It takes all that wait in one go, so we stop it there. */
static struct bufferevent *make_connection(struct event_base *base, void *ctx)
{
    struct fr_http_admin *admin = ctx;
    struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);

    if (bev == NULL)
        return NULL;
    if (admin->fresh_count < FR_HTTP_CLIENTS_BURST)
        admin->fresh[admin->fresh_count++] = bev;
    if (admin->fresh_count == FR_HTTP_CLIENTS_BURST)
        set_listening(admin, false);
    event_active(admin->note, 0, 0);
    return bev;
}

static struct evhttp *make_server(struct event_base *base,
                                  void (*serve_one)(struct evhttp_request *, void *),
                                  struct fr_http_admin *admin)
{
    struct evhttp *http = evhttp_new(base);

    if (http == NULL)
        return NULL;
    evhttp_set_max_headers_size(http, HEADERS_MOST);
    evhttp_set_max_body_size(http, BODY_MOST);
    evhttp_set_timeout(http, SILENCE_S);
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_gencb(http, serve_one, admin);
    evhttp_set_bevcb(http, make_connection, admin);
    return http;
}

static int listen_on(struct fr_http_admin *admin, struct event_base *base,
                     const struct fr_http_admin_settings *settings, struct fr_error *error)
{
    struct evhttp_bound_socket *bound = NULL;
    int fd;

    if (settings->address != NULL) {
        admin->network = make_server(base, from_network, admin);
        if (admin->network != NULL)
            bound =
                evhttp_bind_socket_with_handle(admin->network, settings->address, settings->port);
        if (bound == NULL)
            return fr_error_set(error, "admin: cannot listen on %s port %u: %s", settings->address,
                                settings->port, strerror(errno));
        admin->listeners[0] = evhttp_bound_socket_get_listener(bound);
    }
    if (settings->socket == NULL)
        return 0;
    fd = fr_unix_listen(settings->socket, "admin", error);
    if (fd < 0)
        return -1;
    admin->socket = fr_strdup(settings->socket);
    admin->local = make_server(base, from_local, admin);
    bound = admin->local != NULL ? evhttp_accept_socket_with_handle(admin->local, fd) : NULL;
    if (bound == NULL) {
        close(fd);
        return fr_error_set(error, "admin: cannot set up its events");
    }
    admin->listeners[1] = evhttp_bound_socket_get_listener(bound);
    return 0;
}

struct fr_http_admin *fr_http_admin_new(struct event_base *base,
                                        const struct fr_http_admin_settings *settings,
                                        const struct fr_http_page *pages, void *ctx,
                                        struct fr_error *error)
{
    struct fr_http_admin *admin = fr_calloc(1, sizeof *admin);

    admin->pages = pages;
    admin->ctx = ctx;
    admin->token = settings->token != NULL ? fr_strdup(settings->token) : NULL;
    admin->note = event_new(base, -1, 0, note_new, admin);
    admin->resume = event_new(base, -1, 0, resume_listening, admin);
    if (admin->note == NULL || admin->resume == NULL)
        fr_error_set(error, "admin: cannot set up its events");
    else if (listen_on(admin, base, settings, error) == 0) {
        accepting = admin;
        for (size_t i = 0; i < 2; i++)
            if (admin->listeners[i] != NULL)
                evconnlistener_set_error_cb(admin->listeners[i], accept_failed);
        return admin;
    }
    fr_http_admin_free(admin);
    return NULL;
}

void fr_http_admin_free(struct fr_http_admin *admin)
{
    if (admin == NULL)
        return;
    admin->listeners[0] = admin->listeners[1] = NULL; /* evhttp's, which goes now */
    if (admin->network != NULL)
        evhttp_free(admin->network);
    if (admin->local != NULL)
        evhttp_free(admin->local);
    if (admin->note != NULL)
        event_free(admin->note);
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

char *fr_http_admin_token(const char *path, struct fr_error *error)
{
    FILE *file = fopen(path, "re");
    char line[TOKEN_MOST + 2];
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
    if (len >= TOKEN_LEAST && len <= TOKEN_MOST)
        return fr_strdup(line);
    fr_error_set(error, "token_file: the first line of %s must be a token of %d to %d characters",
                 path, TOKEN_LEAST, TOKEN_MOST);
    return NULL;
}
