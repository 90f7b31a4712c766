#include "car_state/car.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "record/units.h"
#include "utf8.h"

/* ---- values ---------------------------------------------------------------------- */

static bool car_holds_text(enum fr_car_kind kind)
{
    return kind == FR_CAR_TEXT || kind == FR_CAR_CHOICE;
}

/* Make the value unknown and free its text. */
static void car_clear_value(struct fr_car_value *value, enum fr_car_kind kind)
{
    if (value->has_value && car_holds_text(kind))
        free(value->text);
    value->has_value = false;
    value->text = NULL;
}

/* Read a number of a delivery, converted to the unit of the field. False: not a number, an unknown
 * unit, or out of range. */
static bool car_read_number(const struct fr_car_field_info *info, const struct fr_delivery *d,
                            double *number)
{
    const char *unit = d->unit != NULL && d->unit[0] != '\0' ? d->unit : info->wire_unit;
    struct fr_conversion conversion = {1, 0};
    double read;

    if (d->value.kind == FR_VALUE_INT)
        read = (double)d->value.integer;
    else if (d->value.kind == FR_VALUE_REAL)
        read = d->value.real;
    else
        return false;
    if (strcmp(unit, info->unit) != 0 && !fr_unit_convert(unit, info->unit, &conversion))
        return false;
    *number = read * conversion.factor + conversion.offset;
    return *number >= info->min && *number <= info->max;
}

/* Copy a text of at most FR_CAR_TEXT_MAX bytes, with U+FFFD for what is not UTF-8. NULL: no memory.
 */
static char *car_copy_text(const char *bytes, size_t len)
{
    struct fr_text_buffer text = {0};

    fr_utf8_append(&text, bytes, fr_utf8_cut(bytes, len, FR_CAR_TEXT_MAX));
    fr_text_buffer_byte(&text, '\0'); /* an empty text needs memory too */
    if (!text.failed)
        return text.bytes;
    fr_text_buffer_free(&text);
    return NULL;
}

enum car_read { CAR_READ, CAR_IGNORE, CAR_NO_MEMORY };

/* Read the value of a delivery into `value`, without a change of the field. */
static enum car_read car_read_value(const struct fr_car_field_info *info,
                                    const struct fr_delivery *d, struct fr_car_value *value)
{
    const struct fr_value *sent = &d->value;
    const char *name;

    switch (info->kind) {
    case FR_CAR_NUMBER:
        return car_read_number(info, d, &value->number) ? CAR_READ : CAR_IGNORE;
    case FR_CAR_BOOLEAN:
        if (sent->kind != FR_VALUE_BOOL)
            return CAR_IGNORE;
        value->boolean = sent->boolean;
        return CAR_READ;
    case FR_CAR_TEXT:
        if (sent->kind != FR_VALUE_TEXT)
            return CAR_IGNORE;
        value->text = car_copy_text(sent->text.bytes, sent->text.len);
        return value->text != NULL ? CAR_READ : CAR_NO_MEMORY;
    case FR_CAR_CHOICE:
        if (sent->kind != FR_VALUE_ENUM)
            return CAR_IGNORE;
        name = sent->choice.name != NULL ? sent->choice.name : "Unknown";
        value->text = car_copy_text(name, strlen(name));
        return value->text != NULL ? CAR_READ : CAR_NO_MEMORY;
    case FR_CAR_PLACE:
        if (sent->kind != FR_VALUE_LOCATION)
            return CAR_IGNORE;
        value->place.latitude = sent->location.latitude;
        value->place.longitude = sent->location.longitude;
        return fabs(value->place.latitude) <= 90 && fabs(value->place.longitude) <= 180
                   ? CAR_READ
                   : CAR_IGNORE;
    case FR_CAR_DOORS:
    case FR_CAR_TIRES:
        if (sent->kind != (info->kind == FR_CAR_DOORS ? FR_VALUE_DOORS : FR_VALUE_TIRES))
            return CAR_IGNORE;
        value->bits = sent->bits;
        return CAR_READ;
    default:
        return CAR_IGNORE;
    }
}

/* The time of a delivery in the order of the values. The clock of a vehicle may be ahead. */
static int64_t car_time_of(const struct fr_delivery *d)
{
    int64_t created = d->created_ms > 0 ? d->created_ms : d->received_ms;

    return created > d->received_ms && d->received_ms > 0 ? d->received_ms : created;
}

static bool car_receive_value(struct fr_car *car, const struct fr_delivery *d, int64_t at_ms)
{
    int index = fr_car_field_index(d->field);
    const struct fr_car_field_info *info;
    struct fr_car_value read = {.at_ms = at_ms, .has_value = true}, *value;

    if (index < 0)
        return true;
    info = fr_car_field_at((size_t)index);
    value = &car->values[index];
    if (at_ms < value->at_ms)
        return true;
    if (d->value.kind == FR_VALUE_NONE || d->value.kind == FR_VALUE_INVALID) {
        car_clear_value(value, info->kind);
        value->at_ms = at_ms;
        return true;
    }
    switch (car_read_value(info, d, &read)) {
    case CAR_READ:
        car_clear_value(value, info->kind);
        *value = read;
        return true;
    case CAR_NO_MEMORY:
        return false;
    case CAR_IGNORE:
    default:
        return true;
    }
}

/* ---- connection ------------------------------------------------------------------ */

/* Receive {"status":"CONNECTED",…}. A connectivity record is about one connection of the vehicle, a
 * presence record about the vehicle; connectivity is ignored after the first presence record. */
static void car_receive_connection(struct fr_car *car, const struct fr_delivery *d, int64_t at_ms)
{
    bool is_presence = strcmp(d->record_type, "presence") == 0;
    json_t *root = json_loadb((const char *)d->bytes, d->len, JSON_ALLOW_NUL, NULL);
    const char *status = json_string_value(json_object_get(root, "status"));

    if (status == NULL) /* the JSON of Tesla's server */
        status = json_string_value(json_object_get(root, "Status"));
    if (status != NULL && (is_presence || !car->has_presence) &&
        (at_ms >= car->connection_ms || is_presence != car->has_presence)) {
        car->has_presence = is_presence;
        car->connection_known = true;
        car->connected = strcmp(status, "CONNECTED") == 0;
        car->connection_ms = at_ms;
    }
    json_decref(root);
}

/* ---- the vehicle ----------------------------------------------------------------- */

static bool car_update_name(struct fr_car *car, const char *name)
{
    char *copy;

    if (name == NULL || (car->configured_name != NULL && strcmp(name, car->configured_name) == 0))
        return true;
    if ((copy = car_copy_text(name, strlen(name))) == NULL)
        return false;
    free(car->configured_name);
    car->configured_name = copy;
    return true;
}

bool fr_car_receive(struct fr_car *car, const struct fr_delivery *d)
{
    int64_t at_ms = car_time_of(d);

    if (!car_update_name(car, d->vehicle_name))
        return false;
    if (d->kind == FR_DELIVERY_FIELD) {
        if (!car_receive_value(car, d, at_ms))
            return false;
        if (!(d->flags & FR_FLAG_RESTORED) && at_ms > car->live_ms)
            car->live_ms = at_ms;
    } else if (strcmp(d->record_type, "presence") == 0 ||
               strcmp(d->record_type, "connectivity") == 0)
        car_receive_connection(car, d, at_ms);
    car->cause_ms = at_ms;
    return true;
}

struct fr_car *fr_car_new(const char *vin, int64_t now_ms)
{
    size_t size = strlen(vin) + 1;
    struct fr_car *car = calloc(1, sizeof *car + size);

    if (car == NULL)
        return NULL;
    car->first_seen_ms = now_ms;
    memcpy(car->vin, vin, size);
    return car;
}

void fr_car_free(struct fr_car *car)
{
    if (car == NULL)
        return;
    for (size_t i = 0; i < fr_car_field_count(); i++)
        car_clear_value(&car->values[i], fr_car_field_at(i)->kind);
    free(car->configured_name);
    free(car);
}

/* ---- reading --------------------------------------------------------------------- */

/* The value of a field that has the kind and a value; NULL otherwise. */
static const struct fr_car_value *car_value(const struct fr_car *car, enum fr_car_field field,
                                            enum fr_car_kind kind)
{
    int index = fr_car_field_index(field);

    return index >= 0 && fr_car_field_at((size_t)index)->kind == kind &&
                   car->values[index].has_value
               ? &car->values[index]
               : NULL;
}

bool fr_car_number(const struct fr_car *car, enum fr_car_field field, double *number)
{
    const struct fr_car_value *value = car_value(car, field, FR_CAR_NUMBER);

    if (value != NULL)
        *number = value->number;
    return value != NULL;
}

bool fr_car_boolean(const struct fr_car *car, enum fr_car_field field, bool *boolean)
{
    const struct fr_car_value *value = car_value(car, field, FR_CAR_BOOLEAN);

    if (value != NULL)
        *boolean = value->boolean;
    return value != NULL;
}

bool fr_car_bits(const struct fr_car *car, enum fr_car_field field, uint32_t *bits)
{
    const struct fr_car_value *value = car_value(car, field, FR_CAR_DOORS);

    if (value == NULL)
        value = car_value(car, field, FR_CAR_TIRES);
    if (value != NULL)
        *bits = value->bits;
    return value != NULL;
}

const char *fr_car_text(const struct fr_car *car, enum fr_car_field field)
{
    const struct fr_car_value *value = car_value(car, field, FR_CAR_TEXT);

    return value != NULL ? value->text : NULL;
}

const char *fr_car_choice(const struct fr_car *car, enum fr_car_field field)
{
    static const char *const no_value[] = {"Unknown", "Invalid", "SNA"};
    const struct fr_car_value *value = car_value(car, field, FR_CAR_CHOICE);

    for (size_t i = 0; value != NULL && i < sizeof no_value / sizeof *no_value; i++)
        if (strcmp(value->text, no_value[i]) == 0)
            return NULL;
    return value != NULL ? value->text : NULL;
}

bool fr_car_place(const struct fr_car *car, enum fr_car_field field, double *latitude,
                  double *longitude)
{
    const struct fr_car_value *value = car_value(car, field, FR_CAR_PLACE);

    if (value != NULL) {
        *latitude = value->place.latitude;
        *longitude = value->place.longitude;
    }
    return value != NULL;
}

int64_t fr_car_time(const struct fr_car *car, enum fr_car_field field)
{
    int index = fr_car_field_index(field);

    return index >= 0 ? car->values[index].at_ms : 0;
}
