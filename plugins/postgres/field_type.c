#include "postgres/field_type.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Numbers of further types of the server (pg_type.dat). */
enum {
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_JSON = 114,
    OID_FLOAT4 = 700,
    OID_VARCHAR = 1043,
    OID_TIMESTAMP = 1114,
    OID_NUMERIC = 1700,
};

static unsigned type_of_kind(enum fr_value_kind kind)
{
    switch (kind) {
    case FR_VALUE_BOOL:
        return DB_BOOL;
    case FR_VALUE_INT:
        return DB_INT8;
    case FR_VALUE_REAL:
        return DB_FLOAT8;
    case FR_VALUE_TEXT:
    case FR_VALUE_ENUM:
        return DB_TEXT;
    case FR_VALUE_LOCATION:
        return FIELD_LOCATION;
    case FR_VALUE_DOORS:
    case FR_VALUE_TIRES:
        return DB_JSONB;
    case FR_VALUE_CLOCK:
        return DB_TIME;
    case FR_VALUE_NONE:
    case FR_VALUE_INVALID:
    default:
        return 0;
    }
}

unsigned db_field_type(const struct fr_delivery *d)
{
    if (d->field < db_field_type_count && db_field_types[d->field] != 0)
        return db_field_types[d->field];
    return type_of_kind(d->value.kind);
}

bool db_has_value(const struct fr_delivery *d)
{
    return d->value.kind != FR_VALUE_NONE && d->value.kind != FR_VALUE_INVALID;
}

bool db_value_fits(const struct fr_value *value, unsigned type)
{
    unsigned own = type_of_kind(value->kind);

    return own == type || (own == DB_INT8 && (type == DB_FLOAT8 || type == DB_TIMESTAMPTZ));
}

const char *db_value_kind(const struct fr_value *value)
{
    switch (type_of_kind(value->kind)) {
    case DB_BOOL:
        return "a boolean";
    case DB_INT8:
        return "an integer";
    case DB_FLOAT8:
        return "a real number";
    case DB_TEXT:
        return "a text";
    case FIELD_LOCATION:
        return "a location";
    case DB_JSONB:
        return "a list of doors or tyres";
    case DB_TIME:
        return "a time of day";
    default:
        return "no value";
    }
}

bool db_column_takes(uint32_t oid, enum db_type type)
{
    /* The server writes a value of any type as text. */
    if (oid == (uint32_t)type || oid == DB_TEXT || oid == OID_VARCHAR)
        return true;
    switch (type) {
    case DB_INT8:
        return oid == OID_INT2 || oid == OID_INT4 || oid == OID_FLOAT4 || oid == DB_FLOAT8 ||
               oid == OID_NUMERIC;
    case DB_FLOAT8:
        return oid == OID_FLOAT4 || oid == OID_NUMERIC;
    case DB_JSONB:
        return oid == OID_JSON;
    case DB_TEXT:
    case DB_BOOL:
    case DB_TIME:
    case DB_TIMESTAMPTZ:
    default:
        return false;
    }
}

static void array_enum(struct db_array *array, const struct fr_value *value)
{
    char number[32];

    if (value->choice.name == NULL)
        snprintf(number, sizeof number, "unknown(%" PRId32 ")", value->choice.number);
    else
        number[0] = '\0';
    const char *name = value->choice.name != NULL ? value->choice.name : number;
    db_array_text(array, name, strlen(name));
}

static double value_number(const struct fr_value *value, bool longitude)
{
    if (value->kind == FR_VALUE_LOCATION)
        return longitude ? value->location.longitude : value->location.latitude;
    return value->kind == FR_VALUE_INT ? (double)value->integer : value->real;
}

void db_array_value(struct db_array *array, enum db_type type, const struct fr_value *value,
                    bool longitude, const char *json, size_t json_len)
{
    int64_t seconds = value->integer;

    switch (type) {
    case DB_BOOL:
        db_array_bool(array, value->boolean);
        break;
    case DB_INT8:
        db_array_int8(array, value->integer);
        break;
    case DB_FLOAT8:
        db_array_float8(array, value_number(value, longitude));
        break;
    case DB_TIMESTAMPTZ: /* milliseconds out of range become the nearest time */
        seconds = seconds < -INT64_C(1000000000000)  ? -INT64_C(1000000000000)
                  : seconds > INT64_C(1000000000000) ? INT64_C(1000000000000)
                                                     : seconds;
        db_array_timestamptz(array, seconds * 1000);
        break;
    case DB_TIME:
        db_array_time(array,
                      value->clock.hour * 3600 + value->clock.minute * 60 + value->clock.second);
        break;
    case DB_JSONB:
        db_array_jsonb(array, json, json_len);
        break;
    case DB_TEXT:
    default:
        if (value->kind == FR_VALUE_ENUM)
            array_enum(array, value);
        else
            db_array_text(array, value->text.bytes, value->text.len);
        break;
    }
}
