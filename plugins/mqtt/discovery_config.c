#include "mqtt/discovery_config.h"

#include <string.h>

#include "home_assistant/device_class.h"
#include "home_assistant/slug.h"
#include "safe_name.h"

static void config_set(json_t *object, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0')
        json_object_set_new(object, key, json_string(text));
}

static json_t *config_device_of(const struct fr_ha_vehicle *vehicle, const char *vin)
{
    json_t *device =
        json_pack("{s:[o], s:s, s:s, s:s}", "identifiers", json_sprintf("fleetroute_%s", vin),
                  "name", vehicle->name, "manufacturer", "Tesla", "serial_number", vin);

    config_set(device, "model", fr_vehicle_model(vehicle->vin));
    config_set(device, "sw_version", vehicle->version);
    return device;
}

bool discovery_is_connection(const struct fr_entity_state *s)
{
    return strcmp(s->entity->from.word[0], "presence") == 0;
}

static json_t *config_availability_of(const struct discovery_base *p, const char *vin,
                                      const struct fr_entity_state *s)
{
    json_t *list = json_pack("[{s:s}]", "topic", p->status);

    if (!discovery_is_connection(s))
        json_array_append_new(
            list, json_pack("{s:o}", "topic", json_sprintf("%s/%s/status", p->base, vin)));
    if (s->is_tracker)
        json_array_append_new(
            list, json_pack("{s:o}", "topic", json_sprintf("%s/%s/location/status", p->base, vin)));
    return list;
}

static json_t *config_words(const struct fr_words *words)
{
    json_t *list = json_array();

    for (size_t i = 0; i < words->count; i++)
        json_array_append_new(list, json_string(words->word[i]));
    return list;
}

static json_t *config_options_of(const struct fr_entity_state *s)
{
    json_t *options = config_words(&s->entity->options);

    if (s->unlisted != NULL)
        json_array_append_new(options, json_string(s->unlisted));
    json_array_append_new(options, json_string("unknown"));
    return options;
}

static void config_describe_sensor(json_t *config, const struct fr_entity_state *s)
{
    const struct fr_entity *e = s->entity;

    config_set(config, "unit_of_measurement", s->unit);
    config_set(config, "state_class", e->state_class);
    if (e->device_class != NULL && fr_class_has_unit(e->device_class, s->unit))
        config_set(config, "device_class", e->device_class);
    if (e->precision >= 0)
        json_object_set_new(config, "suggested_display_precision", json_integer(e->precision));
    if (e->options.count != 0)
        json_object_set_new(config, "options", config_options_of(s));
}

void discovery_vehicle_topic(struct fr_text_buffer *topic, const char *base,
                             const struct fr_ha_vehicle *vehicle, const char *end)
{
    fr_text_buffer_add(topic, base);
    fr_text_buffer_byte(topic, '/');
    fr_safe_name(topic, vehicle->vin);
    fr_text_buffer_byte(topic, '/');
    fr_text_buffer_add(topic, end);
}

const char *discovery_topic_end(const struct fr_entity_state *s)
{
    /* The position has a fixed topic, whatever a route's `as` is: discovery.c reads it back. */
    return s->is_tracker ? "location" : s->id;
}

/* Add the keys that depend on the platform. */
static void config_describe(json_t *config, const struct fr_entity_state *s, const char *topic)
{
    switch (s->entity->platform) {
    case FR_PLATFORM_DEVICE_TRACKER:
        config_set(config, "source_type", "gps");
        config_set(config, "json_attributes_topic", topic);
        break;
    case FR_PLATFORM_BINARY_SENSOR:
        config_set(config, "payload_on", "on");
        config_set(config, "payload_off", "off");
        config_set(config, "device_class", s->entity->device_class);
        config_set(config, "state_topic", topic);
        break;
    case FR_PLATFORM_EVENT:
        json_object_set_new(config, "event_types", config_words(&s->entity->options));
        config_set(config, "state_topic", topic);
        break;
    case FR_PLATFORM_SENSOR:
    default:
        config_describe_sensor(config, s);
        config_set(config, "state_topic", topic);
        break;
    }
}

json_t *discovery_config(const struct discovery_base *p, const struct fr_ha_vehicle *vehicle,
                         const struct fr_entity_state *s)
{
    const char *platform = fr_platform_name(s->entity->platform);
    struct fr_text_buffer topic = {0}, vin = {0};
    char device[FR_ENTITY_ID_SIZE];
    json_t *config;

    fr_entity_slug(vehicle->name, device, sizeof device);
    fr_safe_name(&vin, vehicle->vin);
    discovery_vehicle_topic(&topic, p->base, vehicle, discovery_topic_end(s));
    config = json_pack("{s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:s, s:{s:s, s:s, s:s}}", "name",
                       s->name, "has_entity_name", 1, "unique_id",
                       json_sprintf("fleetroute_%s_%s", fr_text_buffer_string(&vin), s->id),
                       "object_id", json_sprintf("%s_%s", device, s->id), "default_entity_id",
                       json_sprintf("%s.%s_%s", platform, device, s->id), "device",
                       config_device_of(vehicle, fr_text_buffer_string(&vin)), "availability",
                       config_availability_of(p, fr_text_buffer_string(&vin), s),
                       "availability_mode", "all", "origin", "name", "fleetroute", "sw_version",
                       PACKAGE_VERSION, "support_url", "https://github.com/fleetroute/fleetroute");
    config_set(config, "icon", s->entity->icon);
    if (s->entity->diagnostic)
        config_set(config, "entity_category", "diagnostic");
    if (s->entity->disabled)
        json_object_set_new(config, "enabled_by_default", json_false());
    config_describe(config, s, fr_text_buffer_string(&topic));
    fr_text_buffer_free(&topic);
    fr_text_buffer_free(&vin);
    return config;
}
