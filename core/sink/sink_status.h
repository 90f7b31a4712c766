/*
 * The status of a sink: health, counters and the delay histogram, for status pages, metrics and
 * tests.
 *
 * The health is measured: a plugin that reports FR_HEALTH_UP may fail to deliver. See sink_status.c
 * for the conditions of a degraded sink.
 */
#ifndef FR_SINK_STATUS_H
#define FR_SINK_STATUS_H

#include "fleetroute/plugin.h"
#include "sink/sink_types.h"

/* Fill in `status`. Takes the sink's status lock for the texts; the counters are read without a
 * lock. */
void fr_sink_status(struct fr_sink *sink, struct fr_sink_status *status);

#endif
