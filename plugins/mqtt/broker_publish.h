/*
 * Messages to the broker: publishing, confirmations, and refusal of messages that the broker does
 * not accept. All functions run on the sink's thread.
 */
#ifndef FR_BROKER_PUBLISH_H
#define FR_BROKER_PUBLISH_H

#include "mqtt/job.h"

struct broker;

/* Whether another message may be published now: connected, and below the limits in flight. */
bool broker_has_capacity(const struct broker *broker);

/* Publish a message of a job; NULL: of no job. Topic and payload are copied. On failure, `retry` or
 * `outcome` of the job is set. */
void broker_publish(struct broker *broker, const char *topic, const char *payload, size_t len,
                    bool retain, struct job *job);

/* A user property of MQTT 5: two texts in UTF-8. */
struct broker_property {
    const char *name; /* NULL: the end of an array */
    const char *value;
};

/* The same with user properties, an array that ends with a NULL name. A connection with MQTT 3.1.1
 * sends the message without them. */
void broker_publish_with(struct broker *broker, const char *topic, const char *payload, size_t len,
                         bool retain, const struct broker_property *properties, struct job *job);

/* Subscribe to a topic filter until the connection ends. */
void broker_subscribe(struct broker *broker, const char *pattern);

/* The functions below are for broker.c. */

/* The broker has confirmed the message with this id (`reason` < 0x80) or refused it with a reason
 * code of MQTT 5. Completes the message of its job. */
void broker_message_completed(struct broker *broker, int id, int reason);

/* The connection was lost: complete all messages in flight; their deliveries are retried. */
void broker_drop_in_flight(struct broker *broker);

/* Wait for the socket to become writable, if libmosquitto has data to send. */
void broker_enable_write(struct broker *broker);

#endif
