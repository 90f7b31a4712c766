#include "source/json_line.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "record/record_types.h"
#include "record/wire_write.h"
#include "source/json_data.h"
#include "source/json_payload.h"

/* Write the payload of a record in fleetroute's JSON (record/json.h). */
static int line_read_own(const json_t *root, struct fr_json_line *line, enum fr_record_type type,
                         struct fr_error *error)
{
    const ProtobufCMessageDescriptor *d = fr_record_types[type].message;

    if (type == FR_RECORD_OTHER)
        return fr_error_set(error, "the JSON of a record of topic \"%s\" does not have its content",
                            line->topic);
    if (type != FR_RECORD_V) {
        if (fr_json_object_to_payload(root, type, &line->payload, error) != 0)
            return -1;
        /* Each of these messages has a member created_at, with a number of its own. */
        if (line->created_ns > 0)
            fr_put_time(&line->payload,
                        protobuf_c_message_descriptor_get_field_by_name(d, "created_at")->id,
                        line->created_ns);
        return 0;
    }
    if (fr_json_data_put(&line->payload, root, error) != 0)
        return -1;
    if (line->created_ns > 0)
        fr_put_time(&line->payload, FR_PAYLOAD_CREATED_AT, line->created_ns);
    fr_put_bytes(&line->payload, FR_PAYLOAD_VIN, line->vin, strlen(line->vin));
    if (json_is_true(json_object_get(root, "resend")))
        fr_put_number(&line->payload, FR_PAYLOAD_IS_RESEND, 1);
    return 0;
}

static void line_copy_text(char *to, size_t size, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    snprintf(to, size, "%s", text != NULL ? text : "");
}

/* Decode the payload of a dead letter, which is base64. */
static int line_read_dead_letter(const json_t *root, struct fr_json_line *line,
                                 struct fr_error *error)
{
    const char *text = json_string_value(json_object_get(root, "payload"));
    size_t len = text != NULL ? strlen(text) : 0;
    uint8_t *to = fr_buffer_reserve(&line->payload, len / 4 * 3 + 3);
    int n = to != NULL && len % 4 == 0 ? EVP_DecodeBlock(to, (const uint8_t *)text, (int)len) : -1;

    if (n < 0)
        return fr_error_set(error, "its payload is not base64");
    while (n > 0 && len > 0 && text[len - 1] == '=') {
        len--;
        n--;
    }
    line->payload.len = (size_t)n;
    return 0;
}

/* The record type of a line in Tesla's JSON, which does not contain it. */
static enum fr_record_type line_guess_type(const json_t *root)
{
    return json_object_get(root, "alerts")   ? FR_RECORD_ALERTS
           : json_object_get(root, "errors") ? FR_RECORD_ERRORS
           : json_object_get(root, "status") ? FR_RECORD_CONNECTIVITY
                                             : FR_RECORD_V;
}

/* Whether a member is a text with NUL, which a VIN, type or txid in JSON never has. */
static bool line_has_nul(const json_t *object, const char *key)
{
    const json_t *node = json_object_get(object, key);

    return json_is_string(node) && strlen(json_string_value(node)) != json_string_length(node);
}

/* The members that describe a record: in a dead letter they are in its member "record". */
static int line_read_head(const json_t *head, struct fr_json_line *line, struct fr_error *error)
{
    int64_t ns;

    if (line_has_nul(head, "vin") || line_has_nul(head, "type") || line_has_nul(head, "txid"))
        return fr_error_set(error, "its VIN, type or txid contains NUL");
    line_copy_text(line->vin, sizeof line->vin, head, "vin");
    line_copy_text(line->topic, sizeof line->topic, head, "type");
    line_copy_text(line->txid, sizeof line->txid, head, "txid");
    if (strlen(line->vin) > FR_VIN_MAX || strlen(line->topic) > FR_TOPIC_MAX ||
        strlen(line->txid) > FR_TXID_MAX)
        return fr_error_set(error, "its VIN, type or txid is longer than %d, %d or %d bytes",
                            FR_VIN_MAX, FR_TOPIC_MAX, FR_TXID_MAX);
    ns = fr_json_parse_time(json_string_value(json_object_get(head, "received_at")));
    line->received_ms = ns > 0 ? ns / 1000000 : 0;
    ns = fr_json_parse_time(json_string_value(json_object_get(head, "created_at")));
    if (ns < 0)
        ns = fr_json_parse_time(json_string_value(json_object_get(head, "createdAt")));
    line->created_ns = ns > 0 ? ns : 0;
    return 0;
}

static int line_read_record(const json_t *root, struct fr_json_line *line, struct fr_error *error)
{
    const json_t *record = json_object_get(root, "record");
    enum fr_record_type type;

    if (line_read_head(record != NULL ? record : root, line, error) != 0)
        return -1;
    type = fr_record_type_of((const uint8_t *)line->topic, strlen(line->topic));
    if (record != NULL)
        return line_read_dead_letter(root, line, error);
    if (line->topic[0] != '\0')
        return line_read_own(root, line, type, error);
    type = line_guess_type(root);
    snprintf(line->topic, sizeof line->topic, "%s", fr_record_type_name(type));
    return fr_json_object_to_payload(root, type, &line->payload, error);
}

enum fr_json_line_kind fr_json_line_read(const char *text, size_t len, struct fr_json_line *line,
                                         struct fr_error *error)
{
    json_t *root = fr_json_parse_object(text, len, error);
    enum fr_json_line_kind kind = FR_JSON_LINE_RECORD;

    memset(line, 0, sizeof *line);
    if (root == NULL)
        return FR_JSON_LINE_ERROR;
    /* Older versions wrote the number of skipped records as "missed". */
    if (json_object_get(root, "skipped") != NULL || json_object_get(root, "missed") != NULL ||
        json_object_get(root, "field") != NULL)
        kind = FR_JSON_LINE_OTHER;
    else if (line_read_record(root, line, error) != 0)
        kind = FR_JSON_LINE_ERROR;
    json_decref(root);
    if (kind == FR_JSON_LINE_RECORD && line->payload.failed) {
        fr_error_set(error, "out of memory");
        kind = FR_JSON_LINE_ERROR;
    }
    return kind;
}
