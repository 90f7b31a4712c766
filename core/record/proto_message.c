#include "record/proto_message.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "record/text.h"

/* ---- fields ---------------------------------------------------------------------- */

static bool proto_has_type(const ProtobufCFieldDescriptor *field, enum fr_wire_type type)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_INT64:
        return type == FR_WIRE_VARINT ||
               (type == FR_WIRE_BYTES && field->label == PROTOBUF_C_LABEL_REPEATED);
    case PROTOBUF_C_TYPE_FLOAT:
        return type == FR_WIRE_FIXED32;
    case PROTOBUF_C_TYPE_DOUBLE:
        return type == FR_WIRE_FIXED64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return type == FR_WIRE_BYTES;
    default:
        return false;
    }
}

const ProtobufCFieldDescriptor *fr_proto_field(const ProtobufCMessageDescriptor *descriptor,
                                               const struct fr_wire_field *f)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(descriptor, f->number);

    return field != NULL && proto_has_type(field, f->type) ? field : NULL;
}

bool fr_proto_is_time(const ProtobufCMessageDescriptor *descriptor)
{
    return strcmp(descriptor->name, "google.protobuf.Timestamp") == 0;
}

bool fr_proto_is_map(const ProtobufCFieldDescriptor *field)
{
    const ProtobufCMessageDescriptor *d = field->descriptor;
    size_t len;

    if (field->type != PROTOBUF_C_TYPE_MESSAGE || field->label != PROTOBUF_C_LABEL_REPEATED)
        return false;
    len = strlen(d->name);
    return len > 5 && strcmp(d->name + len - 5, "Entry") == 0 && d->n_fields == 2;
}

/* ---- check ----------------------------------------------------------------------- */

static int proto_check_packed(const struct fr_wire_field *f)
{
    struct fr_wire wire = fr_wire_over(f->bytes, f->len);
    uint64_t value;

    while (wire.at != wire.end)
        if (!fr_wire_varint(&wire, &value))
            return -1;
    return 0;
}

int fr_proto_check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t len)
{
    struct fr_wire wire = fr_wire_over(bytes, len);
    struct fr_wire_field f;
    int more;

    while ((more = fr_wire_next(&wire, &f)) > 0) {
        const ProtobufCFieldDescriptor *field = fr_proto_field(descriptor, &f);

        if (field == NULL || f.type != FR_WIRE_BYTES)
            continue;
        if (field->type == PROTOBUF_C_TYPE_STRING) {
            if (!fr_text_is_utf8(f.bytes, f.len))
                return -1;
        } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
            if (fr_proto_check(field->descriptor, f.bytes, f.len) != 0)
                return -1;
        } else if (proto_check_packed(&f) != 0)
            return -1;
    }
    return more;
}

/* ---- read ------------------------------------------------------------------------ */

/* Append a further occurrence of a message field: one message after the other is, in protobuf, the
 * merged message. */
static void proto_merge(struct fr_proto_message *m, int index, const struct fr_wire_field *f)
{
    struct fr_proto_value *value = &m->values[index];
    int slot = 0;

    while (slot < 2 && m->merged[slot].field != index && m->merged[slot].field != -1)
        slot++;
    assert(slot < 2);
    if (m->merged[slot].field == -1) {
        m->merged[slot].field = index;
        fr_buffer_append(&m->merged[slot].bytes, value->bytes, value->len);
    }
    fr_buffer_append(&m->merged[slot].bytes, f->bytes, f->len);
    value->bytes = m->merged[slot].bytes.bytes;
    value->len = m->merged[slot].bytes.len;
}

/* Clear the member of the oneof that another member replaces. */
static void proto_clear(struct fr_proto_message *m, int index)
{
    m->values[index] = (struct fr_proto_value){0};
    for (int slot = 0; slot < 2; slot++)
        if (m->merged[slot].field == index) {
            m->merged[slot].field = -1;
            fr_buffer_clear(&m->merged[slot].bytes);
        }
}

static void proto_set(struct fr_proto_message *m, const ProtobufCFieldDescriptor *field,
                      const struct fr_wire_field *f)
{
    int index = (int)(field - m->descriptor->fields);
    struct fr_proto_value *value = &m->values[index];

    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        if (m->oneof != -1 && m->oneof != index)
            proto_clear(m, m->oneof);
        m->oneof = index;
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && value->present)
        proto_merge(m, index, f);
    else {
        value->bits = f->varint;
        value->bytes = f->bytes;
        value->len = f->len;
    }
    value->present = true;
}

int fr_proto_read(struct fr_proto_message *m, const ProtobufCMessageDescriptor *descriptor,
                  const uint8_t *bytes, size_t len)
{
    struct fr_wire wire = fr_wire_over(bytes, len);
    struct fr_wire_field f = {0};
    int more;

    assert(descriptor->n_fields <= FR_PROTO_FIELDS_MAX);
    m->descriptor = descriptor;
    m->bytes = bytes;
    m->len = len;
    m->oneof = -1;
    for (int slot = 0; slot < 2; slot++) {
        m->merged[slot].field = -1;
        m->merged[slot].bytes = (struct fr_buffer){0};
    }
    memset(m->values, 0, descriptor->n_fields * sizeof m->values[0]);
    while ((more = fr_wire_next(&wire, &f)) > 0) {
        const ProtobufCFieldDescriptor *field = fr_proto_field(descriptor, &f);

        if (field != NULL && field->label != PROTOBUF_C_LABEL_REPEATED)
            proto_set(m, field, &f);
    }
    return m->merged[0].bytes.failed || m->merged[1].bytes.failed ? -1 : more;
}

void fr_proto_release(struct fr_proto_message *m)
{
    fr_buffer_free(&m->merged[0].bytes);
    fr_buffer_free(&m->merged[1].bytes);
}

const struct fr_proto_value *fr_proto_named(const struct fr_proto_message *m, const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);

    assert(field != NULL);
    return &m->values[field - m->descriptor->fields];
}

bool fr_proto_next(const struct fr_proto_message *m, const ProtobufCFieldDescriptor *field,
                   struct fr_wire *wire, struct fr_wire_field *f)
{
    while (fr_wire_next(wire, f) > 0)
        if (f->number == field->id && fr_proto_field(m->descriptor, f) == field)
            return true;
    return false;
}

struct fr_proto_time fr_proto_time(const uint8_t *bytes, size_t len)
{
    struct fr_wire wire = fr_wire_over(bytes, len);
    struct fr_proto_time time = {0};
    struct fr_wire_field f;

    while (fr_wire_next(&wire, &f) > 0) {
        if (f.type == FR_WIRE_VARINT && f.number == 1)
            time.seconds = (int64_t)f.varint;
        else if (f.type == FR_WIRE_VARINT && f.number == 2)
            time.nanos = (int32_t)(uint32_t)f.varint;
    }
    return time;
}

/* ---- maps ------------------------------------------------------------------------ */

static struct fr_proto_entry proto_entry(const struct fr_wire_field *entry, size_t index)
{
    struct fr_wire wire = fr_wire_over(entry->bytes, entry->len);
    struct fr_proto_entry e = {.index = index, .key = entry->bytes, .value = entry->bytes};
    struct fr_wire_field f;

    while (fr_wire_next(&wire, &f) > 0) {
        if (f.type == FR_WIRE_BYTES && f.number == 1)
            e.key = f.bytes, e.key_len = f.len;
        else if (f.type == FR_WIRE_BYTES && f.number == 2)
            e.value = f.bytes, e.value_len = f.len;
    }
    return e;
}

static int proto_compare_keys(const struct fr_proto_entry *a, const struct fr_proto_entry *b)
{
    size_t len = a->key_len < b->key_len ? a->key_len : b->key_len;
    int order = len != 0 ? memcmp(a->key, b->key, len) : 0;

    return order != 0 ? order : (a->key_len > b->key_len) - (a->key_len < b->key_len);
}

static int proto_compare_entries(const void *a, const void *b)
{
    const struct fr_proto_entry *x = a, *y = b;
    int order = proto_compare_keys(x, y);

    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

size_t fr_proto_entries(const struct fr_proto_message *m, const ProtobufCFieldDescriptor *field,
                        struct fr_proto_entry **entries)
{
    struct fr_wire wire = fr_wire_over(m->bytes, m->len);
    struct fr_wire_field f;
    size_t count = 0, kept = 0;

    *entries = NULL;
    while (fr_proto_next(m, field, &wire, &f))
        count++;
    if (count == 0)
        return 0;
    *entries = calloc(count, sizeof **entries);
    if (*entries == NULL)
        return SIZE_MAX;
    wire = fr_wire_over(m->bytes, m->len);
    for (size_t i = 0; i < count && fr_proto_next(m, field, &wire, &f); i++)
        (*entries)[i] = proto_entry(&f, i);
    qsort(*entries, count, sizeof **entries, proto_compare_entries);
    for (size_t i = 0; i < count; i++)
        if (i + 1 == count || proto_compare_keys(&(*entries)[i], &(*entries)[i + 1]) != 0)
            (*entries)[kept++] = (*entries)[i];
    return kept;
}
