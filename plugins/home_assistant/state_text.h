/*
 * Converts a value to the state text of an entity.
 */
#ifndef FR_STATE_TEXT_H
#define FR_STATE_TEXT_H

#include "fleetroute/plugin.h"
#include "home_assistant/entity.h"

#define FR_STATE_MAX 255 /* Home Assistant's limit of a state in characters; used for bytes here */

struct fr_state_text {
    bool has_value; /* false: the value is invalid or does not suit the entity */
    bool is_number;
    bool
        unlisted; /* not in the entity's `options`, such as an enum value unknown to this version */
    double number; /* if is_number */
    char text[FR_STATE_MAX + 1];
};

/* Convert the value of a delivery; a binary_sensor has the state "on" or "off". Any thread. */
void fr_state_text(const struct fr_entity *entity, const struct fr_delivery *delivery,
                   struct fr_state_text *state);

/* Format a number with one digit more than `precision` (-1: 7 digits in total). Changes below that
 * are not displayed and cause no update. A number that is not finite is no value: has_value becomes
 * false, and is unchanged otherwise. Any thread. */
void fr_state_text_number(double real, int precision, struct fr_state_text *state);

#endif
