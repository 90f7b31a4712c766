/* Decodes the message Value of vehicle_data.proto to the type on the wire. Any thread may call
 * these functions. */
#ifndef FR_WIRE_VALUE_H
#define FR_WIRE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The member of a message Value that is set, in its type on the wire. */
struct fr_wire_value {
    uint32_t tag;        /* the member's number; 0: no member is set */
    uint32_t float_bits; /* FR_MEMBER_FLOAT: the float as sent; `real` has its shortest decimal */
    bool usual; /* encoded as an encoder writes it: one member at most, in its shortest form */
    union {
        int64_t integer; /* varints: int32, int64, bool, enums and newer members */
        double real;     /* double and float */
        struct {
            const char *bytes;
            size_t len;
        } text;
        struct {
            double latitude, longitude;
        } location;
        uint32_t bits;    /* doors and tires: bit n for field n + 1 */
        int32_t clock[3]; /* hour, minute, second */
    };
};

/* Members of Value that are not enums (vehicle_data.proto). */
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
    FR_MEMBER_LAST_KNOWN = 55,
    FR_MEMBER_LAST_EXPECTED = 127, /* a field with a higher number is no member of the oneof */
};

/* Merge one occurrence of the message Value into *value, as protobuf merges a repeated message. The
 * caller sets value->tag to 0 and value->usual to true before the first occurrence. A varint member
 * newer than FR_MEMBER_LAST_KNOWN, up to FR_MEMBER_LAST_EXPECTED, counts only if no known member is
 * set. `usual` may be false for a message that is encoded as usual, but is not true for another one.
 * Text points into the message. Returns 0;
 * -1: malformed. */
int fr_value_parse(const uint8_t *bytes, size_t len, struct fr_wire_value *value);

#endif
