/*
 * tesla_topics.h - the topics of Tesla's own server:
 *   BASE/VIN/v/FIELD                 a value as bare JSON, null where it is invalid
 *   BASE/VIN/alerts/NAME/current     {"Audiences":[…],"StartedAt":…,"EndedAt":…}, the newest
 *   BASE/VIN/alerts/NAME/history     all that the record tells of, in an array
 *   BASE/VIN/errors/NAME             {"Body":…,"CreatedAt":…,"Tags":{…}}
 *   BASE/VIN/connectivity            {"ConnectionId":…,"Status":…,"CreatedAt":…}
 * and ours beside them: BASE/VIN/TYPE for any other record, as fleetroute's JSON.
 */
#ifndef FR_TESLA_TOPICS_H
#define FR_TESLA_TOPICS_H

#include <stdbool.h>

#include "mqtt/broker.h"

#define TOPIC_SIZE 320

struct topics {
    struct fr_sink *sink;
    const struct fr_host *host;
    struct broker *broker;
    const char *base;
    bool retain;
};

/* Publish a value, for a delivery that is open. */
void tesla_topics_value(const struct topics *topics, struct fr_delivery *delivery);

/* Publish a record, for a delivery that is open. */
void tesla_topics_record(const struct topics *topics, struct fr_delivery *delivery);

#endif
