/* Limits on topics that are neither a record type nor named in the routing. Sinks make a file, a
 * Kafka topic or an MQTT subtree from the name of a topic, so a vehicle must not be able to send an
 * unbounded number of names. By default a record of such a topic gets the topic FR_TOPIC_UNKNOWN.
 * With `limits.unknown_topics: pass` the record keeps its topic, up to FR_TOPICS_MAX topics in all
 * and FR_TOPICS_OF_VEHICLE_MAX topics of one vehicle. */
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
    FR_UNKNOWN_TOPICS_BUCKET, /* replace the topic by FR_TOPIC_UNKNOWN */
    FR_UNKNOWN_TOPICS_PASS,   /* keep the topic within the limits */
};

/* The topics that a vehicle has used, one bit for each index of the table; initially 0. */
typedef _Atomic uint64_t fr_topics_used;

/* Set the policy for unknown topics from now on. Any thread. */
void fr_topics_set_policy(enum fr_unknown_topics policy);

/* Returns whether a record of an unknown topic keeps its topic. A record that does not is counted
 * and logged; `vin` is for the log. `used` belongs to the vehicle; NULL: the record is from a
 * source. Any thread. */
bool fr_topics_keep(const char *topic, size_t len, fr_topics_used *used, const char *vin);

/* Returns whether a topic consists of 1 to FR_TOPIC_MAX letters, digits, '_', '-' and '.' and does
 * not begin with '.'. */
bool fr_topic_valid(const char *topic, size_t len);

#endif
