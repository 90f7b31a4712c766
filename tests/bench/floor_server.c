#include "floor_server.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingest/envelope.h"
#include "ingest/http_request.h"
#include "ingest/http_upgrade.h"
#include "ingest/websocket.h"

#define BUFFER (64 * 1024)
#define EVENTS 1024
#define ACCEPTS 64 /* connections accepted for one event of the listening socket */

struct peer {
    int fd;
    int upgraded;
    SSL *ssl;
    size_t len;          /* bytes of an incomplete request or frame */
    unsigned char *rest; /* these bytes; NULL: none */
};

/* Plaintext of the peer that is being served: its rest, and what is read now. */
static unsigned char in[BUFFER];
static struct fr_buffer replies, envelope;

/* Process one masked frame at `at`. Returns its length with the header, or 0 if the `left` bytes do
 * not contain the whole frame. */
static size_t frame(unsigned char *at, size_t left)
{
    size_t head = 2, len;
    struct fr_envelope e;

    if (left < 6)
        return 0;
    len = at[1] & 0x7f;
    if (len == 126) {
        len = (size_t)(at[2] << 8 | at[3]);
        head = 4;
    }
    if (left < head + 4 + len)
        return 0;
    for (size_t i = 0; i < len; i++)
        at[head + 4 + i] ^= at[head + (i & 3)];
    if ((at[0] & 0x0f) == FR_WS_BINARY && fr_envelope_read(at + head + 4, len, &e) == 0) {
        fr_buffer_clear(&envelope);
        fr_envelope_write_ack(&envelope, e.txid, e.topic);
        fr_ws_write(&replies, FR_WS_BINARY, envelope.bytes, envelope.len);
    }
    return head + 4 + len;
}

static void consume(struct peer *p)
{
    size_t used = 0, n;

    if (!p->upgraded) {
        struct fr_http_request request;

        used = fr_http_request_read((char *)in, p->len, &request);
        if (used == 0)
            return;
        p->upgraded = 1;
        fr_http_accept(&replies, request.key);
    }
    while ((n = frame(in + used, p->len - used)) != 0)
        used += n;
    memmove(in, in + used, p->len - used);
    p->len -= used;
}

static void load_rest(struct peer *p)
{
    if (p->rest == NULL)
        return;
    memcpy(in, p->rest, p->len);
    free(p->rest);
    p->rest = NULL;
}

static void save_rest(struct peer *p)
{
    if (p->len == 0)
        return;
    p->rest = malloc(p->len);
    if (p->rest == NULL)
        abort();
    memcpy(p->rest, in, p->len);
}

static void finish(struct peer *p)
{
    SSL_free(p->ssl);
    close(p->fd);
    free(p->rest);
    free(p);
    ERR_clear_error();
}

static void serve(struct peer *p)
{
    int n, error;

    fr_buffer_clear(&replies);
    load_rest(p);
    while ((n = SSL_read(p->ssl, in + p->len, (int)(BUFFER - p->len))) > 0) {
        p->len += (size_t)n;
        consume(p);
    }
    error = SSL_get_error(p->ssl, n);
    if (replies.len != 0)
        SSL_write(p->ssl, replies.bytes, (int)replies.len);
    save_rest(p);
    if (error != SSL_ERROR_WANT_READ)
        finish(p);
}

/* Returns 0 if no connection waits. */
static int accept_one(int listener, int epoll, SSL_CTX *context)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct peer *p;

    if (fd < 0)
        return 0;
    p = calloc(1, sizeof *p);
    if (p == NULL)
        abort();
    p->fd = fd;
    p->ssl = SSL_new(context);
    SSL_set_fd(p->ssl, fd);
    SSL_set_accept_state(p->ssl);
    event.data.ptr = p;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    return 1;
}

void floor_serve(int listener, SSL_CTX *context)
{
    static struct epoll_event events[EVENTS];
    struct epoll_event own = {.events = EPOLLIN, .data.ptr = NULL};
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, BUFFER);
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &own);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            int k = 0;

            if (events[i].data.ptr != NULL)
                serve(events[i].data.ptr);
            else
                while (k < ACCEPTS && accept_one(listener, epoll, context))
                    k++;
        }
    }
}
