#include "config/record_route.h"

#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"
#include "config/yaml_values.h"
#include "util/memory.h"

struct type_set {
    struct fr_routing_reader *reader;
    struct fr_record_route *route;
};

static void record_route_add_type(const struct fr_yaml *text, void *ctx)
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
        fr_yaml_config_error(&set->reader->file, text, "a record type has 1 to %d characters",
                             FR_TOPIC_MAX);
        return;
    }
    if (fr_suggest_best(&suggestion) != NULL)
        fr_yaml_warn(&set->reader->file, text,
                     "\"%s\" is not a known record type; did you mean \"%s\"?", text->text,
                     fr_suggest_best(&suggestion));
    route->topics = fr_realloc(route->topics, route->topic_count + 1, sizeof(char *));
    route->topics[route->topic_count++] = fr_strdup(text->text);
}

static void type_read(struct fr_routing_reader *r, const struct fr_route_option *option,
                      const struct fr_yaml *map, void *route)
{
    const struct fr_yaml *node = fr_yaml_get(map, option->name);
    struct type_set set = {r, route};

    if (node == NULL)
        fr_yaml_config_error(&r->file, map,
                             "the route has no `type:` (V, alerts, errors, connectivity or \"*\")");
    fr_yaml_each_text(&r->file, node, option->name, record_route_add_type, &set);
}

static void type_free(const struct fr_route_option *option, void *route)
{
    struct fr_record_route *r = route;

    (void)option;
    for (size_t i = 0; i < r->topic_count; i++)
        free(r->topics[i]);
    free(r->topics);
}

static void ack_read(struct fr_routing_reader *r, const struct fr_route_option *option,
                     const struct fr_yaml *map, void *route)
{
    struct fr_record_route *record_route = route;

    record_route->acks =
        fr_route_option_read_sinks(r, fr_yaml_get(map, option->name), option->name);
}

static void ack_check(struct fr_routing_reader *r, const struct fr_yaml *node, const void *route)
{
    const struct fr_record_route *record_route = route;

    if (record_route->acks & ~record_route->sinks)
        fr_yaml_config_error(&r->file, node,
                             "`ack:` names a sink that is not in the route's `to:`");
}

static enum fr_format record_route_format(struct fr_routing_reader *r, const struct fr_yaml *node)
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
    fr_yaml_config_error(&r->file, node,
                         "there is no format \"%s\"; %s%s%s(protobuf, json, tesla-json)", text,
                         fr_suggest_best(&suggestion) ? "did you mean \"" : "",
                         fr_suggest_best(&suggestion) ? fr_suggest_best(&suggestion) : "",
                         fr_suggest_best(&suggestion) ? "\"? " : "");
    return FR_FORMAT_DEFAULT;
}

static void format_read(struct fr_routing_reader *r, const struct fr_route_option *option,
                        const struct fr_yaml *map, void *route)
{
    struct fr_record_route *record_route = route;

    record_route->format = record_route_format(r, fr_yaml_get(map, option->name));
}

static const struct fr_route_option_type option_type = {.read = type_read, .free = type_free};
static const struct fr_route_option_type option_ack = {.read = ack_read};
static const struct fr_route_option_type option_format = {.read = format_read};

#define MEMBER(name) offsetof(struct fr_record_route, name)

/* Record routes have no state, so no option is compared at a reload. */
static const struct fr_route_option options[] = {
    {.name = "type", .type = &option_type},
    {.name = "to", .type = &fr_route_option_to, .member = MEMBER(sinks)},
    {.name = "ack",
     .type = &option_ack,
     .check = ack_check,
     .why_only_here = "a field route may delay or skip values, so no acknowledgement can wait for "
                      "it"},
    {.name = "format", .type = &option_format},
    {.name = "as", .type = &fr_route_option_text, .member = MEMBER(as)},
    {.name = "max_age", .type = &fr_route_option_duration, .member = MEMBER(max_age_ms)},
};

const struct fr_route_kind fr_record_route_kind = {"a record route", "records", options,
                                                   sizeof options / sizeof *options};

void fr_record_route_read(struct fr_routing_reader *r, const struct fr_yaml *node)
{
    struct fr_routing *routing = r->routing;
    struct fr_record_route route = {0};

    if (!fr_route_options_read(r, &fr_record_route_kind, node, &route))
        return;
    routing->records = fr_realloc(routing->records, routing->record_count + 1, sizeof route);
    routing->records[routing->record_count++] = route;
}

void fr_record_route_free(struct fr_record_route *route)
{
    fr_route_options_free(&fr_record_route_kind, route);
}
