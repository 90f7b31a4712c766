#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingest/worker.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/memory.h"
#include "util/redact.h"

#define READS_A_PASS 4
#define LINGER_MS 2000          /* how long a peer has to read our last words */
#define UNSENT_MAX (256 * 1024) /* replies a vehicle may leave unread before it is held back */
#define UNSENT_END (512 * 1024) /* and before it is hung up on */
#define REPLIES_MAX (16 * 1024) /* replies that are gathered before they are sent */

static void became_ready(evutil_socket_t fd, short what, void *ctx);

/* ---- events ---------------------------------------------------------------------- */

void fr_connection_update_reading(struct fr_connection *c)
{
    const struct fr_ingest_settings *settings = &c->worker->settings;
    bool read = c->state != FR_CONNECTION_OPEN ||
                (!c->worker->held && c->unacknowledged < settings->unacknowledged &&
                 c->unsent.len < UNSENT_MAX);
    bool write = c->unsent.len != 0;
    short what = (short)(EV_PERSIST | (read ? EV_READ : 0) | (write ? EV_WRITE : 0));

    if (read == c->reading && write == c->waits_to_write)
        return;
    if (c->reading || c->waits_to_write)
        event_del(&c->event);
    c->reading = read;
    c->waits_to_write = write;
    if (!read && !write)
        return;
    event_assign(&c->event, c->worker->base, c->fd, what, became_ready, c);
    event_add(&c->event, NULL);
}

/* Write the worker's gathered ciphertext; what the socket does not take is kept. -1: broken. */
static int write_out(struct fr_connection *c)
{
    struct fr_buffer *out = &c->worker->out;
    size_t done = 0;
    int status = 0;

    if (out->failed)
        status = -1;
    if (c->unsent.len == 0) {
        while (status == 0 && done < out->len) {
            ssize_t n = send(c->fd, out->bytes + done, out->len - done, MSG_NOSIGNAL);

            if (n > 0)
                done += (size_t)n;
            else if (errno == EAGAIN)
                break;
            else if (errno != EINTR)
                status = -1;
        }
    }
    if (status == 0 && done < out->len)
        fr_buffer_append(&c->unsent, out->bytes + done, out->len - done);
    fr_buffer_clear(out);
    if (c->unsent.failed)
        status = -1;
    if (status == 0)
        fr_connection_update_reading(c);
    return status;
}

/* The socket takes more of what it did not take before. */
static int write_unsent(struct fr_connection *c)
{
    ssize_t n = send(c->fd, c->unsent.bytes, c->unsent.len, MSG_NOSIGNAL);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    fr_buffer_drop(&c->unsent, (size_t)n);
    if (c->unsent.len == 0)
        fr_buffer_free(&c->unsent);
    fr_connection_update_reading(c);
    return 0;
}

/* ---- opening and closing --------------------------------------------------------- */

static void set_socket_options(int fd, int64_t dead_peer_ms)
{
    int on = 1, count = 3, interval = (int)(dead_peer_ms / 1000 / 4);
    unsigned timeout = (unsigned)dead_peer_ms;

    if (interval < 1)
        interval = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* A vehicle that drove into a tunnel says no goodbye. */
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
}

void fr_connection_open(struct fr_worker *worker, int fd, const char *peer, uint64_t source)
{
    const struct fr_ingest_settings *settings = &worker->settings;
    struct fr_connection *c = calloc(1, sizeof *c);
    int64_t now = fr_monotonic_ms();

    if (c == NULL) {
        close(fd);
        return;
    }
    set_socket_options(fd, settings->dead_peer_ms);
    c->worker = worker;
    c->fd = fd;
    c->state = FR_CONNECTION_HANDSHAKE;
    c->source = source;
    c->deadline_ms = now + settings->handshake_timeout_ms;
    snprintf(c->peer, sizeof c->peer, "%s", peer);
    c->next = worker->connections;
    if (c->next != NULL)
        c->next->previous = c;
    worker->connections = c;
    fr_half_open_add(&worker->half_open, c, source, now);
    atomic_fetch_add(&worker->ingest->half_open, 1);
    fr_connection_update_reading(c);
}

/* From the vehicles' connections back to the half-open ones. */
static void return_slot(struct fr_connection *c)
{
    struct fr_worker *worker = c->worker;

    if (!c->has_slot)
        return;
    c->has_slot = false;
    worker->slots[c->slot] = NULL;
    worker->free_slots[worker->free_count++] = c->slot;
    atomic_fetch_sub(&worker->ingest->connections, 1);
    fr_source_counts_remove(worker->ingest->sources, c->source);
    fr_half_open_add(&worker->half_open, c, c->source, fr_monotonic_ms());
    atomic_fetch_add(&worker->ingest->half_open, 1);
}

static void leave_dirty_list(struct fr_connection *c)
{
    struct fr_connection **at = &c->worker->dirty;

    if (!c->dirty)
        return;
    while (*at != NULL && *at != c)
        at = &(*at)->next_dirty;
    if (*at != NULL)
        *at = c->next_dirty;
}

void fr_connection_free(struct fr_connection *c)
{
    struct fr_worker *worker = c->worker;

    if (c->state == FR_CONNECTION_OPEN)
        fr_message_connectivity(c, false);
    leave_dirty_list(c);
    if (c->reading || c->waits_to_write)
        event_del(&c->event);
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        worker->connections = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    return_slot(c);
    fr_half_open_remove(&worker->half_open, c);
    atomic_fetch_sub(&worker->ingest->half_open, 1);
    fr_count(FR_COUNT_CONNECTIONS_CLOSED);
    fr_tls_stream_close(&c->tls);
    close(c->fd);
    fr_ws_end(&c->ws, worker->ws_pool);
    fr_buffer_free(&c->head);
    fr_buffer_free(&c->replies);
    fr_buffer_free(&c->unsent);
    free(c->who.sender);
    free(c->who.client_version);
    free(c->who.refusal);
    free(c);
}

/* Encrypt into the worker's buffer. -1: broken. */
static int encrypt(struct fr_connection *c, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        size_t n;

        c->tls.out = &c->worker->out;
        if (SSL_write_ex(c->tls.ssl, bytes, len, &n) != 1) {
            ERR_clear_error();
            return -1;
        }
        bytes += n;
        len -= n;
    }
    return 0;
}

void fr_connection_end(struct fr_connection *c)
{
    bool sent = encrypt(c, c->replies.bytes, c->replies.len) == 0;

    if (c->state == FR_CONNECTION_OPEN)
        fr_message_connectivity(c, false);
    return_slot(c);
    fr_buffer_free(&c->replies);
    c->state = FR_CONNECTION_CLOSING;
    /* With too many of them at once, only until the next tick. */
    c->deadline_ms = fr_listener_full(c->worker) ? 1 : fr_monotonic_ms() + LINGER_MS;
    c->tls.out = &c->worker->out;
    if (sent && SSL_is_init_finished(c->tls.ssl))
        SSL_shutdown(c->tls.ssl);
    ERR_clear_error();
    if (write_out(c) != 0)
        c->deadline_ms = 1;
    else if (c->unsent.len == 0)
        shutdown(c->fd, SHUT_WR);
}

void fr_connection_close(struct fr_connection *c, enum fr_ws_code code)
{
    fr_ws_write_close(&c->replies, code);
    fr_connection_end(c);
}

void fr_connection_reply_later(struct fr_connection *c)
{
    if (c->dirty)
        return;
    c->dirty = true;
    c->next_dirty = c->worker->dirty;
    c->worker->dirty = c;
}

void fr_connection_send_replies(struct fr_connection *c)
{
    if (c->state != FR_CONNECTION_OPEN || c->replies.len == 0)
        return;
    if (c->replies.failed || encrypt(c, c->replies.bytes, c->replies.len) != 0 ||
        write_out(c) != 0) {
        fr_connection_free(c);
        return;
    }
    fr_buffer_free(&c->replies);
    fr_connection_update_reading(c);
}

void fr_connection_tick(struct fr_connection *c, int64_t now)
{
    static struct fr_log_limit handshake_limit, message_limit;
    int64_t patience = c->worker->settings.message_timeout_ms;

    if (c->deadline_ms != 0 && now >= c->deadline_ms) {
        if (c->state != FR_CONNECTION_CLOSING) {
            fr_count(FR_COUNT_HANDSHAKE_TIMEOUT);
            fr_log_limited(&handshake_limit, FR_LOG_INFO,
                           "%s: no WebSocket within limits.handshake_timeout; closed", c->peer);
        }
        fr_connection_free(c);
        return;
    }
    if (c->state != FR_CONNECTION_OPEN || !fr_ws_in_message(&c->ws)) {
        c->message_since_ms = 0;
        return;
    }
    /* Only the time in which the connection is read counts: a message cannot end while its
     * vehicle waits for acknowledgements, or for capacity. */
    if (c->message_since_ms == 0 || !c->reading)
        c->message_since_ms = now;
    if (now - c->message_since_ms > patience) {
        char shown[FR_REDACTED_VIN_SIZE];

        fr_log_limited(&message_limit, FR_LOG_WARNING,
                       "%s (%s): a message was not finished within limits.message_timeout; closed",
                       fr_shown_vin(c->who.vin, shown), c->peer);
        fr_connection_close(c, FR_WS_TRY_LATER);
    }
}

/* ---- reading --------------------------------------------------------------------- */

/* Send what is gathered. A peer that lets its replies pile up is read no further by
 * fr_connection_update_reading; but what one read has brought can be thousands of messages, each
 * with a reply larger than itself, so this is checked for each. -1: the connection is closing. */
static int bound_replies(struct fr_connection *c)
{
    static struct fr_log_limit limit;
    char shown[FR_REDACTED_VIN_SIZE];
    int status = 0;

    if (c->replies.len < REPLIES_MAX)
        return 0;
    if (c->replies.failed || encrypt(c, c->replies.bytes, c->replies.len) != 0 || write_out(c) != 0)
        status = -1;
    fr_buffer_free(&c->replies);
    if (status == 0 && c->unsent.len < UNSENT_END)
        return 0;
    if (status == 0) {
        fr_count(FR_COUNT_REPLIES_UNREAD);
        fr_log_limited(&limit, FR_LOG_WARNING,
                       "%s (%s): closed: it sends messages and does not read the replies; %d kB of "
                       "them are unread",
                       fr_shown_vin(c->who.vin, shown), c->peer, UNSENT_END / 1024);
    }
    fr_connection_close(c, FR_WS_POLICY);
    return -1;
}

static int got_frame(void *ctx, enum fr_ws_opcode opcode, const uint8_t *bytes, size_t len)
{
    static struct fr_log_limit limit;
    struct fr_connection *c = ctx;
    char shown[FR_REDACTED_VIN_SIZE];

    switch (opcode) {
    case FR_WS_BINARY:
        fr_message_received(c, bytes, len);
        return bound_replies(c);
    case FR_WS_PING:
        fr_ws_write(&c->replies, FR_WS_PONG, bytes, len);
        fr_connection_reply_later(c);
        return bound_replies(c);
    case FR_WS_PONG:
        return 0;
    case FR_WS_OVERSIZED:
        fr_message_oversized(c);
        return bound_replies(c);
    case FR_WS_CLOSE:
        fr_ws_write(&c->replies, FR_WS_CLOSE, bytes, len >= 2 ? 2 : 0);
        fr_connection_end(c);
        return -1;
    case FR_WS_TEXT:
    case FR_WS_CONTINUATION:
    default:
        fr_count(FR_COUNT_WEBSOCKET_TEXT);
        fr_log_limited(&limit, FR_LOG_WARNING,
                       "%s (%s): sent a text message, which no vehicle does; closed",
                       fr_shown_vin(c->who.vin, shown), c->peer);
        fr_connection_close(c, FR_WS_UNACCEPTABLE);
        return -1;
    }
}

static int violation(struct fr_connection *c, enum fr_ws_code code)
{
    static struct fr_log_limit limit;
    char shown[FR_REDACTED_VIN_SIZE];

    fr_count(code == FR_WS_TOO_BIG ? FR_COUNT_MESSAGE_TOO_BIG : FR_COUNT_WEBSOCKET_ERROR);
    fr_log_limited(&limit, FR_LOG_WARNING, "%s (%s): %s; closed with code %d",
                   fr_shown_vin(c->who.vin, shown), c->peer,
                   code == FR_WS_TOO_BIG ? "sent a message far longer than limits.message_size"
                                         : "broke the WebSocket protocol",
                   (int)code);
    fr_connection_close(c, code);
    return -1;
}

/* Plaintext arrived. -1: the connection is closing. */
static int consume(struct fr_connection *c, const uint8_t *bytes, size_t len)
{
    int code;

    if (c->state == FR_CONNECTION_UPGRADE) {
        ssize_t used = fr_handshake_upgrade(c, bytes, len);

        if (used < 0)
            return -1;
        bytes += used;
        len -= (size_t)used;
    }
    if (c->state != FR_CONNECTION_OPEN || len == 0)
        return 0;
    code = fr_ws_feed(&c->ws, c->worker->ws_pool, bytes, len, true,
                      c->worker->settings.message_size, got_frame, c);
    if (code > 0)
        return violation(c, (enum fr_ws_code)code);
    return code;
}

/* Decrypt and consume everything in tls.in. -1: the connection is closing, 1: it has ended. */
static int decrypt(struct fr_connection *c)
{
    struct fr_worker *worker = c->worker;
    size_t n;
    int status;

    if (c->tls.ssl == NULL) {
        status = fr_handshake_begin(c);
        if (status != 0)
            return status < 0 ? 1 : 0;
    }
    c->tls.out = &worker->out;
    ERR_clear_error(); /* what another connection left there must not be taken for ours */
    if (c->state == FR_CONNECTION_HANDSHAKE) {
        status = fr_handshake_continue(c);
        if (status != 0)
            return status < 0 ? -1 : 0;
        ERR_clear_error(); /* an ignored fault of a certificate leaves errors, too */
    }
    while ((status = SSL_read_ex(c->tls.ssl, worker->plain, FR_WORKER_PLAIN_SIZE, &n)) == 1) {
        if (consume(c, worker->plain, n) != 0)
            return -1;
        c->tls.out = &worker->out;
    }
    switch (SSL_get_error(c->tls.ssl, status)) {
    case SSL_ERROR_WANT_READ:
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        return 1;
    default:
        ERR_clear_error();
        return 1;
    }
}

/* 0: go on; 1: the connection is gone; 2: nothing more to read now. */
static int read_once(struct fr_connection *c)
{
    struct fr_worker *worker = c->worker;
    ssize_t n = recv(c->fd, worker->in, FR_WORKER_READ_SIZE, 0);
    int status;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 2;
    if (n <= 0) {
        fr_connection_free(c);
        return 1;
    }
    if (c->state == FR_CONNECTION_CLOSING)
        return 0; /* read and forgotten, so that our last words are not lost to a reset */
    c->tls.in = worker->in;
    c->tls.in_len = (size_t)n;
    status = decrypt(c);
    if (status == 1) {
        fr_connection_free(c);
        fr_buffer_clear(&worker->out);
        return 1;
    }
    if (worker->out.len != 0 && write_out(c) != 0) {
        fr_connection_free(c);
        return 1;
    }
    return status < 0 || n < FR_WORKER_READ_SIZE ? 2 : 0;
}

static void became_ready(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_connection *c = ctx;
    struct fr_worker *worker = c->worker;
    int status = 0;

    (void)fd;
    if ((what & EV_WRITE) && c->unsent.len != 0 && write_unsent(c) != 0) {
        fr_connection_free(c);
        status = 1;
    }
    if (what & EV_READ)
        for (int i = 0; i < READS_A_PASS && status == 0; i++) {
            status = read_once(c);
            if (status == 0 && (worker->held || !c->reading))
                break;
        }
    fr_worker_finish_pass(worker);
}
