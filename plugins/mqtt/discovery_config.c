/* What Home Assistant is told of an entity, once. */
#include "mqtt/discovery_config.h"

#include <string.h>

#include "safe_name.h"

static void set(json_t *object, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0')
        json_object_set_new(object, key, json_string(text));
}

static json_t *device_of(const struct fr_ha_vehicle *vehicle, const char *vin)
{
    json_t *device =
        json_pack("{s:[o], s:s, s:s, s:s}", "identifiers", json_sprintf("fleetroute_%s", vin),
                  "name", vehicle->name, "manufacturer", "Tesla", "serial_number", vin);

    set(device, "model", fr_vehicle_model(vehicle->vin));
    set(device, "sw_version", vehicle->version);
    return device;
}

bool discovery_is_connection(const struct fr_entity_state *s)
{
    return strcmp(s->entity->from.word[0], "presence") == 0;
}

static json_t *availability_of(const struct discovery_place *p, const char *vin,
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

static json_t *options_of(const struct fr_entity_state *s)
{
    json_t *options = json_array();

    for (size_t i = 0; i < s->entity->options.count; i++)
        json_array_append_new(options, json_string(s->entity->options.word[i]));
    if (s->unlisted != NULL)
        json_array_append_new(options, json_string(s->unlisted));
    json_array_append_new(options, json_string("unknown"));
    return options;
}

static void describe_sensor(json_t *config, const struct fr_entity_state *s)
{
    const struct fr_entity *e = s->entity;

    set(config, "unit_of_measurement", s->unit);
    set(config, "state_class", e->state_class);
    if (e->device_class != NULL && fr_class_has_unit(e->device_class, s->unit))
        set(config, "device_class", e->device_class);
    if (e->precision >= 0)
        json_object_set_new(config, "suggested_display_precision", json_integer(e->precision));
    if (e->options.count != 0)
        json_object_set_new(config, "options", options_of(s));
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
    /* The place is always there, whatever a route calls it: it is read from there, too. */
    return s->is_tracker ? "location" : s->id;
}

/* What an entity of its platform has besides. */
static void describe(json_t *config, const struct fr_entity_state *s, const char *topic)
{
    switch (s->entity->platform) {
    case FR_PLATFORM_DEVICE_TRACKER:
        set(config, "source_type", "gps");
        set(config, "json_attributes_topic", topic);
        break;
    case FR_PLATFORM_BINARY_SENSOR:
        set(config, "payload_on", "on");
        set(config, "payload_off", "off");
        set(config, "device_class", s->entity->device_class);
        set(config, "state_topic", topic);
        break;
    case FR_PLATFORM_SENSOR:
    default:
        describe_sensor(config, s);
        set(config, "state_topic", topic);
        break;
    }
}

json_t *discovery_config(const struct discovery_place *p, const struct fr_ha_vehicle *vehicle,
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
                       device_of(vehicle, fr_text_buffer_string(&vin)), "availability",
                       availability_of(p, fr_text_buffer_string(&vin), s), "availability_mode",
                       "all", "origin", "name", "fleetroute", "sw_version", PACKAGE_VERSION,
                       "support_url", "https://github.com/fleetroute/fleetroute");
    set(config, "icon", s->entity->icon);
    if (s->entity->diagnostic)
        set(config, "entity_category", "diagnostic");
    describe(config, s, fr_text_buffer_string(&topic));
    fr_text_buffer_free(&topic);
    fr_text_buffer_free(&vin);
    return config;
}
