/*
 * The outcomes that the plugin reports: FR_DONE, FR_RETRY, FR_FAILED and FR_REFUSED.
 *
 * Two causes of a failure are treated differently. FR_RETRY: the peer is away, and all deliveries
 * wait (retry.h). FR_FAILED: the peer works, and only the deliveries of the same vehicle and record
 * type wait (lanes.h). FR_REFUSED makes a dead letter at once.
 *
 * All functions: the sink's thread.
 */
#ifndef FR_OUTCOME_H
#define FR_OUTCOME_H

#include <stdarg.h>

#include "fleetroute/plugin.h"

struct delivery;

/* fr_host.done(): process the outcome of a delivery that the plugin holds. May be called from
 * within deliver(). */
void fr_outcome_report(struct fr_sink *sink, struct fr_delivery *delivery, enum fr_outcome outcome);

/* Store the reason of the FR_FAILED or FR_REFUSED that is reported next. The text is copied. */
void fr_outcome_set_reason(struct fr_sink *sink, const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* Finish a delivery that was not delivered and that the plugin does not hold, and continue with the
 * deliveries of its lane and its slot. */
void fr_outcome_skip(struct fr_sink *sink, struct delivery *d);

/* Make a dead letter of a delivery that the plugin never held. `reason` is copied. */
void fr_outcome_refuse(struct fr_sink *sink, struct delivery *d, const char *reason);

#endif
