#include "record/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "record/field_catalogue.h"
#include "record/json_tesla.h"
#include "util/redact.h"
#include "vehicle_data.pb-c.h"

/* Fields whose text reveals a place or a person. */
enum {
    FIELD_LOCATION = TELEMETRY__VEHICLE_DATA__FIELD__Location,
    FIELD_VEHICLE_NAME = TELEMETRY__VEHICLE_DATA__FIELD__VehicleName,
    FIELD_ROUTE_LINE = TELEMETRY__VEHICLE_DATA__FIELD__RouteLine,
    FIELD_DESTINATION_NAME = TELEMETRY__VEHICLE_DATA__FIELD__DestinationName,
};

static void json_put_text(struct fr_buffer *out, const char *text)
{
    fr_json_string(out, text, strlen(text));
}

static void json_put_bits(struct fr_buffer *out, uint32_t bits, const char *const *names,
                          size_t count)
{
    for (size_t i = 0; i < count; i++)
        fr_buffer_printf(out, "%c\"%s\":%s", i == 0 ? '{' : ',', names[i],
                         bits >> i & 1 ? "true" : "false");
    fr_buffer_byte(out, '}');
}

const char *const fr_door_names[FR_DOOR_NAMES] = {"driver_front",    "driver_rear",
                                                  "passenger_front", "passenger_rear",
                                                  "trunk_front",     "trunk_rear"};
const char *const fr_tire_names[FR_TIRE_NAMES] = {"front_left",
                                                  "front_right",
                                                  "rear_left",
                                                  "rear_right",
                                                  "semi_middle_axle_left_2",
                                                  "semi_middle_axle_right_2",
                                                  "semi_rear_axle_left",
                                                  "semi_rear_axle_right",
                                                  "semi_rear_axle_left_2",
                                                  "semi_rear_axle_right_2"};

void fr_json_value(struct fr_buffer *out, const struct fr_value *value)
{
    switch (value->kind) {
    case FR_VALUE_BOOL:
        fr_buffer_text(out, value->boolean ? "true" : "false");
        break;
    case FR_VALUE_INT:
        fr_buffer_printf(out, "%lld", (long long)value->integer);
        break;
    case FR_VALUE_REAL:
        fr_json_number(out, value->real);
        break;
    case FR_VALUE_TEXT:
        fr_json_string(out, value->text.bytes, value->text.len);
        break;
    case FR_VALUE_ENUM:
        if (value->choice.name != NULL)
            json_put_text(out, value->choice.name);
        else
            fr_buffer_printf(out, "\"unknown(%d)\"", (int)value->choice.number);
        break;
    case FR_VALUE_LOCATION:
        fr_buffer_text(out, "{\"latitude\":");
        fr_json_number(out, value->location.latitude);
        fr_buffer_text(out, ",\"longitude\":");
        fr_json_number(out, value->location.longitude);
        fr_buffer_byte(out, '}');
        break;
    case FR_VALUE_DOORS:
        json_put_bits(out, value->bits, fr_door_names, FR_DOOR_NAMES);
        break;
    case FR_VALUE_TIRES:
        json_put_bits(out, value->bits, fr_tire_names, FR_TIRE_NAMES);
        break;
    case FR_VALUE_CLOCK:
        fr_buffer_printf(out, "\"%02d:%02d:%02d\"", (int)value->clock.hour,
                         (int)value->clock.minute, (int)value->clock.second);
        break;
    case FR_VALUE_NONE:
    case FR_VALUE_INVALID:
    default:
        fr_buffer_text(out, "null");
        break;
    }
}

/* ---- records --------------------------------------------------------------------- */

/* The data of a record that a later datum of the same field replaces: of several values of one
 * field, only the last is written. */
struct replaced {
    const struct fr_data *data;
    /* One for each datum. NULL: there are few data, or no memory; data are compared in pairs. */
    bool *flags;
};

#define COMPARED_MAX 32                 /* max number of data that are compared in pairs */
#define SLOTS (2 * FR_PAYLOAD_DATA_MAX) /* a power of two; twice the max number of data */

/* Insert a field number into the hash table. Returns true if the table already contains the field.
 * A slot contains the number plus one; 0: empty. */
static bool json_fields_insert(uint64_t *slots, uint32_t field)
{
    size_t at = (field * UINT32_C(2654435761)) & (SLOTS - 1);

    while (slots[at] != 0 && slots[at] != (uint64_t)field + 1)
        at = (at + 1) & (SLOTS - 1);
    if (slots[at] != 0)
        return true;
    slots[at] = (uint64_t)field + 1;
    return false;
}

/* The caller frees `flags` of the result. */
static struct replaced json_find_replaced(const struct fr_data *data)
{
    struct replaced r = {.data = data};
    uint64_t *slots;

    if (data->count <= COMPARED_MAX || data->count > FR_PAYLOAD_DATA_MAX)
        return r;
    slots = calloc(SLOTS, sizeof *slots);
    r.flags = slots != NULL ? malloc(data->count * sizeof *r.flags) : NULL;
    for (size_t i = data->count; r.flags != NULL && i-- > 0;)
        r.flags[i] = json_fields_insert(slots, data->datum[i].field);
    free(slots);
    return r;
}

/* Whether a later datum has the same field. */
static bool json_is_replaced(const struct replaced *r, size_t index)
{
    const struct fr_data *data = r->data;

    assert(index < data->count);
    if (r->flags != NULL)
        return r->flags[index];
    for (size_t i = index + 1; i < data->count; i++)
        if (data->datum[i].field == data->datum[index].field)
            return true;
    return false;
}

/* Append ,"invalid":["Gear"]: the names of the data of one kind; nothing if there are none. */
static void json_put_names(struct fr_buffer *out, const char *key, const struct replaced *replaced,
                           enum fr_value_kind kind)
{
    const struct fr_data *data = replaced->data;
    char name[FR_FIELD_NAME_SIZE];
    bool any = false;

    for (size_t i = 0; i < data->count; i++) {
        if (data->datum[i].value.kind != kind || json_is_replaced(replaced, i))
            continue;
        if (!any)
            fr_buffer_printf(out, ",\"%s\":[", key);
        else
            fr_buffer_byte(out, ',');
        json_put_text(out, fr_field_name(data->datum[i].field, name));
        any = true;
    }
    if (any)
        fr_buffer_byte(out, ']');
}

/* Whether redaction replaces a field's value. The name of a place reveals as much as its
 * coordinates. */
static bool json_is_secret(uint32_t field)
{
    return field == FIELD_ROUTE_LINE || field == FIELD_DESTINATION_NAME ||
           field == FIELD_VEHICLE_NAME;
}

static void json_put_redacted(struct fr_buffer *out, const struct fr_datum *datum)
{
    struct fr_value value = datum->value;

    if (value.kind == FR_VALUE_LOCATION) {
        value.location.latitude = fr_redacted_degrees(value.location.latitude);
        value.location.longitude = fr_redacted_degrees(value.location.longitude);
    }
    if (json_is_secret(datum->field) ||
        (datum->field == FIELD_LOCATION && value.kind == FR_VALUE_TEXT))
        fr_buffer_text(out, "\"redacted\"");
    else
        fr_json_value(out, &value);
}

void fr_json_datum(struct fr_buffer *out, const struct fr_datum *datum, bool redact)
{
    if (redact)
        json_put_redacted(out, datum);
    else
        fr_json_value(out, &datum->value);
}

static void json_put_data(struct fr_buffer *out, struct fr_record *record, bool redact)
{
    static const struct fr_data none = {0};
    const struct fr_data *data = fr_record_data(record);
    struct replaced replaced = json_find_replaced(data != NULL ? data : &none);
    char name[FR_FIELD_NAME_SIZE];
    bool first = true;

    fr_buffer_text(out, ",\"data\":{");
    for (size_t i = 0; i < replaced.data->count; i++) {
        const struct fr_datum *datum = &replaced.data->datum[i];

        if (json_is_replaced(&replaced, i))
            continue;
        if (!first)
            fr_buffer_byte(out, ',');
        first = false;
        json_put_text(out, fr_field_name(datum->field, name));
        fr_buffer_byte(out, ':');
        fr_json_datum(out, datum, redact);
    }
    fr_buffer_byte(out, '}');
    json_put_names(out, "invalid", &replaced, FR_VALUE_INVALID);
    json_put_names(out, "empty", &replaced, FR_VALUE_NONE);
    free(replaced.flags);
}

/* Append the members of Tesla's JSON object: ,"alerts":[…],… */
static void json_put_message(struct fr_buffer *out, const struct fr_record *record, bool redact)
{
    struct fr_buffer tesla = {0};

    if (fr_json_tesla_members(&tesla, record, redact) == 0 && tesla.len > 2) {
        fr_buffer_byte(out, ',');
        fr_buffer_append(out, tesla.bytes + 1, tesla.len - 2);
    }
    fr_buffer_free(&tesla);
}

/* A txid is opaque; one that is not printable ASCII is written in hexadecimal. */
static void json_put_txid(struct fr_buffer *out, const struct fr_record *record)
{
    bool plain = true;

    for (size_t i = 0; i < record->txid_len && plain; i++)
        plain = record->txid[i] >= 0x20 && record->txid[i] < 0x7f;
    if (plain) {
        fr_json_string(out, record->txid, record->txid_len);
        return;
    }
    fr_buffer_text(out, "\"hex:");
    for (size_t i = 0; i < record->txid_len; i++)
        fr_buffer_printf(out, "%02x", (unsigned char)record->txid[i]);
    fr_buffer_byte(out, '"');
}

static void json_put_flags(struct fr_buffer *out, uint32_t flags)
{
    if (flags & FR_FLAG_RESEND)
        fr_buffer_text(out, ",\"resend\":true");
    if (flags & FR_FLAG_LATE)
        fr_buffer_text(out, ",\"late\":true");
    if (flags & FR_FLAG_RESTORED)
        fr_buffer_text(out, ",\"restored\":true");
    if (flags & FR_FLAG_REPEATED)
        fr_buffer_text(out, ",\"repeated\":true");
}

void fr_json_field(struct fr_buffer *out, const struct fr_delivery *delivery)
{
    fr_buffer_text(out, "{\"vin\":");
    json_put_text(out, delivery->vin);
    if (delivery->vehicle_name != NULL) {
        fr_buffer_text(out, ",\"name\":");
        json_put_text(out, delivery->vehicle_name);
    }
    fr_buffer_text(out, ",\"field\":");
    json_put_text(out, delivery->name);
    fr_buffer_text(out, ",\"value\":");
    fr_json_value(out, &delivery->value);
    if (delivery->value.kind == FR_VALUE_INVALID)
        fr_buffer_text(out, ",\"state\":\"invalid\"");
    if (delivery->value.kind == FR_VALUE_NONE)
        fr_buffer_text(out, ",\"state\":\"empty\"");
    if (delivery->unit[0] != '\0') {
        fr_buffer_text(out, ",\"unit\":");
        json_put_text(out, delivery->unit);
    }
    if (delivery->created_ms != 0) {
        fr_buffer_text(out, ",\"created_at\":");
        fr_json_time_ms(out, delivery->created_ms);
    }
    fr_buffer_text(out, ",\"received_at\":");
    fr_json_time_ms(out, delivery->received_ms);
    json_put_flags(out, delivery->flags);
    fr_buffer_byte(out, '}');
}

void fr_json_record(struct fr_buffer *out, struct fr_record *record, const char *vehicle_name,
                    uint32_t flags, bool redact)
{
    char redacted[FR_REDACTED_VIN_SIZE];

    fr_buffer_text(out, "{\"type\":");
    json_put_text(out, record->topic);
    fr_buffer_text(out, ",\"vin\":");
    json_put_text(out, redact ? fr_redacted_vin(record->vin, redacted) : record->vin);
    if (vehicle_name != NULL && !redact) {
        fr_buffer_text(out, ",\"name\":");
        json_put_text(out, vehicle_name);
    }
    fr_buffer_text(out, ",\"txid\":");
    json_put_txid(out, record);
    if (record->created_ns != 0) {
        fr_buffer_text(out, ",\"created_at\":");
        fr_json_time_ms(out, record->created_ns / 1000000);
    }
    fr_buffer_text(out, ",\"received_at\":");
    fr_json_time_ms(out, record->received_ms);
    json_put_flags(out, flags);
    switch (fr_record_types[record->type].encoding) {
    case FR_ENCODING_DATA:
        json_put_data(out, record, redact);
        break;
    case FR_ENCODING_MESSAGE:
        json_put_message(out, record, redact);
        break;
    case FR_ENCODING_BYTES:
    default:
        fr_buffer_printf(out, ",\"bytes\":%zu", record->payload_len);
        break;
    }
    fr_buffer_byte(out, '}');
}
