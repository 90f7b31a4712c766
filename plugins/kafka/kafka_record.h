/*
 * A Kafka message as a record: reads the format that kafka_message.h describes. The VIN is the
 * header vin or the key. A message without the header txid gets a txid made of its topic, partition
 * and offset.
 */
#ifndef FR_KAFKA_RECORD_H
#define FR_KAFKA_RECORD_H

#include <librdkafka/rdkafka.h>

#include "fleetroute/plugin.h"

/* Submit a message to the journal; returns the result of host->submit(). `prefix_len` is the length
 * of the topic's name before the record type, `flags` a set of FR_SUBMISSION_*. The message stays the
 * caller's. Source's thread. */
enum fr_submitted fr_kafka_record_submit(struct fr_source *source,
                                         const struct fr_source_host *host, size_t prefix_len,
                                         uint32_t flags, const rd_kafka_message_t *message);

#endif
