/*
 * Alerts, errors and other records as events on Home Assistant's event bus: fleetroute_alert,
 * fleetroute_error, fleetroute_TYPE, or the name of the route's `as:`. An alert has the members
 * `kind` and `live` of home_assistant/alert.h. With `as: notification`,
 * errors and alerts for the audience Customer are also persistent notifications until they end.
 *
 * A record may contain any number of alerts; they are sent as the session has capacity. Used on the
 * sink's thread.
 */
#ifndef FR_HA_EVENTS_H
#define FR_HA_EVENTS_H

#include "ha_websocket/session.h"

struct ha_events;

/* NULL: no memory. */
struct ha_events *ha_events_new(struct fr_sink *sink, const struct fr_host *host);

/* Free it without reporting outcomes; NULL is allowed. */
void ha_events_free(struct ha_events *events);

/* Enqueue a record. Its outcome is reported when Home Assistant has answered all its commands. */
void ha_events_enqueue(struct ha_events *events, struct session *session,
                       struct fr_delivery *delivery);

/* Send enqueued records as far as the session has capacity. Call it after commands were answered.
 */
void ha_events_send(struct ha_events *events);

/* The session was lost: complete all records with FR_RETRY. */
void ha_events_disconnected(struct ha_events *events);

#endif
