/*
 * The configuration of librdkafka's consumer, from the source's options.
 */
#ifndef FR_KAFKA_CONSUMER_CONF_H
#define FR_KAFKA_CONSUMER_CONF_H

#include <librdkafka/rdkafka.h>

#include "fleetroute/plugin.h"

/* Create the configuration; the caller owns it. Each invalid property is reported with
 * host->config_error() and counted in *mistakes. */
rd_kafka_conf_t *fr_kafka_consumer_conf(struct fr_source *source, const struct fr_source_host *host,
                                        int *mistakes);

/* The plugin's check(): report invalid values of `topic` and `properties`. Connects to no
 * broker. */
void fr_kafka_consumer_check(struct fr_source *source, const struct fr_source_host *host);

#endif
