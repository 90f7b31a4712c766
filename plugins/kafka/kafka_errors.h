/* kafka_errors.h - which of librdkafka's errors are the delivery's fault, and what to do about them. */
#ifndef KAFKA_ERRORS_H
#define KAFKA_ERRORS_H

#include <librdkafka/rdkafka.h>

#include "fleetroute/plugin.h"

/* The outcome of a message with this error: FR_RETRY where the brokers are to blame. */
enum fr_outcome fr_kafka_outcome(rd_kafka_resp_err_t err);

/* What the owner can do; "" where nothing is known. */
const char *fr_kafka_remedy(rd_kafka_resp_err_t err);

/* Whether a broker answered: then the brokers are not away. */
bool fr_kafka_broker_answered(rd_kafka_resp_err_t err);

/* Whether the error says that the topic does not exist. */
bool fr_kafka_topic_is_missing(rd_kafka_resp_err_t err);

/* Whether Kafka accepts a name for a topic: 1 to 249 letters, digits, '.', '_' and '-', not "." and
 * not "..". */
bool fr_kafka_topic_name_is_valid(const char *name);

#endif
