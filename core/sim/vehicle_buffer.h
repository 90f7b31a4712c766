/*
 * The buffer of messages of a simulated vehicle. It keeps messages while the vehicle is offline and
 * until they are acknowledged; after a reconnect, unacknowledged messages are sent again.
 */
#ifndef FR_VEHICLE_BUFFER_H
#define FR_VEHICLE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Max messages that a vehicle keeps. */
#define FR_CAR_BUFFER 5000

/* Positions in the ring: a power of two that is greater than FR_CAR_BUFFER. */
#define FR_CAR_RING 8192

struct fr_car_message {
    char topic[16];
    uint8_t *payload;
    size_t len;
    int64_t sent_us; /* monotonic time of the last sending */
    bool done;       /* a reply was received */
    bool was_sent;
};

/* A message has a number, from 0. `first` is the oldest message that is kept, `next_send` the next
 * one to send, `next` the next one to append. */
struct fr_car_buffer {
    char prefix[24]; /* of the txids, unique for each vehicle of a process */
    struct fr_car_message ring[FR_CAR_RING];
    uint64_t first, next_send, next;
    size_t in_flight; /* messages sent and not answered */
    uint64_t dropped; /* messages dropped because the buffer was full */
};

/* Prepare a buffer of zeros. */
void fr_car_buffer_init(struct fr_car_buffer *buffer);

/* Free the messages. */
void fr_car_buffer_clear(struct fr_car_buffer *buffer);

/* Append a copy of a message. The oldest message is dropped if FR_CAR_BUFFER are kept. */
void fr_car_buffer_append(struct fr_car_buffer *buffer, const char *topic, const uint8_t *payload,
                          size_t len);

/* The next message to send and its txid; NULL: none. The message is counted as in flight. */
struct fr_car_message *fr_car_buffer_next(struct fr_car_buffer *buffer, char *txid, size_t size);

/* The message in flight with this txid, which is done now; NULL: none. It is valid until
 * fr_car_buffer_drop_done(). */
const struct fr_car_message *fr_car_buffer_complete(struct fr_car_buffer *buffer, const char *txid);

/* Free the oldest messages that are done. */
void fr_car_buffer_drop_done(struct fr_car_buffer *buffer);

/* After the end of a connection: send all messages again that are not done. */
void fr_car_buffer_rewind(struct fr_car_buffer *buffer);

/* The number of messages that are not done. */
size_t fr_car_buffer_waiting(const struct fr_car_buffer *buffer);

#endif
