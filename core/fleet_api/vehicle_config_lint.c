#include "fleet_api/vehicle_config_lint.h"

#include <string.h>

struct lint {
    const struct fr_vehicle_config *config;
    const struct fr_routing *routing;
    const char *path;
    struct fr_diagnostics *diagnostics;
};

/* A field that a route names and that the configuration cannot have. */
static void lint_not_asked(const struct lint *lint, const struct fr_field_route *route,
                           size_t index)
{
    const struct fr_field *field = fr_field_by_number(route->fields[index]);
    const struct fr_field_position *position = &route->positions[index];
    char name[FR_FIELD_NAME_SIZE];

    if (!position->by_name || (field != NULL && field->kind != FR_FIELD_NONE))
        return;
    fr_diagnose(
        lint->diagnostics, FR_SEVERITY_WARNING, lint->path, position->line, position->column,
        field == NULL ? "%s has no known name, and the API refuses unknown names: it is left "
                        "out"
                      : "%s never carries a value: it is not asked for",
        fr_field_name(route->fields[index], name));
}

static void lint_models(const struct lint *lint, const struct fr_field_route *route, size_t index)
{
    const struct fr_field *field = fr_field_by_number(route->fields[index]);
    const struct fr_field_position *position = &route->positions[index];

    if (position->by_name && field != NULL && field->models[0] != '\0')
        fr_diagnose(lint->diagnostics, FR_SEVERITY_WARNING, lint->path, position->line,
                    position->column, "%s is sent by %s vehicles only", field->name, field->models);
}

static void lint_route(const struct lint *lint, const struct fr_field_route *route)
{
    bool implied = false;

    for (size_t i = 0; i < route->field_count; i++) {
        lint_not_asked(lint, route, i);
        lint_models(lint, route, i);
        implied |= !route->positions[i].by_name;
    }
    if (implied && route->every_ms < 1000)
        fr_diagnose(lint->diagnostics, FR_SEVERITY_WARNING, lint->path, route->line, route->column,
                    "each field of this route is asked for once a second; `every:` makes it rarer");
}

static void lint_field(const struct lint *lint, const struct fr_vehicle_config_field *field)
{
    if (field->raised && field->by_name && !field->delta_dropped)
        fr_diagnose(lint->diagnostics, FR_SEVERITY_WARNING, lint->path, field->line, field->column,
                    "minimum_delta of %s is 1, because the vehicle reports nothing with less; set "
                    "`min_change: 1`",
                    field->field->name);
    if (field->delta_dropped)
        fr_diagnose(lint->diagnostics, FR_SEVERITY_WARNING, lint->path, field->line, field->column,
                    "minimum_delta of %s is not set: a vehicle in the list has firmware older than "
                    "%s",
                    field->field->name,
                    field->field->kind == FR_FIELD_LOCATION ? FR_VEHICLE_FIRMWARE_LOCATION_DELTA
                                                            : FR_VEHICLE_FIRMWARE_DELTA);
}

static void lint_vehicles(const struct lint *lint)
{
    const struct fr_routing *routing = lint->routing;

    if (routing->vehicle_count == 0)
        fr_diagnose(
            lint->diagnostics, FR_SEVERITY_WARNING, lint->path, 0, 0,
            "`vehicles:` lists no VIN, so `vins` is empty: add the vehicles that are to get "
            "this configuration");
    for (size_t i = 0; i < routing->vehicle_count; i++) {
        const struct fr_vehicle *vehicle = &routing->vehicles[i];

        if (vehicle->firmware != NULL &&
            fr_firmware_compare(vehicle->firmware, FR_VEHICLE_FIRMWARE_MIN) < 0)
            fr_diagnose(lint->diagnostics, FR_SEVERITY_WARNING, lint->path, vehicle->line,
                        vehicle->column,
                        "%s has firmware %s; a signed configuration needs " FR_VEHICLE_FIRMWARE_MIN,
                        vehicle->name != NULL ? vehicle->name : vehicle->vin, vehicle->firmware);
    }
}

void fr_vehicle_config_lint(const struct fr_vehicle_config *config,
                            const struct fr_routing *routing, const char *path,
                            struct fr_diagnostics *diagnostics)
{
    struct lint lint = {config, routing, path, diagnostics};

    if (config->count == 0)
        fr_diagnose(diagnostics, FR_SEVERITY_ERROR, path, 0, 0,
                    "no route needs a field: a configuration without fields is accepted and stops "
                    "the stream; route fields, or records of type V");
    if (config->from_records)
        fr_diagnose(diagnostics, FR_SEVERITY_WARNING, path, 0, 0,
                    "`fields:` has no route, so each field is asked for every %d s; field routes "
                    "with `every:` choose",
                    FR_VEHICLE_RECORD_INTERVAL_S);
    for (size_t i = 0; i < routing->field_count; i++)
        lint_route(&lint, &routing->fields[i]);
    for (size_t i = 0; i < config->count; i++)
        lint_field(&lint, &config->fields[i]);
    lint_vehicles(&lint);
}

/* Whether `word` is one of the words of `list`, which are separated by spaces. */
static bool lint_has_word(const char *list, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = list; (at = strstr(at, word)) != NULL; at += len)
        if ((at == list || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

void fr_vehicle_config_lint_scopes(const struct fr_vehicle_config *config, const char *scopes,
                                   const char *path, enum fr_severity severity,
                                   struct fr_diagnostics *diagnostics)
{
    for (size_t i = 0; i < config->count; i++) {
        const struct fr_vehicle_config_field *field = &config->fields[i];

        if (field->field->scope[0] != '\0' && !lint_has_word(scopes, field->field->scope))
            fr_diagnose(diagnostics, severity, path, field->line, field->column,
                        "%s needs the scope %s, which the owner has not granted; run `fleetroute "
                        "setup` and tick it, or remove the field",
                        field->field->name, field->field->scope);
    }
}
