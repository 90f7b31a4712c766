#include "teslamate/client.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock_ms.h"
#include "ingest/http_status.h"
#include "ingest/http_upgrade.h"
#include "teslamate/client_message.h"
#include "teslamate/client_state.h"

#define IDLE_MS 60000           /* between two requests */
#define LINGER_MS 5000          /* to send what was queued before the end */
#define INPUT_BYTES 32768       /* read ahead */
#define PIPELINE_BYTES 65536    /* of answers that wait; then no further request is read */
#define REQUESTS_MAX 8          /* that are answered at once */
#define WRONG_TOKENS_MAX 3      /* of one WebSocket */
#define STRANGE_MESSAGES_MAX 16 /* before a token was presented */

/* ---- the end of a client --------------------------------------------------------- */

void client_kill(struct client *client, unsigned long long *counter)
{
    if (client->phase == PHASE_DEAD)
        return;
    if (counter != NULL)
        ++*counter;
    client->phase = PHASE_DEAD;
    bufferevent_disable(client->socket, EV_READ | EV_WRITE);
    event_active(client->clients->reaper, 0, 0);
}

/* Count what leaves the output, into the socket or into TLS. */
static void client_on_output(struct evbuffer *out, const struct evbuffer_cb_info *info, void *ctx)
{
    struct client *client = ctx;

    (void)out;
    client->taken += info->n_deleted;
}

void client_free(struct client *client)
{
    struct clients *clients = client->clients;

    clients->handlers->closed(clients->ctx, client);
    *client->link = client->next;
    if (client->next != NULL)
        client->next->link = client->link;
    clients->counts.connections--;
    clients->counts.websockets -= client->is_websocket;
    fr_ws_end(&client->ws);
    evbuffer_remove_cb(bufferevent_get_output(client->socket), client_on_output, client);
    bufferevent_free(client->socket);
    free(client->head);
    free(client);
}

/* Send what is queued, then close. */
static void client_finish(struct client *client)
{
    if (client->phase == PHASE_DEAD)
        return;
    client->phase = PHASE_ENDING;
    client->deadline_ms = fr_clock_monotonic_ms() + LINGER_MS;
    if (evbuffer_get_length(bufferevent_get_output(client->socket)) == 0)
        client_kill(client, NULL);
}

/* ---- sending --------------------------------------------------------------------- */

/* Queue the frame in clients->out. */
static void client_send_frame(struct client *client)
{
    struct clients *clients = client->clients;
    struct fr_buffer *out = &clients->out;
    size_t queued = evbuffer_get_length(bufferevent_get_output(client->socket));

    if (client->phase == PHASE_WEBSOCKET) {
        if (queued + out->len > clients->limits.buffer_bytes)
            client_kill(client, &clients->counts.slow);
        else if (out->failed || bufferevent_write(client->socket, out->bytes, out->len) != 0)
            client_kill(client, NULL);
    }
    fr_buffer_clear(out);
}

void client_send(struct client *client, const char *text, size_t len)
{
    fr_ws_write(&client->clients->out, FR_WS_TEXT, text, len);
    client_send_frame(client);
}

void client_end(struct client *client, unsigned code)
{
    if (client->phase != PHASE_WEBSOCKET)
        return;
    fr_ws_write_close(&client->clients->out, (enum fr_ws_code)code);
    client_send_frame(client);
    client_finish(client);
}

void client_answer(struct client *client, int status, const char *json)
{
    struct evbuffer *out = bufferevent_get_output(client->socket);
    bool keep = client->keep_alive && status != 401;

    if (status == 401)
        client->clients->counts.unauthorised++;
    evbuffer_add_printf(
        out,
        "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
        "Content-Length: %zu\r\nCache-Control: no-store\r\n%sConnection: %s\r\n\r\n",
        status, fr_http_status_reason(status), strlen(json),
        status == 401   ? "WWW-Authenticate: Bearer\r\n"
        : status == 426 ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                        : "",
        keep ? "keep-alive" : "close");
    if (!client->to_head)
        evbuffer_add(out, json, strlen(json));
    if (!keep)
        client_finish(client);
}

void client_upgrade(struct client *client, const char *key, bool authorised)
{
    struct clients *clients = client->clients;

    fr_http_accept(&clients->out, key);
    client->phase = PHASE_WEBSOCKET;
    client->authorised = false; /* a proxy may have sent earlier requests for someone else */
    client->is_websocket = true;
    clients->counts.websockets++;
    client_send_frame(client);
    client->deadline_ms = fr_clock_monotonic_ms() + CLIENT_REQUEST_MS;
    if (authorised)
        client_authorise(client);
    clients->handlers->opened(clients->ctx, client);
}

/* ---- tokens ---------------------------------------------------------------------- */

void client_authorise(struct client *client)
{
    client->authorised = true;
    if (client->phase == PHASE_WEBSOCKET)
        client->deadline_ms = 0;
}

void client_refuse(struct client *client)
{
    client->clients->counts.unauthorised++;
    if (++client->wrong_tokens >= WRONG_TOKENS_MAX)
        client_end(client, FR_WS_POLICY);
}

bool client_is_authorised(const struct client *client)
{
    return client->authorised;
}

struct client_own *client_own(struct client *client)
{
    return &client->own;
}

/* ---- HTTP ------------------------------------------------------------------------ */

static void client_refuse_request(struct client *client, int status)
{
    client->clients->counts.malformed++;
    client->keep_alive = false;
    client_answer(client, status, "{\"error\":\"the request is not valid HTTP, or too large\"}");
}

/* Read a head. False: it is incomplete, or the connection ends. */
static bool client_read_head(struct client *client, struct evbuffer *in)
{
    size_t len = evbuffer_get_length(in), size;
    size_t take = len < FR_HTTP_HEAD_MAX + 1 ? len : FR_HTTP_HEAD_MAX + 1;
    const char *bytes = (const char *)evbuffer_pullup(in, (ev_ssize_t)take);

    if (take == 0 || bytes == NULL || !fr_http_head_may_end(bytes, take, client->scanned)) {
        client->scanned = take;
        return false;
    }
    client->head = malloc(take);
    if (client->head == NULL) {
        client_kill(client, NULL);
        return false;
    }
    memcpy(client->head, bytes, take);
    client->scanned = 0;
    size = request_read(client->head, take, &client->request);
    evbuffer_drain(in, size);
    client->keep_alive = client->request.keep_alive;
    client->to_head = client->request.method == REQUEST_HEAD;
    if (client->request.status != 0) {
        client_refuse_request(client, client->request.status);
        return false;
    }
    if (client->request.expect && client->request.content_len > 0)
        bufferevent_write(client->socket, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    client->phase = PHASE_CONTENT;
    return true;
}

/* Read the content and have the request answered. False: it is incomplete. */
static bool client_read_content(struct client *client, struct evbuffer *in)
{
    struct clients *clients = client->clients;
    size_t len = client->request.content_len;
    char *content;

    if (evbuffer_get_length(in) < len)
        return false;
    content = calloc(1, len + 1);
    if (content == NULL) {
        client_kill(client, NULL);
        return false;
    }
    evbuffer_remove(in, content, len);
    client->phase = PHASE_REQUEST;
    clients->handlers->request(clients->ctx, client, &client->request, content);
    free(content);
    free(client->head);
    client->head = NULL;
    if (client->phase == PHASE_REQUEST) {
        client->idle = true;
        client->deadline_ms = fr_clock_monotonic_ms() + IDLE_MS;
    }
    return true;
}

/* ---- WebSocket ------------------------------------------------------------------- */

static void client_answer_close(struct client *client, const uint8_t *bytes, size_t len)
{
    int code = fr_ws_check_close(bytes, len);

    if (code != 0)
        fr_ws_write_close(&client->clients->out, (enum fr_ws_code)code);
    else
        fr_ws_write(&client->clients->out, FR_WS_CLOSE, bytes, len < 2 ? 0 : 2);
    client_send_frame(client);
    client_finish(client);
}

/* A fr_ws_message_fn. */
static int client_on_message(void *ctx, enum fr_ws_opcode opcode, const uint8_t *bytes, size_t len)
{
    struct client *client = ctx;
    struct clients *clients = client->clients;

    switch (opcode) {
    case FR_WS_TEXT:
    case FR_WS_BINARY:
        clients->handlers->message(clients->ctx, client, (const char *)bytes, len);
        if (!client->authorised && ++client->messages >= STRANGE_MESSAGES_MAX)
            client_end(client, FR_WS_POLICY);
        break;
    case FR_WS_PING:
        fr_ws_write(&clients->out, FR_WS_PONG, bytes, len);
        client_send_frame(client);
        break;
    case FR_WS_CLOSE:
        client_answer_close(client, bytes, len);
        break;
    case FR_WS_OVERSIZED:
        clients->counts.malformed++;
        client_end(client, FR_WS_TOO_BIG);
        break;
    case FR_WS_PONG:
    case FR_WS_CONTINUATION:
    default:
        break;
    }
    return client->phase != PHASE_WEBSOCKET;
}

static void client_read_websocket(struct client *client, struct evbuffer *in)
{
    struct clients *clients = client->clients;
    struct evbuffer_iovec piece;

    while (client->phase == PHASE_WEBSOCKET && evbuffer_peek(in, -1, NULL, &piece, 1) > 0) {
        int code = fr_ws_feed(&client->ws, clients->pool, piece.iov_base, piece.iov_len, true,
                              CLIENT_MESSAGE_MAX, client_on_message, client);

        evbuffer_drain(in, piece.iov_len);
        if (code > 0) {
            clients->counts.malformed++;
            client_end(client, (unsigned)code);
        }
    }
    if (!fr_ws_in_message(&client->ws))
        client->message_ms = 0;
    else if (client->message_ms == 0)
        client->message_ms = fr_clock_monotonic_ms();
}

/* ---- events of the socket -------------------------------------------------------- */

static void client_on_readable(struct bufferevent *socket, void *ctx)
{
    struct client *client = ctx;
    struct evbuffer *in = bufferevent_get_input(socket), *out = bufferevent_get_output(socket);
    bool more = true;
    int requests = 0;

    while (more && evbuffer_get_length(in) > 0) {
        /* An answer may have all vehicles, so other clients are served between a few of them. */
        if (client->phase == PHASE_REQUEST && requests++ == REQUESTS_MAX) {
            bufferevent_trigger(socket, EV_READ, BEV_OPT_DEFER_CALLBACKS);
            return;
        }
        if (client->phase == PHASE_REQUEST && client->idle) {
            client->idle = false;
            client->deadline_ms = fr_clock_monotonic_ms() + CLIENT_REQUEST_MS;
        }
        /* A client that does not read its answers gets no further ones. */
        if (client->phase == PHASE_REQUEST && evbuffer_get_length(out) >= PIPELINE_BYTES)
            return;
        if (client->phase == PHASE_REQUEST)
            more = client_read_head(client, in) && client_read_content(client, in);
        else if (client->phase == PHASE_CONTENT)
            more = client_read_content(client, in);
        else if (client->phase == PHASE_WEBSOCKET)
            client_read_websocket(client, in);
        else
            evbuffer_drain(in, evbuffer_get_length(in));
    }
    if (client->input_ended)
        client_finish(client);
}

/* Everything that was queued is sent. libevent's deferred call may be older than what was queued since. */
static void client_on_written(struct bufferevent *socket, void *ctx)
{
    struct client *client = ctx;

    if (evbuffer_get_length(bufferevent_get_output(socket)) > 0)
        return;
    client->stuck_ms = 0;
    if (client->phase == PHASE_ENDING)
        client_kill(client, NULL);
    else
        client_on_readable(socket, ctx);
}

/* An end of the input alone: the client may still read the answers to what it has sent. */
static void client_on_event(struct bufferevent *socket, short what, void *ctx)
{
    struct client *client = ctx;

    if (what & (BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT) || client->phase == PHASE_WEBSOCKET)
        client_kill(client, NULL);
    else if (what & BEV_EVENT_EOF && client->phase != PHASE_DEAD) {
        client->input_ended = true;
        bufferevent_disable(socket, EV_READ);
        bufferevent_enable(socket, EV_WRITE); /* libevent stops writing to TLS */
        client_on_readable(socket, client);
    }
}

void client_start(struct client *client)
{
    struct bufferevent *socket = client->socket;

    client->deadline_ms = fr_clock_monotonic_ms() + CLIENT_REQUEST_MS;
    bufferevent_setcb(socket, client_on_readable, client_on_written, client_on_event, client);
    evbuffer_add_cb(bufferevent_get_output(socket), client_on_output, client);
    bufferevent_setwatermark(socket, EV_READ, 0, INPUT_BYTES);
    bufferevent_enable(socket, EV_READ | EV_WRITE);
}
