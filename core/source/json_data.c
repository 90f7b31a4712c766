#include "source/json_data.h"

#include <stdio.h>
#include <string.h>

#include "record/field_catalogue.h"
#include "record/json.h"
#include "record/value.h"
#include "record/wire_write.h"

/* Members of the message Datum in vehicle_data.proto. */
enum { DATUM_KEY = 1, DATUM_VALUE = 2 };

static void data_put_bits(struct fr_buffer *out, uint32_t member, const json_t *node,
                          const char *const *names, size_t count)
{
    struct fr_buffer inner = {0};

    for (size_t i = 0; i < count; i++)
        if (json_is_true(json_object_get(node, names[i])))
            fr_put_number(&inner, (uint32_t)i + 1, 1);
    fr_put_nested(out, member, &inner);
}

static void data_put_location(struct fr_buffer *out, const json_t *node)
{
    struct fr_buffer inner = {0};

    fr_put_double(&inner, 1, json_number_value(json_object_get(node, "latitude")));
    fr_put_double(&inner, 2, json_number_value(json_object_get(node, "longitude")));
    fr_put_nested(out, FR_MEMBER_LOCATION, &inner);
}

static bool data_put_clock(struct fr_buffer *out, const char *text)
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

static bool data_put_choice(struct fr_buffer *out, const struct fr_enum *e, const char *text)
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

/* Write the message Value of a JSON value that fr_json_value() wrote. */
static void data_put_canonical(struct fr_buffer *out, const struct fr_field *field,
                               const json_t *node)
{
    enum fr_field_kind kind = field != NULL ? field->kind : FR_FIELD_NONE;

    if (kind == FR_FIELD_LOCATION && json_is_object(node))
        data_put_location(out, node);
    else if (kind == FR_FIELD_DOORS && json_is_object(node))
        data_put_bits(out, FR_MEMBER_DOORS, node, fr_door_names, FR_DOOR_NAMES);
    else if (kind == FR_FIELD_TIRES && json_is_object(node))
        data_put_bits(out, FR_MEMBER_TIRES, node, fr_tire_names, FR_TIRE_NAMES);
    else if (kind == FR_FIELD_CLOCK && json_is_string(node) &&
             data_put_clock(out, json_string_value(node)))
        ;
    else if (kind == FR_FIELD_ENUM && json_is_string(node) && field->choices != NULL &&
             field->choices->tag != 0 &&
             data_put_choice(out, field->choices, json_string_value(node)))
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

static bool data_list_contains(const json_t *list, const char *name)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item) if (json_is_string(item) &&
                                          strcmp(json_string_value(item), name) == 0) return true;
    return false;
}

int fr_json_data_put(struct fr_buffer *out, const json_t *root, struct fr_error *error)
{
    const json_t *node, *invalid = json_object_get(root, "invalid");
    const char *name;

    json_object_foreach(json_object_get(root, "data"), name, node)
    {
        int64_t number = fr_field_number(name);
        struct fr_buffer datum = {0}, value = {0};

        if (number < 0)
            return fr_error_set(error, "there is no field \"%s\"", name);
        if (data_list_contains(invalid, name))
            fr_put_number(&value, FR_MEMBER_INVALID, 1);
        else
            data_put_canonical(&value, fr_field_by_number((uint32_t)number), node);
        fr_put_number(&datum, DATUM_KEY, (uint64_t)number);
        if (!data_list_contains(json_object_get(root, "empty"), name))
            fr_put_bytes(&datum, DATUM_VALUE, value.bytes, value.len);
        datum.failed = datum.failed || value.failed;
        fr_buffer_free(&value);
        fr_put_nested(out, FR_PAYLOAD_DATA, &datum);
    }
    return 0;
}
