#include "config/field_route.h"

#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"
#include "config/yaml_values.h"
#include "record/field_catalogue.h"
#include "record/units.h"
#include "util/buffer.h"
#include "util/memory.h"
#include "vehicle_data.pb-c.h"

const char *fr_field_route_unit(const char *asked, const char *wire)
{
    static const struct {
        const char *system, *from, *to;
    } systems[] = {
        {"metric", "mph", "km/h"}, {"metric", "mi/h", "km/h"}, {"metric", "mi", "km"},
        {"imperial", "°C", "°F"},  {"imperial", "bar", "psi"}, {"imperial", "m", "ft"},
    };
    struct fr_conversion conversion;
    bool system = strcmp(asked, "metric") == 0 || strcmp(asked, "imperial") == 0;

    for (size_t i = 0; system && i < sizeof systems / sizeof *systems; i++)
        if (strcmp(systems[i].system, asked) == 0 && strcmp(systems[i].from, wire) == 0)
            return systems[i].to;
    if (system)
        return wire;
    if (fr_unit_canonical(asked) == NULL || !fr_unit_convert(wire, asked, &conversion))
        return NULL;
    return fr_unit_canonical(asked);
}

struct field_set {
    struct fr_routing_reader *reader;
    struct fr_field_route *route;
};

static void field_route_add_field_number(struct fr_field_route *route, uint32_t number,
                                         const struct fr_yaml *text, bool by_name)
{
    struct fr_field_position position = {text->line, text->column, by_name};

    for (size_t i = 0; i < route->field_count; i++)
        if (route->fields[i] == number) {
            if (by_name && !route->positions[i].by_name)
                route->positions[i] = position;
            return;
        }
    route->fields = fr_realloc(route->fields, route->field_count + 1, sizeof *route->fields);
    route->positions =
        fr_realloc(route->positions, route->field_count + 1, sizeof *route->positions);
    route->positions[route->field_count] = position;
    route->fields[route->field_count++] = number;
}

static void field_route_add_category(struct field_set *set, const struct fr_yaml *text,
                                     const char *category)
{
    struct fr_suggestion suggestion = fr_suggest_begin(category);
    bool any = false;

    for (uint32_t i = 0; i < fr_field_count(); i++) {
        const struct fr_field *field = fr_field_by_number(i);

        if (field->kind == FR_FIELD_NONE || strcmp(field->category, category) != 0)
            continue;
        any = true;
        /* The deprecated ChargeState is routed only by name. */
        if (field->number != TELEMETRY__VEHICLE_DATA__FIELD__ChargeState)
            field_route_add_field_number(set->route, i, text, false);
    }
    if (any)
        return;
    for (size_t i = 0; fr_field_category(i) != NULL; i++)
        fr_suggest_try(&suggestion, fr_field_category(i));
    fr_yaml_config_error(&set->reader->file, text, "there is no category \"%s\"%s%s%s", category,
                         fr_suggest_best(&suggestion) ? "; did you mean \"" : "",
                         fr_suggest_best(&suggestion) ? fr_suggest_best(&suggestion) : "",
                         fr_suggest_best(&suggestion) ? "\"?" : "");
}

static void field_route_warn(struct fr_routing_reader *r, const struct fr_yaml *text,
                             const struct fr_field *field)
{
    const struct fr_routing *routing = r->routing;

    if (field->note[0] != '\0')
        fr_yaml_warn(&r->file, text, "%s: %s", field->name, field->note);
    for (size_t i = 0; i < routing->vehicle_count && field->since[0] != '\0'; i++) {
        const struct fr_vehicle *vehicle = &routing->vehicles[i];

        if (vehicle->firmware != NULL && fr_firmware_compare(vehicle->firmware, field->since) < 0)
            fr_yaml_warn(&r->file, text, "%s needs firmware %s; %s has %s", field->name,
                         field->since, vehicle->name != NULL ? vehicle->name : vehicle->vin,
                         vehicle->firmware);
    }
    /* Without a known firmware, warn only of fields that many vehicles may lack. */
    for (size_t i = 0; i < routing->vehicle_count; i++)
        if (routing->vehicles[i].firmware != NULL)
            return;
    if (field->since[0] != '\0' && fr_firmware_compare(field->since, "2025.2.6") > 0)
        fr_yaml_warn(&r->file, text, "%s is sent from firmware %s on", field->name, field->since);
}

static void field_route_add_field(const struct fr_yaml *text, void *ctx)
{
    struct field_set *set = ctx;
    struct fr_routing_reader *r = set->reader;
    struct fr_suggestion suggestion = fr_suggest_begin(text->text);
    const struct fr_field *field;
    int64_t number;

    if (strcmp(text->text, "*") == 0) {
        set->route->all = true;
        for (uint32_t i = 0; i < fr_field_count(); i++)
            field_route_add_field_number(set->route, i, text, false);
        return;
    }
    if (strncmp(text->text, "category:", 9) == 0) {
        field_route_add_category(set, text, text->text + 9 + strspn(text->text + 9, " "));
        return;
    }
    number = fr_field_number(text->text);
    if (number >= 0) {
        field = fr_field_by_number((uint32_t)number);
        field_route_add_field_number(set->route, (uint32_t)number, text, true);
        if (field != NULL)
            field_route_warn(r, text, field);
        return;
    }
    for (uint32_t i = 0; i < fr_field_count(); i++)
        if (fr_field_by_number(i)->kind != FR_FIELD_NONE)
            fr_suggest_try(&suggestion, fr_field_by_number(i)->name);
    if (fr_suggest_best(&suggestion) != NULL)
        fr_yaml_config_error(&r->file, text, "there is no field \"%s\"; did you mean \"%s\"?",
                             text->text, fr_suggest_best(&suggestion));
    else
        fr_yaml_config_error(&r->file, text,
                             "there is no field \"%s\" (`fleetroute check --fields` lists "
                             "them)",
                             text->text);
}

static void unit_suggest(struct fr_routing_reader *r, const struct fr_yaml *node,
                         const struct fr_field *field)
{
    struct fr_buffer list = {0};

    for (size_t i = 0; fr_unit_alternative(field->unit, i) != NULL; i++)
        fr_buffer_printf(&list, "%s%s", i ? ", " : "", fr_unit_alternative(field->unit, i));
    if (field->unit[0] == '\0')
        fr_yaml_config_error(&r->file, node, "%s has no unit to convert", field->name);
    else
        fr_yaml_config_error(
            &r->file, node, "%s (in %s) cannot be converted to \"%s\"; possible: %s", field->name,
            field->unit, node->text, list.len != 0 ? fr_buffer_string(&list) : field->unit);
    fr_buffer_free(&list);
}

static void unit_check(struct fr_routing_reader *r, const struct fr_yaml *node, const void *checked)
{
    const struct fr_field_route *route = checked;

    for (size_t i = 0; route->unit != NULL && i < route->field_count; i++) {
        const struct fr_field *field = fr_field_by_number(route->fields[i]);

        if (field != NULL && field->kind != FR_FIELD_NONE &&
            fr_field_route_unit(route->unit, field->unit) == NULL) {
            unit_suggest(r, node, field);
            return;
        }
    }
}

static void as_check(struct fr_routing_reader *r, const struct fr_yaml *node, const void *checked)
{
    const struct fr_field_route *route = checked;

    if (route->as != NULL && (route->field_count > 1 || route->all))
        fr_yaml_config_error(&r->file, node, "`as:` gives one field a name; this route has %zu",
                             route->field_count);
}

static void field_read(struct fr_routing_reader *r, const struct fr_route_option *option,
                       const struct fr_yaml *map, void *route)
{
    const struct fr_yaml *node = fr_yaml_get(map, option->name);
    struct field_set set = {r, route};

    if (node == NULL)
        fr_yaml_config_error(&r->file, map,
                             "the route has no `field:` (a name, a list, category:NAME or \"*\")");
    fr_yaml_each_text(&r->file, node, option->name, field_route_add_field, &set);
}

static bool field_equal(const struct fr_route_option *option, const void *a, const void *b)
{
    const struct fr_field_route *x = a, *y = b;

    (void)option;
    return x->all == y->all && x->field_count == y->field_count &&
           (x->field_count == 0 ||
            memcmp(x->fields, y->fields, x->field_count * sizeof *x->fields) == 0);
}

static void field_free(const struct fr_route_option *option, void *route)
{
    (void)option;
    free(((struct fr_field_route *)route)->fields);
    free(((struct fr_field_route *)route)->positions);
}

static const struct fr_route_option_type option_field = {
    .read = field_read,
    .equal = field_equal,
    .free = field_free,
};

#define MEMBER(name) offsetof(struct fr_field_route, name)

static const struct fr_route_option options[] = {
    {.name = "field", .type = &option_field},
    {.name = "to", .type = &fr_route_option_to, .member = MEMBER(sinks)},
    {.name = "every",
     .type = &fr_route_option_duration,
     .member = MEMBER(every_ms),
     .needs_state = true},
    {.name = "min_change",
     .type = &fr_route_option_real,
     .member = MEMBER(min_change),
     .needs_state = true},
    {.name = "max_age", .type = &fr_route_option_duration, .member = MEMBER(max_age_ms)},
    {.name = "edge_only",
     .type = &fr_route_option_boolean,
     .member = MEMBER(edge_only),
     .needs_state = true},
    {.name = "unit", .type = &fr_route_option_text, .member = MEMBER(unit), .check = unit_check},
    {.name = "as", .type = &fr_route_option_text, .member = MEMBER(as), .check = as_check},
};

#define OPTIONS (sizeof options / sizeof *options)

const struct fr_route_kind fr_field_route_kind = {"a field route", "fields", options, OPTIONS};

void fr_field_route_read(struct fr_routing_reader *r, const struct fr_yaml *node)
{
    struct fr_routing *routing = r->routing;
    struct fr_field_route route = {.line = node->line, .column = node->column};

    if (!fr_route_options_read(r, &fr_field_route_kind, node, &route))
        return;
    routing->fields = fr_realloc(routing->fields, routing->field_count + 1, sizeof route);
    routing->fields[routing->field_count++] = route;
}

void fr_field_route_free(struct fr_field_route *route)
{
    fr_route_options_free(&fr_field_route_kind, route);
}

bool fr_field_route_equal(const struct fr_field_route *a, const struct fr_field_route *b)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (options[i].type->equal != NULL && !options[i].type->equal(&options[i], a, b))
            return false;
    return true;
}

bool fr_field_route_has_state(const struct fr_field_route *route)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (options[i].needs_state && options[i].type->is_set(&options[i], route))
            return true;
    return false;
}

uint32_t fr_field_route_id(const struct fr_field_route *route)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < OPTIONS; i++)
        if (options[i].type->hash != NULL)
            hash = options[i].type->hash(&options[i], route, hash);
    return (uint32_t)(hash ^ hash >> 32);
}
