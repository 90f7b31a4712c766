/*
 * The configuration of librdkafka's producer, from the sink's options `brokers` and `properties`.
 */
#ifndef FR_KAFKA_PRODUCER_CONF_H
#define FR_KAFKA_PRODUCER_CONF_H

#include <librdkafka/rdkafka.h>

#include "fleetroute/plugin.h"

/* Create the configuration; the caller owns it. Each invalid property is reported with
 * host->config_error() and counted in *mistakes. */
rd_kafka_conf_t *fr_kafka_producer_conf(struct fr_sink *sink, const struct fr_host *host,
                                        int *mistakes);

/* The plugin's check(): report invalid values of `topic`, `brokers` and `properties`. Connects to
 * no broker. */
void fr_kafka_producer_check(struct fr_sink *sink, const struct fr_host *host);

#endif
