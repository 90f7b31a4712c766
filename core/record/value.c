#include "record/value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "record/text.h"

#define EARTH_RADIUS_M 6371008.8 /* mean radius */

/* ---- conversion ------------------------------------------------------------------ */

/* Convert a wire value to the type that the vehicle sent, regardless of the field. */
static void value_as_sent(const struct fr_wire_value *wire, struct fr_value *value)
{
    const struct fr_enum *e;

    switch (wire->tag) {
    case 0:
        value->kind = FR_VALUE_NONE;
        return;
    case FR_MEMBER_INVALID:
        value->kind = FR_VALUE_INVALID;
        return;
    case FR_MEMBER_STRING:
        value->kind = FR_VALUE_TEXT;
        value->text.bytes = wire->text.bytes;
        value->text.len = wire->text.len;
        return;
    case FR_MEMBER_BOOLEAN:
        value->kind = FR_VALUE_BOOL;
        value->boolean = wire->integer != 0;
        return;
    case FR_MEMBER_FLOAT:
    case FR_MEMBER_DOUBLE:
        value->kind = FR_VALUE_REAL;
        value->real = wire->real;
        return;
    case FR_MEMBER_LOCATION:
        value->kind = FR_VALUE_LOCATION;
        value->location.latitude = wire->location.latitude;
        value->location.longitude = wire->location.longitude;
        return;
    case FR_MEMBER_DOORS:
    case FR_MEMBER_TIRES:
        value->kind = wire->tag == FR_MEMBER_DOORS ? FR_VALUE_DOORS : FR_VALUE_TIRES;
        value->bits = wire->bits;
        return;
    case FR_MEMBER_TIME:
        value->kind = FR_VALUE_CLOCK;
        value->clock.hour = wire->clock[0];
        value->clock.minute = wire->clock[1];
        value->clock.second = wire->clock[2];
        return;
    default:
        break;
    }
    e = fr_enum_by_tag(wire->tag);
    if (e != NULL) {
        const struct fr_choice *choice = fr_enum_choice(e, wire->integer);

        value->kind = FR_VALUE_ENUM;
        value->choice.name = choice != NULL ? choice->name : NULL;
        value->choice.number = (int32_t)wire->integer;
    } else {
        value->kind = FR_VALUE_INT;
        value->integer = wire->integer;
    }
}

/* Whether a text value is `word` in any case. */
static bool value_text_is(const struct fr_value *value, const char *word)
{
    return value->text.len == strlen(word) &&
           strncasecmp(value->text.bytes, word, value->text.len) == 0;
}

/* Convert a sent value to a number. Returns false if the value has none. */
static bool value_to_number(const struct fr_value *sent, double *number)
{
    switch (sent->kind) {
    case FR_VALUE_BOOL:
        *number = sent->boolean;
        return true;
    case FR_VALUE_INT:
        *number = (double)sent->integer;
        return true;
    case FR_VALUE_REAL:
        *number = sent->real;
        return true;
    case FR_VALUE_ENUM:
        *number = sent->choice.number;
        return true;
    case FR_VALUE_TEXT:
        return fr_text_to_real(sent->text.bytes, sent->text.len, number);
    default:
        return false;
    }
}

/* The functions value_make_…() convert a sent value to one type. They return false, and leave
 * *value as the vehicle sent it, if the value does not fit. */
static bool value_make_real(const struct fr_value *sent, struct fr_value *value)
{
    double number;

    if (!value_to_number(sent, &number))
        return false;
    value->kind = FR_VALUE_REAL;
    value->real = number;
    return true;
}

static bool value_make_integer(const struct fr_value *sent, struct fr_value *value)
{
    double number;

    if (sent->kind == FR_VALUE_INT) {
        *value = *sent;
        return true;
    }
    if (!value_to_number(sent, &number) || !(fabs(number) < 9e15))
        return false;
    value->kind = FR_VALUE_INT;
    value->integer = (int64_t)llround(number);
    return true;
}

static bool value_make_boolean(const struct fr_value *sent, struct fr_value *value)
{
    double number;
    bool boolean;

    if (sent->kind == FR_VALUE_TEXT && (value_text_is(sent, "true") || value_text_is(sent, "on")))
        boolean = true;
    else if (sent->kind == FR_VALUE_TEXT &&
             (value_text_is(sent, "false") || value_text_is(sent, "off")))
        boolean = false;
    else if (sent->kind == FR_VALUE_ENUM && sent->choice.name != NULL) {
        /* Enums such as BuckleStatus: choice 0 is unknown, choice 1 means false. */
        boolean = strcmp(sent->choice.name, "Latched") == 0 ||
                  strcmp(sent->choice.name, "On") == 0 || strcmp(sent->choice.name, "OK") == 0;
        if (!boolean && sent->choice.number != 1)
            return false;
    } else if (value_to_number(sent, &number))
        boolean = number != 0;
    else
        return false;
    value->kind = FR_VALUE_BOOL;
    value->boolean = boolean;
    return true;
}

static bool value_make_choice(const struct fr_enum *e, const struct fr_value *sent,
                              struct fr_value *value)
{
    const struct fr_choice *choice = NULL;
    double number;

    if (sent->kind == FR_VALUE_TEXT && e != NULL)
        choice = fr_enum_choice_named(e, sent->text.bytes, sent->text.len);
    else if (sent->kind == FR_VALUE_BOOL && e != NULL)
        choice = fr_enum_choice_named(e, sent->boolean ? "On" : "Off", sent->boolean ? 2 : 3);
    else if (sent->kind == FR_VALUE_ENUM && sent->choice.name != NULL && e != NULL &&
             fr_enum_choice(e, sent->choice.number) == NULL)
        choice = fr_enum_choice_named(e, sent->choice.name, strlen(sent->choice.name));
    if (choice == NULL) {
        if (sent->kind == FR_VALUE_BOOL || !value_to_number(sent, &number) ||
            fabs(number) > INT32_MAX || number != floor(number))
            return false;
        if (e != NULL)
            choice = fr_enum_choice(e, (int64_t)number);
        value->choice.number = (int32_t)number;
    } else
        value->choice.number = choice->number;
    value->kind = FR_VALUE_ENUM;
    value->choice.name = choice != NULL ? choice->name : NULL;
    return true;
}

static bool value_make_location(const struct fr_value *sent, struct fr_value *value)
{
    double latitude, longitude;

    if (sent->kind != FR_VALUE_TEXT ||
        !fr_text_to_location(sent->text.bytes, sent->text.len, &latitude, &longitude))
        return false;
    value->kind = FR_VALUE_LOCATION;
    value->location.latitude = latitude;
    value->location.longitude = longitude;
    return true;
}

/* Convert the text of old firmware, which lists the open doors: "DriverFront|TrunkRear". */
static bool value_make_doors(const struct fr_value *sent, struct fr_value *value)
{
    static const char *const doors[] = {"DriverFront",   "DriverRear", "PassengerFront",
                                        "PassengerRear", "TrunkFront", "TrunkRear"};
    const char *at, *end;
    uint32_t bits = 0;

    if (sent->kind != FR_VALUE_TEXT)
        return false;
    at = sent->text.bytes;
    end = at + sent->text.len;
    while (at < end) {
        size_t len = 0, door;

        while (at + len < end && strchr("|, ;", at[len]) == NULL)
            len++;
        for (door = 0; door < 6; door++)
            if (strlen(doors[door]) == len && strncmp(doors[door], at, len) == 0)
                break;
        if (len != 0 && door == 6)
            return false;
        if (len != 0)
            bits |= 1u << door;
        at += len + 1;
    }
    value->kind = FR_VALUE_DOORS;
    value->bits = bits;
    return true;
}

static bool value_make_clock(const struct fr_value *sent, struct fr_value *value)
{
    char text[16];
    int hour, minute, second = 0, used = 0;

    if (sent->kind != FR_VALUE_TEXT || sent->text.len == 0 || sent->text.len >= sizeof text)
        return false;
    memcpy(text, sent->text.bytes, sent->text.len);
    text[sent->text.len] = '\0';
    if (sscanf(text, "%2d:%2d%n:%2d%n", &hour, &minute, &used, &second, &used) < 2 ||
        text[used] != '\0' || hour < 0 || minute < 0 || second < 0 || hour > 23 || minute > 59 ||
        second > 60)
        return false;
    value->kind = FR_VALUE_CLOCK;
    value->clock.hour = hour;
    value->clock.minute = minute;
    value->clock.second = second;
    return true;
}

/* Whether a value is in the range of its type. */
static bool value_in_range(const struct fr_value *value)
{
    switch (value->kind) {
    case FR_VALUE_REAL:
        return isfinite(value->real);
    case FR_VALUE_LOCATION: /* false for NaN */
        return fabs(value->location.latitude) <= 90 && fabs(value->location.longitude) <= 180;
    case FR_VALUE_CLOCK:
        return value->clock.hour >= 0 && value->clock.hour <= 23 && value->clock.minute >= 0 &&
               value->clock.minute <= 59 && value->clock.second >= 0 && value->clock.second <= 60;
    case FR_VALUE_NONE:
    case FR_VALUE_INVALID:
    case FR_VALUE_BOOL:
    case FR_VALUE_INT:
    case FR_VALUE_TEXT:
    case FR_VALUE_ENUM:
    case FR_VALUE_DOORS:
    case FR_VALUE_TIRES:
    default:
        return true;
    }
}

/* Convert a wire value to the type of its field, without a check of the range. Returns false if the
 * value does not fit; then *value has the type that the vehicle sent. */
static bool value_to_canonical(const struct fr_field *field, const struct fr_wire_value *wire,
                               struct fr_value *value)
{
    struct fr_value sent;
    bool fits;

    value_as_sent(wire, &sent);
    *value = sent;
    if (field == NULL || field->kind == FR_FIELD_NONE || sent.kind == FR_VALUE_NONE ||
        sent.kind == FR_VALUE_INVALID)
        return true;
    if (sent.kind == FR_VALUE_TEXT) {
        fr_text_unquote(&sent.text.bytes, &sent.text.len);
        value->text.bytes = sent.text.bytes;
        value->text.len = sent.text.len;
        if (field->kind != FR_FIELD_TEXT && value_text_is(&sent, "<invalid>")) {
            value->kind = FR_VALUE_INVALID;
            return true;
        }
        if (sent.text.len == 0 && field->kind != FR_FIELD_TEXT && field->kind != FR_FIELD_DOORS) {
            value->kind = FR_VALUE_NONE;
            return true;
        }
    }
    switch (field->kind) {
    case FR_FIELD_REAL:
        fits = sent.kind == FR_VALUE_REAL || value_make_real(&sent, value);
        break;
    case FR_FIELD_INTEGER:
    case FR_FIELD_TIME:
        fits = value_make_integer(&sent, value);
        break;
    case FR_FIELD_BOOLEAN:
        fits = sent.kind == FR_VALUE_BOOL || value_make_boolean(&sent, value);
        break;
    case FR_FIELD_ENUM:
        fits = value_make_choice(field->choices, &sent, value);
        break;
    case FR_FIELD_TEXT:
        fits = sent.kind == FR_VALUE_TEXT;
        break;
    case FR_FIELD_LOCATION:
        fits = sent.kind == FR_VALUE_LOCATION || value_make_location(&sent, value);
        break;
    case FR_FIELD_DOORS:
        fits = sent.kind == FR_VALUE_DOORS || value_make_doors(&sent, value);
        break;
    case FR_FIELD_TIRES:
        fits = sent.kind == FR_VALUE_TIRES;
        break;
    case FR_FIELD_CLOCK:
        fits = sent.kind == FR_VALUE_CLOCK || value_make_clock(&sent, value);
        break;
    case FR_FIELD_NONE:
    default:
        fits = true;
        break;
    }
    return fits;
}

bool fr_value_canonical(const struct fr_field *field, const struct fr_wire_value *wire,
                        struct fr_value *value)
{
    bool fits = value_to_canonical(field, wire, value);

    if (value_in_range(value))
        return fits;
    value->kind = FR_VALUE_INVALID;
    return false;
}

/* ---- comparison ------------------------------------------------------------------ */

bool fr_value_equal(const struct fr_value *a, const struct fr_value *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case FR_VALUE_BOOL:
        return a->boolean == b->boolean;
    case FR_VALUE_INT:
        return a->integer == b->integer;
    case FR_VALUE_REAL:
        return !(a->real < b->real) && !(a->real > b->real);
    case FR_VALUE_TEXT:
        return a->text.len == b->text.len &&
               (a->text.len == 0 || memcmp(a->text.bytes, b->text.bytes, a->text.len) == 0);
    case FR_VALUE_ENUM:
        return a->choice.number == b->choice.number;
    case FR_VALUE_LOCATION:
        return fr_value_distance(a, b) <= 0;
    case FR_VALUE_DOORS:
    case FR_VALUE_TIRES:
        return a->bits == b->bits;
    case FR_VALUE_CLOCK:
        return a->clock.hour == b->clock.hour && a->clock.minute == b->clock.minute &&
               a->clock.second == b->clock.second;
    case FR_VALUE_NONE:
    case FR_VALUE_INVALID:
    default:
        return true;
    }
}

/* Distance along the great circle in metres (haversine formula). */
static double value_metres_between(const struct fr_value *a, const struct fr_value *b)
{
    double to_radians = acos(-1) / 180;
    double north = (b->location.latitude - a->location.latitude) * to_radians;
    double east = (b->location.longitude - a->location.longitude) * to_radians;
    double h = sin(north / 2) * sin(north / 2) + cos(a->location.latitude * to_radians) *
                                                     cos(b->location.latitude * to_radians) *
                                                     sin(east / 2) * sin(east / 2);

    return 2 * EARTH_RADIUS_M * asin(sqrt(h > 1 ? 1 : h));
}

double fr_value_distance(const struct fr_value *a, const struct fr_value *b)
{
    if (a->kind != b->kind)
        return -1;
    if (a->kind == FR_VALUE_REAL)
        return fabs(a->real - b->real);
    if (a->kind == FR_VALUE_INT)
        return fabs((double)a->integer - (double)b->integer);
    if (a->kind == FR_VALUE_LOCATION)
        return value_metres_between(a, b);
    return -1;
}
