/*
 * The topics of Tesla's own server (fleet-telemetry, datastore/mqtt), which the other layouts use
 * too:
 *   BASE/VIN/v/FIELD                 a value as bare JSON
 *   BASE/VIN/alerts/NAME/current     the newest alert of this name
 *   BASE/VIN/alerts/NAME/history     all alerts of this name in the record, in an array
 *   BASE/VIN/errors/NAME             an error
 *   BASE/VIN/connectivity            the connectivity
 * The layout tesla publishes the payloads of Tesla's server, which host->tesla_message() makes. The
 * layout values publishes canonical values with the user properties unit, age_ms and flags, and
 * records in the form of record_messages.h. Any other record is published as BASE/VIN/TYPE, in fleetroute's JSON. VIN and TYPE are escaped by
 * safe_name.h. A NAME is cut to 100 bytes, and each character that is not allowed in a topic
 * becomes `_`. The number of names is limited (name_limit.h); further names share the topic
 * NAME_LIMIT_REST.
 *
 * All functions run on the sink's thread.
 */
#ifndef FR_TESLA_TOPICS_H
#define FR_TESLA_TOPICS_H

#include <stdbool.h>

#include "mqtt/broker_publish.h"
#include "text_buffer.h"

/* In the order of the choices of the option `layout`. */
enum layout { LAYOUT_TESLA, LAYOUT_HOME_ASSISTANT, LAYOUT_VALUES, LAYOUT_TESLAMATE };

/* Everything needed for publishing. It owns nothing. */
struct topics {
    enum layout layout;
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

/* Append /NAME with the name of an alert or error of `len` bytes, in the form that is allowed in
 * topics; NAME_LIMIT_REST (which is logged) if the limit of names is reached. */
void tesla_topic_name(struct fr_text_buffer *topic, const struct topics *topics,
                      const struct fr_delivery *delivery, const char *kind, const char *name,
                      size_t len);

/* Publish a message of a job; in the layout values with user properties. */
void tesla_topics_publish(const struct topics *topics, struct job *job, const char *topic,
                          const char *payload, size_t len);

/* Publish the canonical value of a job's delivery, which is a field. */
void tesla_topics_value(const struct topics *topics, struct job *job);

/* Layout tesla: publish the next message of Tesla's server. Returns FR_TESLA_MESSAGE if more may
 * follow, FR_TESLA_END if the job is complete, and FR_TESLA_UNKNOWN if Tesla's server does not
 * publish such a record. */
enum fr_tesla_result tesla_topics_step(const struct topics *topics, struct job *job);

#endif
