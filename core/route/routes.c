#include "route/routes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "record/json_tesla.h"
#include "util/memory.h"

struct topic {
    const char *name;
    struct fr_targets targets;
};

struct fr_routes {
    struct fr_routing *routing; /* one reference */
    struct fr_journal *journal;
    struct fr_sink **sinks;
    size_t sink_count;
    const struct fr_vehicle **vehicles; /* sorted by VIN */
    size_t vehicle_count;
    struct fr_targets by_type[FR_RECORD_TYPES]; /* FR_RECORD_OTHER: the routes of "*" */
    struct topic *topics; /* of FR_RECORD_OTHER that routes name; their targets include "*" */
    size_t topic_count;
    uint32_t tesla_json_types; /* bit n: a route of record type n has `format: tesla-json` */
};

static int routes_compare_vehicles(const void *a, const void *b)
{
    return strcmp((*(const struct fr_vehicle *const *)a)->vin,
                  (*(const struct fr_vehicle *const *)b)->vin);
}

static int routes_compare_vin(const void *vin, const void *vehicle)
{
    return strcmp(vin, (*(const struct fr_vehicle *const *)vehicle)->vin);
}

static void routes_add_targets(struct fr_targets *targets, uint64_t sinks, uint64_t acks)
{
    targets->sinks |= sinks;
    targets->acks |= acks;
}

static struct topic *routes_find_topic(const struct fr_routes *routes, const char *name, size_t len)
{
    for (size_t i = 0; i < routes->topic_count; i++)
        if (strlen(routes->topics[i].name) == len && memcmp(routes->topics[i].name, name, len) == 0)
            return &routes->topics[i];
    return NULL;
}

static void routes_add_record_route(struct fr_routes *routes, const struct fr_record_route *route)
{
    for (int type = 0; type < FR_RECORD_TYPES; type++) {
        if (!route->all && !(route->types & 1u << type))
            continue;
        routes_add_targets(&routes->by_type[type], route->sinks, route->acks);
        if (route->format == FR_FORMAT_TESLA_JSON)
            routes->tesla_json_types |= 1u << type;
    }
    for (size_t i = 0; i < route->topic_count; i++) {
        struct topic *topic = routes_find_topic(routes, route->topics[i], strlen(route->topics[i]));

        if (topic == NULL) {
            routes->topics =
                fr_realloc(routes->topics, routes->topic_count + 1, sizeof *routes->topics);
            topic = &routes->topics[routes->topic_count++];
            *topic = (struct topic){.name = route->topics[i]};
        }
        routes_add_targets(&topic->targets, route->sinks, route->acks);
    }
}

struct fr_routes *fr_routes_new(struct fr_routing *routing, struct fr_sink *const *sinks,
                                size_t sink_count, struct fr_journal *journal)
{
    struct fr_routes *routes = fr_calloc(1, sizeof *routes);

    routes->routing = fr_routing_ref(routing);
    routes->journal = journal;
    routes->sinks = fr_calloc(sink_count, sizeof(struct fr_sink *));
    for (size_t i = 0; i < sink_count; i++)
        routes->sinks[i] = sinks[i];
    routes->sink_count = sink_count;
    routes->vehicles = fr_calloc(routing->vehicle_count, sizeof(const struct fr_vehicle *));
    for (size_t i = 0; i < routing->vehicle_count; i++)
        routes->vehicles[routes->vehicle_count++] = &routing->vehicles[i];
    qsort(routes->vehicles, routes->vehicle_count, sizeof(const struct fr_vehicle *),
          routes_compare_vehicles);
    for (size_t i = 0; i < routing->record_count; i++)
        routes_add_record_route(routes, &routing->records[i]);
    for (size_t i = 0; i < routes->topic_count; i++)
        routes_add_targets(&routes->topics[i].targets, routes->by_type[FR_RECORD_OTHER].sinks,
                           routes->by_type[FR_RECORD_OTHER].acks);
    for (size_t i = 0; i < routing->field_count; i++)
        routes_add_targets(&routes->by_type[FR_RECORD_V], routing->fields[i].sinks, 0);
    return routes;
}

void fr_routes_free(struct fr_routes *routes)
{
    if (routes == NULL)
        return;
    fr_routing_unref(routes->routing);
    free(routes->sinks);
    free(routes->topics);
    free(routes->vehicles);
    free(routes);
}

static const struct fr_vehicle *routes_find_vehicle(const struct fr_routes *routes, const char *vin)
{
    const struct fr_vehicle *const *found =
        routes->vehicle_count == 0 ? NULL
                                   : bsearch(vin, routes->vehicles, routes->vehicle_count,
                                             sizeof(const struct fr_vehicle *), routes_compare_vin);

    return found != NULL ? *found : NULL;
}

bool fr_routes_admit(const struct fr_routes *routes, const char *vin)
{
    return routes->vehicle_count == 0 || routes_find_vehicle(routes, vin) != NULL;
}

const char *fr_routes_vehicle_name(const struct fr_routes *routes, const char *vin)
{
    const struct fr_vehicle *vehicle = routes_find_vehicle(routes, vin);

    return vehicle != NULL ? vehicle->name : NULL;
}

bool fr_routes_has_topic(const struct fr_routes *routes, const char *topic, size_t len)
{
    return routes->by_type[FR_RECORD_OTHER].sinks != 0 ||
           routes_find_topic(routes, topic, len) != NULL;
}

bool fr_routes_names_topic(const struct fr_routes *routes, const char *topic, size_t len)
{
    return routes_find_topic(routes, topic, len) != NULL;
}

struct fr_targets fr_routes_targets(const struct fr_routes *routes, const struct fr_record *record)
{
    const struct topic *topic = NULL;

    if (record->type == FR_RECORD_OTHER)
        topic = routes_find_topic(routes, record->topic, strlen(record->topic));
    return topic != NULL ? topic->targets : routes->by_type[record->type];
}

bool fr_routes_can_express(const struct fr_routes *routes, const struct fr_record *record)
{
    return !(routes->tesla_json_types & 1u << record->type) || fr_json_tesla_fits(record);
}

struct fr_sink *fr_routes_sink(const struct fr_routes *routes, size_t index)
{
    assert(index < routes->sink_count);
    return routes->sinks[index];
}

struct fr_journal *fr_routes_journal(const struct fr_routes *routes)
{
    return routes->journal;
}

size_t fr_routes_sink_count(const struct fr_routes *routes)
{
    return routes->sink_count;
}

uint64_t fr_routes_ack_sinks(const struct fr_routes *routes)
{
    uint64_t acks = 0;

    for (size_t i = 0; i < routes->routing->record_count; i++)
        acks |= routes->routing->records[i].acks;
    return acks;
}
