/*
 * Publishes the entities of the layout `homeassistant`: configurations, states, positions and
 * status (discovery.h lists the topics). All functions run on the sink's thread.
 */
#ifndef FR_DISCOVERY_PUBLISH_H
#define FR_DISCOVERY_PUBLISH_H

#include "mqtt/discovery_state.h"

/* This layout's state of a vehicle, created at the first call. The vehicle owns it. NULL: no
 * memory. */
struct discovery_vehicle *discovery_vehicle_of(struct fr_ha_vehicle *vehicle);

/* Publish BASE/status: "online" or "offline". */
void discovery_publish_status(struct discovery *discovery, const char *text);

/* Publish an element of `alerts` of a job's record as an event, if it is live. */
void discovery_publish_alert(struct discovery *discovery, struct fr_ha_vehicle *vehicle,
                             const json_t *alert, struct job *job);

/* Publish the pending changes of a vehicle, as part of a job or of none (NULL). False: the broker
 * has no capacity for the rest. */
bool discovery_publish_changes(struct discovery *discovery, struct fr_ha_vehicle *vehicle,
                               struct job *job);

#endif
