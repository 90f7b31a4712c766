/*
 * The topics that a Kafka sink writes to. With create_topics, each topic is created at its first
 * use with the configured retention. Deliveries wait until their topic is created, so that the
 * broker does not create it with other settings, and while the topic's window is full
 * (topic_window.h). Topics do not wait for each other.
 *
 * All functions and callbacks run on the sink's thread.
 */
#ifndef FR_KAFKA_TOPICS_H
#define FR_KAFKA_TOPICS_H

#include <librdkafka/rdkafka.h>

#include "fleetroute/plugin.h"

struct fr_topics;

/* Pass a delivery to librdkafka. NO_ERROR: a delivery report follows. */
typedef rd_kafka_resp_err_t fr_topics_produce_fn(void *ctx, rd_kafka_topic_t *handle,
                                                 struct fr_delivery *delivery);

/* Answer a delivery that failed with this error. */
typedef void fr_topics_failed_fn(void *ctx, const char *topic, struct fr_delivery *delivery,
                                 rd_kafka_resp_err_t err);

/* Create the table. It reads the options create_topics, partitions, replication and retention.
 * Results of admin requests arrive in `events`; the caller passes them to fr_topics_created() and
 * fr_topics_described(). `producer` and `events` must outlive the table. NULL: no memory. */
struct fr_topics *fr_topics_new(struct fr_sink *sink, const struct fr_host *host,
                                rd_kafka_t *producer, rd_kafka_queue_t *events,
                                fr_topics_produce_fn *produce, fr_topics_failed_fn *failed,
                                void *ctx);

/* Stop producing and answer waiting deliveries FR_RETRY. Delivery reports may still follow. */
void fr_topics_stop(struct fr_topics *topics);

/* Answer waiting deliveries FR_RETRY and free the table. */
void fr_topics_free(struct fr_topics *topics);

/* Produce the delivery now, or when its topic exists and the window allows it. The delivery is
 * answered by the callbacks, or with FR_REFUSED where there are too many topics. */
void fr_topics_deliver(struct fr_topics *topics, const char *name, struct fr_delivery *delivery);

/* Whether deliveries wait for the limited window of their topic. */
bool fr_topics_limited(const struct fr_topics *topics);

/* Handle a delivery report. True: Kafka has the delivery, and the caller answers it. False:
 * failed() was called for it, or it waits to be sent again. */
bool fr_topics_reported(struct fr_topics *topics, const rd_kafka_message_t *message);

/* Handle an RD_KAFKA_EVENT_CREATETOPICS_RESULT, and an RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT. The
 * event stays the caller's. */
void fr_topics_created(struct fr_topics *topics, rd_kafka_event_t *event);
void fr_topics_described(struct fr_topics *topics, rd_kafka_event_t *event);

#endif
