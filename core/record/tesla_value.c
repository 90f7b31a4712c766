#include "record/tesla_value.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "record/field_catalogue.h"
#include "record/payload.h"
#include "record/wire_value.h"
#include "util/go_json.h"

/* Bits of doors in the alphabetical order of their names, and of tyres in that of theirs. */
struct bit_name {
    uint32_t bit;
    const char *name;
};

static const struct bit_name door_names[] = {
    {0, "DriverFront"},   {1, "DriverRear"}, {2, "PassengerFront"},
    {3, "PassengerRear"}, {4, "TrunkFront"}, {5, "TrunkRear"},
};

static const struct bit_name tire_names[] = {
    {0, "front_left"},
    {1, "front_right"},
    {2, "rear_left"},
    {3, "rear_right"},
    {4, "semi_middle_axle_left_2"},
    {5, "semi_middle_axle_right_2"},
    {6, "semi_rear_axle_left"},
    {8, "semi_rear_axle_left_2"},
    {7, "semi_rear_axle_right"},
    {9, "semi_rear_axle_right_2"},
};

/* Append the bits as members. `all`: also those that are not set. */
static void tesla_put_bits(struct fr_buffer *out, uint32_t bits, const struct bit_name *names,
                           size_t count, bool all)
{
    bool first = true;

    fr_buffer_byte(out, '{');
    for (size_t i = 0; i < count; i++) {
        bool is_set = bits >> names[i].bit & 1;

        if (!is_set && !all)
            continue;
        fr_buffer_printf(out, "%s\"%s\":%s", first ? "" : ",", names[i].name,
                         is_set ? "true" : "false");
        first = false;
    }
    fr_buffer_byte(out, '}');
}

static void tesla_put_location(struct fr_buffer *out, const struct fr_wire_value *value)
{
    if (!isfinite(value->location.latitude) || !isfinite(value->location.longitude)) {
        fr_buffer_text(out, "null");
        return;
    }
    fr_buffer_text(out, "{\"latitude\":");
    fr_go_double(out, value->location.latitude);
    fr_buffer_text(out, ",\"longitude\":");
    fr_go_double(out, value->location.longitude);
    fr_buffer_byte(out, '}');
}

static void tesla_put_float(struct fr_buffer *out, uint32_t bits)
{
    float number;

    memcpy(&number, &bits, sizeof number);
    fr_go_float(out, number);
}

/* Whether Tesla's server calls String() of an enum's member, which makes a text of an unknown
 * number. The other members pass through its generic conversion. */
static bool tesla_is_named_one_by_one(uint32_t tag)
{
    return (tag >= 9 && tag <= 30) || tag == 32 || (tag >= 52 && tag <= 54);
}

static void tesla_put_enum(struct fr_buffer *out, const struct fr_wire_value *value)
{
    const struct fr_choice *choice = fr_enum_choice(fr_enum_by_tag(value->tag), value->integer);

    if (choice != NULL)
        fr_go_string(out, choice->long_name, strlen(choice->long_name));
    else
        fr_buffer_printf(out, tesla_is_named_one_by_one(value->tag) ? "\"%lld\"" : "%lld",
                         (long long)value->integer);
}

static void tesla_put_member(struct fr_buffer *out, const struct fr_wire_value *value)
{
    switch (value->tag) {
    case 0:
        fr_buffer_text(out, "{}");
        break;
    case FR_MEMBER_STRING:
        fr_go_string(out, value->text.bytes, value->text.len);
        break;
    case FR_MEMBER_FLOAT:
        tesla_put_float(out, value->float_bits);
        break;
    case FR_MEMBER_DOUBLE:
        fr_go_double(out, value->real);
        break;
    case FR_MEMBER_BOOLEAN:
        fr_buffer_text(out, value->integer != 0 ? "true" : "false");
        break;
    case FR_MEMBER_LOCATION:
        tesla_put_location(out, value);
        break;
    case FR_MEMBER_INVALID:
        fr_buffer_text(out, "null");
        break;
    case FR_MEMBER_DOORS:
        tesla_put_bits(out, value->bits, door_names, sizeof door_names / sizeof door_names[0],
                       true);
        break;
    case FR_MEMBER_TIRES:
        tesla_put_bits(out, value->bits, tire_names, sizeof tire_names / sizeof tire_names[0],
                       false);
        break;
    case FR_MEMBER_TIME:
        fr_buffer_printf(out, "\"%02d:%02d:%02d\"", value->clock[0], value->clock[1],
                         value->clock[2]);
        break;
    default: /* numbers, enums and members that are newer than the catalogue */
        if (fr_enum_by_tag(value->tag) != NULL)
            tesla_put_enum(out, value);
        else
            fr_buffer_printf(out, "%lld", (long long)value->integer);
        break;
    }
}

void fr_tesla_value(struct fr_buffer *out, const uint8_t *datum, size_t len)
{
    struct fr_wire_value value;

    if (fr_payload_value_as_sent(datum, len, &value))
        tesla_put_member(out, &value);
    else
        fr_buffer_text(out, "null");
}
