/*
 * prometheus.h - the metrics of the daemon, in Prometheus's text format 0.0.4.
 *
 * Metrics of the reference server (Tesla's fleet-telemetry) keep their names where they mean the
 * same; all others begin with fleetroute_. fleetroute-metrics(7) lists them.
 */
#ifndef FR_PROMETHEUS_H
#define FR_PROMETHEUS_H

#include "daemon/daemon_state.h"

/* Append all metrics. Main thread. */
void fr_daemon_put_metrics(struct fr_daemon *daemon, struct fr_buffer *out);

#endif
