#include "ha_websocket/registration.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "safe_name.h"
#include "state_file.h"

#define ANSWER_SECONDS 15
#define ANSWER_MOST 65536
#define REMEMBERED_MOST (4u << 20) /* bytes of a file */

/* ---- remembering ----------------------------------------------------------------- */

static void file_of(struct fr_text_buffer *path, const char *folder, const char *vin)
{
    fr_text_buffer_add(path, folder);
    fr_text_buffer_byte(path, '/');
    fr_safe_name(path, vin);
    fr_text_buffer_add(path, ".json");
}

static char *copy_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? strdup(text) : NULL;
}

/* NULL: there is none; or it is of no use, and `why` says so. */
static json_t *remembered_read(const char *path, struct fr_text_buffer *why)
{
    struct fr_text_buffer content = {0};
    json_t *root = NULL;
    json_error_t error;

    if (fr_state_file_read(path, REMEMBERED_MOST, &content, why)) {
        root = json_loadb(fr_text_buffer_string(&content), content.len, 0, &error);
        if (root == NULL)
            fr_text_buffer_printf(why, "%s is damaged: %s", path,
                                  content.len != 0 ? error.text : "it is empty");
        else if (!json_is_object(root) || !json_is_object(json_object_get(root, "sensors")))
            fr_text_buffer_printf(why, "%s is damaged: it is no registration", path);
    }
    fr_text_buffer_free(&content);
    return root;
}

int remembered_load(struct remembered *r, const char *folder, const char *vin,
                    struct fr_text_buffer *why)
{
    struct fr_text_buffer path = {0};
    json_t *root = NULL, *sensors;

    fr_text_buffer_clear(why);
    if (folder != NULL) {
        file_of(&path, folder, vin);
        root = remembered_read(fr_text_buffer_string(&path), why);
    }
    sensors = json_object_get(root, "sensors");
    *r = (struct remembered){
        .webhook = copy_of(root, "webhook"),
        .device_name = copy_of(root, "device_name"),
        .sensors = json_is_object(sensors) ? json_incref(sensors) : json_object(),
    };
    json_decref(root);
    fr_text_buffer_free(&path);
    return r->sensors != NULL ? 0 : -1;
}

bool remembered_save(const struct remembered *r, const char *folder, const char *vin,
                     struct fr_text_buffer *why)
{
    struct fr_text_buffer path = {0};
    json_t *root = json_pack("{s:s*, s:s*, s:O}", "webhook", r->webhook, "device_name",
                             r->device_name, "sensors", r->sensors);
    char *text = root != NULL ? json_dumps(root, JSON_INDENT(1)) : NULL;
    bool saved = false;

    file_of(&path, folder, vin);
    if (text != NULL && !path.failed)
        saved = fr_state_file_write(path.bytes, text, strlen(text), why);
    else {
        fr_text_buffer_clear(why);
        fr_text_buffer_printf(why, "%s/%s.json cannot be written: no memory", folder, vin);
    }
    json_decref(root);
    free(text);
    fr_text_buffer_free(&path);
    return saved;
}

void remembered_clear(struct remembered *r)
{
    free(r->webhook);
    free(r->device_name);
    json_decref(r->sensors);
    *r = (struct remembered){0};
}

/* ---- asking ---------------------------------------------------------------------- */

struct registration {
    struct event_base *base;
    struct evhttp_connection *connection;
    registered *done; /* NULL: nobody wants to know any more */
    void *ctx;
    struct event *end;
};

static void destroy(evutil_socket_t fd, short what, void *ctx)
{
    struct registration *r = ctx;

    (void)fd, (void)what;
    if (r->connection != NULL)
        evhttp_connection_free(r->connection);
    event_free(r->end);
    free(r);
}

static void answered(struct evhttp_request *request, void *ctx)
{
    struct registration *r = ctx;
    int status = request != NULL ? evhttp_request_get_response_code(request) : 0;
    struct evbuffer *input = request != NULL ? evhttp_request_get_input_buffer(request) : NULL;
    size_t len = input != NULL ? evbuffer_get_length(input) : 0;
    json_t *root =
        len != 0 ? json_loadb((const char *)evbuffer_pullup(input, -1), len, 0, NULL) : NULL;
    const char *webhook = json_string_value(json_object_get(root, "webhook_id"));
    char why[64] = "it does not answer";

    if (status != 0)
        snprintf(why, sizeof why, "it answers with status %d", status);
    if (r->done != NULL)
        r->done(r->ctx, status == 201 ? webhook : NULL, status, why);
    r->done = NULL;
    json_decref(root);
    event_active(r->end, EV_TIMEOUT, 0); /* evhttp still needs the connection in this call */
}

static bool send_request(struct registration *r, const struct peer *peer, const char *token,
                         const char *text)
{
    struct evhttp_request *request = evhttp_request_new(answered, r);
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

struct registration *registration_ask(const struct peer *peer, struct event_base *base,
                                      const char *address, const char *token, json_t *body,
                                      registered *done, void *ctx)
{
    struct registration *r = calloc(1, sizeof *r);
    char *text = json_dumps(body, JSON_COMPACT);
    struct bufferevent *socket = peer_socket(peer, base);

    json_decref(body);
    if (r != NULL && (r->end = event_new(base, -1, 0, destroy, r)) == NULL) {
        free(r);
        r = NULL;
    }
    if (r != NULL && text != NULL && socket != NULL) {
        r->base = base;
        r->done = done;
        r->ctx = ctx;
        r->connection = evhttp_connection_base_bufferevent_new(
            base, NULL, socket, address, (unsigned short)strtoul(peer->port, NULL, 10));
        if (r->connection != NULL) {
            socket = NULL;
            evhttp_connection_set_timeout(r->connection, ANSWER_SECONDS);
            evhttp_connection_set_max_body_size(r->connection, ANSWER_MOST);
            if (send_request(r, peer, token, text)) {
                free(text);
                return r;
            }
        }
    }
    if (socket != NULL)
        bufferevent_free(socket);
    if (r != NULL)
        destroy(-1, 0, r);
    free(text);
    return NULL;
}

void registration_cancel(struct registration *r)
{
    if (r == NULL)
        return;
    r->done = NULL;
    destroy(-1, 0, r);
}
