/*
 * kafka_topics.h - the topics a Kafka sink writes to: looked after once each, created with
 * our retention when they are missing. Deliveries wait until their topic is known to be there,
 * so that a broker does not create it by itself with other settings.
 */
#ifndef KAFKA_TOPICS_H
#define KAFKA_TOPICS_H

#include <librdkafka/rdkafka.h>

#include "fleetroute/plugin.h"

struct fr_topics;

typedef void fr_topics_produce_fn(void *ctx, rd_kafka_topic_t *topic, struct fr_delivery *delivery);

/* Reads the options create_topics, partitions, replication and retention. Results of creating
 * come to `events`; hand them to fr_topics_created. NULL: no memory. */
struct fr_topics *fr_topics_new(struct fr_sink *sink, const struct fr_host *host,
                                rd_kafka_t *producer, rd_kafka_queue_t *events,
                                fr_topics_produce_fn *produce, void *ctx);

/* Deliveries that still wait are answered FR_RETRY. */
void fr_topics_free(struct fr_topics *topics);

/* Call produce() for the delivery, now or when its topic is there. */
void fr_topics_deliver(struct fr_topics *topics, const char *name, struct fr_delivery *delivery);

/* librdkafka or the broker does not know the topic of a delivery. True: the delivery waits until the
 * topic is created again and librdkafka knows that, a minute at most. False: the options or the
 * broker do not allow creating it, or the minute is over; the caller answers the delivery. */
bool fr_topics_missing(struct fr_topics *topics, const char *name, struct fr_delivery *delivery);

/* An RD_KAFKA_EVENT_CREATETOPICS_RESULT. */
void fr_topics_created(struct fr_topics *topics, rd_kafka_event_t *event);

#endif
