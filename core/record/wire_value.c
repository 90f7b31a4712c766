#include "record/wire_value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "record/text.h"
#include "record/wire.h"
#include "util/json_text.h"

static double wire_real_of_bits(uint64_t bits)
{
    double real;

    memcpy(&real, &bits, sizeof real);
    return real;
}

/* Returns the double with the shortest decimal notation that rounds to the float: 21.3 for 21.3f,
 * not 21.299999237. */
static double wire_real_of_float(uint32_t bits)
{
    char text[FR_FLOAT_TEXT_SIZE];
    float f;

    memcpy(&f, &bits, sizeof f);
    if (!isfinite(f) || f == (float)(int32_t)(f < -1e9f || f > 1e9f ? 0 : f))
        return (double)f;
    fr_float_text(f, text);
    return strtod(text, NULL);
}

/* The parsers of nested messages merge into the value if the same member is already set. */
static int wire_parse_location(struct fr_wire wire, struct fr_wire_value *value)
{
    struct fr_wire_field f;
    uint32_t last = 0;
    int more;

    if (value->tag != FR_MEMBER_LOCATION)
        value->location.latitude = value->location.longitude = 0;
    while ((more = fr_wire_next(&wire, &f)) > 0) {
        value->usual = value->usual && f.type == FR_WIRE_FIXED64 && f.number > last &&
                       f.number <= 2 && f.varint != 0;
        last = f.number;
        if (f.type == FR_WIRE_FIXED64 && f.number == 1)
            value->location.latitude = wire_real_of_bits(f.varint);
        else if (f.type == FR_WIRE_FIXED64 && f.number == 2)
            value->location.longitude = wire_real_of_bits(f.varint);
    }
    value->usual = value->usual && !wire.has_overlong;
    return more;
}

static int wire_parse_bits(struct fr_wire wire, struct fr_wire_value *value, uint32_t tag)
{
    uint32_t fields = tag == FR_MEMBER_DOORS ? 6 : 10, last = 0;
    struct fr_wire_field f;
    int more;

    if (value->tag != tag)
        value->bits = 0;
    while ((more = fr_wire_next(&wire, &f)) > 0) {
        value->usual = value->usual && f.type == FR_WIRE_VARINT && f.number > last &&
                       f.number <= fields && f.varint == 1;
        last = f.number;
        if (f.type != FR_WIRE_VARINT || f.number > fields)
            continue;
        if (f.varint != 0)
            value->bits |= 1u << (f.number - 1);
        else
            value->bits &= ~(1u << (f.number - 1));
    }
    value->usual = value->usual && !wire.has_overlong;
    return more;
}

static int wire_parse_clock(struct fr_wire wire, struct fr_wire_value *value)
{
    struct fr_wire_field f;
    uint32_t last = 0;
    int more;

    if (value->tag != FR_MEMBER_TIME)
        memset(value->clock, 0, sizeof value->clock);
    while ((more = fr_wire_next(&wire, &f)) > 0) {
        value->usual = value->usual && f.type == FR_WIRE_VARINT && f.number > last &&
                       f.number <= 3 && f.varint != 0 && f.varint <= INT32_MAX;
        last = f.number;
        if (f.type == FR_WIRE_VARINT && f.number <= 3)
            value->clock[f.number - 1] = (int32_t)(uint32_t)f.varint;
    }
    value->usual = value->usual && !wire.has_overlong;
    return more;
}

static int64_t wire_integer(const struct fr_wire_field *f)
{
    switch (f->number) {
    case FR_MEMBER_LONG:
        return (int64_t)f->varint;
    case FR_MEMBER_BOOLEAN:
    case FR_MEMBER_INVALID:
        return f->varint != 0;
    default: /* int32 and enums are truncated to 32 bits, as in every protobuf decoder */
        return (int32_t)(uint32_t)f->varint;
    }
}

static int wire_parse_bytes(const struct fr_wire_field *f, struct fr_wire_value *value)
{
    switch (f->number) {
    case FR_MEMBER_STRING:
        value->text.bytes = (const char *)f->bytes;
        value->text.len = f->len;
        return fr_text_is_utf8(f->bytes, f->len) ? 0 : -1;
    case FR_MEMBER_LOCATION:
        return wire_parse_location(fr_wire_over(f->bytes, f->len), value);
    case FR_MEMBER_TIME:
        return wire_parse_clock(fr_wire_over(f->bytes, f->len), value);
    default:
        return wire_parse_bits(fr_wire_over(f->bytes, f->len), value, f->number);
    }
}

static int wire_parse_member(const struct fr_wire_field *f, struct fr_wire_value *value)
{
    int result = 0;

    value->usual = value->usual && value->tag == 0;
    switch (f->type) {
    case FR_WIRE_VARINT:
        value->integer = wire_integer(f);
        value->usual = value->usual && (uint64_t)value->integer == f->varint;
        break;
    case FR_WIRE_FIXED64:
        value->real = wire_real_of_bits(f->varint);
        break;
    case FR_WIRE_FIXED32:
        value->float_bits = (uint32_t)f->varint;
        value->real = wire_real_of_float(value->float_bits);
        break;
    case FR_WIRE_BYTES:
        result = wire_parse_bytes(f, value);
        break;
    case FR_WIRE_GROUP: /* no member has this type */
        break;
    }
    value->tag = f->number;
    return result;
}

/* Whether the field replaces the member that is set: a known member always does; a newer one, whose
 * meaning is unknown, replaces no known one. */
static bool wire_replaces(const struct fr_wire_field *f, const struct fr_wire_value *value)
{
    if (f->number <= FR_MEMBER_LAST_KNOWN)
        return f->number != 20; /* the table of members has no number 20 */
    return f->number <= FR_MEMBER_LAST_EXPECTED &&
           (value->tag == 0 || value->tag > FR_MEMBER_LAST_KNOWN);
}

/* Whether a member has the wire type of the .proto file. A member with another wire type is an
 * unknown field, as in protobuf, and is skipped. */
static bool wire_has_member_type(const struct fr_wire_field *f)
{
    switch (f->number) {
    case FR_MEMBER_STRING:
    case FR_MEMBER_LOCATION:
    case FR_MEMBER_DOORS:
    case FR_MEMBER_TIME:
    case FR_MEMBER_TIRES:
        return f->type == FR_WIRE_BYTES;
    case FR_MEMBER_FLOAT:
        return f->type == FR_WIRE_FIXED32;
    case FR_MEMBER_DOUBLE:
        return f->type == FR_WIRE_FIXED64;
    default:
        return f->type == FR_WIRE_VARINT;
    }
}

int fr_value_parse(const uint8_t *bytes, size_t len, struct fr_wire_value *value)
{
    struct fr_wire wire = fr_wire_over(bytes, len);
    struct fr_wire_field f;
    int more;

    while ((more = fr_wire_next(&wire, &f)) > 0) {
        if (!wire_has_member_type(&f) || !wire_replaces(&f, value))
            value->usual = false;
        else if (wire_parse_member(&f, value) != 0)
            return -1;
    }
    value->usual = value->usual && !wire.has_overlong;
    return more;
}
