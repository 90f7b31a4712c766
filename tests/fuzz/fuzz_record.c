/*
 * Payloads of every type to records and JSON. For vehicle data our own walk is held against
 * protobuf-c: it must not refuse what protobuf-c takes but for known reasons, and both must
 * find as many data.
 */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "record/json.h"
#include "record/payload.h"
#include "record/record.h"
#include "util/redact.h"
#include "vehicle_data.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void compare(const struct fr_record *record, size_t decoded)
{
    Telemetry__VehicleData__Payload *payload =
        telemetry__vehicle_data__payload__unpack(NULL, record->payload_len, record->payload);

    /* protobuf-c is strict about some things that are no fault (a known field with another
     * wire type); where it can read the message the two must agree. */
    if (payload == NULL)
        return;
    if (payload->n_data != decoded || strcmp(payload->vin, record->vin) != 0)
        abort();
    telemetry__vehicle_data__payload__free_unpacked(payload, NULL);
}

/* It is JSON for another reader, too. */
static void check_json(struct fr_buffer *json)
{
    json_t *root = json_loadb(fr_buffer_string(json), json->len, JSON_ALLOW_NUL, NULL);

    if (root == NULL)
        abort();
    json_decref(root);
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
    if (record->type == FR_RECORD_V)
        compare(record, fr_record_data(record)->count);
    fr_record_unref(record);
    return 0;
}
