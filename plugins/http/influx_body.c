#include "http/influx_body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/record_keys.h"
#include "path_pattern.h"

#define NAME_SIZE 512 /* bytes of a measurement, with NUL */

void influx_body_free(struct influx_body *influx)
{
    fr_text_buffer_free(&influx->tags);
    fr_text_buffer_free(&influx->series);
}

bool influx_body_is_scalar(const struct fr_delivery *d)
{
    return d->kind == FR_DELIVERY_FIELD && d->value.kind != FR_VALUE_LOCATION &&
           d->value.kind != FR_VALUE_DOORS && d->value.kind != FR_VALUE_TIRES &&
           d->value.kind != FR_VALUE_CLOCK;
}

/* ---- values ---------------------------------------------------------------------- */

static void influx_body_choice(struct influx_point *point, const struct fr_delivery *d)
{
    const char *name = d->value.choice.name;
    char unknown[32];

    snprintf(unknown, sizeof unknown, "unknown(%d)", (int)d->value.choice.number);
    if (name == NULL)
        name = unknown;
    influx_text(point, d->name, NULL, name, strlen(name));
}

static void influx_body_scalar(const struct influx_body *influx, struct influx_point *point,
                               const struct fr_delivery *d)
{
    switch (d->value.kind) {
    case FR_VALUE_BOOL:
        influx_boolean(point, d->name, NULL, d->value.boolean);
        break;
    case FR_VALUE_INT:
        if (influx->has_integers)
            influx_integer(point, d->name, NULL, d->value.integer);
        else
            influx_real(point, d->name, NULL, (double)d->value.integer);
        break;
    case FR_VALUE_REAL:
        influx_real(point, d->name, NULL, d->value.real);
        break;
    case FR_VALUE_TEXT:
        influx_text(point, d->name, NULL, d->value.text.bytes, d->value.text.len);
        break;
    case FR_VALUE_ENUM:
        influx_body_choice(point, d);
        break;
    case FR_VALUE_NONE:
    case FR_VALUE_INVALID:
    case FR_VALUE_LOCATION:
    case FR_VALUE_DOORS:
    case FR_VALUE_TIRES:
    case FR_VALUE_CLOCK:
    default:
        break;
    }
}

/* A list, or an object within an object, as its JSON. */
static void influx_body_nested(struct influx_point *point, const char *key, const char *part,
                               const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);

    if (text == NULL) {
        point->out->failed = true;
        return;
    }
    influx_text(point, key, part, text, strlen(text));
    free(text);
}

static void influx_body_member(struct influx_point *point, const char *key, const char *part,
                               const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_TRUE:
    case JSON_FALSE:
        influx_boolean(point, key, part, json_is_true(value));
        break;
    case JSON_INTEGER:
    case JSON_REAL:
        influx_real(point, key, part, json_number_value(value));
        break;
    case JSON_STRING:
        influx_text(point, key, part, json_string_value(value), json_string_length(value));
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        influx_body_nested(point, key, part, value);
        break;
    case JSON_NULL:
    default:
        break;
    }
}

/* A value; the members of an object become fields. */
static void influx_body_value(struct influx_point *point, const char *key, const json_t *value)
{
    const char *part;
    json_t *member;

    if (!json_is_object(value)) {
        influx_body_member(point, key, NULL, value);
        return;
    }
    json_object_foreach((json_t *)value, part, member) influx_body_member(point, key, part, member);
}

static void influx_body_record(struct influx_point *point, const json_t *record)
{
    const json_t *data = json_object_get(record, "data");
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(data != NULL ? data : record), key,
                        value) if (data != NULL || !record_key_is_general(key))
        influx_body_value(point, key, value);
}

/* ---- points ---------------------------------------------------------------------- */

static void influx_body_begin(struct influx_body *influx, const struct fr_delivery *d)
{
    char measurement[NAME_SIZE];

    fr_pattern_expand(influx->pattern, d, d->received_ms, measurement, sizeof measurement);
    fr_text_buffer_clear(&influx->series);
    influx_measurement(&influx->series, measurement);
    influx_tag(&influx->series, "vin", d->vin);
    if (d->vehicle_name != NULL)
        influx_tag(&influx->series, "name", d->vehicle_name);
    fr_text_buffer_append(&influx->series, fr_text_buffer_string(&influx->tags), influx->tags.len);
}

enum body_added influx_body_add(struct influx_body *influx, struct fr_text_buffer *out,
                                bool is_split, const struct fr_delivery *d, const json_t *json)
{
    int64_t ms = d->created_ms != 0 ? d->created_ms : d->received_ms;
    struct influx_point point = {.out = out, .is_split = is_split};

    influx_body_begin(influx, d);
    if (influx->series.failed) {
        out->failed = true;
        return BODY_NOTHING;
    }
    point.series = influx->series.bytes;
    point.series_len = influx->series.len;
    point.time = ms / influx->time_divisor * influx->time_factor;
    if (json == NULL)
        influx_body_scalar(influx, &point, d);
    else if (d->kind == FR_DELIVERY_FIELD)
        influx_body_value(&point, d->name, json);
    else
        influx_body_record(&point, json);
    influx_end(&point);
    return point.fields != 0 ? BODY_ADDED : BODY_NOTHING;
}
