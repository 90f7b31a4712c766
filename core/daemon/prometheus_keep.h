/*
 * prometheus_keep.h - the metrics of `fleetroute keep`: tokens and configurations at Tesla.
 */
#ifndef FR_PROMETHEUS_KEEP_H
#define FR_PROMETHEUS_KEEP_H

#include "config/server_types.h"
#include "daemon/upkeep.h"
#include "util/buffer.h"

/* Append the metrics; none without the section `tesla`. Main thread. */
void fr_prometheus_put_keep(struct fr_upkeep *upkeep, const struct fr_tesla_config *tesla,
                            struct fr_buffer *out);

#endif
