#include "ha_websocket/entity_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "home_assistant/device_class.h"

#define EXACT_MAX 1e15 /* a double has no more exact digits */

/* The app API has no precision for display, so the state itself is rounded to the digits that are
 * displayed: a whole number, or a number with a decimal point. */
static json_t *entity_json_number(const char *text, int precision)
{
    double number = strtod(text, NULL), scale = pow(10, precision);

    if (precision < 0 || fabs(number) * scale >= EXACT_MAX)
        return strpbrk(text, ".eE") != NULL ? json_real(number)
                                            : json_integer(strtoll(text, NULL, 10));
    return precision == 0 ? json_integer(llround(number))
                          : json_real(round(number * scale) / scale);
}

json_t *entity_json_state(const struct fr_entity_state *s)
{
    if (s->text == NULL)
        return json_null();
    if (s->entity->platform == FR_PLATFORM_BINARY_SENSOR)
        return json_boolean(strcmp(s->text, "on") == 0);
    if (s->is_number)
        return entity_json_number(s->text, s->entity->precision);
    return json_string(s->text);
}

static json_t *entity_json_text(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

json_t *entity_json_description(const struct fr_entity_state *s)
{
    const struct fr_entity *e = s->entity;
    bool sensor = e->platform != FR_PLATFORM_BINARY_SENSOR;
    json_t *d = json_pack("{s:s, s:s, s:s, s:o}", "type",
                          fr_platform_name(sensor ? FR_PLATFORM_SENSOR : e->platform), "unique_id",
                          s->id, "name", s->name, "icon", entity_json_text(e->icon));

    if (e->device_class != NULL && fr_class_has_unit(e->device_class, s->unit))
        json_object_set_new(d, "device_class", json_string(e->device_class));
    if (sensor && s->unit != NULL)
        json_object_set_new(d, "unit_of_measurement", json_string(s->unit));
    if (sensor && e->state_class != NULL)
        json_object_set_new(d, "state_class", json_string(e->state_class));
    if (e->diagnostic)
        json_object_set_new(d, "entity_category", json_string("diagnostic"));
    return d;
}

void entity_json_digest(const json_t *json, const char *device_name,
                        char digest[ENTITY_DIGEST_SIZE])
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    unsigned long long h = 14695981039346656037ULL;

    for (const char *c = text; c != NULL && *c != '\0'; c++)
        h = (h ^ (unsigned char)*c) * 1099511628211ULL;
    for (const char *c = device_name; *c != '\0'; c++)
        h = (h ^ (unsigned char)*c) * 1099511628211ULL;
    snprintf(digest, ENTITY_DIGEST_SIZE, "%016llx", h);
    free(text);
}

json_t *entity_json_update(const struct fr_entity_state *s)
{
    const char *type =
        s->entity->platform == FR_PLATFORM_BINARY_SENSOR ? "binary_sensor" : "sensor";

    return json_pack("{s:s, s:s, s:o, s:o}", "type", type, "unique_id", s->id, "state",
                     entity_json_state(s), "icon", entity_json_text(s->entity->icon));
}
