#include "ingest/connection.h"

#include <limits.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingest/connection_log.h"
#include "ingest/connection_write.h"
#include "ingest/connectivity.h"
#include "ingest/handshake_queue.h"
#include "ingest/limits.h"
#include "ingest/message.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/redact.h"

#define LINGER_MS 2000 /* time for the peer to read the last reply before the socket is closed */

#define KEEPALIVE_MAX_S 32767 /* maximum of the kernel for the intervals of TCP keepalive */

/* TCP keepalive finds peers that vanished without a FIN, e.g. a vehicle without radio coverage,
 * also where no WebSocket ping is sent: before the upgrade and under backpressure. */
static void connection_set_keepalive(int fd, int64_t peer_timeout_ms)
{
    int64_t interval_s = peer_timeout_ms / 1000 / 4;
    int interval = interval_s < 1                 ? 1
                   : interval_s > KEEPALIVE_MAX_S ? KEEPALIVE_MAX_S
                                                  : (int)interval_s;
    int on = 1, count = 3, timeout = peer_timeout_ms > INT_MAX ? INT_MAX : (int)peer_timeout_ms;

    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
}

void fr_connection_update_peer_timeout(struct fr_connection *c)
{
    connection_set_keepalive(c->fd, c->worker->settings.peer_timeout_ms);
    c->pinged = false; /* the time to answer a ping may be shorter now */
}

void fr_connection_open(struct fr_worker *worker, int fd, const char *peer, uint64_t source,
                        bool proxied)
{
    const struct fr_ingest_settings *settings = &worker->settings;
    struct fr_connection *c = calloc(1, sizeof *c);
    int64_t now = fr_monotonic_ms();
    int on = 1;

    if (c == NULL) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection_set_keepalive(fd, settings->peer_timeout_ms);
    c->worker = worker;
    c->fd = fd;
    c->state = proxied ? FR_CONNECTION_PROXY_HEADER : FR_CONNECTION_HANDSHAKE;
    c->proxied = proxied;
    c->source = proxied ? FR_SOURCE_NONE : source;
    c->deadline_ms = now + settings->handshake_timeout_ms;
    snprintf(c->peer, sizeof c->peer, "%s", peer);
    c->next = worker->connections;
    if (c->next != NULL)
        c->next->previous = c;
    worker->connections = c;
    fr_limits_add_half_open(c, now);
    fr_connection_update_events(c);
}

static void connection_leave_dirty_list(struct fr_connection *c)
{
    struct fr_connection **at = &c->worker->dirty;

    if (!c->dirty)
        return;
    while (*at != NULL && *at != c)
        at = &(*at)->next_dirty;
    if (*at != NULL)
        *at = c->next_dirty;
}

/* The end of an open WebSocket. */
static void connection_closed(struct fr_connection *c)
{
    fr_connection_log_ended(c);
    fr_connectivity_closed(c);
}

void fr_connection_free(struct fr_connection *c)
{
    struct fr_worker *worker = c->worker;

    if (c->state == FR_CONNECTION_OPEN)
        connection_closed(c);
    connection_leave_dirty_list(c);
    fr_handshake_queue_remove(c);
    if (c->reading || c->writing)
        event_del(&c->event);
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        worker->connections = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    fr_limits_return_slot(c);
    if (c->has_place)
        fr_count(c->key_served ? FR_COUNT_WITHOUT_CERTIFICATE_SERVED
                               : FR_COUNT_WITHOUT_CERTIFICATE_REFUSED);
    fr_limits_remove(c);
    fr_count(FR_COUNT_CONNECTIONS_CLOSED);
    fr_tls_stream_close(&c->tls);
    close(c->fd);
    fr_ws_end(&c->ws);
    fr_buffer_free(&c->head);
    fr_buffer_free(&c->replies);
    fr_buffer_free(&c->unsent);
    free(c->identity.sender);
    free(c->identity.client_version);
    free(c->identity.certificate);
    free(c->identity.refusal);
    free(c);
}

void fr_connection_end(struct fr_connection *c)
{
    bool sent = fr_connection_encrypt(c, c->replies.bytes, c->replies.len) == 0;

    if (c->state == FR_CONNECTION_OPEN)
        connection_closed(c);
    fr_limits_return_slot(c);
    fr_buffer_free(&c->replies);
    c->state = FR_CONNECTION_CLOSING;
    /* A deadline of 1 has passed: the next tick closes the connection. */
    c->deadline_ms = fr_limits_half_open_full(c->worker) ? 1 : fr_monotonic_ms() + LINGER_MS;
    c->tls.out = &c->worker->out;
    if (sent && SSL_is_init_finished(c->tls.ssl))
        SSL_shutdown(c->tls.ssl);
    ERR_clear_error();
    if (fr_connection_write_out(c) != 0)
        c->deadline_ms = 1;
    else if (c->unsent.len == 0)
        shutdown(c->fd, SHUT_WR);
}

void fr_connection_close(struct fr_connection *c, enum fr_ws_code code)
{
    fr_ws_write_close(&c->replies, code);
    fr_connection_end(c);
}

void fr_connection_send_replies(struct fr_connection *c)
{
    if (c->state != FR_CONNECTION_OPEN || c->replies.len == 0)
        return;
    if (fr_connection_write_replies(c) != 0) {
        fr_connection_free(c);
        return;
    }
    fr_connection_update_events(c);
}

void fr_connection_complete(struct fr_connection *c, const struct fr_record *record)
{
    if (c->unacknowledged > 0)
        c->unacknowledged--;
    fr_message_write_completion(c, record);
    fr_connection_reply_later(c);
}

static void connection_log_timeout(const struct fr_connection *c)
{
    static struct fr_log_limit header, upgrade;

    if (c->state == FR_CONNECTION_PROXY_HEADER)
        fr_log_limited(
            &header, FR_LOG_INFO,
            "%s: closed: its address is in listen.proxy_protocol, and no PROXY header was "
            "complete within limits.handshake_timeout; check the load balancer, or remove "
            "the address from the list",
            c->peer);
    else
        fr_log_limited(&upgrade, FR_LOG_INFO,
                       "%s: no WebSocket was opened within limits.handshake_timeout; closed",
                       c->peer);
}

/* Close a connection whose state has timed out. */
static void connection_expire(struct fr_connection *c)
{
    if (c->state != FR_CONNECTION_CLOSING && !c->has_place) {
        fr_count(FR_COUNT_HANDSHAKE_TIMEOUT);
        connection_log_timeout(c);
    }
    fr_connection_free(c);
}

/* A ping is due after this time of silence: 1/4 to 1/2 of limits.peer_timeout, different for each
 * slot. After a pause, which ends for all connections at once, their pings are spread. */
static int64_t connection_ping_after_ms(const struct fr_connection *c)
{
    int64_t timeout = c->worker->settings.peer_timeout_ms;

    return timeout / 4 + timeout / 4 * (c->slot % 64) / 64;
}

/* Ping a silent peer, and close it if it stays silent. Any bytes of the peer count, not only a pong.
 * Time in which the daemon does not read does not count. A peer has half of limits.peer_timeout or
 * more to answer, also if the timeout was shortened meanwhile. -1: the connection is closing. */
static int connection_watch_peer(struct fr_connection *c, int64_t elapsed_ms)
{
    static struct fr_log_limit limit;
    char vin[FR_REDACTED_VIN_SIZE];
    int64_t timeout_ms = c->worker->settings.peer_timeout_ms;

    c->silent_ms += elapsed_ms;
    if (c->heard || fr_connection_paused(c)) {
        c->heard = c->pinged = false;
        c->silent_ms = 0;
    } else if (!c->pinged && c->silent_ms >= connection_ping_after_ms(c)) {
        c->pinged = true;
        if (c->silent_ms > timeout_ms / 2)
            c->silent_ms = timeout_ms / 2;
        fr_ws_write(&c->replies, FR_WS_PING, NULL, 0);
        fr_connection_reply_later(c);
    } else if (c->silent_ms >= timeout_ms) {
        fr_count(FR_COUNT_PEER_TIMEOUT);
        fr_log_limited(&limit, FR_LOG_INFO,
                       "%s (%s): closed: the vehicle sent nothing, not even the answer to a ping, "
                       "within limits.peer_timeout",
                       fr_display_vin(c->identity.vin, vin), c->peer);
        fr_connection_close(c, FR_WS_TRY_LATER);
        return -1;
    }
    return 0;
}

/* Close a peer that does not complete its message. Only time in which the connection is read counts:
 * backpressure can delay the end of a message without limit. */
static void connection_watch_message(struct fr_connection *c, int64_t now)
{
    static struct fr_log_limit limit;
    char vin[FR_REDACTED_VIN_SIZE];

    if (!fr_ws_in_message(&c->ws)) {
        c->message_since_ms = 0;
        return;
    }
    if (c->message_since_ms == 0 || !c->reading)
        c->message_since_ms = now;
    if (now - c->message_since_ms <= c->worker->settings.message_timeout_ms)
        return;
    fr_log_limited(&limit, FR_LOG_WARNING,
                   "%s (%s): a message was not completed within limits.message_timeout; closed",
                   fr_display_vin(c->identity.vin, vin), c->peer);
    fr_connection_close(c, FR_WS_TRY_LATER);
}

void fr_connection_tick(struct fr_connection *c, int64_t now, int64_t elapsed_ms)
{
    if (c->deadline_ms != 0 && now >= c->deadline_ms &&
        !(c->queued && c->turns < FR_HANDSHAKE_TURNS_MAX))
        connection_expire(c);
    else if (c->state == FR_CONNECTION_OPEN && connection_watch_peer(c, elapsed_ms) == 0)
        connection_watch_message(c, now);
}
