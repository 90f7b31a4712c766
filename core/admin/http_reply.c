#include "admin/http_reply.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdio.h>
#include <string.h>

#include "util/json_text.h"
#include "util/memory.h"

#define PLAIN "text/plain; charset=utf-8"

/* The configuration has checked that the host has no character that ends a source. */
char *fr_http_policy(const char *map_tiles)
{
    const char *host = map_tiles != NULL ? strstr(map_tiles, "://") : NULL;
    size_t len = host != NULL ? (size_t)(host + 3 - map_tiles) + strcspn(host + 3, "/") : 0;

    return fr_asprintf("default-src 'none'; script-src 'self'; style-src 'self'; connect-src "
                       "'self'; img-src 'self' data:%s%.*s; frame-ancestors 'none'; base-uri "
                       "'none'; form-action 'none'",
                       len != 0 ? " " : "", (int)len, len != 0 ? map_tiles : "");
}

void fr_http_reply_headers(const struct fr_http_admin *admin, struct evhttp_request *request,
                           const char *type, const char *cache)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);

    evhttp_add_header(headers, "Content-Type", type);
    evhttp_add_header(headers, "Cache-Control", cache);
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    evhttp_add_header(headers, "Content-Security-Policy", admin->policy);
    /* A server of map tiles may require the name of the site. */
    evhttp_add_header(headers, "Referrer-Policy",
                      admin->map_tiles != NULL ? "strict-origin-when-cross-origin" : "no-referrer");
    evhttp_add_header(headers, "Cross-Origin-Resource-Policy", "same-origin");
    evhttp_add_header(headers, "Cross-Origin-Opener-Policy", "same-origin");
    evhttp_add_header(headers, "X-Frame-Options", "DENY");
}

/* The answer is written: the connection waits for the next request. */
static void reply_on_complete(struct evhttp_request *request, void *ctx)
{
    struct timeval limit = {FR_HTTP_TIMEOUT_S, 0};
    struct evhttp_connection *connection = evhttp_request_get_connection(request);

    (void)ctx;
    bufferevent_set_timeouts(evhttp_connection_get_bufferevent(connection), &limit, &limit);
}

/* The time limit of a client that sends nothing must not end an answer that it is still reading. */
static void reply_begin(struct evhttp_request *request)
{
    struct timeval limit = {FR_HTTP_WRITE_TIMEOUT_S, 0};
    struct evhttp_connection *connection = evhttp_request_get_connection(request);

    if (connection == NULL) /* the client left before a late answer */
        return;
    bufferevent_set_timeouts(evhttp_connection_get_bufferevent(connection), NULL, &limit);
    evhttp_request_set_on_complete_cb(request, reply_on_complete, NULL);
}

static void reply_send(struct evhttp_request *request, int code, const void *bytes, size_t len)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    char length[24];

    snprintf(length, sizeof length, "%zu", len);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Length", length);
    if (evhttp_request_get_command(request) != EVHTTP_REQ_HEAD)
        evbuffer_add(evhttp_request_get_output_buffer(request), bytes, len);
    reply_begin(request);
    evhttp_send_reply(request, code, NULL, NULL);
    /* evhttp would cut the answer when the client ends its half of the connection. It reads again when
     * the answer is written. */
    if (connection != NULL)
        bufferevent_disable(evhttp_connection_get_bufferevent(connection), EV_READ);
}

void fr_http_reply(const struct fr_http_admin *admin, struct evhttp_request *request, int code,
                   const char *type, const struct fr_buffer *body)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);

    fr_http_reply_headers(admin, request, type, "no-store");
    if (code == 401)
        evhttp_add_header(headers, "WWW-Authenticate", "Bearer realm=\"fleetroute\"");
    if (code == 429 || code == 503)
        evhttp_add_header(headers, "Retry-After", code == 429 ? "60" : "5");
    reply_send(request, code, body->bytes, body->len);
}

void fr_http_reply_text(const struct fr_http_admin *admin, struct evhttp_request *request, int code,
                        const char *text)
{
    struct fr_buffer body = {0};

    fr_buffer_text(&body, text);
    fr_http_reply(admin, request, code, PLAIN, &body);
    fr_buffer_free(&body);
}

void fr_http_reply_refusal(const struct fr_http_admin *admin, struct evhttp_request *request,
                           int code, const char *text)
{
    struct fr_buffer body = {0};

    fr_buffer_text(&body, "{\"ok\":false,\"message\":");
    fr_json_string(&body, text, strlen(text));
    fr_buffer_byte(&body, '}');
    fr_http_reply(admin, request, code, "application/json", &body);
    fr_buffer_free(&body);
}

/* Whether an If-None-Match header has the tag. Weak comparison: a proxy may have added "W/". */
static bool reply_matches(const char *header, const char *etag)
{
    size_t len = strlen(etag);

    for (; header != NULL && header[0] != '\0';
         header += strcspn(header, ","), header += header[0] == ',') {
        header += strspn(header, " \t");
        if (header[0] == '*')
            return true;
        header += strncmp(header, "W/", 2) == 0 ? 2 : 0;
        if (strncmp(header, etag, len) == 0)
            return true;
    }
    return false;
}

void fr_http_reply_file(const struct fr_http_admin *admin, struct evhttp_request *request,
                        const struct fr_http_file *file)
{
    const char *tags =
        evhttp_find_header(evhttp_request_get_input_headers(request), "If-None-Match");

    /* A browser keeps its copy and asks whether it is still valid. */
    fr_http_reply_headers(admin, request, file->type, "no-cache");
    evhttp_add_header(evhttp_request_get_output_headers(request), "ETag", file->etag);
    if (reply_matches(tags, file->etag))
        evhttp_send_reply(request, 304, NULL, NULL);
    else
        reply_send(request, 200, file->bytes, file->len);
}
