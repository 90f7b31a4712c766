/*
 * A delivery as a Kafka message, in the format of Tesla's server (fleet-telemetry,
 * datastore/kafka): key VIN, value the record's bytes, headers vin, receivedat, timestamp, txid,
 * txtype, version and device_client_version. Times are decimal milliseconds since 1970.
 */
#ifndef FR_KAFKA_MESSAGE_H
#define FR_KAFKA_MESSAGE_H

#include <librdkafka/rdkafka.h>

#include "fleetroute/plugin.h"

enum {
    FR_KAFKA_HEADER_CREATED = 1 << 0,  /* timestamp: the vehicle's time instead of 0 */
    FR_KAFKA_HEADER_REPEATED = 1 << 1, /* add repeated: "1" to deliveries with FR_FLAG_REPEATED */
};

/* Pass a message with `value` to librdkafka. The bytes of a record must stay valid until the
 * delivery report; those of a field's value are copied. `flags` is a set of FR_KAFKA_HEADER_*.
 * After NO_ERROR a delivery report follows, whose _private is the delivery; otherwise none follows.
 * Sink's thread. */
rd_kafka_resp_err_t fr_kafka_message_produce(rd_kafka_t *producer, rd_kafka_topic_t *topic,
                                             struct fr_delivery *delivery, const void *value,
                                             size_t len, unsigned flags);

#endif
