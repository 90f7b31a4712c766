/*
 * The JSON of one entity in commands of the mobile_app webhook
 * (https://developers.home-assistant.io/docs/api/native-app-integration/sensors). The functions
 * have no state; the caller owns the results.
 */
#ifndef FR_ENTITY_JSON_H
#define FR_ENTITY_JSON_H

#include <jansson.h>

#include "home_assistant/entity_state.h"

#define ENTITY_DIGEST_SIZE 17 /* 16 hexadecimal digits and a NUL */

/*
 * The description for register_sensor, without the state and `disabled`. The API has one tracker for each device,
 * so that other locations are sensors; and it has no list of options, so that the class enum is
 * omitted.
 */
json_t *entity_json_description(const struct fr_entity_state *state);

/* FNV-1a of a description and the device's name. Change detection only, not a security hash. */
void entity_json_digest(const json_t *description, const char *device_name,
                        char digest[ENTITY_DIGEST_SIZE]);

/* The state alone: a boolean, a number, a string or null. */
json_t *entity_json_state(const struct fr_entity_state *state);

/* The element of update_sensor_states. */
json_t *entity_json_update(const struct fr_entity_state *state);

#endif
