/* state_text.h - a value as the state of an entity. */
#ifndef FR_STATE_TEXT_H
#define FR_STATE_TEXT_H

#include "fleetroute/plugin.h"
#include "home_assistant/entities.h"

#define FR_STATE_MOST 255 /* what Home Assistant takes for a state, in characters */

struct fr_state_text {
    bool has_value; /* false: the vehicle has none, or one that the catalogue calls none */
    bool is_number;
    bool unlisted; /* none of the entity's options: a number, say, that nobody knows yet */
    double number;
    char text[FR_STATE_MOST + 1];
};

/* What a delivered value makes of an entity's state: "on" and "off" for binary_sensor. */
void fr_state_text(const struct fr_entity *entity, const struct fr_delivery *delivery,
                   struct fr_state_text *state);

#endif
