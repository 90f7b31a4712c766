/*
 * Detects the message that makes a broker disconnect.
 *
 * MQTT 3.1.1 has no negative answer to a message that the broker does not accept (larger than its
 * packet limit, or a topic without write permission): the broker closes the connection. After a
 * loss of the connection with messages in flight, messages are sent one at a time. When the
 * connection is lost SUSPECT_LOSSES consecutive times with the same single message, that message
 * and all messages of its size or more are refused for SUSPECT_REFUSED_MS.
 *
 * The struct belongs to one thread; all zero is the initial state. Sizes are in bytes.
 */
#ifndef FR_MQTT_SUSPECT_H
#define FR_MQTT_SUSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUSPECT_LOSSES 3
#define SUSPECT_REFUSED_MS 600000
#define SUSPECT_SIZE_MIN 1024 /* the size of a smaller message is not the cause */

struct suspect {
    size_t one_at_a_time; /* number of messages still to be sent alone */
    uint64_t hash;        /* of the message with which the connection was lost; 0: none */
    unsigned losses;
    size_t size_refused;   /* this size and larger; 0: no size is refused */
    uint64_t hash_refused; /* this message; 0: none */
    int64_t until_ms;      /* monotonic: end of the refusal */
};

/* Hash of a message, by its topic and the size of its payload. Never 0. */
uint64_t suspect_hash(const char *topic, size_t len);

/* The connection was lost with `in_flight` messages. `only` is the hash of a single message of
 * `size` bytes; 0: there were several. True: that message is refused from now on. */
bool suspect_lost(struct suspect *suspect, size_t in_flight, uint64_t only, size_t size,
                  int64_t now_ms);

/* A message was confirmed. */
void suspect_confirmed(struct suspect *suspect, uint64_t hash);

/* Whether a message must be refused instead of sent. */
bool suspect_refuses(struct suspect *suspect, uint64_t hash, size_t size, int64_t now_ms);

#endif
