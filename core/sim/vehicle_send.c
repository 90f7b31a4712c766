#include "sim/vehicle_send.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "sim/sim_message.h"
#include "sim/vehicle_client_state.h"
#include "util/clock.h"

#define UNSENT_MAX (1 << 20) /* bytes of unsent ciphertext from which no message is encrypted */

int64_t fr_car_now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void fr_car_watch(struct fr_car *car)
{
    bool write = car->unsent.len != 0 || car->state == CLIENT_CONNECTING;

    if (car->event != NULL && write == car->writing)
        return;
    if (car->event != NULL)
        event_free(car->event);
    car->writing = write;
    car->event =
        event_new(car->sim_loop->base, car->fd,
                  (short)(EV_READ | EV_PERSIST | (write ? EV_WRITE : 0)), car->on_event, car);
    event_add(car->event, NULL);
}

int fr_car_flush(struct fr_car *car)
{
    struct fr_buffer *out = &car->sim_loop->out;

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
    fr_car_watch(car);
    return 0;
}

int fr_car_encrypt(struct fr_car *car, const void *bytes, size_t len)
{
    size_t n;

    car->tls.out = &car->sim_loop->out;
    return SSL_write_ex(car->tls.ssl, bytes, len, &n) == 1 ? 0 : -1;
}

/* Encrypt a message. A message that was sent before has is_resend, field 4 of the payload; the
 * order of the fields of a protobuf message is free, so it is appended. */
static int send_encrypt_message(struct fr_car *car, struct fr_car_message *m, const char *txid)
{
    static const uint8_t is_resend[] = {4 << 3, 1};
    struct fr_buffer *envelope = &car->sim_loop->envelope, *frame = &car->sim_loop->frame;
    struct fr_buffer resend = {0};
    const uint8_t *payload = m->payload;
    size_t len = m->len;
    uint32_t mask;

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
    m->sent_us = fr_car_now_us();
    return fr_car_encrypt(car, frame->bytes, frame->len);
}

int fr_car_pump(struct fr_car *car)
{
    char txid[48];

    while (car->state == CLIENT_OPEN && car->buffer.in_flight < car->settings.window &&
           car->unsent.len < UNSENT_MAX) {
        struct fr_car_message *m = fr_car_buffer_next(&car->buffer, txid, sizeof txid);

        if (m == NULL)
            break;
        if (send_encrypt_message(car, m, txid) != 0)
            return -1;
        car->sent++;
        if (car->sim_loop->out.len > FR_SIM_IN_SIZE && fr_car_flush(car) != 0)
            return -1;
    }
    return fr_car_flush(car);
}
