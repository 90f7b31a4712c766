/*
 * The JSON of Tesla's server: protobuf's canonical JSON mapping with unset fields shown, made
 * from protobuf-c's descriptors, so that it needs no code for each message.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/json.h"
#include "util/redact.h"
#include "vehicle_alert.pb-c.h"
#include "vehicle_connectivity.pb-c.h"
#include "vehicle_data.pb-c.h"
#include "vehicle_error.pb-c.h"

struct how {
    bool redact;
    const ProtobufCMessage *without_vin; /* leave vin and createdAt out of this message */
};

static void put_object(struct fr_buffer *out, const ProtobufCMessage *message,
                       const struct how *how);

/* front_left becomes frontLeft; DriverFront stays. */
static void put_key(struct fr_buffer *out, const char *name)
{
    fr_buffer_byte(out, '"');
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '_' && c[1] != '\0') {
            c++;
            fr_buffer_byte(out, (uint8_t)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c));
        } else
            fr_buffer_byte(out, (uint8_t)*c);
    }
    fr_buffer_text(out, "\":");
}

static void put_string(struct fr_buffer *out, const char *text)
{
    fr_json_string(out, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
}

static void put_real(struct fr_buffer *out, double real)
{
    if (isnan(real))
        fr_buffer_text(out, "\"NaN\"");
    else if (isinf(real))
        fr_buffer_text(out, real > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else
        fr_json_number(out, real);
}

static void put_float(struct fr_buffer *out, float f)
{
    char text[32];

    if (!isfinite(f)) {
        put_real(out, (double)f);
        return;
    }
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)f);
        if (strtof(text, NULL) == f)
            break;
    }
    fr_buffer_text(out, text);
}

static void put_enum(struct fr_buffer *out, const ProtobufCEnumDescriptor *e, int number)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(e, number);

    if (value != NULL)
        put_string(out, value->name);
    else
        fr_buffer_printf(out, "%d", number);
}

static bool is_timestamp(const ProtobufCMessageDescriptor *d)
{
    return strcmp(d->name, "google.protobuf.Timestamp") == 0;
}

static void put_message(struct fr_buffer *out, const ProtobufCMessage *message,
                        const struct how *how)
{
    if (message == NULL)
        fr_buffer_text(out, "null");
    else if (is_timestamp(message->descriptor)) {
        const Google__Protobuf__Timestamp *t = (const Google__Protobuf__Timestamp *)message;

        fr_buffer_byte(out, '"');
        fr_json_rfc3339(out, t->seconds, t->nanos);
        fr_buffer_byte(out, '"');
    } else
        put_object(out, message, how);
}

static void put_scalar(struct fr_buffer *out, const ProtobufCFieldDescriptor *field,
                       const void *member, const struct how *how)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        fr_buffer_text(out, *(const protobuf_c_boolean *)member ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        put_enum(out, field->descriptor, *(const int *)member);
        break;
    case PROTOBUF_C_TYPE_INT32:
        fr_buffer_printf(out, "%d", *(const int32_t *)member);
        break;
    case PROTOBUF_C_TYPE_INT64:
        fr_buffer_printf(out, "\"%lld\"", (long long)*(const int64_t *)member);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        put_float(out, *(const float *)member);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        put_real(out, *(const double *)member);
        break;
    case PROTOBUF_C_TYPE_STRING:
        put_string(out, *(char *const *)member);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        put_message(out, *(ProtobufCMessage *const *)member, how);
        break;
    default: /* the five messages have no other type */
        fr_buffer_text(out, "null");
        break;
    }
}

static size_t size_of(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_ENUM:
        return sizeof(int);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_FLOAT:
        return 4;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    default:
        return sizeof(void *);
    }
}

/* A map is a repeated message of key and value, whose name ends in Entry. */
static bool is_map(const ProtobufCFieldDescriptor *field)
{
    const ProtobufCMessageDescriptor *d = field->descriptor;
    size_t len;

    if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    len = strlen(d->name);
    return len > 5 && strcmp(d->name + len - 5, "Entry") == 0 && d->n_fields == 2;
}

static void put_repeated(struct fr_buffer *out, const ProtobufCFieldDescriptor *field,
                         const char *items, size_t count, const struct how *how)
{
    bool map = is_map(field);

    fr_buffer_byte(out, map ? '{' : '[');
    for (size_t i = 0; i < count; i++) {
        const char *item = items + i * size_of(field);

        if (i != 0)
            fr_buffer_byte(out, ',');
        if (map) {
            const ProtobufCMessage *entry = *(ProtobufCMessage *const *)(const void *)item;
            const ProtobufCFieldDescriptor *f = entry->descriptor->fields;

            put_scalar(out, &f[0], (const char *)entry + f[0].offset, how);
            fr_buffer_byte(out, ':');
            put_scalar(out, &f[1], (const char *)entry + f[1].offset, how);
        } else
            put_scalar(out, field, item, how);
    }
    fr_buffer_byte(out, map ? '}' : ']');
}

static void put_object(struct fr_buffer *out, const ProtobufCMessage *message,
                       const struct how *how)
{
    const ProtobufCMessageDescriptor *d = message->descriptor;
    bool first = true;

    fr_buffer_byte(out, '{');
    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &d->fields[i];
        const char *member = (const char *)message + field->offset;
        const void *quantity = (const char *)message + field->quantifier_offset;

        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
            *(const uint32_t *)quantity != field->id)
            continue;
        if (message == how->without_vin &&
            (strcmp(field->name, "vin") == 0 || strcmp(field->name, "created_at") == 0))
            continue;
        if (!first)
            fr_buffer_byte(out, ',');
        first = false;
        put_key(out, field->name);
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            put_repeated(out, field, *(char *const *)(const void *)member,
                         *(const size_t *)quantity, how);
        else if (how->redact && strcmp(field->name, "vin") == 0) {
            char shown[FR_REDACTED_VIN_SIZE];

            put_string(out, fr_redacted_vin(*(char *const *)(const void *)member, shown));
        } else
            put_scalar(out, field, member, how);
    }
    fr_buffer_byte(out, '}');
}

static int put_record(struct fr_buffer *out, const struct fr_record *record, bool redact,
                      bool without_vin)
{
    static const ProtobufCMessageDescriptor *const descriptors[FR_RECORD_TYPES] = {
        &telemetry__vehicle_data__payload__descriptor,
        &telemetry__vehicle_alerts__vehicle_alerts__descriptor,
        &telemetry__vehicle_error__vehicle_errors__descriptor,
        &telemetry__vehicle_connectivity__vehicle_connectivity__descriptor,
        &telemetry__vehicle_connectivity__vehicle_connectivity__descriptor,
        NULL,
    };
    ProtobufCMessage *message;

    if (descriptors[record->type] == NULL) {
        fr_buffer_text(out, "{}");
        return 0;
    }
    message = protobuf_c_message_unpack(descriptors[record->type], NULL, record->payload_len,
                                        record->payload);
    if (message == NULL)
        return -1;
    put_object(out, message, &(struct how){redact, without_vin ? message : NULL});
    protobuf_c_message_free_unpacked(message, NULL);
    return 0;
}

int fr_json_tesla(struct fr_buffer *out, const struct fr_record *record, bool redact)
{
    return put_record(out, record, redact, false);
}

int fr_json_tesla_members(struct fr_buffer *out, const struct fr_record *record, bool redact)
{
    return put_record(out, record, redact, true);
}
