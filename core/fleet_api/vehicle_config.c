#include "fleet_api/vehicle_config.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/field_route.h"
#include "record/units.h"
#include "util/memory.h"
#include "vehicle_data.pb-c.h"

/* The vehicle reports nothing for this field without a minimum_delta of 1 or more. */
#define SELF_DRIVING_MILES TELEMETRY__VEHICLE_DATA__FIELD__SelfDrivingMilesSinceReset

/* What the routes ask of one field. */
struct vehicle_config_demand {
    bool routed;
    bool by_name;
    int64_t every_ms;
    double min_change; /* in the unit on the wire */
    int line, column;
};

static bool vehicle_config_has_delta(const struct fr_field *field)
{
    return field->kind == FR_FIELD_REAL || field->kind == FR_FIELD_INTEGER ||
           field->kind == FR_FIELD_LOCATION;
}

/* The `min_change` of a route in the unit on the wire. */
static double vehicle_config_wire_change(const struct fr_field_route *route,
                                         const struct fr_field *field)
{
    struct fr_conversion conversion;
    const char *unit = NULL;

    if (!vehicle_config_has_delta(field))
        return 0;
    if (route->unit != NULL && field->kind != FR_FIELD_LOCATION)
        unit = fr_field_route_unit(route->unit, field->unit);
    if (unit == NULL || strcmp(unit, field->unit) == 0 ||
        !fr_unit_convert(field->unit, unit, &conversion) || conversion.factor == 0)
        return route->min_change;
    return route->min_change / fabs(conversion.factor);
}

/* "*" and categories do not ask for fields without data, and not for fields of other models. A
 * firmware that each vehicle lacks is a reason too. */
static bool vehicle_config_is_implied(const struct fr_field *field, const char *newest)
{
    return field->number != TELEMETRY__VEHICLE_DATA__FIELD__ChargeState &&
           field->number != TELEMETRY__VEHICLE_DATA__FIELD__RouteLastUpdated &&
           strcmp(field->models, "Semi") != 0 &&
           (newest == NULL || fr_firmware_compare(field->since, newest) <= 0);
}

/* The newest firmware of the vehicles; NULL: that of a vehicle is unknown. */
static const char *vehicle_config_newest(const struct fr_routing *routing)
{
    const char *newest = NULL;

    for (size_t i = 0; i < routing->vehicle_count; i++) {
        const char *firmware = routing->vehicles[i].firmware;

        if (firmware == NULL)
            return NULL;
        if (newest == NULL || fr_firmware_compare(firmware, newest) > 0)
            newest = firmware;
    }
    return newest;
}

/* Whether no vehicle is known to have older firmware than this. */
static bool vehicle_config_all_have(const struct fr_routing *routing, const char *firmware)
{
    for (size_t i = 0; i < routing->vehicle_count; i++)
        if (routing->vehicles[i].firmware != NULL &&
            fr_firmware_compare(routing->vehicles[i].firmware, firmware) < 0)
            return false;
    return true;
}

static void vehicle_config_demand(struct vehicle_config_demand *demand,
                                  const struct fr_field_route *route, size_t index,
                                  const struct fr_field *field)
{
    const struct fr_field_position *position = &route->positions[index];
    double change = vehicle_config_wire_change(route, field);

    if (!demand->routed || route->every_ms < demand->every_ms) {
        demand->every_ms = route->every_ms;
        demand->line = position->line;
        demand->column = position->column;
    }
    if (!demand->routed || change < demand->min_change)
        demand->min_change = change;
    demand->by_name |= position->by_name;
    demand->routed = true;
}

/* Collect the demands of the field routes, by field number. */
static void vehicle_config_collect(struct vehicle_config_demand *demands,
                                   const struct fr_routing *routing)
{
    const char *newest = vehicle_config_newest(routing);

    for (size_t i = 0; i < routing->field_count; i++) {
        const struct fr_field_route *route = &routing->fields[i];

        for (size_t j = 0; j < route->field_count; j++) {
            const struct fr_field *field = fr_field_by_number(route->fields[j]);

            if (field != NULL && field->kind != FR_FIELD_NONE &&
                (route->positions[j].by_name || vehicle_config_is_implied(field, newest)))
                vehicle_config_demand(&demands[field->number], route, j, field);
        }
    }
}

static void vehicle_config_collect_records(struct fr_vehicle_config *config,
                                           struct vehicle_config_demand *demands,
                                           const struct fr_routing *routing)
{
    const char *newest = vehicle_config_newest(routing);
    bool vehicle_data = false;

    for (size_t i = 0; i < routing->record_count; i++) {
        const struct fr_record_route *route = &routing->records[i];

        config->alerts |= route->all || (route->types & 1u << FR_RECORD_ALERTS) != 0;
        vehicle_data |= route->all || (route->types & 1u << FR_RECORD_V) != 0;
    }
    config->from_records = vehicle_data && routing->field_count == 0;
    for (uint32_t i = 0; config->from_records && i < fr_field_count(); i++) {
        const struct fr_field *field = fr_field_by_number(i);

        demands[i].routed =
            field->kind != FR_FIELD_NONE && vehicle_config_is_implied(field, newest);
        demands[i].every_ms = FR_VEHICLE_RECORD_INTERVAL_S * INT64_C(1000);
    }
}

static void vehicle_config_raise_firmware(struct fr_vehicle_config_field *field,
                                          const char *firmware)
{
    if (fr_firmware_compare(firmware, field->firmware) > 0)
        field->firmware = firmware;
}

/* Set minimum_delta and resend_s as far as the firmware of each vehicle takes them. */
static void vehicle_config_set_keys(struct fr_vehicle_config_field *field, double min_change,
                                    const struct fr_routing *routing)
{
    const char *delta = field->field->kind == FR_FIELD_LOCATION ? FR_VEHICLE_FIRMWARE_LOCATION_DELTA
                                                                : FR_VEHICLE_FIRMWARE_DELTA;

    if (field->field->number == SELF_DRIVING_MILES && min_change < 1) {
        field->raised = true;
        min_change = 1;
    }
    if (min_change > 0 && vehicle_config_all_have(routing, delta)) {
        field->minimum_delta = min_change;
        vehicle_config_raise_firmware(field, delta);
    }
    field->delta_dropped = min_change > 0 && field->minimum_delta == 0;
    if (field->interval_s >= FR_VEHICLE_SLOW_INTERVAL_S &&
        vehicle_config_all_have(routing, FR_VEHICLE_FIRMWARE_DELTA)) {
        field->resend_s =
            field->interval_s > FR_VEHICLE_RESEND_S ? field->interval_s : FR_VEHICLE_RESEND_S;
        vehicle_config_raise_firmware(field, FR_VEHICLE_FIRMWARE_DELTA);
    }
}

/* Whole seconds, rounded down: a route gets each value that it would deliver. */
static int32_t vehicle_config_interval(int64_t every_ms)
{
    int64_t seconds = every_ms / 1000;

    return seconds < 1 ? 1 : seconds > INT32_MAX ? INT32_MAX : (int32_t)seconds;
}

void fr_vehicle_config_derive(struct fr_vehicle_config *config, const struct fr_routing *routing)
{
    size_t count = fr_field_count();
    struct vehicle_config_demand *demands = fr_calloc(count, sizeof *demands);

    *config = (struct fr_vehicle_config){.fields = fr_calloc(count, sizeof *config->fields)};
    vehicle_config_collect(demands, routing);
    vehicle_config_collect_records(config, demands, routing);
    for (uint32_t i = 0; i < count; i++) {
        struct fr_vehicle_config_field *field = &config->fields[config->count];

        if (!demands[i].routed)
            continue;
        config->count++;
        field->field = fr_field_by_number(i);
        field->firmware = field->field->since;
        field->interval_s = vehicle_config_interval(demands[i].every_ms);
        field->by_name = demands[i].by_name;
        field->line = demands[i].line;
        field->column = demands[i].column;
        vehicle_config_set_keys(field, demands[i].min_change, routing);
    }
    free(demands);
}

void fr_vehicle_config_free(struct fr_vehicle_config *config)
{
    free(config->fields);
    *config = (struct fr_vehicle_config){0};
}

/* ---- JSON ------------------------------------------------------------------------ */

/* A number that is whole is written without a fraction. */
static json_t *vehicle_config_number(double number)
{
    if (number == floor(number) && fabs(number) < 1e15)
        return json_integer((json_int_t)number);
    return json_real(number);
}

static json_t *vehicle_config_fields(const struct fr_vehicle_config *config)
{
    json_t *fields = json_object();

    for (size_t i = 0; i < config->count; i++) {
        const struct fr_vehicle_config_field *field = &config->fields[i];
        json_t *keys = json_object();

        json_object_set_new(keys, "interval_seconds", json_integer(field->interval_s));
        if (field->minimum_delta > 0)
            json_object_set_new(keys, "minimum_delta", vehicle_config_number(field->minimum_delta));
        if (field->resend_s > 0)
            json_object_set_new(keys, "resend_interval_seconds", json_integer(field->resend_s));
        json_object_set_new(fields, field->field->name, keys);
    }
    return fields;
}

static json_t *vehicle_config_vins(const struct fr_routing *routing)
{
    json_t *vins = json_array();

    for (size_t i = 0; i < routing->vehicle_count; i++)
        json_array_append_new(vins, json_string(routing->vehicles[i].vin));
    return vins;
}

/* The object `config`; NULL: a text is not UTF-8. */
static json_t *vehicle_config_object(const struct fr_vehicle_config *config,
                                     const struct fr_vehicle_config_server *server)
{
    /* prefer_typed: ignored since client 1.1.0, whose values are always typed; older vehicles need
     * it. delivery_policy: a vehicle resends what was not acknowledged. */
    json_t *object =
        json_pack("{s:s, s:i, s:s, s:o, s:b, s:s}", "hostname", server->hostname, "port",
                  (int)server->port, "ca", server->ca, "fields", vehicle_config_fields(config),
                  "prefer_typed", 1, "delivery_policy", "latest");

    if (object != NULL && config->alerts)
        json_object_set_new(object, "alert_types", json_pack("[s]", "service"));
    return object;
}

/* Write the JSON followed by `end`, and free the value. NULL: the cause is in *error. */
static char *vehicle_config_dump(json_t *value, size_t flags, const char *end,
                                 struct fr_error *error)
{
    char *dump = json_dumps(value, JSON_SORT_KEYS | JSON_REAL_PRECISION(15) | flags);
    char *text = NULL;

    json_decref(value);
    if (dump == NULL)
        fr_error_set(error, "the telemetry configuration is no valid JSON: a text is not UTF-8");
    else
        text = fr_asprintf("%s%s", dump, end);
    free(dump);
    return text;
}

char *fr_vehicle_config_json(const struct fr_vehicle_config *config,
                             const struct fr_routing *routing,
                             const struct fr_vehicle_config_server *server, struct fr_error *error)
{
    json_t *body = json_pack("{s:o, s:o}", "vins", vehicle_config_vins(routing), "config",
                             vehicle_config_object(config, server));

    return vehicle_config_dump(body, JSON_INDENT(2), "\n", error);
}

char *fr_vehicle_config_object(const struct fr_vehicle_config *config,
                               const struct fr_vehicle_config_server *server,
                               struct fr_error *error)
{
    return vehicle_config_dump(vehicle_config_object(config, server), JSON_COMPACT, "", error);
}
