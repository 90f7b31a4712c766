#include "record/wire.h"

/* The limits of ConsumeFieldValue() in protobuf-go, which reads unknown fields. */
#define GROUPS_MAX 10001
#define GROUP_FIELD_MAX INT32_MAX

/* Move behind a value that is not a group. Returns false if it is incomplete or of no known type. */
static bool wire_skip_value(struct fr_wire *wire, unsigned type)
{
    size_t remaining = (size_t)(wire->end - wire->at);
    uint64_t value;

    switch (type) {
    case FR_WIRE_VARINT:
        return fr_wire_varint(wire, &value);
    case FR_WIRE_BYTES:
        if (!fr_wire_varint(wire, &value) || value > (size_t)(wire->end - wire->at))
            return false;
        wire->at += value;
        return true;
    case FR_WIRE_FIXED64:
    case FR_WIRE_FIXED32:
        if (remaining < (type == FR_WIRE_FIXED64 ? 8u : 4u))
            return false;
        wire->at += type == FR_WIRE_FIXED64 ? 8 : 4;
        return true;
    default:
        return false;
    }
}

int fr_wire_skip_group(struct fr_wire *wire, uint32_t number)
{
    enum { END_GROUP = 4 };
    uint32_t open[GROUPS_MAX]; /* 40 kB; recursion would take far more */
    size_t depth = 0;
    uint64_t tag;

    open[depth++] = number;
    while (depth != 0) {
        if (!fr_wire_varint(wire, &tag) || tag >> 3 == 0 || tag >> 3 > GROUP_FIELD_MAX)
            return -1;
        if ((tag & 7) == END_GROUP) {
            if (open[--depth] != tag >> 3)
                return -1;
        } else if ((tag & 7) == FR_WIRE_GROUP) {
            if (depth == GROUPS_MAX)
                return -1;
            open[depth++] = (uint32_t)(tag >> 3);
        } else if (!wire_skip_value(wire, (unsigned)(tag & 7)))
            return -1;
    }
    return 0;
}
