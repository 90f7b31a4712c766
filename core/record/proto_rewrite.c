#include "record/proto_rewrite.h"

#include <stdlib.h>
#include <string.h>

#include "record/proto_message.h"
#include "record/wire_write.h"

/* A time with at least this many seconds (the year 11970) is in milliseconds. The bound is that of
 * convertTimestamp() in telemetry/record.go of Tesla's fleet-telemetry. */
#define MILLISECONDS_MIN INT64_C(315576000000)

static const struct fr_proto_changes no_changes;

void fr_proto_put_unknown(struct fr_buffer *out, const struct fr_wire_field *f)
{
    const uint8_t *value = f->start;

    while (*value++ & 0x80)
        ;
    fr_put_varint(out, (uint64_t)f->number << 3 | f->type);
    fr_buffer_append(out, value, (size_t)(f->finish - value));
}

/* Returns the varint of a number, bool or enum: 32-bit types are truncated as by a decoder. */
static uint64_t rewrite_varint(const ProtobufCFieldDescriptor *field, uint64_t bits)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        return bits != 0;
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_INT32:
        return (uint64_t)(int64_t)(int32_t)(uint32_t)bits;
    default:
        return bits;
    }
}

/* Write a time that is in milliseconds in seconds. */
static bool rewrite_time_in_ms(struct fr_buffer *out, const ProtobufCFieldDescriptor *field,
                               const struct fr_proto_value *value)
{
    struct fr_proto_time time = fr_proto_time(value->bytes, value->len);
    struct fr_buffer inner = {0};

    if (time.seconds < MILLISECONDS_MIN)
        return false;
    fr_put_number(&inner, 1, (uint64_t)(time.seconds / 1000));
    if (time.seconds % 1000 != 0)
        fr_put_number(&inner, 2, (uint64_t)(time.seconds % 1000 * 1000000));
    fr_put_nested(out, field->id, &inner);
    return true;
}

static void rewrite_message(struct fr_buffer *out, const ProtobufCFieldDescriptor *field,
                            const uint8_t *bytes, size_t len,
                            const struct fr_proto_changes *changes)
{
    struct fr_buffer inner = {0};

    fr_proto_rewrite(field->descriptor, bytes, len, changes, &inner);
    fr_put_nested(out, field->id, &inner);
}

/* Append a field that is not repeated. Outside a oneof, a default value is not written. */
static void rewrite_value(struct fr_buffer *out, const ProtobufCFieldDescriptor *field,
                          const struct fr_proto_value *value, bool times_in_ms)
{
    bool always = field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
    uint64_t bits;

    switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        if (times_in_ms && fr_proto_is_time(field->descriptor) &&
            rewrite_time_in_ms(out, field, value))
            break;
        rewrite_message(out, field, value->bytes, value->len, &no_changes);
        break;
    case PROTOBUF_C_TYPE_STRING:
        if (always || value->len != 0)
            fr_put_bytes(out, field->id, value->bytes, value->len);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        if (always || value->bits != 0)
            fr_put_fixed(out, field->id,
                         field->type == PROTOBUF_C_TYPE_DOUBLE ? FR_WIRE_FIXED64 : FR_WIRE_FIXED32,
                         value->bits);
        break;
    default:
        bits = rewrite_varint(field, value->bits);
        if (always || bits != 0)
            fr_put_number(out, field->id, bits);
        break;
    }
}

static void rewrite_map(struct fr_buffer *out, const struct fr_proto_message *m,
                        const ProtobufCFieldDescriptor *field)
{
    struct fr_proto_entry *entries;
    size_t count = fr_proto_entries(m, field, &entries);

    if (count == SIZE_MAX)
        out->failed = true;
    for (size_t i = 0; i < count && !out->failed; i++) {
        struct fr_buffer inner = {0};

        fr_put_bytes(&inner, 1, entries[i].key, entries[i].key_len);
        fr_put_bytes(&inner, 2, entries[i].value, entries[i].value_len);
        fr_put_nested(out, field->id, &inner);
    }
    free(entries);
}

/* Append numbers or enums as one packed field. */
static void rewrite_packed(struct fr_buffer *out, const struct fr_proto_message *m,
                           const ProtobufCFieldDescriptor *field)
{
    struct fr_wire wire = fr_wire_over(m->bytes, m->len), items;
    struct fr_buffer packed = {0};
    struct fr_wire_field f;
    uint64_t item;

    while (fr_proto_next(m, field, &wire, &f)) {
        if (f.type == FR_WIRE_VARINT)
            fr_put_varint(&packed, rewrite_varint(field, f.varint));
        else
            for (items = fr_wire_over(f.bytes, f.len); fr_wire_varint(&items, &item);)
                fr_put_varint(&packed, rewrite_varint(field, item));
    }
    if (packed.len != 0 || packed.failed)
        fr_put_nested(out, field->id, &packed);
    else
        fr_buffer_free(&packed);
}

static void rewrite_repeated(struct fr_buffer *out, const struct fr_proto_message *m,
                             const ProtobufCFieldDescriptor *field,
                             const struct fr_proto_changes *changes)
{
    struct fr_proto_changes item_changes = {.times_in_ms = changes->times_in_ms};
    struct fr_wire wire = fr_wire_over(m->bytes, m->len);
    struct fr_wire_field f = {0};

    if (fr_proto_is_map(field))
        rewrite_map(out, m, field);
    else if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        while (fr_proto_next(m, field, &wire, &f)) {
            if (changes->rewrite_item == NULL || !changes->rewrite_item(changes->ctx, &f, out))
                rewrite_message(out, field, f.bytes, f.len, &item_changes);
        }
    else
        rewrite_packed(out, m, field);
}

/* Append the known fields of one level. At the top level, where `vin` is set, times do not change. */
static void rewrite_fields(struct fr_buffer *out, const struct fr_proto_message *m,
                           const struct fr_proto_changes *changes)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;

    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &d->fields[i];

        if (changes->vin != NULL && strcmp(field->name, "vin") == 0)
            fr_put_bytes(out, field->id, changes->vin, strlen(changes->vin));
        else if (field->label == PROTOBUF_C_LABEL_REPEATED)
            rewrite_repeated(out, m, field, changes);
        else if (m->values[i].present)
            rewrite_value(out, field, &m->values[i], changes->vin == NULL && changes->times_in_ms);
    }
}

void fr_proto_rewrite(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
                      size_t len, const struct fr_proto_changes *changes, struct fr_buffer *out)
{
    struct fr_wire wire = fr_wire_over(bytes, len);
    struct fr_proto_message m;
    struct fr_wire_field f;

    if (fr_proto_read(&m, descriptor, bytes, len) != 0)
        out->failed = true;
    else
        rewrite_fields(out, &m, changes);
    while (!out->failed && fr_wire_next(&wire, &f) > 0)
        if (fr_proto_field(descriptor, &f) == NULL)
            fr_proto_put_unknown(out, &f);
    fr_proto_release(&m);
}
