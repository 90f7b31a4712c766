/*
 * Conversion of payloads of each record type to records, JSON and the messages of Tesla's MQTT
 * dispatcher. For vehicle data, the decoder of
 * fleetroute is compared with protobuf-c: where both read the payload, they must find the same
 * number of data and the same VIN.
 */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "record/json.h"
#include "record/json_tesla.h"
#include "record/payload.h"
#include "record/record.h"
#include "record/tesla_messages.h"
#include "record/tesla_value.h"
#include "util/redact.h"
#include "vehicle_data.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void compare(const struct fr_record *record, size_t decoded)
{
    Telemetry__VehicleData__Payload *payload =
        telemetry__vehicle_data__payload__unpack(NULL, record->payload_len, record->payload);

    /* protobuf-c rejects some payloads that fleetroute accepts (a known field with another wire
     * type, groups). */
    if (payload == NULL)
        return;
    if (payload->n_data != decoded || strcmp(payload->vin, record->vin) != 0)
        abort();
    telemetry__vehicle_data__payload__free_unpacked(payload, NULL);
}

/* Another JSON parser must accept the text. jansson refuses NUL in a key, which tesla-json keeps. */
static void check_json(struct fr_buffer *json)
{
    const size_t flags = JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL | JSON_DECODE_ANY;
    json_t *root;

    if (strstr(fr_buffer_string(json), "\\u0000") != NULL)
        return;
    root = json_loadb(fr_buffer_string(json), json->len, flags, NULL);

    if (root == NULL)
        abort();
    json_decref(root);
}

static void check_tesla_values(struct fr_record *record)
{
    const struct fr_data *data = fr_record_data(record);
    struct fr_buffer json = {0};

    for (size_t i = 0; i < data->count; i++) {
        fr_buffer_clear(&json);
        fr_tesla_value(&json, data->datum[i].wire, data->datum[i].wire_len);
        check_json(&json);
    }
    fr_buffer_free(&json);
}

static void check_tesla_messages(const struct fr_record *record)
{
    struct fr_tesla_messages *messages = fr_tesla_messages_new(record);
    struct fr_buffer json = {0};
    struct fr_tesla_topic topic;

    for (size_t i = 0; fr_tesla_messages_get(messages, i, &json, &topic); i++) {
        check_json(&json);
        fr_buffer_clear(&json);
    }
    fr_buffer_free(&json);
    fr_tesla_messages_free(messages);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const char *const topics[] = {"V", "alerts", "errors", "connectivity", "other"};
    struct fr_record_source source = {.vin = "5YJ3E1EA7KF000001", .client_version = ""};
    struct fr_buffer json = {0};
    struct fr_record *record;
    struct fr_error error;
    const char *topic;

    if (len == 0)
        return 0;
    topic = topics[bytes[0] % 5];
    source.topic = (const uint8_t *)topic;
    source.topic_len = strlen(topic);
    source.payload = bytes + 1;
    source.payload_len = len - 1;
    record = fr_record_new(&source, &error);
    if (record == NULL)
        return 0;
    fr_redact_ready();
    fr_json_record(&json, record, "name", 7, bytes[0] & 0x80);
    check_json(&json);
    fr_buffer_clear(&json);
    if (fr_json_tesla(&json, record, bytes[0] & 0x80) == 0)
        check_json(&json);
    fr_buffer_free(&json);
    if (record->type == FR_RECORD_V) {
        compare(record, fr_record_data(record)->count);
        check_tesla_values(record);
    } else if (fr_tesla_messages_has(record->type))
        check_tesla_messages(record);
    fr_record_unref(record);
    return 0;
}
