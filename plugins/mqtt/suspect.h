/*
 * suspect.h - finds the message that makes a broker hang up.
 *
 * MQTT 3.1.1 has no answer to a message that the broker does not take (larger than its packet limit,
 * a topic that the user may not write to): the broker closes the connection. After a connection was
 * lost with messages in flight, messages are sent one at a time. A message with which alone the
 * connection is lost SUSPECT_LOSSES times in a row is refused from then on, and with it every message
 * of its size or more, for SUSPECT_REFUSED_MS.
 */
#ifndef FR_MQTT_SUSPECT_H
#define FR_MQTT_SUSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUSPECT_LOSSES 3
#define SUSPECT_REFUSED_MS 600000
#define SUSPECT_SIZE_MIN 1024 /* a smaller message was not refused for its size */

struct suspect {
    size_t one_at_a_time; /* messages that are still to be sent alone */
    uint64_t hash;        /* of the message with which the connection was lost; 0: none */
    unsigned losses;
    size_t size_refused;   /* from this size on; 0: any size is tried */
    uint64_t hash_refused; /* this message; 0: none */
    int64_t until_ms;      /* monotonic */
};

/* A message, by its topic and the size of its payload. Never 0. */
uint64_t suspect_hash(const char *topic, size_t len);

/* The connection was lost with `in_flight` messages; `only`, of `size` bytes, is the hash of a single
 * one, 0 where there were several. True: that message is refused from now on. */
bool suspect_lost(struct suspect *suspect, size_t in_flight, uint64_t only, size_t size,
                  int64_t now_ms);

/* A message was confirmed. */
void suspect_confirmed(struct suspect *suspect, uint64_t hash);

/* Whether a message must not be sent. */
bool suspect_refuses(struct suspect *suspect, uint64_t hash, size_t size, int64_t now_ms);

#endif
