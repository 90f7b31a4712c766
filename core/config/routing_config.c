#include "config/routing_config.h"

#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"
#include "config/yaml_tree.h"
#include "record/field_catalogue.h"
#include "record/units.h"
#include "util/buffer.h"
#include "util/memory.h"

struct reader {
    struct fr_yaml_file file;
    const char *const *sinks;
    size_t sink_count;
    struct fr_routing *routing;
};

/* ---- sinks ----------------------------------------------------------------------- */

struct sink_set {
    struct reader *reader;
    uint64_t bits;
};

static void add_sink(const struct fr_yaml *text, void *ctx)
{
    struct sink_set *set = ctx;
    struct reader *r = set->reader;
    struct fr_suggestion suggestion = fr_suggest_begin(text->text);

    for (size_t i = 0; i < r->sink_count; i++) {
        if (strcmp(r->sinks[i], text->text) == 0) {
            set->bits |= UINT64_C(1) << i;
            return;
        }
        fr_suggest_try(&suggestion, r->sinks[i]);
    }
    if (fr_suggest_best(&suggestion) != NULL)
        fr_yaml_wrong(&r->file, text, "there is no sink \"%s\"; did you mean \"%s\"?", text->text,
                      fr_suggest_best(&suggestion));
    else
        fr_yaml_wrong(&r->file, text, "there is no sink \"%s\" under `sinks:` in fleetroute.yaml",
                      text->text);
}

static uint64_t read_sinks(struct reader *r, const struct fr_yaml *node, const char *what)
{
    struct sink_set set = {r, 0};

    fr_yaml_each_text(&r->file, node, what, add_sink, &set);
    return set.bits;
}

static uint64_t read_to(struct reader *r, const struct fr_yaml *route)
{
    const struct fr_yaml *node = fr_yaml_get(route, "to");

    if (node == NULL) {
        fr_yaml_wrong(&r->file, route, "the route has no `to:`, so it leads nowhere");
        return 0;
    }
    return read_sinks(r, node, "to");
}

/* ---- vehicles -------------------------------------------------------------------- */

static void read_vehicle(struct reader *r, const struct fr_yaml *node)
{
    static const char *const keys[] = {"vin", "name", "firmware", NULL};
    struct fr_routing *routing = r->routing;
    const char *vin, *name, *firmware;
    struct fr_vehicle *vehicle;

    if (node->kind == FR_YAML_TEXT) {
        vin = node->text;
        name = firmware = NULL;
    } else {
        if (!fr_yaml_is_map(&r->file, node, "a vehicle", keys))
            return;
        vin = fr_yaml_text(&r->file, fr_yaml_get(node, "vin"), "vin", NULL);
        name = fr_yaml_text(&r->file, fr_yaml_get(node, "name"), "name", NULL);
        firmware = fr_yaml_text(&r->file, fr_yaml_get(node, "firmware"), "firmware", NULL);
    }
    if (vin == NULL || vin[0] == '\0' || strlen(vin) > FR_VIN_MAX) {
        fr_yaml_wrong(&r->file, node, "a vehicle needs a `vin:` of 1 to %d characters", FR_VIN_MAX);
        return;
    }
    if (strlen(vin) != 17)
        fr_yaml_warn(&r->file, node, "a car's VIN has 17 characters; \"%s\" has %zu", vin,
                     strlen(vin));
    for (size_t i = 0; i < routing->vehicle_count; i++)
        if (strcmp(routing->vehicles[i].vin, vin) == 0)
            fr_yaml_wrong(&r->file, node, "VIN %s stands here twice", vin);
    routing->vehicles =
        fr_realloc(routing->vehicles, routing->vehicle_count + 1, sizeof *routing->vehicles);
    vehicle = &routing->vehicles[routing->vehicle_count++];
    vehicle->vin = fr_strdup(vin);
    vehicle->name = name != NULL ? fr_strdup(name) : NULL;
    vehicle->firmware = firmware != NULL ? fr_strdup(firmware) : NULL;
}

/* ---- records --------------------------------------------------------------------- */

struct type_set {
    struct reader *reader;
    struct fr_record_route *route;
};

static void add_type(const struct fr_yaml *text, void *ctx)
{
    struct type_set *set = ctx;
    struct fr_record_route *route = set->route;
    struct fr_suggestion suggestion = fr_suggest_begin(text->text);

    if (strcmp(text->text, "*") == 0) {
        route->all = true;
        return;
    }
    for (int type = 0; type < FR_RECORD_OTHER; type++) {
        const char *name = fr_record_type_name((enum fr_record_type)type);

        if (strcmp(name, text->text) == 0) {
            route->types |= 1u << type;
            return;
        }
        fr_suggest_try(&suggestion, name);
    }
    if (text->text[0] == '\0' || strlen(text->text) > FR_TOPIC_MAX) {
        fr_yaml_wrong(&set->reader->file, text, "a record type has 1 to %d characters",
                      FR_TOPIC_MAX);
        return;
    }
    if (fr_suggest_best(&suggestion) != NULL)
        fr_yaml_warn(&set->reader->file, text,
                     "\"%s\" is none of the record types that are known; did you mean \"%s\"?",
                     text->text, fr_suggest_best(&suggestion));
    route->topics = fr_realloc(route->topics, route->topic_count + 1, sizeof(char *));
    route->topics[route->topic_count++] = fr_strdup(text->text);
}

static enum fr_format read_format(struct reader *r, const struct fr_yaml *node)
{
    static const char *const words[] = {"protobuf", "json", "tesla-json"};
    const char *text = fr_yaml_text(&r->file, node, "format", NULL);
    struct fr_suggestion suggestion;

    if (text == NULL)
        return FR_FORMAT_DEFAULT;
    suggestion = fr_suggest_begin(text);
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, words[i]) == 0)
            return (enum fr_format)(FR_FORMAT_PROTOBUF + i);
        fr_suggest_try(&suggestion, words[i]);
    }
    fr_yaml_wrong(&r->file, node, "there is no format \"%s\"; %s%s%s(protobuf, json, tesla-json)",
                  text, fr_suggest_best(&suggestion) ? "did you mean \"" : "",
                  fr_suggest_best(&suggestion) ? fr_suggest_best(&suggestion) : "",
                  fr_suggest_best(&suggestion) ? "\"? " : "");
    return FR_FORMAT_DEFAULT;
}

static void read_record_route(struct reader *r, const struct fr_yaml *node)
{
    static const char *const keys[] = {"type", "to", "ack", "format", "as", "max_age", NULL};
    struct fr_record_route route = {0};
    struct type_set set = {r, &route};
    const char *as;

    if (!fr_yaml_is_map(&r->file, node, "a record route", keys))
        return;
    if (fr_yaml_get(node, "type") == NULL)
        fr_yaml_wrong(&r->file, node,
                      "the route has no `type:` (V, alerts, errors, connectivity or \"*\")");
    fr_yaml_each_text(&r->file, fr_yaml_get(node, "type"), "type", add_type, &set);
    route.sinks = read_to(r, node);
    route.acks = read_sinks(r, fr_yaml_get(node, "ack"), "ack");
    if (route.acks & ~route.sinks)
        fr_yaml_wrong(&r->file, fr_yaml_get(node, "ack"),
                      "`ack:` names a sink that is not in the route's `to:`");
    route.format = read_format(r, fr_yaml_get(node, "format"));
    as = fr_yaml_text(&r->file, fr_yaml_get(node, "as"), "as", NULL);
    route.as = as != NULL ? fr_strdup(as) : NULL;
    route.max_age_ms = fr_yaml_duration(&r->file, fr_yaml_get(node, "max_age"), "max_age", 0);
    r->routing->records =
        fr_realloc(r->routing->records, r->routing->record_count + 1, sizeof route);
    r->routing->records[r->routing->record_count++] = route;
}

/* ---- fields ---------------------------------------------------------------------- */

struct field_set {
    struct reader *reader;
    struct fr_field_route *route;
};

static void add_field_number(struct fr_field_route *route, uint32_t number)
{
    for (size_t i = 0; i < route->field_count; i++)
        if (route->fields[i] == number)
            return;
    route->fields = fr_realloc(route->fields, route->field_count + 1, sizeof *route->fields);
    route->fields[route->field_count++] = number;
}

static void add_category(struct field_set *set, const struct fr_yaml *text, const char *category)
{
    struct fr_suggestion suggestion = fr_suggest_begin(category);
    bool any = false;

    for (uint32_t i = 0; i < fr_field_count(); i++) {
        const struct fr_field *field = fr_field_by_number(i);

        if (field->kind == FR_FIELD_NONE || strcmp(field->category, category) != 0)
            continue;
        any = true;
        if (field->number != 2) /* the deprecated ChargeState is routed only by name */
            add_field_number(set->route, i);
    }
    if (any)
        return;
    for (size_t i = 0; fr_field_category(i) != NULL; i++)
        fr_suggest_try(&suggestion, fr_field_category(i));
    fr_yaml_wrong(&set->reader->file, text, "there is no category \"%s\"%s%s%s", category,
                  fr_suggest_best(&suggestion) ? "; did you mean \"" : "",
                  fr_suggest_best(&suggestion) ? fr_suggest_best(&suggestion) : "",
                  fr_suggest_best(&suggestion) ? "\"?" : "");
}

/* "2025.2.6" against "2024.44.32": part by part as numbers. */
static int compare_firmware(const char *a, const char *b)
{
    while (*a != '\0' || *b != '\0') {
        char *end_a, *end_b;
        long x = strtol(a, &end_a, 10), y = strtol(b, &end_b, 10);

        if (x != y)
            return x < y ? -1 : 1;
        if (end_a == a && end_b == b)
            return 0;
        a = *end_a == '.' ? end_a + 1 : "";
        b = *end_b == '.' ? end_b + 1 : "";
    }
    return 0;
}

static void warn_of_field(struct reader *r, const struct fr_yaml *text,
                          const struct fr_field *field)
{
    const struct fr_routing *routing = r->routing;

    if (field->note[0] != '\0')
        fr_yaml_warn(&r->file, text, "%s: %s", field->name, field->note);
    for (size_t i = 0; i < routing->vehicle_count && field->since[0] != '\0'; i++) {
        const struct fr_vehicle *vehicle = &routing->vehicles[i];

        if (vehicle->firmware != NULL && compare_firmware(vehicle->firmware, field->since) < 0)
            fr_yaml_warn(&r->file, text, "%s needs firmware %s; %s has %s", field->name,
                         field->since, vehicle->name != NULL ? vehicle->name : vehicle->vin,
                         vehicle->firmware);
    }
    /* Where no vehicle's firmware is known, only what most cars may lack is worth a word. */
    for (size_t i = 0; i < routing->vehicle_count; i++)
        if (routing->vehicles[i].firmware != NULL)
            return;
    if (field->since[0] != '\0' && compare_firmware(field->since, "2025.2.6") > 0)
        fr_yaml_warn(&r->file, text, "%s is sent from firmware %s on", field->name, field->since);
}

static void add_field(const struct fr_yaml *text, void *ctx)
{
    struct field_set *set = ctx;
    struct reader *r = set->reader;
    struct fr_suggestion suggestion = fr_suggest_begin(text->text);
    const struct fr_field *field;
    int64_t number;

    if (strcmp(text->text, "*") == 0) {
        set->route->all = true;
        for (uint32_t i = 0; i < fr_field_count(); i++)
            add_field_number(set->route, i);
        return;
    }
    if (strncmp(text->text, "category:", 9) == 0) {
        add_category(set, text, text->text + 9 + strspn(text->text + 9, " "));
        return;
    }
    number = fr_field_number(text->text);
    if (number >= 0) {
        field = fr_field_by_number((uint32_t)number);
        add_field_number(set->route, (uint32_t)number);
        if (field != NULL)
            warn_of_field(r, text, field);
        return;
    }
    for (uint32_t i = 0; i < fr_field_count(); i++)
        if (fr_field_by_number(i)->kind != FR_FIELD_NONE)
            fr_suggest_try(&suggestion, fr_field_by_number(i)->name);
    if (fr_suggest_best(&suggestion) != NULL)
        fr_yaml_wrong(&r->file, text, "there is no field \"%s\"; did you mean \"%s\"?", text->text,
                      fr_suggest_best(&suggestion));
    else
        fr_yaml_wrong(&r->file, text,
                      "there is no field \"%s\" (`fleetroute check --fields` lists "
                      "them)",
                      text->text);
}

const char *fr_routing_unit(const char *asked, const char *wire)
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

static void suggest_unit(struct reader *r, const struct fr_yaml *node, const struct fr_field *field)
{
    struct fr_buffer list = {0};

    for (size_t i = 0; fr_unit_alternative(field->unit, i) != NULL; i++)
        fr_buffer_printf(&list, "%s%s", i ? ", " : "", fr_unit_alternative(field->unit, i));
    if (field->unit[0] == '\0')
        fr_yaml_wrong(&r->file, node, "%s has no unit to convert", field->name);
    else
        fr_yaml_wrong(&r->file, node, "%s (in %s) cannot be given in \"%s\"; possible: %s",
                      field->name, field->unit, node->text,
                      list.len != 0 ? fr_buffer_string(&list) : field->unit);
    fr_buffer_free(&list);
}

static void check_unit(struct reader *r, const struct fr_yaml *node,
                       const struct fr_field_route *route)
{
    for (size_t i = 0; i < route->field_count; i++) {
        const struct fr_field *field = fr_field_by_number(route->fields[i]);

        if (field != NULL && field->kind != FR_FIELD_NONE &&
            fr_routing_unit(route->unit, field->unit) == NULL) {
            suggest_unit(r, node, field);
            return;
        }
    }
}

static void read_field_route(struct reader *r, const struct fr_yaml *node)
{
    static const char *const keys[] = {"field", "to",      "every",     "min_change", "unit",
                                       "as",    "max_age", "edge_only", "ack",        NULL};
    struct fr_field_route route = {0};
    struct field_set set = {r, &route};
    const struct fr_yaml *file_node = fr_yaml_get(node, "field");
    const char *text;

    if (!fr_yaml_is_map(&r->file, node, "a field route", keys))
        return;
    if (file_node == NULL)
        fr_yaml_wrong(&r->file, node,
                      "the route has no `field:` (a name, a list, category:NAME or \"*\")");
    fr_yaml_each_text(&r->file, file_node, "field", add_field, &set);
    route.sinks = read_to(r, node);
    if (fr_yaml_get(node, "ack") != NULL)
        fr_yaml_wrong(&r->file, fr_yaml_get(node, "ack"),
                      "`ack:` belongs to a record route: a field route may hold values back or "
                      "leave them out, so no acknowledgement can wait for it");
    route.every_ms = fr_yaml_duration(&r->file, fr_yaml_get(node, "every"), "every", 0);
    route.min_change = fr_yaml_real(&r->file, fr_yaml_get(node, "min_change"), "min_change", 0);
    route.max_age_ms = fr_yaml_duration(&r->file, fr_yaml_get(node, "max_age"), "max_age", 0);
    route.edge_only = fr_yaml_boolean(&r->file, fr_yaml_get(node, "edge_only"), "edge_only", false);
    text = fr_yaml_text(&r->file, fr_yaml_get(node, "unit"), "unit", NULL);
    if (text != NULL) {
        route.unit = fr_strdup(text);
        check_unit(r, fr_yaml_get(node, "unit"), &route);
    }
    text = fr_yaml_text(&r->file, fr_yaml_get(node, "as"), "as", NULL);
    if (text != NULL && (route.field_count > 1 || route.all))
        fr_yaml_wrong(&r->file, fr_yaml_get(node, "as"),
                      "`as:` gives one field a name; this route has %zu", route.field_count);
    else if (text != NULL)
        route.as = fr_strdup(text);
    r->routing->fields = fr_realloc(r->routing->fields, r->routing->field_count + 1, sizeof route);
    r->routing->fields[r->routing->field_count++] = route;
}

/* ---- the file -------------------------------------------------------------------- */

static void read_list(struct reader *r, const struct fr_yaml *root, const char *key,
                      void (*read)(struct reader *, const struct fr_yaml *))
{
    const struct fr_yaml *list = fr_yaml_get(root, key);

    if (list == NULL || (list->kind == FR_YAML_TEXT && list->text[0] == '\0'))
        return;
    if (list->kind != FR_YAML_LIST) {
        fr_yaml_wrong(&r->file, list, "`%s:` must be a list, each entry after a dash", key);
        return;
    }
    for (size_t i = 0; i < list->count; i++)
        read(r, list->items[i]);
}

static struct fr_routing *read_tree(struct reader *r, struct fr_yaml *root)
{
    static const char *const keys[] = {"vehicles", "records", "fields", NULL};
    size_t errors = r->file.diagnostics->errors;

    if (root == NULL)
        return NULL;
    r->routing = fr_calloc(1, sizeof *r->routing);
    r->routing->references = 1;
    if (fr_yaml_is_map(&r->file, root, "the routing file", keys)) {
        read_list(r, root, "vehicles", read_vehicle);
        read_list(r, root, "records", read_record_route);
        read_list(r, root, "fields", read_field_route);
        if (r->routing->record_count + r->routing->field_count == 0)
            fr_yaml_warn(&r->file, root,
                         "nothing is routed: every record is acknowledged and forgotten");
    }
    fr_yaml_free(root);
    if (r->file.diagnostics->errors == errors)
        return r->routing;
    fr_routing_unref(r->routing);
    return NULL;
}

struct fr_routing *fr_routing_load(const char *path, const char *const *sinks, size_t sink_count,
                                   struct fr_diagnostics *diagnostics)
{
    struct reader r = {{path, diagnostics}, sinks, sink_count, NULL};

    return read_tree(&r, fr_yaml_load(&r.file));
}

struct fr_routing *fr_routing_parse(const char *text, size_t len, const char *path,
                                    const char *const *sinks, size_t sink_count,
                                    struct fr_diagnostics *diagnostics)
{
    struct reader r = {{path, diagnostics}, sinks, sink_count, NULL};

    return read_tree(&r, fr_yaml_parse(&r.file, text, len));
}

struct fr_routing *fr_routing_ref(struct fr_routing *routing)
{
    if (routing != NULL)
        atomic_fetch_add_explicit(&routing->references, 1, memory_order_relaxed);
    return routing;
}

void fr_routing_unref(struct fr_routing *routing)
{
    if (routing == NULL ||
        atomic_fetch_sub_explicit(&routing->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < routing->vehicle_count; i++) {
        free(routing->vehicles[i].vin);
        free(routing->vehicles[i].name);
        free(routing->vehicles[i].firmware);
    }
    for (size_t i = 0; i < routing->record_count; i++) {
        for (size_t j = 0; j < routing->records[i].topic_count; j++)
            free(routing->records[i].topics[j]);
        free(routing->records[i].topics);
        free(routing->records[i].as);
    }
    for (size_t i = 0; i < routing->field_count; i++) {
        free(routing->fields[i].fields);
        free(routing->fields[i].unit);
        free(routing->fields[i].as);
    }
    free(routing->vehicles);
    free(routing->records);
    free(routing->fields);
    free(routing);
}
