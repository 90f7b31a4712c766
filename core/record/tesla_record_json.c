#include "record/tesla_record_json.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "record/proto_message.h"
#include "record/wire.h"
#include "util/go_json.h"
#include "vehicle_alert.pb-c.h"
#include "vehicle_connectivity.pb-c.h"
#include "vehicle_error.pb-c.h"

/* ---- decoding -------------------------------------------------------------------- */

enum { ALERT_AUDIENCES = 2, ALERT_STARTED_AT = 3, ALERT_ENDED_AT = 4 };
enum { ERROR_CREATED_AT = 1, ERROR_TAGS = 3, ERROR_BODY = 4 };
enum { CONNECTIVITY_ID = 2, CONNECTIVITY_STATUS = 3, CONNECTIVITY_CREATED_AT = 4 };

static struct fr_tesla_text tesla_text(const struct fr_wire_field *f)
{
    return (struct fr_tesla_text){(const char *)f->bytes, f->len};
}

/* Merge one occurrence of a google.protobuf.Timestamp into *time. */
static void tesla_read_time(const struct fr_wire_field *field, struct fr_tesla_time *time)
{
    struct fr_wire wire = fr_wire_over(field->bytes, field->len);
    struct fr_wire_field f = {0};

    time->is_set = true;
    while (fr_wire_next(&wire, &f) > 0) {
        if (f.type == FR_WIRE_VARINT && f.number == 1)
            time->seconds = (int64_t)f.varint;
        else if (f.type == FR_WIRE_VARINT && f.number == 2)
            time->nanos = (int32_t)(uint32_t)f.varint;
    }
}

struct fr_tesla_time fr_tesla_alert_start(const uint8_t *alert, size_t len)
{
    struct fr_wire wire = fr_wire_over(alert, len);
    struct fr_tesla_time start = {0};
    struct fr_wire_field f = {0};

    while (fr_wire_next(&wire, &f) > 0)
        if (f.type == FR_WIRE_BYTES && f.number == ALERT_STARTED_AT)
            tesla_read_time(&f, &start);
    return start;
}

/* ---- JSON ------------------------------------------------------------------------ */

static void tesla_put_time(struct fr_buffer *out, const char *key, const struct fr_tesla_time *time)
{
    if (!time->is_set)
        return;
    fr_buffer_text(out, key);
    fr_go_time(out, time->seconds, time->nanos);
}

/* Append the name of an enum's number, or the number, as a text. */
static void tesla_put_enum(struct fr_buffer *out, const ProtobufCEnumDescriptor *e, uint64_t varint)
{
    int number = (int32_t)(uint32_t)varint;
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(e, number);

    if (value != NULL)
        fr_go_string(out, value->name, strlen(value->name));
    else
        fr_buffer_printf(out, "\"%d\"", number);
}

static void tesla_put_audience(struct fr_buffer *out, uint64_t number, size_t *count)
{
    fr_buffer_byte(out, (*count)++ == 0 ? '[' : ',');
    tesla_put_enum(out, &telemetry__vehicle_alerts__audience__descriptor, number);
}

/* Append one field of audiences, which is packed or a single number. */
static void tesla_put_audiences(struct fr_buffer *out, const struct fr_wire_field *f, size_t *count)
{
    struct fr_wire packed;
    uint64_t number;

    if (f->type == FR_WIRE_VARINT)
        tesla_put_audience(out, f->varint, count);
    if (f->type != FR_WIRE_BYTES)
        return;
    packed = fr_wire_over(f->bytes, f->len);
    while (packed.at != packed.end && fr_wire_varint(&packed, &number))
        tesla_put_audience(out, number, count);
}

void fr_tesla_alert_json(struct fr_buffer *out, const uint8_t *alert, size_t len)
{
    struct fr_wire wire = fr_wire_over(alert, len);
    struct fr_tesla_time start = {0}, end = {0};
    struct fr_wire_field f = {0};
    size_t audiences = 0;

    fr_buffer_text(out, "{\"Audiences\":");
    while (fr_wire_next(&wire, &f) > 0) {
        if (f.number == ALERT_AUDIENCES)
            tesla_put_audiences(out, &f, &audiences);
        else if (f.type == FR_WIRE_BYTES && f.number == ALERT_STARTED_AT)
            tesla_read_time(&f, &start);
        else if (f.type == FR_WIRE_BYTES && f.number == ALERT_ENDED_AT)
            tesla_read_time(&f, &end);
    }
    fr_buffer_text(out, audiences == 0 ? "null" : "]");
    tesla_put_time(out, ",\"EndedAt\":", &end);
    tesla_put_time(out, ",\"StartedAt\":", &start);
    fr_buffer_byte(out, '}');
}

int fr_tesla_text_compare(const struct fr_tesla_text *a, const struct fr_tesla_text *b)
{
    size_t len = a->len < b->len ? a->len : b->len;
    int order = len != 0 ? memcmp(a->bytes, b->bytes, len) : 0;

    return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

/* Append the tags of an error by their keys; of several with one key, the last. */
static void tesla_put_tags(struct fr_buffer *out, const uint8_t *error, size_t len)
{
    const ProtobufCMessageDescriptor *d = &telemetry__vehicle_error__vehicle_error__descriptor;
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(d, ERROR_TAGS);
    const struct fr_proto_message message = {.descriptor = d, .bytes = error, .len = len};
    struct fr_proto_entry *tags;
    size_t count = fr_proto_entries(&message, field, &tags);

    if (count == SIZE_MAX) {
        out->failed = true;
        return;
    }
    fr_buffer_text(out, count == 0 ? "null" : "{");
    for (size_t i = 0; i < count; i++) {
        fr_buffer_text(out, i == 0 ? "" : ",");
        fr_go_string(out, (const char *)tags[i].key, tags[i].key_len);
        fr_buffer_byte(out, ':');
        fr_go_string(out, (const char *)tags[i].value, tags[i].value_len);
    }
    fr_buffer_text(out, count == 0 ? "" : "}");
    free(tags);
}

void fr_tesla_error_json(struct fr_buffer *out, const uint8_t *error, size_t len)
{
    struct fr_wire wire = fr_wire_over(error, len);
    struct fr_tesla_time created = {0};
    struct fr_tesla_text body = {"", 0};
    struct fr_wire_field f = {0};

    while (fr_wire_next(&wire, &f) > 0) {
        if (f.type != FR_WIRE_BYTES)
            continue;
        if (f.number == ERROR_CREATED_AT)
            tesla_read_time(&f, &created);
        else if (f.number == ERROR_BODY)
            body = tesla_text(&f);
    }
    fr_buffer_text(out, "{\"Body\":");
    fr_go_string(out, body.bytes, body.len);
    tesla_put_time(out, ",\"CreatedAt\":", &created);
    fr_buffer_text(out, ",\"Tags\":");
    tesla_put_tags(out, error, len);
    fr_buffer_byte(out, '}');
}

void fr_tesla_connectivity_json(struct fr_buffer *out, const uint8_t *record, size_t len)
{
    struct fr_wire wire = fr_wire_over(record, len);
    struct fr_tesla_time created = {.is_set = true};
    struct fr_tesla_text id = {"", 0};
    struct fr_wire_field f = {0};
    uint64_t status = 0;

    while (fr_wire_next(&wire, &f) > 0) {
        if (f.type == FR_WIRE_BYTES && f.number == CONNECTIVITY_ID)
            id = tesla_text(&f);
        else if (f.type == FR_WIRE_VARINT && f.number == CONNECTIVITY_STATUS)
            status = f.varint;
        else if (f.type == FR_WIRE_BYTES && f.number == CONNECTIVITY_CREATED_AT)
            tesla_read_time(&f, &created);
    }
    fr_buffer_text(out, "{\"ConnectionId\":");
    fr_go_string(out, id.bytes, id.len);
    tesla_put_time(out, ",\"CreatedAt\":", &created);
    fr_buffer_text(out, ",\"Status\":");
    tesla_put_enum(out, &telemetry__vehicle_connectivity__connectivity_event__descriptor, status);
    fr_buffer_byte(out, '}');
}
