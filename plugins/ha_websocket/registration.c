#include "ha_websocket/registration.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_SECONDS 15
#define ANSWER_MAX 65536 /* bytes */

struct registration {
    struct evhttp_connection *connection;
    registration_done *done; /* NULL: cancelled or called */
    void *ctx;
    struct event *end; /* frees the request */
};

static void registration_destroy(evutil_socket_t fd, short what, void *ctx)
{
    struct registration *r = ctx;

    (void)fd, (void)what;
    if (r->connection != NULL)
        evhttp_connection_free(r->connection);
    event_free(r->end);
    free(r);
}

static void registration_on_answer(struct evhttp_request *request, void *ctx)
{
    struct registration *r = ctx;
    int status = request != NULL ? evhttp_request_get_response_code(request) : 0;
    struct evbuffer *input = request != NULL ? evhttp_request_get_input_buffer(request) : NULL;
    size_t len = input != NULL ? evbuffer_get_length(input) : 0;
    json_t *root =
        len != 0 ? json_loadb((const char *)evbuffer_pullup(input, -1), len, 0, NULL) : NULL;
    const char *webhook = json_string_value(json_object_get(root, "webhook_id"));
    char why[64] = "no answer";

    if (status != 0)
        snprintf(why, sizeof why, "the answer has status %d", status);
    if (r->done != NULL)
        r->done(r->ctx, status == 201 ? webhook : NULL, status, why);
    r->done = NULL;
    json_decref(root);
    event_active(r->end, EV_TIMEOUT, 0); /* evhttp uses the connection until this call returns */
}

static bool registration_send_request(struct registration *r, const struct peer *peer,
                                      const char *token, const char *text)
{
    struct evhttp_request *request = evhttp_request_new(registration_on_answer, r);
    struct evkeyvalq *headers = request != NULL ? evhttp_request_get_output_headers(request) : NULL;
    char path[192], host[280], bearer[1100];

    if (request == NULL)
        return false;
    snprintf(path, sizeof path, "%s/api/mobile_app/registrations", peer->prefix);
    snprintf(host, sizeof host, strchr(peer->host, ':') ? "[%s]:%s" : "%s:%s", peer->host,
             peer->port);
    snprintf(bearer, sizeof bearer, "Bearer %s", token);
    if (evhttp_add_header(headers, "Host", host) != 0 ||
        evhttp_add_header(headers, "Authorization", bearer) != 0 ||
        evhttp_add_header(headers, "Content-Type", "application/json") != 0 ||
        evhttp_add_header(headers, "Connection", "close") != 0 ||
        evbuffer_add(evhttp_request_get_output_buffer(request), text, strlen(text)) != 0) {
        evhttp_request_free(request);
        return false;
    }
    return evhttp_make_request(r->connection, request, EVHTTP_REQ_POST, path) == 0;
}

struct registration *registration_start(const struct peer *peer, struct event_base *base,
                                        const char *address, const char *token, json_t *body,
                                        registration_done *done, void *ctx)
{
    struct registration *r = calloc(1, sizeof *r);
    char *text = json_dumps(body, JSON_COMPACT);
    struct bufferevent *socket = peer_socket(peer, base);

    json_decref(body);
    if (r != NULL && (r->end = event_new(base, -1, 0, registration_destroy, r)) == NULL) {
        free(r);
        r = NULL;
    }
    if (r != NULL && text != NULL && socket != NULL) {
        r->done = done;
        r->ctx = ctx;
        r->connection = evhttp_connection_base_bufferevent_new(
            base, NULL, socket, address, (unsigned short)strtoul(peer->port, NULL, 10));
        if (r->connection != NULL) {
            socket = NULL;
            evhttp_connection_set_timeout(r->connection, ANSWER_SECONDS);
            evhttp_connection_set_max_body_size(r->connection, ANSWER_MAX);
            if (registration_send_request(r, peer, token, text)) {
                free(text);
                return r;
            }
        }
    }
    if (socket != NULL)
        bufferevent_free(socket);
    if (r != NULL)
        registration_destroy(-1, 0, r);
    free(text);
    return NULL;
}

void registration_cancel(struct registration *r)
{
    if (r == NULL)
        return;
    r->done = NULL;
    registration_destroy(-1, 0, r);
}
