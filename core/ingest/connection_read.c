#include "ingest/connection_read.h"
#include "ingest/presence.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include "ingest/connection.h"
#include "ingest/connection_write.h"
#include "ingest/handshake.h"
#include "ingest/message.h"
#include "ingest/proxy_header.h"
#include "ingest/without_certificate.h"
#include "util/counters.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/redact.h"

#define READS_PER_PASS 4        /* recv(2) calls before other connections get their turn */
#define REPLIES_MAX (16 * 1024) /* bytes of replies that are gathered before they are sent */
#define DROPPED_MAX (64 * 1024) /* bytes after its last reply from a client without certificate */
#define UNSENT_CLOSE_AT (512 * 1024) /* bytes of unread replies at which the connection is closed */

enum read_status {
    READ_MORE,    /* there may be more to read */
    READ_DRAINED, /* nothing more to read now */
    READ_CLOSING, /* the connection is in state FR_CONNECTION_CLOSING */
    READ_ENDED,   /* the peer closed, or the connection is broken: it is to be freed, or is freed */
};

/* ---- messages -------------------------------------------------------------------- */

/* One read can bring thousands of messages, each with a reply larger than itself, and
 * fr_connection_update_events() takes effect only at the next read. So replies are bounded after
 * each message. -1: the connection is closing. */
static int connection_bound_replies(struct fr_connection *c)
{
    static struct fr_log_limit limit;
    char vin[FR_REDACTED_VIN_SIZE];

    if (c->replies.len < REPLIES_MAX)
        return 0;
    if (fr_connection_write_replies(c) == 0) {
        if (c->unsent.len < UNSENT_CLOSE_AT)
            return 0;
        fr_count(FR_COUNT_REPLIES_UNREAD);
        fr_presence_fault(c->vehicle, fr_wall_ms());
        fr_log_limited(&limit, FR_LOG_WARNING,
                       "%s (%s): closed: it sends messages and does not read the replies; %d kB of "
                       "them are unread",
                       fr_display_vin(c->identity.vin, vin), c->peer, UNSENT_CLOSE_AT / 1024);
    }
    fr_connection_close(c, FR_WS_POLICY);
    return -1;
}

static void connection_receive_message(struct fr_connection *c, const uint8_t *bytes, size_t len)
{
    struct fr_message_id id;

    switch (fr_message_receive(c, bytes, len, &id)) {
    case FR_MESSAGE_ACKNOWLEDGE_NOW:
        fr_ack_delays_add(&c->worker->delays, 0);
        fr_message_write_ack(c, id);
        break;
    case FR_MESSAGE_ACKNOWLEDGE_LATER:
        c->unacknowledged++;
        c->worker->gather.messages++;
        fr_connection_update_events(c);
        return;
    case FR_MESSAGE_REJECT:
        fr_message_write_error(c, id.txid);
        break;
    }
    fr_connection_reply_later(c);
}

static int connection_reject_text(struct fr_connection *c)
{
    static struct fr_log_limit limit;
    char vin[FR_REDACTED_VIN_SIZE];

    fr_count(FR_COUNT_WEBSOCKET_TEXT);
    fr_presence_fault(c->vehicle, fr_wall_ms());
    fr_log_limited(&limit, FR_LOG_WARNING,
                   "%s (%s): sent a text message, which no vehicle does; closed",
                   fr_display_vin(c->identity.vin, vin), c->peer);
    fr_connection_close(c, FR_WS_UNACCEPTABLE);
    return -1;
}

static int connection_reject_violation(struct fr_connection *c, enum fr_ws_code code)
{
    static struct fr_log_limit limit;
    char vin[FR_REDACTED_VIN_SIZE];

    fr_count(code == FR_WS_TOO_BIG ? FR_COUNT_MESSAGE_TOO_BIG : FR_COUNT_WEBSOCKET_ERROR);
    fr_presence_fault(c->vehicle, fr_wall_ms());
    fr_log_limited(&limit, FR_LOG_WARNING, "%s (%s): %s; closed with code %d",
                   fr_display_vin(c->identity.vin, vin), c->peer,
                   code == FR_WS_TOO_BIG ? "sent a message far longer than limits.message_size"
                                         : "violated the WebSocket protocol",
                   (int)code);
    fr_connection_close(c, code);
    return -1;
}

/* -1: the connection is closing. */
static int connection_receive_close(struct fr_connection *c, const uint8_t *bytes, size_t len)
{
    int code = fr_ws_check_close(bytes, len);

    if (code != 0)
        return connection_reject_violation(c, (enum fr_ws_code)code);
    fr_ws_write(&c->replies, FR_WS_CLOSE, bytes, len >= 2 ? 2 : 0);
    fr_connection_end(c);
    return -1;
}

/* A callback of fr_ws_feed(). -1: the connection is closing. */
static int connection_receive_frame(void *ctx, enum fr_ws_opcode opcode, const uint8_t *bytes,
                                    size_t len)
{
    struct fr_connection *c = ctx;

    switch (opcode) {
    case FR_WS_BINARY:
        connection_receive_message(c, bytes, len);
        return connection_bound_replies(c);
    case FR_WS_PING:
        fr_ws_write(&c->replies, FR_WS_PONG, bytes, len);
        fr_connection_reply_later(c);
        return connection_bound_replies(c);
    case FR_WS_PONG:
        return 0;
    case FR_WS_OVERSIZED:
        fr_message_reject_oversized(c);
        fr_message_write_error(c, (struct fr_span){NULL, 0});
        fr_connection_reply_later(c);
        return connection_bound_replies(c);
    case FR_WS_CLOSE:
        return connection_receive_close(c, bytes, len);
    case FR_WS_TEXT:
    case FR_WS_CONTINUATION:
    default:
        return connection_reject_text(c);
    }
}

/* ---- reading --------------------------------------------------------------------- */

/* Plaintext arrived. -1: the connection is closing. */
static int connection_consume(struct fr_connection *c, const uint8_t *bytes, size_t len)
{
    int code;

    if (c->state == FR_CONNECTION_WITHOUT_CERTIFICATE)
        return fr_without_certificate_receive(c, bytes, len);
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
                      c->worker->settings.message_size, connection_receive_frame, c);
    if (code > 0)
        return connection_reject_violation(c, (enum fr_ws_code)code);
    return code;
}

/* Go on with the PROXY header and the TLS handshake. READ_MORE: the handshake is done. */
static enum read_status connection_shake_hands(struct fr_connection *c)
{
    enum fr_handshake_status status = FR_HANDSHAKE_DONE;

    if (c->state == FR_CONNECTION_PROXY_HEADER)
        status = fr_proxy_header_receive(c);
    if (status == FR_HANDSHAKE_DONE && c->tls.ssl == NULL)
        status = fr_handshake_begin(c);
    if (status == FR_HANDSHAKE_DONE)
        status = fr_handshake_continue(c);
    switch (status) {
    case FR_HANDSHAKE_DONE:
        return READ_MORE;
    case FR_HANDSHAKE_INCOMPLETE:
        return READ_DRAINED;
    case FR_HANDSHAKE_CLOSING:
        return READ_CLOSING;
    case FR_HANDSHAKE_BROKEN:
        break;
    }
    return READ_ENDED;
}

/* Decrypt and consume everything in tls.in. READ_ENDED: the caller frees the connection. */
static enum read_status connection_decrypt(struct fr_connection *c)
{
    struct fr_worker *worker = c->worker;
    size_t n;
    int status;

    /* Clear this thread's OpenSSL error queue; SSL_get_error() reads it. */
    ERR_clear_error();
    if (c->state <= FR_CONNECTION_HANDSHAKE) {
        enum read_status handshake = connection_shake_hands(c);

        if (handshake != READ_MORE)
            return handshake;
        ERR_clear_error(); /* a certificate fault that is ignored leaves errors, too */
    }
    c->tls.out = &worker->out;
    while ((status = SSL_read_ex(c->tls.ssl, worker->plain, FR_WORKER_PLAIN_SIZE, &n)) == 1) {
        if (connection_consume(c, worker->plain, n) != 0)
            return READ_CLOSING;
        c->tls.out = &worker->out;
    }
    if (SSL_get_error(c->tls.ssl, status) == SSL_ERROR_WANT_READ)
        return READ_DRAINED;
    ERR_clear_error();
    return READ_ENDED;
}

/* READ_ENDED: the connection is freed. */
static enum read_status connection_read_once(struct fr_connection *c)
{
    struct fr_worker *worker = c->worker;
    ssize_t n = recv(c->fd, worker->in, FR_WORKER_READ_SIZE, 0);
    enum read_status status;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return READ_DRAINED;
    if (n <= 0) {
        fr_connection_free(c);
        return READ_ENDED;
    }
    c->heard = true;
    /* Bytes that arrive while closing are read and dropped: a socket closed with unread bytes sends
     * a reset, which can destroy the last reply on its way. */
    if (c->state == FR_CONNECTION_CLOSING) {
        if (!c->has_place || (c->dropped += (uint32_t)n) <= DROPPED_MAX)
            return READ_MORE;
        fr_connection_free(c); /* a client without a certificate gets no more time */
        return READ_ENDED;
    }
    c->tls.in = worker->in;
    c->tls.in_len = (size_t)n;
    status = connection_decrypt(c);
    if (status == READ_ENDED) {
        fr_connection_free(c);
        fr_buffer_clear(&worker->out);
        return READ_ENDED;
    }
    if (worker->out.len != 0 && fr_connection_write_out(c) != 0) {
        fr_connection_free(c);
        return READ_ENDED;
    }
    return status == READ_CLOSING || n < FR_WORKER_READ_SIZE ? READ_DRAINED : READ_MORE;
}

void fr_connection_ready(struct fr_connection *c, short events)
{
    struct fr_worker *worker = c->worker;

    if ((events & EV_WRITE) && c->unsent.len != 0 && fr_connection_write_unsent(c) != 0) {
        fr_connection_free(c);
        return;
    }
    if (!(events & EV_READ))
        return;
    for (int i = 0; i < READS_PER_PASS && connection_read_once(c) == READ_MORE; i++)
        if (worker->paused || !c->reading)
            return;
}
