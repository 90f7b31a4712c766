/*
 * tesla_topics.h - the topics of Tesla's own server:
 *   BASE/VIN/v/FIELD                 a value as bare JSON, null where it is invalid
 *   BASE/VIN/alerts/NAME/current     {"Audiences":[…],"StartedAt":…,"EndedAt":…}, the newest
 *   BASE/VIN/alerts/NAME/history     all that the record tells of, in an array
 *   BASE/VIN/errors/NAME             {"Body":…,"CreatedAt":…,"Tags":{…}}
 *   BASE/VIN/connectivity            {"ConnectionId":…,"Status":…,"CreatedAt":…}
 * and beside them BASE/VIN/TYPE for any other record, as fleetroute's JSON. VIN and TYPE are escaped
 * by safe_name.h; a NAME is cut to 100 bytes, and what a topic cannot hold in it becomes `_`. The
 * names of a vehicle are limited (name_limit.h); the rest share NAME_LIMIT_REST.
 */
#ifndef FR_TESLA_TOPICS_H
#define FR_TESLA_TOPICS_H

#include <stdbool.h>

#include "mqtt/broker.h"
#include "text_buffer.h"

struct topics {
    struct fr_sink *sink;
    const struct fr_host *host;
    struct broker *broker;
    struct job_queue *jobs;
    struct name_limit *names; /* of alerts and errors */
    const char *base;
    bool retain;
};

/* Append BASE/VIN/KIND. */
void tesla_topic(struct fr_text_buffer *topic, const struct topics *topics,
                 const struct fr_delivery *delivery, const char *kind);

/* Append the name of an alert or error, as topics can hold it. */
void tesla_topic_name(struct fr_text_buffer *topic, const char *name);

/* `name`, or NAME_LIMIT_REST where its vehicle has too many names of this kind; that is logged. */
const char *tesla_topics_limited(const struct topics *topics, const struct fr_delivery *delivery,
                                 const char *kind, const char *name);

/* Publish a job's value. */
void tesla_topics_value(const struct topics *topics, struct job *job);

#endif
