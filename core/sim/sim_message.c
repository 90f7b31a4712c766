#include "sim/sim_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/value.h"
#include "util/memory.h"
#include "vehicle_data.pb-c.h"

typedef Telemetry__VehicleData__Value value_message;

/* One datum and the messages within its value. */
struct message_parts {
    Telemetry__VehicleData__Datum datum;
    value_message value;
    Telemetry__VehicleData__LocationValue location;
    Telemetry__VehicleData__Doors doors;
    Telemetry__VehicleData__TireLocation tires;
};

static void message_fill_doors(Telemetry__VehicleData__Doors *doors, int64_t bits)
{
    telemetry__vehicle_data__doors__init(doors);
    doors->driverfront = (bits & 1) != 0;
    doors->driverrear = (bits & 2) != 0;
    doors->passengerfront = (bits & 4) != 0;
    doors->passengerrear = (bits & 8) != 0;
    doors->trunkfront = (bits & 16) != 0;
    doors->trunkrear = (bits & 32) != 0;
}

static void message_fill_tires(Telemetry__VehicleData__TireLocation *tires, int64_t bits)
{
    telemetry__vehicle_data__tire_location__init(tires);
    tires->front_left = (bits & 1) != 0;
    tires->front_right = (bits & 2) != 0;
    tires->rear_left = (bits & 4) != 0;
    tires->rear_right = (bits & 8) != 0;
}

/* All members that are varints (enums, int32) have the type int in the union. */
static void message_fill_value(struct message_parts *parts, const struct fr_sim_datum *datum)
{
    value_message *value = &parts->value;
    Telemetry__VehicleData__LocationValue *location = &parts->location;

    telemetry__vehicle_data__value__init(value);
    value->value_case = (Telemetry__VehicleData__Value__ValueCase)datum->member;
    switch (datum->member) {
    case FR_MEMBER_STRING:
        value->string_value = (char *)(uintptr_t)datum->text;
        break;
    case FR_MEMBER_DOUBLE:
        value->double_value = datum->real;
        break;
    case FR_MEMBER_BOOLEAN:
    case FR_MEMBER_INVALID:
        value->boolean_value = datum->integer != 0;
        break;
    case FR_MEMBER_LONG:
        value->long_value = datum->integer;
        break;
    case FR_MEMBER_LOCATION:
        telemetry__vehicle_data__location_value__init(location);
        location->latitude = datum->real;
        location->longitude = datum->real2;
        value->location_value = location;
        break;
    case FR_MEMBER_DOORS:
        message_fill_doors(&parts->doors, datum->integer);
        value->door_value = &parts->doors;
        break;
    case FR_MEMBER_TIRES:
        message_fill_tires(&parts->tires, datum->integer);
        value->tire_location_value = &parts->tires;
        break;
    default:
        value->int_value = (int32_t)datum->integer;
        break;
    }
}

void fr_sim_payload(struct fr_buffer *out, const struct fr_sim_datum *data, size_t count,
                    const char *vin, int64_t created_ns, bool resend)
{
    Telemetry__VehicleData__Payload payload = TELEMETRY__VEHICLE_DATA__PAYLOAD__INIT;
    Google__Protobuf__Timestamp created = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    struct message_parts *parts = fr_calloc(count, sizeof *parts);
    Telemetry__VehicleData__Datum **list =
        fr_calloc(count, sizeof(Telemetry__VehicleData__Datum *));
    uint8_t *to;

    for (size_t i = 0; i < count; i++) {
        telemetry__vehicle_data__datum__init(&parts[i].datum);
        message_fill_value(&parts[i], &data[i]);
        parts[i].datum.key = (Telemetry__VehicleData__Field)data[i].field;
        parts[i].datum.value = &parts[i].value;
        list[i] = &parts[i].datum;
    }
    created.seconds = created_ns / 1000000000;
    created.nanos = (int32_t)(created_ns % 1000000000);
    payload.n_data = count;
    payload.data = list;
    payload.created_at = &created;
    payload.vin = (char *)(uintptr_t)vin;
    payload.is_resend = resend;
    to = fr_buffer_reserve(out, telemetry__vehicle_data__payload__get_packed_size(&payload));
    if (to != NULL)
        out->len += telemetry__vehicle_data__payload__pack(&payload, to);
    free(list);
    free(parts);
}

void fr_sim_envelope(struct fr_buffer *out, const char *topic, const char *txid, const char *vin,
                     const uint8_t *payload, size_t len, uint32_t created_at_s)
{
    static const char type[] = "vehicle_device";
    char sender[128];
    struct fr_envelope e = {0};
    size_t sender_len;

    snprintf(sender, sizeof sender, "%s.%.64s", type, vin);
    sender_len = strlen(sender);
    e.txid = (struct fr_span){(const uint8_t *)txid, strlen(txid)};
    e.topic = (struct fr_span){(const uint8_t *)topic, strlen(topic)};
    e.sender_id = (struct fr_span){(const uint8_t *)sender, sender_len};
    e.device_type = (struct fr_span){(const uint8_t *)type, sizeof type - 1};
    e.device_id = (struct fr_span){(const uint8_t *)vin, strlen(vin)};
    e.payload = (struct fr_span){payload, len};
    e.created_at = created_at_s;
    fr_envelope_write_stream(out, &e);
}
