#include "config/routing_config.h"

#include <stdlib.h>
#include <string.h>

#include "config/field_route.h"
#include "config/record_route.h"
#include "config/route_options.h"
#include "config/vin.h"
#include "config/yaml_values.h"
#include "util/memory.h"

/* ---- vehicles -------------------------------------------------------------------- */

static void routing_read_vehicle(struct fr_routing_reader *r, const struct fr_yaml *node)
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
        fr_yaml_config_error(&r->file, node, "a vehicle needs a `vin:` of 1 to %d characters",
                             FR_VIN_MAX);
        return;
    }
    if (strlen(vin) != FR_CAR_VIN_LENGTH)
        fr_yaml_warn(&r->file, node, "a car's VIN has 17 characters; \"%s\" has %zu", vin,
                     strlen(vin));
    else if (strpbrk(vin, "IOQ") != NULL)
        fr_yaml_config_error(
            &r->file, node,
            "\"%s\" is no VIN: it has the letter %c in position %zu, and no VIN has "
            "I, O or Q; write the digits 1 and 0",
            vin, *strpbrk(vin, "IOQ"), strcspn(vin, "IOQ") + 1);
    for (size_t i = 0; i < routing->vehicle_count; i++)
        if (strcmp(routing->vehicles[i].vin, vin) == 0)
            fr_yaml_config_error(&r->file, node, "VIN %s is listed twice", vin);
    routing->vehicles =
        fr_realloc(routing->vehicles, routing->vehicle_count + 1, sizeof *routing->vehicles);
    vehicle = &routing->vehicles[routing->vehicle_count++];
    vehicle->vin = fr_strdup(vin);
    vehicle->name = name != NULL ? fr_strdup(name) : NULL;
    vehicle->firmware = firmware != NULL ? fr_strdup(firmware) : NULL;
    vehicle->line = node->line;
    vehicle->column = node->column;
}

/* ---- the file -------------------------------------------------------------------- */

static void routing_read_list(struct fr_routing_reader *r, const struct fr_yaml *root,
                              const char *key,
                              void (*read)(struct fr_routing_reader *, const struct fr_yaml *))
{
    const struct fr_yaml *list = fr_yaml_get(root, key);

    if (list == NULL || (list->kind == FR_YAML_TEXT && list->text[0] == '\0'))
        return;
    if (list->kind != FR_YAML_LIST) {
        fr_yaml_config_error(&r->file, list, "`%s:` must be a list, each entry after a dash", key);
        return;
    }
    for (size_t i = 0; i < list->count; i++)
        read(r, list->items[i]);
}

static struct fr_routing *routing_read_tree(struct fr_routing_reader *r, struct fr_yaml *root)
{
    static const char *const keys[] = {"vehicles", "records", "fields", NULL};
    size_t errors = r->file.diagnostics->errors;

    if (root == NULL)
        return NULL;
    r->routing = fr_calloc(1, sizeof *r->routing);
    r->routing->references = 1;
    if (fr_yaml_is_map(&r->file, root, "the routing file", keys)) {
        routing_read_list(r, root, "vehicles", routing_read_vehicle);
        routing_read_list(r, root, "records", fr_record_route_read);
        routing_read_list(r, root, "fields", fr_field_route_read);
        if (r->routing->record_count + r->routing->field_count == 0)
            fr_yaml_warn(&r->file, root,
                         "there is no route: every record is acknowledged and dropped");
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
    struct fr_routing_reader r = {{path, diagnostics},
                                  sinks,
                                  sink_count,
                                  {&fr_record_route_kind, &fr_field_route_kind},
                                  NULL};

    return routing_read_tree(&r, fr_yaml_load(&r.file));
}

struct fr_routing *fr_routing_parse(const char *text, size_t len, const char *path,
                                    const char *const *sinks, size_t sink_count,
                                    struct fr_diagnostics *diagnostics)
{
    struct fr_routing_reader r = {{path, diagnostics},
                                  sinks,
                                  sink_count,
                                  {&fr_record_route_kind, &fr_field_route_kind},
                                  NULL};

    return routing_read_tree(&r, fr_yaml_parse(&r.file, text, len));
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
    for (size_t i = 0; i < routing->record_count; i++)
        fr_record_route_free(&routing->records[i]);
    for (size_t i = 0; i < routing->field_count; i++)
        fr_field_route_free(&routing->fields[i]);
    free(routing->vehicles);
    free(routing->records);
    free(routing->fields);
    free(routing);
}
