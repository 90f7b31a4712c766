/*
 * in_flight.h - messages that were given to libmosquitto and that the broker has not confirmed, by
 * their MQTT message id.
 *
 * libmosquitto gives ids from 1 to 65,535 in turn and does not look whether one is still in use, and
 * its own work for a message grows with the number in flight. So the number is bounded here, and an
 * id that is in use is waited for.
 */
#ifndef FR_MQTT_IN_FLIGHT_H
#define FR_MQTT_IN_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IN_FLIGHT_MAX 500
#define IN_FLIGHT_BYTES_MAX (4u << 20) /* one message more may go beyond it */

struct job;

struct in_flight_message {
    bool used;
    uint32_t size;   /* bytes of topic and payload */
    uint64_t hash;   /* of both; 0: not computed */
    struct job *job; /* NULL: of no delivery */
};

struct in_flight {
    struct in_flight_message message[65536]; /* by id; 0 is never used */
    size_t count, bytes;
    uint16_t last_id;
};

/* Whether there is capacity for one message more, and its id is free. */
bool in_flight_has_capacity(const struct in_flight *in_flight);

/* The id that libmosquitto gives next. */
uint16_t in_flight_next_id(const struct in_flight *in_flight);

/* Note a message under the next id. The id must be free. */
void in_flight_add(struct in_flight *in_flight, const struct in_flight_message *message);

/* libmosquitto has used this id. */
void in_flight_used_id(struct in_flight *in_flight, int id);

/* Take a message out. False: there is none with this id. */
bool in_flight_take(struct in_flight *in_flight, int id, struct in_flight_message *message);

/* Take any message out, in the order of ids. False: there is none. */
bool in_flight_take_any(struct in_flight *in_flight, struct in_flight_message *message);

/* The only message; NULL: there are none, or several. */
const struct in_flight_message *in_flight_only(const struct in_flight *in_flight);

#endif
