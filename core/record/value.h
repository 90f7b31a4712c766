/* Values in the canonical type of their field. Depending on the firmware, a vehicle sends the same
 * field as text, number, enum or boolean; after the conversion each field has the type that the
 * catalogue states. Any thread may call these functions. */
#ifndef FR_VALUE_H
#define FR_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "fleetroute/plugin.h"
#include "record/field_catalogue.h"
#include "record/wire_value.h"

/* Convert a wire value to the canonical type of `field`; NULL: an unknown field, whose value keeps
 * its type. Text points to the text of the wire value. Returns false if the value does not fit the
 * type; then *value has the type that the vehicle sent. A number that is not finite, a location
 * beyond 90 or 180 degrees and a time of day out of range do not fit either and become
 * FR_VALUE_INVALID. So each FR_VALUE_REAL, FR_VALUE_LOCATION and FR_VALUE_CLOCK is in its range. */
bool fr_value_canonical(const struct fr_field *field, const struct fr_wire_value *wire,
                        struct fr_value *value);

/* Returns whether two values have the same type and content. */
bool fr_value_equal(const struct fr_value *a, const struct fr_value *b);

/* Returns the distance between two values of the same type: the difference of numbers, the metres
 * between locations. Returns -1 for other types and for different types. */
double fr_value_distance(const struct fr_value *a, const struct fr_value *b);

#endif
