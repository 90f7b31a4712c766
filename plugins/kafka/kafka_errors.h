/*
 * Classification of librdkafka's error codes, and the remedies for error messages. All functions
 * are pure and may be called on any thread.
 */
#ifndef FR_KAFKA_ERRORS_H
#define FR_KAFKA_ERRORS_H

#include <librdkafka/rdkafka.h>

#include "fleetroute/plugin.h"

/* The outcome of a delivery whose message failed with this error: FR_REFUSED or FR_FAILED where the
 * delivery or its topic is the cause, FR_RETRY where the brokers are. NO_ERROR: FR_DONE. */
enum fr_outcome fr_kafka_outcome(rd_kafka_resp_err_t err);

/* The remedy, as text with a leading space in parentheses, to append to a message; "": none
 * known. */
const char *fr_kafka_remedy(rd_kafka_resp_err_t err);

/* Whether the error came from a broker, which proves that a broker is reachable. */
bool fr_kafka_broker_answered(rd_kafka_resp_err_t err);

/* Whether the error means that the topic does not exist. */
bool fr_kafka_topic_is_missing(rd_kafka_resp_err_t err);

/* Whether a topic name is valid (Kafka, org.apache.kafka.common.internals.Topic): 1 to 249 letters,
 * digits, '.', '_' and '-', not "." and not "..". */
bool fr_kafka_topic_name_is_valid(const char *name);

#endif
