/*
 * The configuration message of an entity, as Home Assistant's MQTT discovery defines it. All
 * functions are pure.
 */
#ifndef FR_DISCOVERY_CONFIG_H
#define FR_DISCOVERY_CONFIG_H

#include <jansson.h>

#include "home_assistant/vehicles.h"
#include "mqtt/tesla_topics.h"

struct discovery_base {
    const char *base;   /* first level of all topics */
    const char *status; /* the topic of the last will */
};

/* Create an entity's configuration. The caller owns the reference. */
json_t *discovery_config(const struct discovery_base *base, const struct fr_ha_vehicle *vehicle,
                         const struct fr_entity_state *state);

/* Append BASE/VIN/END, with the VIN escaped (safe_name.h). */
void discovery_vehicle_topic(struct fr_text_buffer *topic, const char *base,
                             const struct fr_ha_vehicle *vehicle, const char *end);

/* The last level of the topic of an entity's state; valid as long as the state. */
const char *discovery_topic_end(const struct fr_entity_state *state);

/* Whether an entity displays the vehicle's connection. */
bool discovery_is_connection(const struct fr_entity_state *state);

#endif
