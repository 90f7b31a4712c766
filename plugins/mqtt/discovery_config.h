/* discovery_config.h - what Home Assistant is told of an entity, as it wants to be told. */
#ifndef FR_DISCOVERY_CONFIG_H
#define FR_DISCOVERY_CONFIG_H

#include <jansson.h>

#include "home_assistant/vehicles.h"
#include "mqtt/tesla_topics.h"

struct discovery_place {
    const char *base;   /* what topics begin with */
    const char *status; /* the topic of the last will */
};

/* An entity's configuration; the caller's to free. */
json_t *discovery_config(const struct discovery_place *place, const struct fr_ha_vehicle *vehicle,
                         const struct fr_entity_state *state);

/* Append BASE/VIN/END, with the VIN escaped (safe_name.h). */
void discovery_vehicle_topic(struct fr_text_buffer *topic, const char *base,
                             const struct fr_ha_vehicle *vehicle, const char *end);

/* What the topic of an entity's state ends with. */
const char *discovery_topic_end(const struct fr_entity_state *state);

/* Whether it shows the vehicle's connection. */
bool discovery_is_connection(const struct fr_entity_state *state);

#endif
