/*
 * value.h - one canonical type for each field, whatever form the vehicle chose.
 *
 * Firmware has sent the same field as text, as a number, as an enum and as a boolean. What
 * leaves this module has the type that the catalogue names for the field.
 */
#ifndef FR_VALUE_H
#define FR_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "fleetroute/plugin.h"
#include "record/field_catalogue.h"
#include "record/wire.h"

/* A member of the protobuf message Value, as it stood on the wire. */
struct fr_wire_value {
    uint32_t tag; /* member's number; 0: none was set */
    union {
        int64_t integer; /* varints: int32, int64, bool, enums, and members we do not know */
        double real;     /* double and float */
        struct {
            const char *bytes;
            size_t len;
        } text;
        struct {
            double latitude, longitude;
        } location;
        uint32_t bits; /* doors and tires, bit n for field n + 1 */
        int32_t clock[3];
    };
};

/* Members of Value that are no enum (vehicle_data.proto). */
enum {
    FR_MEMBER_STRING = 1,
    FR_MEMBER_INT = 2,
    FR_MEMBER_LONG = 3,
    FR_MEMBER_FLOAT = 4,
    FR_MEMBER_DOUBLE = 5,
    FR_MEMBER_BOOLEAN = 6,
    FR_MEMBER_LOCATION = 7,
    FR_MEMBER_INVALID = 10,
    FR_MEMBER_DOORS = 21,
    FR_MEMBER_TIME = 31,
    FR_MEMBER_TIRES = 39,
    FR_MEMBER_LAST_KNOWN = 54,
};

/* Read one occurrence of the message Value into *value, which an earlier occurrence may have
 * filled (protobuf merges them). -1: malformed. */
int fr_value_parse(const uint8_t *bytes, size_t len, struct fr_wire_value *value);

/* Turn a wire value into the canonical type of `field` (NULL: a field we do not know, which
 * keeps the type it came with). Text points where the wire value's does. Returns false when
 * it does not fit the type; then it has the type it came with. A number that is not finite, degrees
 * beyond 90 and 180 and a time of day that no clock shows do not fit and become FR_VALUE_INVALID:
 * what is FR_VALUE_REAL, FR_VALUE_LOCATION or FR_VALUE_CLOCK lies in its range. */
bool fr_value_canonical(const struct fr_field *field, const struct fr_wire_value *wire,
                        struct fr_value *value);

/* Whether two values are the same. */
bool fr_value_equal(const struct fr_value *a, const struct fr_value *b);

/* How far two values are apart: numbers by difference, locations in metres. -1 where that has
 * no meaning. */
double fr_value_distance(const struct fr_value *a, const struct fr_value *b);

#endif
