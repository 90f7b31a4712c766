#include "source/json_payload.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "record/field_catalogue.h"
#include "record/json.h"
#include "record/value.h"
#include "record/wire_write.h"
#include "vehicle_alert.pb-c.h"
#include "vehicle_connectivity.pb-c.h"
#include "vehicle_data.pb-c.h"
#include "vehicle_error.pb-c.h"

#define DEPTH_MOST 8
enum { PAYLOAD_DATA = 1, PAYLOAD_CREATED_AT = 2, PAYLOAD_VIN = 3, PAYLOAD_IS_RESEND = 4 };
enum { DATUM_KEY = 1, DATUM_VALUE = 2 };

/* RFC 3339 in UTC, as both kinds of JSON have it; ns since 1970, or -1. */
static int64_t parse_time(const char *text)
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

/* ---- Tesla's JSON, by the messages' descriptors ---------------------------------- */

struct reader {
    struct fr_error *error;
    int depth;
};

static int put_message(struct reader *r, struct fr_buffer *out, const ProtobufCMessageDescriptor *d,
                       const json_t *object);

static int wrong(struct reader *r, const char *name, const char *what)
{
    return fr_error_set(r->error, "its JSON member \"%s\" is no %s", name, what);
}

static bool integer_of(const json_t *node, int64_t *value)
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

static bool real_of(const json_t *node, double *value)
{
    char *end;

    if (json_is_number(node))
        *value = json_number_value(node);
    else if (json_is_string(node) && json_string_length(node) > 0) {
        *value = strtod(json_string_value(node), &end); /* "NaN" and "Infinity" too */
        return *end == '\0';
    } else
        return false;
    return true;
}

static int put_enum(struct reader *r, struct fr_buffer *out, const ProtobufCFieldDescriptor *f,
                    const json_t *node, bool always)
{
    const ProtobufCEnumValue *known;
    int64_t number;

    if (json_is_integer(node))
        number = json_integer_value(node);
    else if (json_is_string(node) && (known = protobuf_c_enum_descriptor_get_value_by_name(
                                          f->descriptor, json_string_value(node))) != NULL)
        number = known->value;
    else
        return wrong(r, f->name, "value of its enum");
    if (number != 0 || always)
        fr_put_number(out, f->id, (uint64_t)number);
    return 0;
}

/* One value; `always`: even if it is the default (of a oneof, or in a list). */
static int put_value(struct reader *r, struct fr_buffer *out, const ProtobufCFieldDescriptor *f,
                     const json_t *node, bool always)
{
    struct fr_buffer inner = {0};
    int64_t integer;
    double real;

    switch (f->type) {
    case PROTOBUF_C_TYPE_BOOL:
        if (!json_is_boolean(node))
            return wrong(r, f->name, "boolean");
        if (json_is_true(node) || always)
            fr_put_number(out, f->id, json_is_true(node));
        return 0;
    case PROTOBUF_C_TYPE_ENUM:
        return put_enum(r, out, f, node, always);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_INT64:
        if (!integer_of(node, &integer))
            return wrong(r, f->name, "integer");
        if (integer != 0 || always)
            fr_put_number(out, f->id, (uint64_t)integer);
        return 0;
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        if (!real_of(node, &real))
            return wrong(r, f->name, "number");
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
            return wrong(r, f->name, "text");
        if (json_string_length(node) != 0 || always)
            fr_put_bytes(out, f->id, json_string_value(node), json_string_length(node));
        return 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        if (put_message(r, &inner, f->descriptor, node) != 0) {
            fr_buffer_free(&inner);
            return -1;
        }
        fr_put_nested(out, f->id, &inner);
        return 0;
    default:
        return 0;
    }
}

/* protobuf-c knows no maps: one is a list of messages of a text and what it stands for. */
static bool is_map(const ProtobufCFieldDescriptor *f)
{
    const ProtobufCMessageDescriptor *entry = f->descriptor;

    return f->type == PROTOBUF_C_TYPE_MESSAGE && entry->n_fields == 2 &&
           entry->fields[0].type == PROTOBUF_C_TYPE_STRING &&
           strcmp(entry->fields[0].name, "key") == 0 && strcmp(entry->fields[1].name, "value") == 0;
}

static int put_map(struct reader *r, struct fr_buffer *out, const ProtobufCFieldDescriptor *f,
                   const json_t *object)
{
    const ProtobufCMessageDescriptor *entry = f->descriptor;
    json_t *value;
    const char *key;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        struct fr_buffer inner = {0};

        fr_put_bytes(&inner, entry->fields[0].id, key, strlen(key));
        if (put_value(r, &inner, &entry->fields[1], value, true) != 0) {
            fr_buffer_free(&inner);
            return -1;
        }
        fr_put_nested(out, f->id, &inner);
    }
    return 0;
}

static int put_field(struct reader *r, struct fr_buffer *out, const ProtobufCFieldDescriptor *f,
                     const json_t *node)
{
    const json_t *item;
    size_t i;

    if (f->label != PROTOBUF_C_LABEL_REPEATED)
        return put_value(r, out, f, node, f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF);
    if (is_map(f) && json_is_object(node))
        return put_map(r, out, f, node);
    if (!json_is_array(node))
        return wrong(r, f->name, "list");
    json_array_foreach(node, i, item) if (put_value(r, out, f, item, true) != 0) return -1;
    return 0;
}

/* "created_at" -> "createdAt". */
static void camel(const char *name, char *to, size_t size)
{
    size_t n = 0;

    for (; *name != '\0' && n + 1 < size; name++)
        if (*name == '_' && name[1] != '\0')
            to[n++] = (char)toupper((unsigned char)*++name);
        else
            to[n++] = *name;
    to[n] = '\0';
}

static int put_message(struct reader *r, struct fr_buffer *out, const ProtobufCMessageDescriptor *d,
                       const json_t *object)
{
    char name[64];
    int status = 0;

    if (strcmp(d->name, "google.protobuf.Timestamp") == 0) {
        int64_t ns = parse_time(json_string_value(object));

        if (ns < 0)
            return fr_error_set(r->error, "a time in its JSON is no RFC 3339 time in UTC");
        fr_put_number(out, 1, (uint64_t)(ns / 1000000000));
        if (ns % 1000000000 != 0)
            fr_put_number(out, 2, (uint64_t)(ns % 1000000000));
        return 0;
    }
    if (!json_is_object(object) || ++r->depth > DEPTH_MOST)
        return fr_error_set(r->error, "its JSON does not have the form of %s", d->short_name);
    for (unsigned i = 0; i < d->n_fields && status == 0; i++) {
        const json_t *node;

        camel(d->fields[i].name, name, sizeof name);
        node = json_object_get(object, name);
        if (node == NULL)
            node = json_object_get(object, d->fields[i].name);
        if (node != NULL && !json_is_null(node))
            status = put_field(r, out, &d->fields[i], node);
    }
    r->depth--;
    return status;
}

static const ProtobufCMessageDescriptor *descriptor_of(enum fr_record_type type)
{
    switch (type) {
    case FR_RECORD_V:
        return &telemetry__vehicle_data__payload__descriptor;
    case FR_RECORD_ALERTS:
        return &telemetry__vehicle_alerts__vehicle_alerts__descriptor;
    case FR_RECORD_ERRORS:
        return &telemetry__vehicle_error__vehicle_errors__descriptor;
    case FR_RECORD_CONNECTIVITY:
    case FR_RECORD_PRESENCE:
        return &telemetry__vehicle_connectivity__vehicle_connectivity__descriptor;
    case FR_RECORD_OTHER:
    case FR_RECORD_TYPES:
    default:
        return NULL;
    }
}

static int tesla_payload(const json_t *root, enum fr_record_type type, struct fr_buffer *payload,
                         struct fr_error *error)
{
    struct reader r = {error, 0};
    const ProtobufCMessageDescriptor *d = descriptor_of(type);

    if (d == NULL)
        return fr_error_set(error, "it is JSON of a type that has no known message");
    if (put_message(&r, payload, d, root) != 0)
        return -1;
    return payload->failed ? fr_error_set(error, "out of memory") : 0;
}

static json_t *parse(const char *text, size_t len, struct fr_error *error)
{
    json_error_t problem;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &problem);

    if (root == NULL)
        fr_error_set(error, "it is no JSON: %s at column %d", problem.text, problem.column);
    else if (!json_is_object(root)) {
        fr_error_set(error, "it is JSON, but no object");
        json_decref(root);
        root = NULL;
    }
    return root;
}

int fr_json_to_payload(const char *text, size_t len, enum fr_record_type type,
                       struct fr_buffer *payload, struct fr_error *error)
{
    json_t *root = parse(text, len, error);
    int status;

    if (root == NULL)
        return -1;
    status = tesla_payload(root, type, payload, error);
    json_decref(root);
    return status;
}

/* ---- fleetroute's JSON ----------------------------------------------------------- */

static void put_bits(struct fr_buffer *out, uint32_t member, const json_t *node,
                     const char *const *names, size_t count)
{
    struct fr_buffer inner = {0};

    for (size_t i = 0; i < count; i++)
        if (json_is_true(json_object_get(node, names[i])))
            fr_put_number(&inner, (uint32_t)i + 1, 1);
    fr_put_nested(out, member, &inner);
}

static void put_place(struct fr_buffer *out, const json_t *node)
{
    struct fr_buffer inner = {0};

    fr_put_double(&inner, 1, json_number_value(json_object_get(node, "latitude")));
    fr_put_double(&inner, 2, json_number_value(json_object_get(node, "longitude")));
    fr_put_nested(out, FR_MEMBER_LOCATION, &inner);
}

static bool put_clock(struct fr_buffer *out, const char *text)
{
    struct fr_buffer inner = {0};
    unsigned parts[3];

    if (sscanf(text, "%u:%u:%u", &parts[0], &parts[1], &parts[2]) != 3)
        return false;
    for (uint32_t i = 0; i < 3; i++)
        fr_put_number(&inner, i + 1, parts[i]);
    fr_put_nested(out, FR_MEMBER_TIME, &inner);
    return true;
}

static bool put_choice(struct fr_buffer *out, const struct fr_enum *e, const char *text)
{
    const struct fr_choice *choice = fr_enum_choice_named(e, text, strlen(text));
    int number;

    if (choice != NULL)
        number = choice->number;
    else if (sscanf(text, "unknown(%d)", &number) != 1)
        return false;
    fr_put_number(out, e->tag, (uint64_t)(int64_t)number);
    return true;
}

/* The message Value of what fr_json_value wrote. */
static void put_canonical(struct fr_buffer *out, const struct fr_field *field, const json_t *node)
{
    enum fr_field_kind kind = field != NULL ? field->kind : FR_FIELD_NONE;

    if (kind == FR_FIELD_LOCATION && json_is_object(node))
        put_place(out, node);
    else if (kind == FR_FIELD_DOORS && json_is_object(node))
        put_bits(out, FR_MEMBER_DOORS, node, fr_door_names, FR_DOOR_NAMES);
    else if (kind == FR_FIELD_TIRES && json_is_object(node))
        put_bits(out, FR_MEMBER_TIRES, node, fr_tire_names, FR_TIRE_NAMES);
    else if (kind == FR_FIELD_CLOCK && json_is_string(node) &&
             put_clock(out, json_string_value(node)))
        ;
    else if (kind == FR_FIELD_ENUM && json_is_string(node) && field->choices != NULL &&
             field->choices->tag != 0 && put_choice(out, field->choices, json_string_value(node)))
        ;
    else if (json_is_boolean(node))
        fr_put_number(out, FR_MEMBER_BOOLEAN, json_is_true(node));
    else if (json_is_integer(node) && kind != FR_FIELD_REAL)
        fr_put_number(out, FR_MEMBER_LONG, (uint64_t)json_integer_value(node));
    else if (json_is_number(node))
        fr_put_double(out, FR_MEMBER_DOUBLE, json_number_value(node));
    else if (json_is_string(node))
        fr_put_bytes(out, FR_MEMBER_STRING, json_string_value(node), json_string_length(node));
}

static bool names(const json_t *list, const char *name)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item) if (json_is_string(item) &&
                                          strcmp(json_string_value(item), name) == 0) return true;
    return false;
}

static int put_data(struct fr_buffer *out, const json_t *root, struct fr_error *error)
{
    const json_t *node, *invalid = json_object_get(root, "invalid");
    const char *name;

    json_object_foreach(json_object_get(root, "data"), name, node)
    {
        int64_t number = fr_field_number(name);
        struct fr_buffer datum = {0}, value = {0};

        if (number < 0)
            return fr_error_set(error, "there is no field \"%s\"", name);
        if (names(invalid, name))
            fr_put_number(&value, FR_MEMBER_INVALID, 1);
        else
            put_canonical(&value, fr_field_by_number((uint32_t)number), node);
        fr_put_number(&datum, DATUM_KEY, (uint64_t)number);
        if (!names(json_object_get(root, "empty"), name))
            fr_put_bytes(&datum, DATUM_VALUE, value.bytes, value.len);
        datum.failed = datum.failed || value.failed;
        fr_buffer_free(&value);
        fr_put_nested(out, PAYLOAD_DATA, &datum);
    }
    return 0;
}

static int own_payload(const json_t *root, struct fr_json_line *line, enum fr_record_type type,
                       struct fr_error *error)
{
    struct reader r = {error, 0};

    if (type == FR_RECORD_OTHER)
        return fr_error_set(error, "records of topic \"%s\" are in JSON without their content",
                            line->topic);
    if (type != FR_RECORD_V) {
        if (put_message(&r, &line->payload, descriptor_of(type), root) != 0)
            return -1;
        if (line->created_ns > 0) /* every one of these messages has created_at, under a number */
            fr_put_time(
                &line->payload,
                protobuf_c_message_descriptor_get_field_by_name(descriptor_of(type), "created_at")
                    ->id,
                line->created_ns);
        return 0;
    }
    if (put_data(&line->payload, root, error) != 0)
        return -1;
    if (line->created_ns > 0)
        fr_put_time(&line->payload, PAYLOAD_CREATED_AT, line->created_ns);
    fr_put_bytes(&line->payload, PAYLOAD_VIN, line->vin, strlen(line->vin));
    if (json_is_true(json_object_get(root, "resend")))
        fr_put_number(&line->payload, PAYLOAD_IS_RESEND, 1);
    return 0;
}

/* ---- lines ----------------------------------------------------------------------- */

static void copy_text(char *to, size_t size, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    snprintf(to, size, "%s", text != NULL ? text : "");
}

static int dead_letter(const json_t *root, struct fr_json_line *line, struct fr_error *error)
{
    const char *text = json_string_value(json_object_get(root, "payload"));
    size_t len = text != NULL ? strlen(text) : 0;
    uint8_t *to = fr_buffer_reserve(&line->payload, len / 4 * 3 + 3);
    int n = to != NULL && len % 4 == 0 ? EVP_DecodeBlock(to, (const uint8_t *)text, (int)len) : -1;

    if (n < 0)
        return fr_error_set(error, "its payload is no base64");
    while (n > 0 && len > 0 && text[len - 1] == '=') {
        len--;
        n--;
    }
    line->payload.len = (size_t)n;
    return 0;
}

static enum fr_record_type guess(const json_t *root)
{
    return json_object_get(root, "alerts")   ? FR_RECORD_ALERTS
           : json_object_get(root, "errors") ? FR_RECORD_ERRORS
           : json_object_get(root, "status") ? FR_RECORD_CONNECTIVITY
                                             : FR_RECORD_V;
}

static int read_object(const json_t *root, struct fr_json_line *line, struct fr_error *error)
{
    const json_t *record = json_object_get(root, "record"), *says = record ? record : root;
    enum fr_record_type type;
    int64_t ns;

    if (json_object_get(root, "missed") != NULL || json_object_get(root, "field") != NULL)
        return 1;
    copy_text(line->vin, sizeof line->vin, says, "vin");
    copy_text(line->topic, sizeof line->topic, says, "type");
    copy_text(line->txid, sizeof line->txid, says, "txid");
    if (strlen(line->vin) > FR_VIN_MAX || strlen(line->topic) > FR_TOPIC_MAX ||
        strlen(line->txid) > FR_TXID_MAX)
        return fr_error_set(error, "its VIN, type or txid is longer than %d, %d or %d bytes",
                            FR_VIN_MAX, FR_TOPIC_MAX, FR_TXID_MAX);
    ns = parse_time(json_string_value(json_object_get(says, "received_at")));
    line->received_ms = ns > 0 ? ns / 1000000 : 0;
    ns = parse_time(json_string_value(json_object_get(says, "created_at")));
    if (ns < 0)
        ns = parse_time(json_string_value(json_object_get(says, "createdAt")));
    line->created_ns = ns > 0 ? ns : 0;
    type = fr_record_type_of((const uint8_t *)line->topic, strlen(line->topic));
    if (record != NULL)
        return dead_letter(root, line, error);
    if (line->topic[0] != '\0')
        return own_payload(root, line, type, error);
    type = guess(root);
    snprintf(line->topic, sizeof line->topic, "%s", fr_record_type_name(type));
    return tesla_payload(root, type, &line->payload, error);
}

int fr_json_line_read(const char *text, size_t len, struct fr_json_line *line,
                      struct fr_error *error)
{
    json_t *root = parse(text, len, error);
    int status;

    memset(line, 0, sizeof *line);
    if (root == NULL)
        return -1;
    status = read_object(root, line, error);
    json_decref(root);
    if (status == 0 && line->payload.failed)
        status = fr_error_set(error, "out of memory");
    return status;
}
