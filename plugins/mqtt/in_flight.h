/*
 * Messages that were passed to libmosquitto and are not confirmed by the broker, by MQTT message
 * id.
 *
 * libmosquitto assigns the ids 1 to 65,535 in turn without checking whether an id is in use. Its
 * cost for each message grows with the number in flight. Therefore this table limits the number and
 * reports no capacity while the next id is in use.
 *
 * The table owns no jobs. It is used on the sink's thread.
 */
#ifndef FR_MQTT_IN_FLIGHT_H
#define FR_MQTT_IN_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IN_FLIGHT_MAX 500
#define IN_FLIGHT_BYTES_MAX (4u << 20) /* one more message may exceed it */

struct job;

struct in_flight_message {
    bool used;
    uint32_t size;   /* bytes of topic and payload */
    uint64_t hash;   /* suspect_hash(); 0: not computed */
    struct job *job; /* NULL: none */
};

struct in_flight {
    struct in_flight_message message[65536]; /* by id; 0 is never used */
    size_t count, bytes;
    uint16_t last_id;
};

/* Whether another message may be added, and its id is free. */
bool in_flight_has_capacity(const struct in_flight *in_flight);

/* The id that libmosquitto assigns next. */
uint16_t in_flight_next_id(const struct in_flight *in_flight);

/* Add a message under the next id, which must be free. */
void in_flight_add(struct in_flight *in_flight, const struct in_flight_message *message);

/* libmosquitto has assigned this id; 0: a new client, which starts at 1. */
void in_flight_used_id(struct in_flight *in_flight, int id);

/* Remove a message and copy it to *message. False: there is none with this id. */
bool in_flight_take(struct in_flight *in_flight, int id, struct in_flight_message *message);

/* Remove the oldest message and copy it to *message. False: there is none. */
bool in_flight_take_any(struct in_flight *in_flight, struct in_flight_message *message);

/* The only message; NULL: there are none, or several. */
const struct in_flight_message *in_flight_only(const struct in_flight *in_flight);

#endif
