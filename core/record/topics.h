/*
 * topics.h - topics that are no record type of ours and not named in the routing.
 *
 * Sinks make a file, a Kafka topic or an MQTT subtree of a topic's name, so a vehicle must not be
 * able to invent names without bound. By default such a record gets the topic FR_TOPIC_UNKNOWN.
 * With `limits.unknown_topics: pass` it keeps its own, up to 64 topics in all, 8 of one vehicle.
 */
#ifndef FR_TOPICS_H
#define FR_TOPICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FR_TOPIC_UNKNOWN "unknown"
#define FR_TOPICS_MAX 64
#define FR_TOPICS_OF_VEHICLE_MAX 8

enum fr_unknown_topics {
    FR_UNKNOWN_TOPICS_BUCKET,
    FR_UNKNOWN_TOPICS_PASS,
};

/* Which topics a vehicle has used, a bit each; all zero at first. */
typedef _Atomic uint64_t fr_topics_used;

/* What to do with unknown topics from now on. Any thread. */
void fr_topics_set_policy(enum fr_unknown_topics policy);

/* Whether a record of an unknown topic keeps its topic. `used` is the vehicle's, or NULL for a
 * source. Any thread. Counts and logs those that do not; `vin` is for the log. */
bool fr_topics_keep(const char *topic, size_t len, fr_topics_used *used, const char *vin);

/* Whether a topic is made of letters, digits, '_', '-' and '.', of which '.' is not the first. */
bool fr_topic_valid(const char *topic, size_t len);

#endif
