/*
 * Requests of Kafka's admin API: creation and description of topics. The functions do not wait:
 * results arrive as events in a queue. All functions run on the sink's thread.
 */
#ifndef FR_KAFKA_ADMIN_H
#define FR_KAFKA_ADMIN_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fr_kafka_new_topic {
    const char *name;
    int partitions, replication; /* 0: the broker's default */
    int64_t retention_ms;
};

/* Request the creation of a topic. True: an RD_KAFKA_EVENT_CREATETOPICS_RESULT follows in
 * `results`. False: the settings are invalid; `why` has the reason. */
bool fr_kafka_admin_create_topic(rd_kafka_t *client, rd_kafka_queue_t *results,
                                 const struct fr_kafka_new_topic *settings, char *why,
                                 size_t why_size);

/* Request the configuration of topics. True: an RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT follows in
 * `results`, at the latest after the timeout. False: `count` is 0, or no memory. */
bool fr_kafka_admin_describe_topics(rd_kafka_t *client, rd_kafka_queue_t *results,
                                    const char *const *names, size_t count, int timeout_ms);

/* The value of max.message.bytes in a description; 0: not included. */
long fr_kafka_admin_max_message_bytes(const rd_kafka_ConfigResource_t *resource);

#endif
