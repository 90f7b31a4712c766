#include "sim/vehicle_client.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ingest/envelope.h"
#include "ingest/tls_stream.h"
#include "ingest/websocket.h"
#include "sim/sim_message.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/memory.h"

#define IN_SIZE (64 * 1024)
#define PLAIN_SIZE (17 * 1024)
#define RING 8192 /* a power of two over FR_CAR_BUFFER */
#define PAUSE_MOST_MS 30000
#define OUT_MOST (1 << 20) /* ciphertext the socket may owe before the car stops encrypting */

struct fr_garage {
    struct event_base *base;
    struct fr_ws_pool *pool;
    uint8_t in[IN_SIZE];
    uint8_t plain[PLAIN_SIZE];
    struct fr_buffer out, envelope, frame;
};

struct message {
    char topic[16];
    uint8_t *payload;
    size_t len;
    int64_t sent_us;
    bool done;
    bool was_sent;
};

enum state { AWAY, CONNECTING, HANDSHAKE, UPGRADE, OPEN };

struct fr_car {
    struct fr_garage *garage;
    struct fr_car_settings settings;
    char vin[65];
    enum state state;
    int fd;
    struct event *event, *timer;
    bool writing;
    struct fr_tls_stream tls;
    struct fr_ws ws;
    struct fr_buffer head, unsent;
    int64_t pause_ms;
    int64_t drop_for_ms; /* -1, or the connection is to be dropped for so long */
    bool broken;         /* it broke in the middle of something; the timer sees to it */
    char prefix[24];     /* of this car's txids */
    struct message ring[RING];
    uint64_t first, next_send, next; /* counters: oldest kept, next to go out, next to be made */
    size_t in_flight;
    uint64_t sent, dropped;
};

static void ready(evutil_socket_t fd, short what, void *ctx);
static void lost(struct fr_car *car, const char *why);
static int pump(struct fr_car *car);

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- the garage ------------------------------------------------------------------ */

struct fr_garage *fr_garage_new(void)
{
    struct fr_garage *garage = fr_calloc(1, sizeof *garage);

    garage->base = event_base_new();
    garage->pool = fr_ws_pool_new();
    return garage;
}

void fr_garage_free(struct fr_garage *garage)
{
    fr_ws_pool_free(garage->pool);
    event_base_free(garage->base);
    fr_buffer_free(&garage->out);
    fr_buffer_free(&garage->envelope);
    fr_buffer_free(&garage->frame);
    free(garage);
}

struct event_base *fr_garage_base(struct fr_garage *garage)
{
    return garage->base;
}

/* ---- sending --------------------------------------------------------------------- */

static void watch(struct fr_car *car)
{
    bool write = car->unsent.len != 0 || car->state == CONNECTING;

    if (car->event != NULL && write == car->writing)
        return;
    if (car->event != NULL)
        event_free(car->event);
    car->writing = write;
    car->event = event_new(car->garage->base, car->fd,
                           (short)(EV_READ | EV_PERSIST | (write ? EV_WRITE : 0)), ready, car);
    event_add(car->event, NULL);
}

static int flush(struct fr_car *car)
{
    struct fr_buffer *out = &car->garage->out;

    fr_buffer_append(&car->unsent, out->bytes, out->len);
    fr_buffer_clear(out);
    while (car->unsent.len != 0) {
        ssize_t n = send(car->fd, car->unsent.bytes, car->unsent.len, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            return -1;
        fr_buffer_drop(&car->unsent, (size_t)n);
    }
    if (car->unsent.len == 0)
        fr_buffer_free(&car->unsent);
    watch(car);
    return 0;
}

static int encrypt(struct fr_car *car, const void *bytes, size_t len)
{
    size_t n;

    car->tls.out = &car->garage->out;
    return SSL_write_ex(car->tls.ssl, bytes, len, &n) == 1 ? 0 : -1;
}

/* A resent payload says so: is_resend is field 4 and may simply stand at the end. */
static int encrypt_message(struct fr_car *car, uint64_t number)
{
    static const uint8_t is_resend[] = {4 << 3, 1};
    struct message *m = &car->ring[number & (RING - 1)];
    struct fr_buffer *envelope = &car->garage->envelope, *frame = &car->garage->frame;
    struct fr_buffer resend = {0};
    const uint8_t *payload = m->payload;
    size_t len = m->len;
    char txid[48];
    uint32_t mask;

    snprintf(txid, sizeof txid, "%s-%09llu", car->prefix, (unsigned long long)number);
    if (m->was_sent && strcmp(m->topic, "V") == 0) {
        fr_buffer_append(&resend, payload, len);
        fr_buffer_append(&resend, is_resend, sizeof is_resend);
        payload = resend.bytes;
        len = resend.len;
    }
    fr_buffer_clear(envelope);
    fr_buffer_clear(frame);
    fr_sim_envelope(envelope, m->topic, txid, car->settings.vin, payload, len,
                    (uint32_t)(fr_wall_ms() / 1000));
    mask = (uint32_t)random() ^ (uint32_t)random() << 16;
    fr_ws_write_masked(frame, FR_WS_BINARY, envelope->bytes, envelope->len, mask);
    fr_buffer_free(&resend);
    m->was_sent = true;
    m->sent_us = now_us();
    return encrypt(car, frame->bytes, frame->len);
}

static int pump(struct fr_car *car)
{
    while (car->state == OPEN && car->next_send < car->next &&
           car->in_flight < car->settings.window && car->unsent.len < OUT_MOST) {
        struct message *m = &car->ring[car->next_send & (RING - 1)];

        if (!m->done) {
            if (encrypt_message(car, car->next_send) != 0)
                return -1;
            car->in_flight++;
            car->sent++;
        }
        car->next_send++;
        if (car->garage->out.len > IN_SIZE && flush(car) != 0)
            return -1;
    }
    return flush(car);
}

static void forget_first(struct fr_car *car)
{
    struct message *m = &car->ring[car->first & (RING - 1)];

    free(m->payload);
    memset(m, 0, sizeof *m);
    car->first++;
    if (car->next_send < car->first)
        car->next_send = car->first;
}

void fr_car_send(struct fr_car *car, const char *topic, const uint8_t *payload, size_t len)
{
    struct message *m;

    if (car->next - car->first >= FR_CAR_BUFFER) {
        struct message *oldest = &car->ring[car->first & (RING - 1)];

        if (car->first < car->next_send && !oldest->done)
            car->in_flight--;
        if (!oldest->done)
            car->dropped++;
        forget_first(car);
    }
    m = &car->ring[car->next++ & (RING - 1)];
    snprintf(m->topic, sizeof m->topic, "%s", topic);
    m->payload = (uint8_t *)fr_strndup((const char *)payload, len);
    m->len = len;
    if (car->state == OPEN && !car->broken && pump(car) != 0) {
        /* Not at once: the caller may be a callback from deep within the connection. */
        car->broken = true;
        event_active(car->timer, EV_TIMEOUT, 0);
    }
}

/* ---- receiving ------------------------------------------------------------------- */

static void settle(struct fr_car *car, const struct fr_envelope *e)
{
    char txid[64], *dash;
    uint64_t number;
    struct message *m;

    if (e->txid.len >= sizeof txid)
        return;
    memcpy(txid, e->txid.bytes, e->txid.len);
    txid[e->txid.len] = '\0';
    dash = strrchr(txid, '-');
    if (dash == NULL || strncmp(txid, car->prefix, strlen(car->prefix)) != 0)
        number = UINT64_MAX;
    else
        number = strtoull(dash + 1, NULL, 10);
    if (e->kind != FR_ENVELOPE_ACK && car->settings.refused != NULL)
        car->settings.refused(car->settings.ctx, car, txid);
    if (number < car->first || number >= car->next)
        return;
    m = &car->ring[number & (RING - 1)];
    if (m->done)
        return;
    m->done = true;
    car->in_flight--;
    if (e->kind == FR_ENVELOPE_ACK && car->settings.acknowledged != NULL)
        car->settings.acknowledged(car->settings.ctx, car, txid, now_us() - m->sent_us);
    while (car->first < car->next_send && car->ring[car->first & (RING - 1)].done)
        forget_first(car);
}

static int got_frame(void *ctx, enum fr_ws_opcode opcode, const uint8_t *bytes, size_t len)
{
    struct fr_car *car = ctx;
    struct fr_envelope e;

    if (opcode == FR_WS_BINARY) {
        if (fr_envelope_read(bytes, len, &e) == 0)
            settle(car, &e);
        return 0;
    }
    return opcode == FR_WS_CLOSE ? -1 : 0;
}

static int request(struct fr_car *car)
{
    struct fr_buffer text = {0};
    int status;

    fr_buffer_printf(&text,
                     "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
                     "User-Agent: Hermes/1.16.9 (vehicle_device)\r\nVersion: 1.2.0\r\n"
                     "X-Network-Interface: %s\r\n\r\n",
                     car->settings.server_name, car->settings.network_interface);
    status = encrypt(car, text.bytes, text.len);
    fr_buffer_free(&text);
    return status;
}

/* The answer to the request: 1 when the WebSocket is open, 0 for more, -1 for no. */
static int read_answer(struct fr_car *car, const uint8_t *bytes, size_t len, size_t *used)
{
    const char *text, *end;
    size_t before = car->head.len;

    fr_buffer_append(&car->head, bytes, len);
    text = fr_buffer_string(&car->head);
    end = strstr(text, "\r\n\r\n");
    if (end == NULL)
        return 0;
    if (strncmp(text, "HTTP/1.1 101 ", 13) != 0)
        return -1;
    /* A car hangs up on a server that takes its offer of compression. */
    if (strcasestr(text, "Sec-WebSocket-Extensions:") != NULL)
        return -1;
    *used = (size_t)(end - text) + 4 - before;
    return 1;
}

static int opened(struct fr_car *car)
{
    car->state = OPEN;
    car->pause_ms = car->settings.retry_ms;
    car->next_send = car->first; /* what was sent and not acknowledged goes out again */
    car->in_flight = 0;
    fr_buffer_free(&car->head);
    if (car->settings.opened != NULL)
        car->settings.opened(car->settings.ctx, car);
    return 0;
}

static int consume(struct fr_car *car, const uint8_t *bytes, size_t len)
{
    if (car->state == UPGRADE) {
        size_t used = len;
        int status = read_answer(car, bytes, len, &used);

        if (status < 0)
            return -1;
        if (status == 0)
            return 0;
        opened(car);
        bytes += used;
        len -= used;
    }
    if (len == 0)
        return 0;
    return fr_ws_feed(&car->ws, car->garage->pool, bytes, len, false, 1 << 20, got_frame, car) == 0
               ? 0
               : -1;
}

static int decrypt(struct fr_car *car)
{
    size_t n;
    int status;

    car->tls.out = &car->garage->out;
    if (car->state == HANDSHAKE) {
        status = SSL_connect(car->tls.ssl);
        if (status != 1)
            return SSL_get_error(car->tls.ssl, status) == SSL_ERROR_WANT_READ ? 0 : -1;
        car->state = UPGRADE;
        if (request(car) != 0)
            return -1;
    }
    while ((status = SSL_read_ex(car->tls.ssl, car->garage->plain, PLAIN_SIZE, &n)) == 1)
        if (consume(car, car->garage->plain, n) != 0)
            return -1;
    return SSL_get_error(car->tls.ssl, status) == SSL_ERROR_WANT_READ ? 0 : -1;
}

static const char *why_ended(struct fr_car *car, char *text, size_t size)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    if (car->head.len != 0)
        snprintf(text, size, "the server answered %.60s", fr_buffer_string(&car->head));
    else
        snprintf(text, size, "%s", reason != NULL ? reason : "the server closed the connection");
    text[strcspn(text, "\r\n")] = '\0';
    ERR_clear_error();
    return text;
}

static void ready(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_car *car = ctx;
    struct fr_garage *garage = car->garage;
    char why[128];
    ssize_t n;
    int problem = 0;
    socklen_t len = sizeof problem;

    if (car->state == CONNECTING) {
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &len) != 0 || problem != 0) {
            lost(car, strerror(problem));
            return;
        }
        car->state = HANDSHAKE;
        if (decrypt(car) != 0 || flush(car) != 0)
            lost(car, why_ended(car, why, sizeof why));
        return;
    }
    if ((what & EV_WRITE) && flush(car) != 0) {
        lost(car, "the connection broke");
        return;
    }
    if (!(what & EV_READ)) {
        if (pump(car) != 0)
            lost(car, "the connection broke");
        return;
    }
    n = recv(fd, garage->in, sizeof garage->in, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        lost(car, n == 0 ? why_ended(car, why, sizeof why) : strerror(errno));
        return;
    }
    car->tls.in = garage->in;
    car->tls.in_len = (size_t)n;
    if (decrypt(car) != 0 || pump(car) != 0) {
        flush(car);
        lost(car, why_ended(car, why, sizeof why));
    }
}

/* ---- connecting ------------------------------------------------------------------ */

static void hang_up(struct fr_car *car)
{
    if (car->event != NULL)
        event_free(car->event);
    car->event = NULL;
    if (car->tls.ssl != NULL)
        fr_tls_stream_close(&car->tls);
    if (car->fd >= 0)
        close(car->fd);
    car->fd = -1;
    fr_ws_end(&car->ws, car->garage->pool);
    memset(&car->ws, 0, sizeof car->ws);
    fr_buffer_free(&car->head);
    fr_buffer_free(&car->unsent);
    fr_buffer_clear(&car->garage->out);
    car->state = AWAY;
    car->broken = false;
    car->in_flight = 0;
    car->next_send = car->first;
}

static void come_back(struct fr_car *car, int64_t ms)
{
    struct timeval pause = fr_timeval(ms);

    event_add(car->timer, &pause);
}

static void lost(struct fr_car *car, const char *why)
{
    hang_up(car);
    if (!car->settings.stay_away) {
        come_back(car, car->pause_ms);
        car->pause_ms = car->pause_ms * 2 > PAUSE_MOST_MS ? PAUSE_MOST_MS : car->pause_ms * 2;
    }
    if (car->settings.closed != NULL)
        car->settings.closed(car->settings.ctx, car, why);
}

static void timer_due(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_car *car = ctx;
    int64_t ms = car->drop_for_ms;

    (void)fd, (void)what;
    if (car->broken) {
        lost(car, "the connection broke while sending");
        return;
    }
    if (ms < 0) {
        fr_car_connect(car);
        return;
    }
    car->drop_for_ms = -1;
    hang_up(car);
    come_back(car, ms);
}

void fr_car_connect(struct fr_car *car)
{
    const struct fr_car_settings *s = &car->settings;
    int on = 1;

    if (car->state != AWAY)
        return;
    car->fd = socket(s->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (car->fd < 0 || fr_tls_stream_open(&car->tls, s->context, 1) != 0) {
        lost(car, strerror(errno));
        return;
    }
    SSL_set_tlsext_host_name(car->tls.ssl, s->server_name);
    setsockopt(car->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    car->state = CONNECTING;
    if (connect(car->fd, (const struct sockaddr *)&s->address, s->address_len) != 0 &&
        errno != EINPROGRESS) {
        lost(car, strerror(errno));
        return;
    }
    watch(car);
}

/* Not at once: the caller may be a callback from deep within the connection. */
void fr_car_lose_connection(struct fr_car *car, int64_t back_ms)
{
    car->drop_for_ms = back_ms;
    event_active(car->timer, EV_TIMEOUT, 0);
}

void fr_car_leave(struct fr_car *car)
{
    static const uint8_t normal[] = {1000 >> 8, 1000 & 0xff};
    struct fr_buffer frame = {0};

    if (car->state == OPEN) {
        fr_ws_write_masked(&frame, FR_WS_CLOSE, normal, sizeof normal, 0x5a5a5a5a);
        if (encrypt(car, frame.bytes, frame.len) == 0)
            flush(car);
        fr_buffer_free(&frame);
    }
    event_del(car->timer);
    hang_up(car);
}

struct fr_car *fr_car_new(struct fr_garage *garage, const struct fr_car_settings *settings)
{
    struct fr_car *car = fr_calloc(1, sizeof *car);
    unsigned char bytes[11];

    car->garage = garage;
    car->settings = *settings;
    snprintf(car->vin, sizeof car->vin, "%s", settings->vin);
    car->settings.vin = car->vin;
    car->fd = -1;
    car->drop_for_ms = -1;
    if (car->settings.retry_ms <= 0)
        car->settings.retry_ms = 500;
    car->pause_ms = car->settings.retry_ms;
    car->timer = event_new(garage->base, -1, 0, timer_due, car);
    SSL_CTX_up_ref(car->settings.context);
    RAND_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        car->prefix[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        car->prefix[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    return car;
}

void fr_car_free(struct fr_car *car)
{
    hang_up(car);
    event_free(car->timer);
    while (car->first < car->next)
        forget_first(car);
    SSL_CTX_free(car->settings.context);
    free(car);
}

bool fr_car_is_open(const struct fr_car *car)
{
    return car->state == OPEN;
}

size_t fr_car_waiting(const struct fr_car *car)
{
    size_t waiting = 0;

    for (uint64_t n = car->first; n < car->next; n++)
        waiting += !car->ring[n & (RING - 1)].done;
    return waiting;
}

uint64_t fr_car_sent(const struct fr_car *car)
{
    return car->sent;
}

uint64_t fr_car_dropped(const struct fr_car *car)
{
    return car->dropped;
}
