#include "ha_websocket/link.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "ingest/websocket_key.h"

#define HEAD_MAX 8192           /* bytes of the HTTP response head */
#define MESSAGE_MAX (32u << 20) /* a large registry has some megabytes */
#define FRAMES_MAX 4096         /* in one message: wslay allocates memory for each */
#define INPUT_MAX 262144        /* bytes read from the socket and not yet passed to wslay */
#define CONNECT_SECONDS 5

struct link {
    const struct peer *peer;
    struct event_base *base;
    const struct link_events *events;
    void *ctx;
    struct addrinfo *addresses, *next_address;
    char address[64];
    struct bufferevent *socket;
    wslay_event_context_ptr ws; /* NULL until the upgrade is done */
    struct event *late_loss;    /* reports late_why after link_new() has returned */
    char late_why[160];
    char key[32], accept[FR_WEBSOCKET_ACCEPT_SIZE];
    bool ended, in_wslay, freed;
    uint64_t message_bytes, message_frames; /* of the message that is being received */
    const char *refused;                    /* why reading was stopped; NULL: it was not */
};

static void link_try_next_address(struct link *link);

/* ---- ending ---------------------------------------------------------------------- */

static void link_destroy(struct link *link)
{
    if (link->ws != NULL)
        wslay_event_context_free(link->ws);
    if (link->socket != NULL)
        bufferevent_free(link->socket);
    if (link->late_loss != NULL)
        event_free(link->late_loss);
    if (link->addresses != NULL)
        freeaddrinfo(link->addresses);
    free(link);
}

void link_free(struct link *link)
{
    if (link == NULL)
        return;
    link->ended = true;
    if (link->in_wslay)
        link->freed = true; /* wslay is on the stack: link_run_ws() frees it afterwards */
    else
        link_destroy(link);
}

static void link_lose(struct link *link, const char *why)
{
    if (link->ended)
        return;
    link->ended = true;
    link->events->lost(link->ctx, why);
}

static void link_report_late_loss(evutil_socket_t fd, short what, void *ctx)
{
    struct link *link = ctx;

    (void)fd, (void)what;
    link_lose(link, link->late_why);
}

/* ---- wslay's callbacks ----------------------------------------------------------- */

static ssize_t link_on_recv(wslay_event_context_ptr ws, uint8_t *to, size_t len, int flags,
                            void *ctx)
{
    struct link *link = ctx;
    int n = bufferevent_get_input(link->socket) != NULL
                ? evbuffer_remove(bufferevent_get_input(link->socket), to, len)
                : -1;

    (void)flags;
    if (n > 0)
        return n;
    wslay_event_set_error(ws, WSLAY_ERR_WOULDBLOCK);
    return -1;
}

static ssize_t link_on_send(wslay_event_context_ptr ws, const uint8_t *from, size_t len, int flags,
                            void *ctx)
{
    struct link *link = ctx;

    (void)flags;
    if (bufferevent_write(link->socket, from, len) == 0)
        return (ssize_t)len;
    wslay_event_set_error(ws, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static int link_on_mask(wslay_event_context_ptr ws, uint8_t *to, size_t len, void *ctx)
{
    (void)ws, (void)ctx;
    return RAND_bytes(to, (int)len) == 1 ? 0 : -1;
}

static void link_on_message(wslay_event_context_ptr ws,
                            const struct wslay_event_on_msg_recv_arg *arg, void *ctx)
{
    struct link *link = ctx;

    (void)ws;
    if (!link->ended && arg->opcode == WSLAY_TEXT_FRAME)
        link->events->text(link->ctx, (const char *)arg->msg, arg->msg_length);
}

/* Enforce the limits when a frame begins. A message that exceeds them ends the connection at once:
 * wslay would send a close frame and leave further input in the socket's buffer. */
static void link_on_frame(wslay_event_context_ptr ws,
                          const struct wslay_event_on_frame_recv_start_arg *arg, void *ctx)
{
    struct link *link = ctx;

    if (wslay_is_ctrl_frame(arg->opcode))
        return;
    if (arg->opcode != WSLAY_CONTINUATION_FRAME)
        link->message_bytes = link->message_frames = 0;
    link->message_frames++;
    if (arg->payload_length > MESSAGE_MAX - link->message_bytes)
        link->refused = "Home Assistant sent a message of more than 32 MiB";
    else if (link->message_frames > FRAMES_MAX)
        link->refused = "Home Assistant sent a message in more than 4096 frames";
    else
        link->message_bytes += arg->payload_length;
    if (link->refused != NULL)
        wslay_event_shutdown_read(ws);
}

static bool link_open_ws(struct link *link)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = link_on_recv,
        .send_callback = link_on_send,
        .genmask_callback = link_on_mask,
        .on_frame_recv_start_callback = link_on_frame,
        .on_msg_recv_callback = link_on_message,
    };

    if (wslay_event_context_client_init(&link->ws, &callbacks, link) != 0)
        return false;
    /* link_on_frame() checks the length earlier. */
    wslay_event_config_set_max_recv_msg_length(link->ws, INT64_MAX);
    return true;
}

/* ---- the upgrade ----------------------------------------------------------------- */

static bool link_make_key(struct link *link)
{
    uint8_t random[16];

    if (RAND_bytes(random, sizeof random) != 1)
        return false;
    EVP_EncodeBlock((uint8_t *)link->key, random, sizeof random);
    fr_websocket_key_accept(link->key, link->accept);
    return link->accept[0] != '\0';
}

static void link_send_upgrade(struct link *link)
{
    const struct peer *p = link->peer;
    const char *left = strchr(p->host, ':') != NULL ? "[" : "", *right = *left ? "]" : "";

    evbuffer_add_printf(bufferevent_get_output(link->socket),
                        "GET %s/api/websocket HTTP/1.1\r\nHost: %s%s%s:%s\r\n"
                        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n",
                        p->prefix, left, p->host, right, p->port, link->key);
}

/* The value of a header; its name is compared without case. NULL: the header is absent. */
static const char *link_header(const char *head, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 1 + strspn(line + len + 1, " ");
    }
    return NULL;
}

/* Read the response to the upgrade. Returns true if the upgrade is complete; false if the head is
 * incomplete, or the link was lost. */
static bool link_read_head(struct link *link)
{
    struct evbuffer *input = bufferevent_get_input(link->socket);
    struct evbuffer_ptr end = evbuffer_search(input, "\r\n\r\n", 4, NULL);
    char head[HEAD_MAX + 1], why[128];
    const char *accept;
    size_t len;

    if (end.pos < 0 && evbuffer_get_length(input) <= HEAD_MAX)
        return false;
    len = end.pos < 0 ? HEAD_MAX + 1 : (size_t)end.pos + 4;
    if (len > HEAD_MAX) {
        link_lose(link, "the answer is not HTTP");
        return false;
    }
    evbuffer_remove(input, head, len);
    head[len] = '\0';
    accept = link_header(head, "Sec-WebSocket-Accept");
    if (strncmp(head, "HTTP/1.1 101", 12) == 0 && accept != NULL &&
        strncmp(accept, link->accept, strlen(link->accept)) == 0)
        return true;
    snprintf(why, sizeof why, "the answer is \"%.*s\" instead of a WebSocket; check `url:`",
             (int)strcspn(head, "\r\n"), head);
    link_lose(link, why);
    return false;
}

/* ---- the socket's events --------------------------------------------------------- */

/* Let wslay process the input and send the output. */
static void link_run_ws(struct link *link)
{
    bool ok;

    link->in_wslay = true;
    ok = wslay_event_recv(link->ws) == 0 && wslay_event_send(link->ws) == 0;
    link->in_wslay = false;
    if (link->freed)
        link_destroy(link);
    else if (link->refused != NULL)
        link_lose(link, link->refused);
    else if (!ok || !wslay_event_get_read_enabled(link->ws))
        link_lose(link, ok && wslay_event_get_close_received(link->ws)
                            ? "Home Assistant closed the connection"
                            : "WebSocket protocol error");
}

static void link_on_readable(struct bufferevent *socket, void *ctx)
{
    struct link *link = ctx;

    (void)socket;
    if (link->ended)
        return;
    if (link->ws == NULL) {
        if (!link_read_head(link))
            return;
        bufferevent_set_timeouts(link->socket, NULL, NULL);
        if (!link_open_ws(link)) {
            link_lose(link, "no memory");
            return;
        }
        link->in_wslay = true;
        link->events->up(link->ctx);
        link->in_wslay = false;
        if (link->freed) {
            link_destroy(link);
            return;
        }
    }
    link_run_ws(link);
}

static void link_on_event(struct bufferevent *socket, short what, void *ctx)
{
    struct link *link = ctx;

    if (link->ended)
        return;
    if (what & BEV_EVENT_CONNECTED) {
        link->next_address = NULL;
        link_send_upgrade(link);
    } else if (link->next_address != NULL)
        link_try_next_address(link);
    else
        link_lose(link, peer_error(socket, what));
}

/* ---- connecting ------------------------------------------------------------------ */

static bool link_connect_to(struct link *link, const struct addrinfo *address)
{
    const struct timeval limit = {CONNECT_SECONDS, 0};

    if (link->socket != NULL)
        bufferevent_free(link->socket);
    link->socket = peer_socket(link->peer, link->base);
    if (link->socket == NULL)
        return false;
    if (getnameinfo(address->ai_addr, address->ai_addrlen, link->address, sizeof link->address,
                    NULL, 0, NI_NUMERICHOST) != 0)
        link->address[0] = '\0';
    bufferevent_setcb(link->socket, link_on_readable, NULL, link_on_event, link);
    bufferevent_setwatermark(link->socket, EV_READ, 0, INPUT_MAX);
    bufferevent_set_timeouts(link->socket, &limit, &limit);
    bufferevent_enable(link->socket, EV_READ | EV_WRITE);
    return bufferevent_socket_connect(link->socket, address->ai_addr, (int)address->ai_addrlen) ==
           0;
}

static void link_try_next_address(struct link *link)
{
    const struct addrinfo *address = link->next_address;

    link->next_address = address->ai_next;
    if (!link_connect_to(link, address) && !link->ended) {
        snprintf(link->late_why, sizeof link->late_why, "no socket can be created");
        event_active(link->late_loss, EV_TIMEOUT, 0);
    }
}

struct link *link_new(const struct peer *peer, struct event_base *base,
                      const struct link_events *events, void *ctx, char *why, size_t why_size)
{
    struct link *link = calloc(1, sizeof *link);

    snprintf(why, why_size, "no memory");
    if (link == NULL)
        return NULL;
    link->peer = peer;
    link->base = base;
    link->events = events;
    link->ctx = ctx;
    link->late_loss = event_new(base, -1, 0, link_report_late_loss, link);
    if (link->late_loss != NULL && link_make_key(link))
        link->addresses = peer_resolve(peer, why, why_size);
    if (link->addresses == NULL) {
        link_destroy(link);
        return NULL;
    }
    link->next_address = link->addresses;
    link_try_next_address(link);
    return link;
}

/* ---- sending --------------------------------------------------------------------- */

bool link_send(struct link *link, const char *text, size_t len)
{
    const struct wslay_event_msg message_out = {WSLAY_TEXT_FRAME, (const uint8_t *)text, len};

    if (link->ended || link->ws == NULL)
        return false;
    if (wslay_event_queue_msg(link->ws, &message_out) != 0)
        return false;
    return link->in_wslay || wslay_event_send(link->ws) == 0;
}

const char *link_address(const struct link *link)
{
    return link->address;
}
