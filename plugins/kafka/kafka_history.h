/*
 * The records of presence that an earlier consumer of the group has submitted.
 *
 * Which front-end has a vehicle is known to the consumer of its partition only. So a consumer that
 * gets a partition of the topics `presence` and `connectivity` reads the last minutes of it again,
 * before the committed offset, and submits these messages as history. All functions: the source's
 * thread.
 */
#ifndef FR_KAFKA_HISTORY_H
#define FR_KAFKA_HISTORY_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Front-ends state each connected vehicle again every 5 minutes or more often (a third of the
 * greatest `front_end: lease:`), so this time has at least one statement of each, also of those
 * whose front-end died within the longest lease, 15 minutes. */
#define FR_KAFKA_HISTORY_MS (20 * 60 * 1000)

struct fr_kafka_history {
    size_t prefix_len; /* of a topic's name before the record type */
    struct fr_kafka_history_topic {
        int64_t *ends; /* by partition: the first offset that is not history; 0: none is */
        size_t count;
    } topics[2]; /* presence, connectivity */
};

/* Whether messages of this topic concern the presence. */
bool fr_kafka_history_concerns(const struct fr_kafka_history *history, const char *topic);

/* Set the offsets of the assigned partitions at which the consumer begins. Partitions of other topics
 * are not changed. Waits for a broker, at most some seconds. Returns an error code of Kafka: the
 * history is not read again. */
rd_kafka_resp_err_t fr_kafka_history_rewind(struct fr_kafka_history *history, rd_kafka_t *consumer,
                                            rd_kafka_topic_partition_list_t *partitions,
                                            int64_t now_ms);

/* Whether a message is before the end of its partition's history. */
bool fr_kafka_history_has(const struct fr_kafka_history *history,
                          const rd_kafka_message_t *message);

void fr_kafka_history_free(struct fr_kafka_history *history);

#endif
