#include "record/json_tesla.h"

#include <stdlib.h>
#include <string.h>

#include "record/proto_message.h"
#include "record/wire_value.h"
#include "util/json_text.h"
#include "util/redact.h"
#include "vehicle_data.pb-c.h"

struct tesla_options {
    const ProtobufCMessageDescriptor *record; /* type of the outermost message */
    const char *vin;                          /* written as the record's vin; NULL: as sent */
    bool members; /* for fleetroute's JSON: without vin and createdAt of the record */
};

static int tesla_put_object(struct fr_buffer *out, const ProtobufCMessageDescriptor *descriptor,
                            const uint8_t *bytes, size_t len, const struct tesla_options *options);

/* Append the JSON name of a field: frontLeft for front_left, DriverFront unchanged. */
static void tesla_put_key(struct fr_buffer *out, const char *name)
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

/* In fleetroute's JSON, characters that control a terminal are escaped too. `text` is NULL for an
 * absent text. */
static void tesla_put_string(struct fr_buffer *out, const uint8_t *text, size_t len,
                             const struct tesla_options *options)
{
    const char *bytes = text != NULL ? (const char *)text : "";

    if (options->members)
        fr_json_string(out, bytes, len);
    else
        fr_json_tesla_string(out, bytes, len);
}

static void tesla_put_enum(struct fr_buffer *out, const ProtobufCEnumDescriptor *e, int number)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(e, number);

    if (value != NULL)
        fr_buffer_printf(out, "\"%s\"", value->name);
    else
        fr_buffer_printf(out, "%d", number);
}

static double tesla_real_of_bits(uint64_t bits)
{
    double real;

    memcpy(&real, &bits, sizeof real);
    return real;
}

static double tesla_float_of_bits(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float real;

    memcpy(&real, &low, sizeof real);
    return (double)real;
}

/* Append a number, bool or enum. */
static void tesla_put_scalar(struct fr_buffer *out, const ProtobufCFieldDescriptor *field,
                             uint64_t bits)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        fr_buffer_text(out, bits != 0 ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        tesla_put_enum(out, field->descriptor, (int32_t)(uint32_t)bits);
        break;
    case PROTOBUF_C_TYPE_INT32:
        fr_buffer_printf(out, "%d", (int32_t)(uint32_t)bits);
        break;
    case PROTOBUF_C_TYPE_INT64:
        fr_buffer_printf(out, "\"%lld\"", (long long)(int64_t)bits);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        fr_json_tesla_number(out, tesla_float_of_bits(bits), true);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        fr_json_tesla_number(out, tesla_real_of_bits(bits), false);
        break;
    default: /* no field of the messages in record_types.h has another type */
        fr_buffer_text(out, "null");
        break;
    }
}

static int tesla_put_message(struct fr_buffer *out, const ProtobufCMessageDescriptor *descriptor,
                             const uint8_t *bytes, size_t len, const struct tesla_options *options)
{
    struct fr_proto_time time;

    if (!fr_proto_is_time(descriptor))
        return tesla_put_object(out, descriptor, bytes, len, options);
    time = fr_proto_time(bytes, len);
    if (!fr_json_rfc3339_fits(time.seconds, time.nanos) && !options->members)
        return -1;
    fr_buffer_byte(out, '"');
    fr_json_rfc3339(out, time.seconds, time.nanos);
    fr_buffer_byte(out, '"');
    return 0;
}

/* Append the value of a field that is not repeated. */
static int tesla_put_value(struct fr_buffer *out, const ProtobufCFieldDescriptor *field,
                           const struct fr_proto_value *value, const struct tesla_options *options)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && value->present)
        return tesla_put_message(out, field->descriptor, value->bytes, value->len, options);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        fr_buffer_text(out, "null");
    else if (field->type == PROTOBUF_C_TYPE_STRING)
        tesla_put_string(out, value->bytes, value->len, options);
    else
        tesla_put_scalar(out, field, value->bits);
    return 0;
}

/* In fleetroute's JSON, NUL in a key becomes U+FFFD: many readers refuse such a key. */
static void tesla_put_map_key(struct fr_buffer *out, const struct fr_proto_entry *entry,
                              const struct tesla_options *options)
{
    struct fr_buffer key = {0};

    if (!options->members || memchr(entry->key, '\0', entry->key_len) == NULL) {
        tesla_put_string(out, entry->key, entry->key_len, options);
        return;
    }
    for (size_t i = 0; i < entry->key_len; i++) {
        if (entry->key[i] == '\0')
            fr_buffer_text(&key, "\xef\xbf\xbd");
        else
            fr_buffer_byte(&key, entry->key[i]);
    }
    tesla_put_string(out, key.bytes, key.len, options);
    out->failed = out->failed || key.failed;
    fr_buffer_free(&key);
}

static int tesla_put_map(struct fr_buffer *out, const struct fr_proto_message *message,
                         const ProtobufCFieldDescriptor *field, const struct tesla_options *options)
{
    struct fr_proto_entry *entries;
    size_t count = fr_proto_entries(message, field, &entries);

    if (count == SIZE_MAX)
        return -1;
    fr_buffer_byte(out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i != 0)
            fr_buffer_byte(out, ',');
        tesla_put_map_key(out, &entries[i], options);
        fr_buffer_byte(out, ':');
        tesla_put_string(out, entries[i].value, entries[i].value_len, options);
    }
    fr_buffer_byte(out, '}');
    free(entries);
    return 0;
}

/* Append the numbers or enums of one occurrence, each with a comma. */
static void tesla_put_numbers(struct fr_buffer *out, const ProtobufCFieldDescriptor *field,
                              const struct fr_wire_field *f)
{
    struct fr_wire packed = fr_wire_over(f->bytes, f->type == FR_WIRE_BYTES ? f->len : 0);
    uint64_t bits;

    if (f->type != FR_WIRE_BYTES) {
        tesla_put_scalar(out, field, f->varint);
        fr_buffer_byte(out, ',');
    }
    while (fr_wire_varint(&packed, &bits)) {
        tesla_put_scalar(out, field, bits);
        fr_buffer_byte(out, ',');
    }
}

static int tesla_put_list(struct fr_buffer *out, const struct fr_proto_message *message,
                          const ProtobufCFieldDescriptor *field,
                          const struct tesla_options *options)
{
    struct fr_wire wire = fr_wire_over(message->bytes, message->len);
    struct fr_wire_field f = {0};
    size_t start = out->len + 1;

    fr_buffer_byte(out, '[');
    while (fr_proto_next(message, field, &wire, &f)) {
        if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
            tesla_put_numbers(out, field, &f);
            continue;
        }
        if (tesla_put_message(out, field->descriptor, f.bytes, f.len, options) != 0)
            return -1;
        fr_buffer_byte(out, ',');
    }
    if (out->len > start) /* replace the last comma */
        out->len--;
    fr_buffer_byte(out, ']');
    return 0;
}

/* Append the member of a Value that is newer than our table: an enum, as most members are, with its
 * number as intValue, which every reader of the format understands. */
static void tesla_put_newer_member(struct fr_buffer *out, const struct fr_proto_message *message)
{
    struct fr_wire wire = fr_wire_over(message->bytes, message->len);
    struct fr_wire_field f;
    bool found = false;
    uint64_t bits = 0;

    while (fr_wire_next(&wire, &f) > 0)
        if (f.type == FR_WIRE_VARINT && f.number > FR_MEMBER_LAST_KNOWN &&
            f.number <= FR_MEMBER_LAST_EXPECTED) {
            bits = f.varint;
            found = true;
        }
    if (found)
        fr_buffer_printf(out, "\"intValue\":%d", (int32_t)(uint32_t)bits);
}

static int tesla_put_member(struct fr_buffer *out, const struct fr_proto_message *message,
                            unsigned index, const struct tesla_options *options)
{
    const ProtobufCFieldDescriptor *field = &message->descriptor->fields[index];

    tesla_put_key(out, field->name);
    if (fr_proto_is_map(field))
        return tesla_put_map(out, message, field, options);
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return tesla_put_list(out, message, field, options);
    if (options->vin != NULL && message->descriptor == options->record &&
        strcmp(field->name, "vin") == 0) {
        tesla_put_string(out, (const uint8_t *)options->vin, strlen(options->vin), options);
        return 0;
    }
    return tesla_put_value(out, field, &message->values[index], options);
}

/* Whether a member is not written: one of a oneof that is not set, or one that the caller writes. */
static bool tesla_is_absent(const struct fr_proto_message *message, unsigned index,
                            const struct tesla_options *options)
{
    const ProtobufCFieldDescriptor *field = &message->descriptor->fields[index];

    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && !message->values[index].present)
        return true;
    return options->members && message->descriptor == options->record &&
           (strcmp(field->name, "vin") == 0 || strcmp(field->name, "created_at") == 0);
}

static int tesla_put_object(struct fr_buffer *out, const ProtobufCMessageDescriptor *descriptor,
                            const uint8_t *bytes, size_t len, const struct tesla_options *options)
{
    struct fr_proto_message message;
    int status = fr_proto_read(&message, descriptor, bytes, len);
    bool first = true;

    fr_buffer_byte(out, '{');
    for (unsigned i = 0; i < descriptor->n_fields && status == 0; i++) {
        if (tesla_is_absent(&message, i, options))
            continue;
        if (!first)
            fr_buffer_byte(out, ',');
        first = false;
        status = tesla_put_member(out, &message, i, options);
    }
    if (first && descriptor == &telemetry__vehicle_data__value__descriptor)
        tesla_put_newer_member(out, &message);
    fr_buffer_byte(out, '}');
    fr_proto_release(&message);
    return status;
}

static int tesla_put_record(struct fr_buffer *out, const struct fr_record *record, bool redact,
                            bool members)
{
    const ProtobufCMessageDescriptor *descriptor = fr_record_types[record->type].message;
    char redacted[FR_REDACTED_VIN_SIZE];
    struct tesla_options options = {
        .record = descriptor,
        .vin = redact ? fr_redacted_vin(record->vin, redacted) : NULL,
        .members = members,
    };
    size_t start = out->len;

    if (descriptor == NULL) {
        fr_buffer_text(out, "{}");
        return 0;
    }
    if (tesla_put_object(out, descriptor, record->payload, record->payload_len, &options) == 0 &&
        !out->failed)
        return 0;
    out->len = start;
    return -1;
}

int fr_json_tesla(struct fr_buffer *out, const struct fr_record *record, bool redact)
{
    return tesla_put_record(out, record, redact, false);
}

int fr_json_tesla_members(struct fr_buffer *out, const struct fr_record *record, bool redact)
{
    return tesla_put_record(out, record, redact, true);
}

/* Whether all times of a message, and of the messages in it, can be expressed. */
static bool tesla_times_fit(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
                            size_t len)
{
    struct fr_wire wire = fr_wire_over(bytes, len);
    struct fr_wire_field f;

    if (fr_proto_is_time(descriptor)) {
        struct fr_proto_time time = fr_proto_time(bytes, len);

        return fr_json_rfc3339_fits(time.seconds, time.nanos);
    }
    while (fr_wire_next(&wire, &f) > 0) {
        const ProtobufCFieldDescriptor *field = fr_proto_field(descriptor, &f);

        if (field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE &&
            field->descriptor != &telemetry__vehicle_data__datum__descriptor &&
            !tesla_times_fit(field->descriptor, f.bytes, f.len))
            return false;
    }
    return true;
}

bool fr_json_tesla_fits(const struct fr_record *record)
{
    const ProtobufCMessageDescriptor *descriptor = fr_record_types[record->type].message;

    return descriptor == NULL || tesla_times_fit(descriptor, record->payload, record->payload_len);
}
