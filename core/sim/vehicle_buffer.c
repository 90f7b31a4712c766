#include "sim/vehicle_buffer.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/memory.h"

static struct fr_car_message *buffer_message(struct fr_car_buffer *b, uint64_t number)
{
    return &b->ring[number & (FR_CAR_RING - 1)];
}

void fr_car_buffer_init(struct fr_car_buffer *b)
{
    unsigned char bytes[(sizeof b->prefix - 1) / 2];

    RAND_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        b->prefix[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        b->prefix[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
}

static void buffer_drop_first(struct fr_car_buffer *b)
{
    struct fr_car_message *m = buffer_message(b, b->first);

    free(m->payload);
    memset(m, 0, sizeof *m);
    b->first++;
    if (b->next_send < b->first)
        b->next_send = b->first;
}

void fr_car_buffer_clear(struct fr_car_buffer *b)
{
    while (b->first < b->next)
        buffer_drop_first(b);
}

void fr_car_buffer_append(struct fr_car_buffer *b, const char *topic, const uint8_t *payload,
                          size_t len)
{
    struct fr_car_message *m;

    if (b->next - b->first >= FR_CAR_BUFFER) {
        const struct fr_car_message *oldest = buffer_message(b, b->first);

        if (b->first < b->next_send && !oldest->done)
            b->in_flight--;
        if (!oldest->done)
            b->dropped++;
        buffer_drop_first(b);
    }
    m = buffer_message(b, b->next++);
    snprintf(m->topic, sizeof m->topic, "%s", topic);
    m->payload = (uint8_t *)fr_strndup((const char *)payload, len);
    m->len = len;
}

struct fr_car_message *fr_car_buffer_next(struct fr_car_buffer *b, char *txid, size_t size)
{
    while (b->next_send < b->next) {
        uint64_t number = b->next_send++;
        struct fr_car_message *m = buffer_message(b, number);

        if (m->done)
            continue;
        snprintf(txid, size, "%s-%09llu", b->prefix, (unsigned long long)number);
        b->in_flight++;
        return m;
    }
    return NULL;
}

const struct fr_car_message *fr_car_buffer_complete(struct fr_car_buffer *b, const char *txid)
{
    const char *dash = strrchr(txid, '-');
    struct fr_car_message *m;
    uint64_t number;

    if (dash == NULL || strncmp(txid, b->prefix, strlen(b->prefix)) != 0)
        return NULL;
    number = strtoull(dash + 1, NULL, 10);
    if (number < b->first || number >= b->next)
        return NULL;
    m = buffer_message(b, number);
    if (m->done)
        return NULL;
    m->done = true;
    b->in_flight--;
    return m;
}

void fr_car_buffer_drop_done(struct fr_car_buffer *b)
{
    while (b->first < b->next_send && buffer_message(b, b->first)->done)
        buffer_drop_first(b);
}

void fr_car_buffer_rewind(struct fr_car_buffer *b)
{
    b->next_send = b->first;
    b->in_flight = 0;
}

size_t fr_car_buffer_waiting(const struct fr_car_buffer *b)
{
    size_t waiting = 0;

    for (uint64_t n = b->first; n < b->next; n++)
        waiting += !b->ring[n & (FR_CAR_RING - 1)].done;
    return waiting;
}
