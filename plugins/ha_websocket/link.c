#include "ha_websocket/link.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#define HEAD_MOST 8192
#define MESSAGE_MOST (32u << 20) /* a large house's registry is some megabytes */
#define FRAMES_MOST 4096         /* of one message: wslay allocates memory for each */
#define INPUT_MOST 262144        /* bytes that are read from the socket before wslay takes them */
#define CONNECT_SECONDS 5
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

struct link {
    const struct peer *peer;
    struct event_base *base;
    const struct link_events *events;
    void *ctx;
    struct addrinfo *addresses, *next_address;
    char address[64];
    struct bufferevent *socket;
    wslay_event_context_ptr ws; /* NULL until the upgrade is done */
    struct event *later;        /* what cannot be said before link_new returns */
    char later_why[160];
    char key[32], accept[32];
    bool ended, in_wslay, freed;
    uint64_t message_bytes, message_frames; /* of the message that is coming */
    const char *refused;                    /* why nothing more is read; NULL: it is */
};

static void try_next_address(struct link *link);

/* ---- ending ---------------------------------------------------------------------- */

static void destroy(struct link *link)
{
    if (link->ws != NULL)
        wslay_event_context_free(link->ws);
    if (link->socket != NULL)
        bufferevent_free(link->socket);
    if (link->later != NULL)
        event_free(link->later);
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
        link->freed = true; /* wslay is on the stack; it is freed behind it */
    else
        destroy(link);
}

static void lose(struct link *link, const char *why)
{
    if (link->ended)
        return;
    link->ended = true;
    link->events->lost(link->ctx, why);
}

static void say_later(evutil_socket_t fd, short what, void *ctx)
{
    struct link *link = ctx;

    (void)fd, (void)what;
    lose(link, link->later_why);
}

/* ---- wslay's callbacks ----------------------------------------------------------- */

static ssize_t take_bytes(wslay_event_context_ptr ws, uint8_t *to, size_t len, int flags, void *ctx)
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

static ssize_t give_bytes(wslay_event_context_ptr ws, const uint8_t *from, size_t len, int flags,
                          void *ctx)
{
    struct link *link = ctx;

    (void)flags;
    if (bufferevent_write(link->socket, from, len) == 0)
        return (ssize_t)len;
    wslay_event_set_error(ws, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static int make_mask(wslay_event_context_ptr ws, uint8_t *to, size_t len, void *ctx)
{
    (void)ws, (void)ctx;
    return RAND_bytes(to, (int)len) == 1 ? 0 : -1;
}

static void message(wslay_event_context_ptr ws, const struct wslay_event_on_msg_recv_arg *arg,
                    void *ctx)
{
    struct link *link = ctx;

    (void)ws;
    if (!link->ended && arg->opcode == WSLAY_TEXT_FRAME)
        link->events->text(link->ctx, (const char *)arg->msg, arg->msg_length);
}

/* A frame begins. One that is too much ends the connection at once: wslay would answer it with a
 * close frame and leave what the peer goes on sending in the socket's buffer. */
static void frame_begins(wslay_event_context_ptr ws,
                         const struct wslay_event_on_frame_recv_start_arg *arg, void *ctx)
{
    struct link *link = ctx;

    if (wslay_is_ctrl_frame(arg->opcode))
        return;
    if (arg->opcode != WSLAY_CONTINUATION_FRAME)
        link->message_bytes = link->message_frames = 0;
    link->message_frames++;
    if (arg->payload_length > MESSAGE_MOST - link->message_bytes)
        link->refused = "it sent a message of more than 32 MiB";
    else if (link->message_frames > FRAMES_MOST)
        link->refused = "it sent a message in more than 4096 frames";
    else
        link->message_bytes += arg->payload_length;
    if (link->refused != NULL)
        wslay_event_shutdown_read(ws);
}

static bool open_ws(struct link *link)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = take_bytes,
        .send_callback = give_bytes,
        .genmask_callback = make_mask,
        .on_frame_recv_start_callback = frame_begins,
        .on_msg_recv_callback = message,
    };

    if (wslay_event_context_client_init(&link->ws, &callbacks, link) != 0)
        return false;
    /* frame_begins() looks at the length, too, and first. */
    wslay_event_config_set_max_recv_msg_length(link->ws, INT64_MAX);
    return true;
}

/* ---- the upgrade ----------------------------------------------------------------- */

static bool make_key(struct link *link)
{
    uint8_t random[16], digest[EVP_MAX_MD_SIZE];
    char both[64];
    unsigned len = 0;

    if (RAND_bytes(random, sizeof random) != 1)
        return false;
    EVP_EncodeBlock((uint8_t *)link->key, random, sizeof random);
    snprintf(both, sizeof both, "%.24s%s", link->key, GUID);
    if (EVP_Digest(both, strlen(both), digest, &len, EVP_sha1(), NULL) != 1)
        return false;
    EVP_EncodeBlock((uint8_t *)link->accept, digest, (int)len);
    return true;
}

static void ask_for_upgrade(struct link *link)
{
    const struct peer *p = link->peer;
    const char *left = strchr(p->host, ':') != NULL ? "[" : "", *right = *left ? "]" : "";

    evbuffer_add_printf(bufferevent_get_output(link->socket),
                        "GET %s/api/websocket HTTP/1.1\r\nHost: %s%s%s:%s\r\n"
                        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n",
                        p->prefix, left, p->host, right, p->port, link->key);
}

/* The value of a header in a head, whatever its case; NULL: it is not there. */
static const char *header(const char *head, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 1 + strspn(line + len + 1, " ");
    }
    return NULL;
}

/* True: the upgrade is done. */
static bool read_head(struct link *link)
{
    struct evbuffer *input = bufferevent_get_input(link->socket);
    struct evbuffer_ptr end = evbuffer_search(input, "\r\n\r\n", 4, NULL);
    char head[HEAD_MOST + 1], why[128];
    const char *accept;
    size_t len;

    if (end.pos < 0 && evbuffer_get_length(input) <= HEAD_MOST)
        return false;
    len = end.pos < 0 ? HEAD_MOST + 1 : (size_t)end.pos + 4;
    if (len > HEAD_MOST) {
        lose(link, "its answer is no HTTP");
        return false;
    }
    evbuffer_remove(input, head, len);
    head[len] = '\0';
    accept = header(head, "Sec-WebSocket-Accept");
    if (strncmp(head, "HTTP/1.1 101", 12) == 0 && accept != NULL &&
        strncmp(accept, link->accept, strlen(link->accept)) == 0)
        return true;
    snprintf(why, sizeof why, "it answers \"%.*s\" instead of a WebSocket (is `url:` right?)",
             (int)strcspn(head, "\r\n"), head);
    lose(link, why);
    return false;
}

/* ---- the socket's events --------------------------------------------------------- */

/* Let wslay read and write what there is. */
static void run_ws(struct link *link)
{
    bool ok;

    link->in_wslay = true;
    ok = wslay_event_recv(link->ws) == 0 && wslay_event_send(link->ws) == 0;
    link->in_wslay = false;
    if (link->freed)
        destroy(link);
    else if (link->refused != NULL)
        lose(link, link->refused);
    else if (!ok || !wslay_event_get_read_enabled(link->ws))
        lose(link, ok && wslay_event_get_close_received(link->ws) ? "it closed the connection"
                                                                  : "it does not speak WebSocket");
}

static void can_read(struct bufferevent *socket, void *ctx)
{
    struct link *link = ctx;

    (void)socket;
    if (link->ended)
        return;
    if (link->ws == NULL) {
        if (!read_head(link))
            return;
        bufferevent_set_timeouts(link->socket, NULL, NULL);
        if (!open_ws(link)) {
            lose(link, "no memory");
            return;
        }
        link->in_wslay = true;
        link->events->up(link->ctx);
        link->in_wslay = false;
        if (link->freed) {
            destroy(link);
            return;
        }
    }
    run_ws(link);
}

static void happened(struct bufferevent *socket, short what, void *ctx)
{
    struct link *link = ctx;

    if (link->ended)
        return;
    if (what & BEV_EVENT_CONNECTED) {
        link->next_address = NULL;
        ask_for_upgrade(link);
    } else if (link->next_address != NULL)
        try_next_address(link);
    else
        lose(link, peer_trouble(socket, what));
}

/* ---- connecting ------------------------------------------------------------------ */

static bool connect_to(struct link *link, const struct addrinfo *address)
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
    bufferevent_setcb(link->socket, can_read, NULL, happened, link);
    bufferevent_setwatermark(link->socket, EV_READ, 0, INPUT_MOST);
    bufferevent_set_timeouts(link->socket, &limit, &limit);
    bufferevent_enable(link->socket, EV_READ | EV_WRITE);
    return bufferevent_socket_connect(link->socket, address->ai_addr, (int)address->ai_addrlen) ==
           0;
}

static void try_next_address(struct link *link)
{
    const struct addrinfo *address = link->next_address;

    link->next_address = address->ai_next;
    if (!connect_to(link, address) && !link->ended) {
        snprintf(link->later_why, sizeof link->later_why, "a socket cannot be made");
        event_active(link->later, EV_TIMEOUT, 0);
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
    link->later = event_new(base, -1, 0, say_later, link);
    if (link->later != NULL && make_key(link))
        link->addresses = peer_resolve(peer, why, why_size);
    if (link->addresses == NULL) {
        destroy(link);
        return NULL;
    }
    link->next_address = link->addresses;
    try_next_address(link);
    return link;
}

/* ---- talking --------------------------------------------------------------------- */

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
