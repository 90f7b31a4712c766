#include "source/json_payload.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "record/record_types.h"
#include "record/wire_write.h"

/* Max depth of nested messages. */
#define DEPTH_MAX 8

int64_t fr_json_parse_time(const char *text)
{
    struct tm tm = {0};
    const char *rest = text != NULL ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    int64_t ns = 0, unit = 100000000;
    time_t seconds;

    if (rest == NULL)
        return -1;
    if (*rest == '.')
        for (rest++; isdigit((unsigned char)*rest); rest++, unit /= 10)
            ns += (*rest - '0') * unit;
    seconds = timegm(&tm);
    if (strcmp(rest, "Z") != 0 || seconds < 0 || seconds > INT64_C(9000000000))
        return -1;
    return (int64_t)seconds * 1000000000 + ns;
}

struct writer {
    struct fr_error *error;
    int depth; /* of the message that is being written */
};

static int payload_put_message(struct writer *w, struct fr_buffer *out,
                               const ProtobufCMessageDescriptor *d, const json_t *object);

static int payload_type_error(struct writer *w, const char *name, const char *expected)
{
    return fr_error_set(w->error, "its JSON member \"%s\" is not %s", name, expected);
}

static bool payload_get_integer(const json_t *node, int64_t *value)
{
    char *end;

    if (json_is_integer(node))
        *value = json_integer_value(node);
    else if (json_is_string(node) && json_string_length(node) > 0) {
        *value = strtoll(json_string_value(node), &end, 10);
        return *end == '\0';
    } else if (json_is_real(node) && fabs(json_real_value(node)) < 9e15)
        *value = (int64_t)json_real_value(node);
    else
        return false;
    return true;
}

static bool payload_get_real(const json_t *node, double *value)
{
    char *end;

    if (json_is_number(node))
        *value = json_number_value(node);
    else if (json_is_string(node) && json_string_length(node) > 0) {
        *value = strtod(json_string_value(node), &end); /* also "NaN" and "Infinity" */
        return *end == '\0';
    } else
        return false;
    return true;
}

static int payload_put_enum(struct writer *w, struct fr_buffer *out,
                            const ProtobufCFieldDescriptor *f, const json_t *node, bool always)
{
    const ProtobufCEnumValue *found;
    int64_t number;

    if (json_is_number(node) && payload_get_integer(node, &number))
        ;
    else if (json_is_string(node) && (found = protobuf_c_enum_descriptor_get_value_by_name(
                                          f->descriptor, json_string_value(node))) != NULL)
        number = found->value;
    else
        return payload_type_error(w, f->name, "a value of its enum");
    if (number != 0 || always)
        fr_put_number(out, f->id, (uint64_t)number);
    return 0;
}

/* Write one value. `always`: write the default value too, as members of a oneof and of a list need. */
static int payload_put_value(struct writer *w, struct fr_buffer *out,
                             const ProtobufCFieldDescriptor *f, const json_t *node, bool always)
{
    struct fr_buffer inner = {0};
    int64_t integer;
    double real;

    switch (f->type) {
    case PROTOBUF_C_TYPE_BOOL:
        if (!json_is_boolean(node))
            return payload_type_error(w, f->name, "a boolean");
        if (json_is_true(node) || always)
            fr_put_number(out, f->id, json_is_true(node));
        return 0;
    case PROTOBUF_C_TYPE_ENUM:
        return payload_put_enum(w, out, f, node, always);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_INT64:
        if (!payload_get_integer(node, &integer))
            return payload_type_error(w, f->name, "an integer");
        if (integer != 0 || always)
            fr_put_number(out, f->id, (uint64_t)integer);
        return 0;
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        if (!payload_get_real(node, &real))
            return payload_type_error(w, f->name, "a number");
        if (f->type == PROTOBUF_C_TYPE_FLOAT) {
            float single = (float)real;
            uint32_t bits;

            memcpy(&bits, &single, sizeof bits);
            fr_put_fixed(out, f->id, FR_WIRE_FIXED32, bits);
        } else
            fr_put_double(out, f->id, real);
        return 0;
    case PROTOBUF_C_TYPE_STRING:
        if (!json_is_string(node))
            return payload_type_error(w, f->name, "a text");
        if (json_string_length(node) != 0 || always)
            fr_put_bytes(out, f->id, json_string_value(node), json_string_length(node));
        return 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        if (payload_put_message(w, &inner, f->descriptor, node) != 0) {
            fr_buffer_free(&inner);
            return -1;
        }
        fr_put_nested(out, f->id, &inner);
        return 0;
    default:
        return 0;
    }
}

/* protobuf-c has no maps: a map is a list of messages with the members key (a string) and value. */
static bool payload_is_map(const ProtobufCFieldDescriptor *f)
{
    const ProtobufCMessageDescriptor *entry = f->descriptor;

    return f->type == PROTOBUF_C_TYPE_MESSAGE && entry->n_fields == 2 &&
           entry->fields[0].type == PROTOBUF_C_TYPE_STRING &&
           strcmp(entry->fields[0].name, "key") == 0 && strcmp(entry->fields[1].name, "value") == 0;
}

static int payload_put_map(struct writer *w, struct fr_buffer *out,
                           const ProtobufCFieldDescriptor *f, const json_t *object)
{
    const ProtobufCMessageDescriptor *entry = f->descriptor;
    json_t *value;
    const char *key;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        struct fr_buffer inner = {0};

        fr_put_bytes(&inner, entry->fields[0].id, key, strlen(key));
        if (payload_put_value(w, &inner, &entry->fields[1], value, true) != 0) {
            fr_buffer_free(&inner);
            return -1;
        }
        fr_put_nested(out, f->id, &inner);
    }
    return 0;
}

static int payload_put_field(struct writer *w, struct fr_buffer *out,
                             const ProtobufCFieldDescriptor *f, const json_t *node)
{
    const json_t *item;
    size_t i;

    if (f->label != PROTOBUF_C_LABEL_REPEATED)
        return payload_put_value(w, out, f, node, f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF);
    if (payload_is_map(f) && json_is_object(node))
        return payload_put_map(w, out, f, node);
    if (!json_is_array(node))
        return payload_type_error(w, f->name, "a list");
    json_array_foreach(node, i, item) if (payload_put_value(w, out, f, item, true) != 0) return -1;
    return 0;
}

/* "created_at" -> "createdAt", the name in the JSON of protobuf. */
static void payload_camel_case(const char *name, char *to, size_t size)
{
    size_t n = 0;

    for (; *name != '\0' && n + 1 < size; name++)
        if (*name == '_' && name[1] != '\0')
            to[n++] = (char)toupper((unsigned char)*++name);
        else
            to[n++] = *name;
    to[n] = '\0';
}

static int payload_put_message(struct writer *w, struct fr_buffer *out,
                               const ProtobufCMessageDescriptor *d, const json_t *object)
{
    char name[64];
    int status = 0;

    if (strcmp(d->name, "google.protobuf.Timestamp") == 0) {
        int64_t ns = fr_json_parse_time(json_string_value(object));

        if (ns < 0)
            return fr_error_set(w->error, "a time in its JSON is not an RFC 3339 time in UTC");
        fr_put_number(out, 1, (uint64_t)(ns / 1000000000));
        if (ns % 1000000000 != 0)
            fr_put_number(out, 2, (uint64_t)(ns % 1000000000));
        return 0;
    }
    if (!json_is_object(object) || ++w->depth > DEPTH_MAX)
        return fr_error_set(w->error, "its JSON does not have the form of %s", d->short_name);
    for (unsigned i = 0; i < d->n_fields && status == 0; i++) {
        const json_t *node;

        payload_camel_case(d->fields[i].name, name, sizeof name);
        node = json_object_get(object, name);
        if (node == NULL)
            node = json_object_get(object, d->fields[i].name);
        if (node != NULL && !json_is_null(node))
            status = payload_put_field(w, out, &d->fields[i], node);
    }
    w->depth--;
    return status;
}

int fr_json_object_to_payload(const json_t *root, enum fr_record_type type,
                              struct fr_buffer *payload, struct fr_error *error)
{
    struct writer w = {error, 0};
    const ProtobufCMessageDescriptor *d = fr_record_types[type].message;

    if (d == NULL)
        return fr_error_set(error, "it is JSON of a record type without a known message");
    if (payload_put_message(&w, payload, d, root) != 0)
        return -1;
    return payload->failed ? fr_error_set(error, "out of memory") : 0;
}

json_t *fr_json_parse_object(const char *text, size_t len, struct fr_error *error)
{
    json_error_t problem;
    size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
    json_t *root = json_loadb(text, len, flags, &problem);

    /* Tesla's JSON has large doubles without an exponent: 100000000000000000000. */
    if (root == NULL && json_error_code(&problem) == json_error_numeric_overflow)
        root = json_loadb(text, len, flags | JSON_DECODE_INT_AS_REAL, &problem);
    if (root == NULL)
        fr_error_set(error, "it is not JSON: %s at column %d", problem.text, problem.column);
    else if (!json_is_object(root)) {
        fr_error_set(error, "it is JSON, but not an object");
        json_decref(root);
        root = NULL;
    }
    return root;
}

int fr_json_to_payload(const char *text, size_t len, enum fr_record_type type,
                       struct fr_buffer *payload, struct fr_error *error)
{
    json_t *root = fr_json_parse_object(text, len, error);
    int status;

    if (root == NULL)
        return -1;
    status = fr_json_object_to_payload(root, type, payload, error);
    json_decref(root);
    return status;
}
