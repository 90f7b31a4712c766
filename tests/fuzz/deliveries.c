#include "deliveries.h"

#include <event2/event.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/field_catalogue.h"
#include "record/json.h"
#include "record/record.h"
#include "util/utf8.h"

size_t fuzz_done, fuzz_refused, fuzz_retried;

const char fuzz_entities[] =
    "derived:\n"
    "  - {from: [presence], name: connected, platform: binary_sensor}\n"
    "  - {field: Gear, name: driving, platform: binary_sensor, on_if: [D, R]}\n"
    "  - {max: [Soc, BatteryLevel], name: battery, class: battery, unit: \"%\", precision: 1}\n"
    "  - {product: [PackVoltage, PackCurrent], name: power, unit: kW, scale: 0.001}\n"
    "  - {from: [alerts], name: alert, platform: event, options: [alarm, other]}\n"
    "fields:\n"
    "  - {field: Location, name: location, platform: device_tracker}\n"
    "  - {field: OriginLocation, name: origin, platform: device_tracker}\n"
    "  - {field: VehicleSpeed, name: speed, class: speed, unit: mph, state: measurement, "
    "precision: 0}\n"
    "  - {field: GpsHeading, name: heading, unit: \"°\"}\n"
    "  - {field: Gear, name: shift state, class: enum, options: [P, R, N, D]}\n"
    "  - {field: DoorState, name: trunk, platform: binary_sensor, bit: TrunkRear}\n"
    "  - {field: ScheduledDepartureTime, name: departure, class: timestamp}\n"
    "  - {field: RouteLine, name: route line}\n"
    "  - {field: Version, name: version}\n";

/* ---- the host -------------------------------------------------------------------- */

static struct event_base *base;

static void host_log(struct fr_sink *sink, enum fr_level level, const char *format, ...)
{
    (void)sink, (void)level, (void)format;
}

static void host_health(struct fr_sink *sink, enum fr_health health, const char *format, ...)
{
    (void)sink, (void)health, (void)format;
}

static void host_done(struct fr_sink *sink, struct fr_delivery *delivery, enum fr_outcome outcome)
{
    (void)sink, (void)delivery;
    fuzz_done++;
    fuzz_refused += outcome == FR_REFUSED;
    fuzz_retried += outcome == FR_RETRY;
}

static void host_fail(struct fr_sink *sink, struct fr_delivery *delivery, enum fr_outcome outcome,
                      const char *format, ...)
{
    (void)format;
    host_done(sink, delivery, outcome);
}

static struct event_base *host_base(struct fr_sink *sink)
{
    (void)sink;
    if (base == NULL)
        base = event_base_new();
    return base;
}

static const char *host_name(struct fr_sink *sink)
{
    (void)sink;
    return "fuzz";
}

static const char *host_text(struct fr_sink *sink, const char *option)
{
    (void)sink;
    return strcmp(option, "discovery_prefix") == 0 ? "homeassistant" : "/nowhere";
}

static int64_t host_number(struct fr_sink *sink, const char *option)
{
    (void)sink;
    return strcmp(option, "position_gap") == 0   ? 600000
           : strcmp(option, "position_age") == 0 ? 30000
           : strcmp(option, "alert_age") == 0    ? 300000
                                                 : 1;
}

static const char *write_json(const struct fr_delivery *d, bool whole_delivery, size_t *len)
{
    static struct fr_buffer out;
    const char *text;

    fr_buffer_clear(&out);
    if (!whole_delivery)
        fr_json_value(&out, &d->value);
    else if (d->kind == FR_DELIVERY_FIELD)
        fr_json_field(&out, d);
    else
        fr_buffer_append(&out, d->bytes, d->len);
    text = fr_buffer_string(&out);
    if (len != NULL)
        *len = out.len;
    return text;
}

static const char *host_json(struct fr_sink *sink, const struct fr_delivery *d, size_t *len)
{
    (void)sink;
    return write_json(d, true, len);
}

static const char *host_value(struct fr_sink *sink, const struct fr_delivery *d, size_t *len)
{
    (void)sink;
    return write_json(d, false, len);
}

const struct fr_host fuzz_host = {
    .size = sizeof(struct fr_host),
    .log = host_log,
    .done = host_done,
    .fail = host_fail,
    .health = host_health,
    .event_base = host_base,
    .name = host_name,
    .state_dir = host_name,
    .text = host_text,
    .number = host_number,
    .json = host_json,
    .value = host_value,
};

/* ---- checks ---------------------------------------------------------------------- */

void fuzz_check_json(const char *text, size_t len)
{
    json_t *root = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

    if (root == NULL) {
        fprintf(stderr, "not JSON: %.*s\n", (int)len, text);
        abort();
    }
    json_decref(root);
}

void fuzz_check_text(const char *text)
{
    size_t len = strlen(text);

    for (size_t at = 0, size; at < len; at += size) {
        size = fr_utf8_length((const uint8_t *)text + at, len - at);
        if (size == 0 || (unsigned char)text[at] < 0x20)
            abort();
    }
}

/* ---- deliveries ------------------------------------------------------------------ */

static void record_deliveries(struct fr_record *record, struct fr_delivery *d,
                              void (*each)(struct fr_delivery *delivery))
{
    struct fr_buffer json = {0};

    fr_json_record(&json, record, d->vehicle_name, d->flags, false);
    fuzz_check_json(fr_buffer_string(&json), json.len);
    d->kind = FR_DELIVERY_RECORD;
    d->format = FR_FORMAT_JSON;
    d->bytes = json.bytes;
    d->len = json.len;
    each(d);
    d->format = FR_FORMAT_PROTOBUF;
    d->bytes = record->payload;
    d->len = record->payload_len;
    each(d);
    fr_buffer_free(&json);
}

static void value_deliveries(struct fr_record *record, struct fr_delivery *d,
                             void (*each)(struct fr_delivery *delivery))
{
    const struct fr_data *data = fr_record_data(record);
    char name[FR_FIELD_NAME_SIZE];

    d->kind = FR_DELIVERY_FIELD;
    for (size_t i = 0; i < data->count && i < 64; i++) {
        const struct fr_field *field = fr_field_by_number(data->datum[i].field);

        d->field = data->datum[i].field;
        d->field_name = d->name = fr_field_name(d->field, name);
        d->unit = field != NULL ? field->unit : "";
        d->value = data->datum[i].value;
        each(d);
    }
}

void fuzz_deliveries(const uint8_t *bytes, size_t len, void (*each)(struct fr_delivery *delivery))
{
    static const char *const topics[] = {"V",        "alerts",   "errors", "connectivity",
                                         "presence", "a+b/../c", "~\xff#", "."};
    const char *topic = len != 0 ? topics[bytes[0] & 7] : "V";
    struct fr_record_source source = {.vin = len != 0 && bytes[0] & 8 ? "../\xff+#"
                                                                      : "5YJ3E1EA7KF000001",
                                      .topic = (const uint8_t *)topic,
                                      .topic_len = strlen(topic),
                                      .client_version = "",
                                      .payload = bytes + 1,
                                      .payload_len = len - 1};
    struct fr_record *record;
    struct fr_error error;

    if (len == 0 || (record = fr_record_new(&source, &error)) == NULL)
        return;
    record_deliveries(record,
                      &(struct fr_delivery){.vin = record->vin,
                                            .vehicle_name = bytes[0] & 16 ? "M\xc3\xa4" : NULL,
                                            .record_type = record->topic,
                                            .client_version = "",
                                            .name = bytes[0] & 32 ? "notification" : NULL,
                                            .created_ms = record->created_ns / 1000000,
                                            .flags = bytes[0] & 64 ? FR_FLAG_REPEATED : 0},
                      each);
    value_deliveries(record,
                     &(struct fr_delivery){.vin = record->vin,
                                           .record_type = record->topic,
                                           .client_version = "",
                                           .created_ms = record->created_ns / 1000000},
                     each);
    fr_record_unref(record);
}
