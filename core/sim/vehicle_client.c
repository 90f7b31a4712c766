#include "sim/vehicle_client.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ingest/envelope.h"
#include "sim/vehicle_client_state.h"
#include "sim/vehicle_send.h"
#include "sim/vehicle_upgrade.h"
#include "util/clock.h"
#include "util/memory.h"

#define RETRY_MAX_MS 30000 /* max pause before a reconnect */

static void client_connection_lost(struct fr_car *car, const char *reason);

/* ---- receiving ------------------------------------------------------------------- */

/* Handle the reply to a message: an acknowledgement or an error reply. */
static void client_complete(struct fr_car *car, const struct fr_envelope *e)
{
    const struct fr_car_message *m;
    char txid[64];

    if (e->txid.len >= sizeof txid)
        return;
    memcpy(txid, e->txid.bytes, e->txid.len);
    txid[e->txid.len] = '\0';
    if (e->kind != FR_ENVELOPE_ACK && car->settings.refused != NULL)
        car->settings.refused(car->settings.ctx, car, txid);
    m = fr_car_buffer_complete(&car->buffer, txid);
    if (m == NULL)
        return;
    if (e->kind == FR_ENVELOPE_ACK && car->settings.acknowledged != NULL)
        car->settings.acknowledged(car->settings.ctx, car, txid, fr_car_now_us() - m->sent_us);
    fr_car_buffer_drop_done(&car->buffer);
}

/* The server closes a vehicle that does not answer its pings. fr_car_pump() sends the answer. */
static int client_answer_ping(struct fr_car *car, const uint8_t *bytes, size_t len)
{
    struct fr_buffer *frame = &car->sim_loop->frame;

    fr_buffer_clear(frame);
    fr_ws_write_masked(frame, FR_WS_PONG, bytes, len, (uint32_t)random());
    return fr_car_encrypt(car, frame->bytes, frame->len);
}

static int client_frame_received(void *ctx, enum fr_ws_opcode opcode, const uint8_t *bytes,
                                 size_t len)
{
    struct fr_car *car = ctx;
    struct fr_envelope e;

    if (opcode == FR_WS_BINARY) {
        if (fr_envelope_read(bytes, len, &e) == 0)
            client_complete(car, &e);
        return 0;
    }
    if (opcode == FR_WS_PING)
        return client_answer_ping(car, bytes, len);
    return opcode == FR_WS_CLOSE ? -1 : 0;
}

static int client_send_request(struct fr_car *car)
{
    struct fr_buffer text = {0};
    int status;

    fr_car_upgrade_request(&text, car->settings.server_name, car->settings.network_interface);
    status = fr_car_encrypt(car, text.bytes, text.len);
    fr_buffer_free(&text);
    return status;
}

static void client_opened(struct fr_car *car)
{
    car->state = CLIENT_OPEN;
    car->retry_ms = car->settings.retry_ms;
    fr_car_buffer_rewind(&car->buffer);
    fr_buffer_free(&car->head);
    if (car->settings.opened != NULL)
        car->settings.opened(car->settings.ctx, car);
}

static int client_consume(struct fr_car *car, const uint8_t *bytes, size_t len)
{
    int status;

    if (car->state == CLIENT_UPGRADE) {
        size_t used = len;
        enum fr_car_upgrade response = fr_car_upgrade_read(&car->head, bytes, len, &used);

        if (response == FR_CAR_UPGRADE_EXTENSION)
            car->fault = "the server accepted a WebSocket extension (compression); a vehicle then "
                         "disconnects, so the server must accept none";
        if (response != FR_CAR_UPGRADE_ACCEPTED)
            return response == FR_CAR_UPGRADE_INCOMPLETE ? 0 : -1;
        client_opened(car);
        bytes += used;
        len -= used;
    }
    if (len == 0)
        return 0;
    status = fr_ws_feed(&car->ws, car->sim_loop->pool, bytes, len, false, 1 << 20,
                        client_frame_received, car);
    if (status > 0)
        car->fault = "the server sent a frame that violates RFC 6455, such as a compressed one "
                     "although no compression was agreed";
    return status == 0 ? 0 : -1;
}

static int client_decrypt(struct fr_car *car)
{
    size_t n;
    int status;

    car->tls.out = &car->sim_loop->out;
    if (car->state == CLIENT_HANDSHAKE) {
        status = SSL_connect(car->tls.ssl);
        if (status != 1)
            return SSL_get_error(car->tls.ssl, status) == SSL_ERROR_WANT_READ ? 0 : -1;
        car->state = CLIENT_UPGRADE;
        if (client_send_request(car) != 0)
            return -1;
    }
    while ((status = SSL_read_ex(car->tls.ssl, car->sim_loop->plain, FR_SIM_PLAIN_SIZE, &n)) == 1)
        if (client_consume(car, car->sim_loop->plain, n) != 0)
            return -1;
    return SSL_get_error(car->tls.ssl, status) == SSL_ERROR_WANT_READ ? 0 : -1;
}

/* The server's alert about the vehicle's certificate, with its remedy. NULL: another cause. */
static const char *client_untrusted(void)
{
    unsigned long code = ERR_peek_error();

    if (ERR_GET_LIB(code) != ERR_LIB_SSL)
        return NULL;
    switch (ERR_GET_REASON(code)) {
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
        return "the server does not trust the test CA of this vehicle: tls.vehicle_ca of the "
               "daemon must be vehicle-ca.pem in the folder that --pki names";
    default:
        return NULL;
    }
}

static const char *client_end_reason(struct fr_car *car, char *text, size_t size)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    long verdict = SSL_get_verify_result(car->tls.ssl);

    car->distrusts_server = verdict != X509_V_OK;
    if (car->distrusts_server)
        snprintf(text, size, "the server's certificate was not accepted: %s",
                 X509_verify_cert_error_string(verdict));
    else if (client_untrusted() != NULL)
        snprintf(text, size, "%s", client_untrusted());
    else if (car->fault != NULL)
        snprintf(text, size, "%s", car->fault);
    else if (car->head.len != 0)
        snprintf(text, size, "the server replied %.60s", fr_buffer_string(&car->head));
    else
        snprintf(text, size, "%s", reason != NULL ? reason : "the server closed the connection");
    text[strcspn(text, "\r\n")] = '\0';
    ERR_clear_error();
    return text;
}

static void client_ready(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_car *car = ctx;
    struct fr_sim_loop *sim_loop = car->sim_loop;
    char why[FR_CAR_REASON_SIZE];
    ssize_t n;
    int problem = 0;
    socklen_t len = sizeof problem;

    if (car->state == CLIENT_CONNECTING) {
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &len) != 0 || problem != 0) {
            client_connection_lost(car, strerror(problem));
            return;
        }
        car->state = CLIENT_HANDSHAKE;
        if (client_decrypt(car) != 0 || fr_car_flush(car) != 0)
            client_connection_lost(car, client_end_reason(car, why, sizeof why));
        return;
    }
    if ((what & EV_WRITE) && fr_car_flush(car) != 0) {
        client_connection_lost(car, "the connection broke");
        return;
    }
    if (!(what & EV_READ)) {
        if (fr_car_pump(car) != 0)
            client_connection_lost(car, "the connection broke");
        return;
    }
    n = recv(fd, sim_loop->in, sizeof sim_loop->in, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        client_connection_lost(car,
                               n == 0 ? client_end_reason(car, why, sizeof why) : strerror(errno));
        return;
    }
    car->tls.in = sim_loop->in;
    car->tls.in_len = (size_t)n;
    if (client_decrypt(car) != 0 || fr_car_pump(car) != 0) {
        fr_car_flush(car);
        client_connection_lost(car, client_end_reason(car, why, sizeof why));
    }
}

/* ---- connecting ------------------------------------------------------------------ */

static void client_disconnect(struct fr_car *car)
{
    if (car->event != NULL)
        event_free(car->event);
    car->event = NULL;
    if (car->tls.ssl != NULL)
        fr_tls_stream_close(&car->tls);
    if (car->fd >= 0)
        close(car->fd);
    car->fd = -1;
    fr_ws_end(&car->ws);
    memset(&car->ws, 0, sizeof car->ws);
    fr_buffer_free(&car->head);
    fr_buffer_free(&car->unsent);
    fr_buffer_clear(&car->sim_loop->out);
    car->state = CLIENT_OFFLINE;
    car->broken = false;
    car->fault = NULL;
    fr_car_buffer_rewind(&car->buffer);
}

static void client_schedule_reconnect(struct fr_car *car, int64_t ms)
{
    struct timeval pause = fr_timeval(ms);

    event_add(car->timer, &pause);
}

static void client_connection_lost(struct fr_car *car, const char *reason)
{
    client_disconnect(car);
    if (!car->settings.no_reconnect) {
        client_schedule_reconnect(car, car->retry_ms);
        car->retry_ms = car->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : car->retry_ms * 2;
    }
    if (car->settings.closed != NULL)
        car->settings.closed(car->settings.ctx, car, reason);
}

static void client_timer_due(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_car *car = ctx;
    int64_t ms = car->offline_ms;

    (void)fd, (void)what;
    if (car->broken) {
        client_connection_lost(car, "the connection broke while sending");
        return;
    }
    if (ms < 0) {
        fr_car_connect(car);
        return;
    }
    car->offline_ms = -1;
    client_disconnect(car);
    client_schedule_reconnect(car, ms);
}

/* Bind to the local address of the settings. The kernel chooses the port in connect(2), so vehicles
 * of one address may use the same port to different servers. */
static int client_bind(const struct fr_car *car)
{
    const struct fr_car_settings *s = &car->settings;
    int on = 1;

    if (s->source_len == 0)
        return 0;
    setsockopt(car->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return bind(car->fd, (const struct sockaddr *)&s->source, s->source_len);
}

void fr_car_connect(struct fr_car *car)
{
    const struct fr_car_settings *s = &car->settings;
    int on = 1;

    if (car->state != CLIENT_OFFLINE)
        return;
    car->distrusts_server = false;
    car->fd = socket(s->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (car->fd < 0 || client_bind(car) != 0 || fr_tls_stream_open(&car->tls, s->context, 1) != 0) {
        client_connection_lost(car, strerror(errno));
        return;
    }
    SSL_set_tlsext_host_name(car->tls.ssl, s->server_name);
    setsockopt(car->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    car->state = CLIENT_CONNECTING;
    if (connect(car->fd, (const struct sockaddr *)&s->address, s->address_len) != 0 &&
        errno != EINPROGRESS) {
        client_connection_lost(car, strerror(errno));
        return;
    }
    fr_car_watch(car);
}

/* The timer closes the connection, because the caller may be a callback of the connection. */
void fr_car_lose_connection(struct fr_car *car, int64_t offline_ms)
{
    car->offline_ms = offline_ms;
    event_active(car->timer, EV_TIMEOUT, 0);
}

void fr_car_leave(struct fr_car *car)
{
    static const uint8_t normal[] = {1000 >> 8, 1000 & 0xff};
    struct fr_buffer frame = {0};

    if (car->state == CLIENT_OPEN) {
        fr_ws_write_masked(&frame, FR_WS_CLOSE, normal, sizeof normal, 0x5a5a5a5a);
        if (fr_car_encrypt(car, frame.bytes, frame.len) == 0)
            fr_car_flush(car);
        fr_buffer_free(&frame);
    }
    event_del(car->timer);
    client_disconnect(car);
}

struct fr_car *fr_car_new(struct fr_sim_loop *sim_loop, const struct fr_car_settings *settings)
{
    struct fr_car *car = fr_calloc(1, sizeof *car);

    car->sim_loop = sim_loop;
    car->settings = *settings;
    snprintf(car->vin, sizeof car->vin, "%s", settings->vin);
    car->settings.vin = car->vin;
    car->fd = -1;
    car->offline_ms = -1;
    if (car->settings.retry_ms <= 0)
        car->settings.retry_ms = 500;
    car->retry_ms = car->settings.retry_ms;
    car->on_event = client_ready;
    car->timer = event_new(sim_loop->base, -1, 0, client_timer_due, car);
    SSL_CTX_up_ref(car->settings.context);
    fr_car_buffer_init(&car->buffer);
    return car;
}

void fr_car_free(struct fr_car *car)
{
    client_disconnect(car);
    event_free(car->timer);
    fr_car_buffer_clear(&car->buffer);
    SSL_CTX_free(car->settings.context);
    free(car);
}

void fr_car_send(struct fr_car *car, const char *topic, const uint8_t *payload, size_t len)
{
    fr_car_buffer_append(&car->buffer, topic, payload, len);
    if (car->state == CLIENT_OPEN && !car->broken && fr_car_pump(car) != 0) {
        /* The caller may be a callback of this connection, so the timer closes the connection. */
        car->broken = true;
        event_active(car->timer, EV_TIMEOUT, 0);
    }
}

bool fr_car_is_open(const struct fr_car *car)
{
    return car->state == CLIENT_OPEN;
}

bool fr_car_distrusts_server(const struct fr_car *car)
{
    return car->distrusts_server;
}

size_t fr_car_waiting(const struct fr_car *car)
{
    return fr_car_buffer_waiting(&car->buffer);
}

uint64_t fr_car_sent(const struct fr_car *car)
{
    return car->sent;
}

uint64_t fr_car_dropped(const struct fr_car *car)
{
    return car->buffer.dropped;
}
