/*
 * kafka_topics.h - the topics a Kafka sink writes to: looked for once each, created with our
 * retention when they are missing. Deliveries wait until their topic is known to be there, so that a
 * broker does not create it by itself with other settings, and while their topic's window is full.
 * One topic never waits for another.
 */
#ifndef KAFKA_TOPICS_H
#define KAFKA_TOPICS_H

#include <librdkafka/rdkafka.h>

#include "fleetroute/plugin.h"

struct fr_topics;
struct topic;

/* Hand a delivery to librdkafka, with the topic's handle. NO_ERROR: it will be reported. */
typedef rd_kafka_resp_err_t fr_topics_produce_fn(void *ctx, rd_kafka_topic_t *handle,
                                                 struct fr_delivery *delivery);

/* Answer a delivery that failed. */
typedef void fr_topics_failed_fn(void *ctx, const char *topic, struct fr_delivery *delivery,
                                 rd_kafka_resp_err_t err);

/* Reads the options create_topics, partitions, replication and retention. Results of admin
 * requests come to `events`; hand them to fr_topics_created and fr_topics_described. NULL: no memory. */
struct fr_topics *fr_topics_new(struct fr_sink *sink, const struct fr_host *host,
                                rd_kafka_t *producer, rd_kafka_queue_t *events,
                                fr_topics_produce_fn *produce, fr_topics_failed_fn *failed,
                                void *ctx);

/* Produce nothing more; deliveries that wait are answered FR_RETRY. Reports may still come. */
void fr_topics_stop(struct fr_topics *topics);

/* Deliveries that still wait are answered FR_RETRY. */
void fr_topics_free(struct fr_topics *topics);

/* Produce the delivery, now or when its topic is there and has capacity. */
void fr_topics_deliver(struct fr_topics *topics, const char *name, struct fr_delivery *delivery);

/* A delivery report. True: the topic has the delivery, and the caller answers it. False: failed() was
 * called for it, or it waits for another try. */
bool fr_topics_reported(struct fr_topics *topics, const rd_kafka_message_t *message);

/* An RD_KAFKA_EVENT_CREATETOPICS_RESULT, and an RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT. */
void fr_topics_created(struct fr_topics *topics, rd_kafka_event_t *event);
void fr_topics_described(struct fr_topics *topics, rd_kafka_event_t *event);

#endif
