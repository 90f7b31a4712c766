#include "config/route_options.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"
#include "config/yaml_values.h"
#include "util/hash.h"
#include "util/memory.h"

static void *option_member(const struct fr_route_option *option, void *route)
{
    return (char *)route + option->member;
}

static const void *option_value(const struct fr_route_option *option, const void *route)
{
    return (const char *)route + option->member;
}

/* ---- durations ------------------------------------------------------------------- */

static void duration_read(struct fr_routing_reader *r, const struct fr_route_option *option,
                          const struct fr_yaml *map, void *route)
{
    int64_t *ms = option_member(option, route);

    *ms = fr_yaml_duration(&r->file, fr_yaml_get(map, option->name), option->name, 0);
}

static bool duration_equal(const struct fr_route_option *option, const void *a, const void *b)
{
    const int64_t *x = option_value(option, a), *y = option_value(option, b);

    return *x == *y;
}

static bool duration_is_set(const struct fr_route_option *option, const void *route)
{
    const int64_t *ms = option_value(option, route);

    return *ms != 0;
}

static uint64_t duration_hash(const struct fr_route_option *option, const void *route,
                              uint64_t hash)
{
    return fr_hash_bytes(option_value(option, route), sizeof(int64_t), hash);
}

const struct fr_route_option_type fr_route_option_duration = {
    .read = duration_read,
    .equal = duration_equal,
    .is_set = duration_is_set,
    .hash = duration_hash,
};

/* ---- real numbers ---------------------------------------------------------------- */

static void real_read(struct fr_routing_reader *r, const struct fr_route_option *option,
                      const struct fr_yaml *map, void *route)
{
    double *number = option_member(option, route);

    *number = fr_yaml_real(&r->file, fr_yaml_get(map, option->name), option->name, 0);
}

static bool real_equal(const struct fr_route_option *option, const void *a, const void *b)
{
    const double *x = option_value(option, a), *y = option_value(option, b);

    return !(*x < *y) && !(*x > *y);
}

static bool real_is_set(const struct fr_route_option *option, const void *route)
{
    const double *number = option_value(option, route);

    return *number > 0;
}

static uint64_t real_hash(const struct fr_route_option *option, const void *route, uint64_t hash)
{
    return fr_hash_bytes(option_value(option, route), sizeof(double), hash);
}

const struct fr_route_option_type fr_route_option_real = {
    .read = real_read,
    .equal = real_equal,
    .is_set = real_is_set,
    .hash = real_hash,
};

/* ---- booleans -------------------------------------------------------------------- */

static void boolean_read(struct fr_routing_reader *r, const struct fr_route_option *option,
                         const struct fr_yaml *map, void *route)
{
    bool *flag = option_member(option, route);

    *flag = fr_yaml_boolean(&r->file, fr_yaml_get(map, option->name), option->name, false);
}

static bool boolean_is_set(const struct fr_route_option *option, const void *route)
{
    const bool *flag = option_value(option, route);

    return *flag;
}

static bool boolean_equal(const struct fr_route_option *option, const void *a, const void *b)
{
    return boolean_is_set(option, a) == boolean_is_set(option, b);
}

static uint64_t boolean_hash(const struct fr_route_option *option, const void *route, uint64_t hash)
{
    return fr_hash_bytes(option_value(option, route), sizeof(bool), hash);
}

const struct fr_route_option_type fr_route_option_boolean = {
    .read = boolean_read,
    .equal = boolean_equal,
    .is_set = boolean_is_set,
    .hash = boolean_hash,
};

/* ---- texts ----------------------------------------------------------------------- */

static const char *text_value(const struct fr_route_option *option, const void *route)
{
    char *const *text = option_value(option, route);

    return *text;
}

static void text_read(struct fr_routing_reader *r, const struct fr_route_option *option,
                      const struct fr_yaml *map, void *route)
{
    const char *read = fr_yaml_text(&r->file, fr_yaml_get(map, option->name), option->name, NULL);
    char **text = option_member(option, route);

    *text = read != NULL ? fr_strdup(read) : NULL;
}

static bool text_equal(const struct fr_route_option *option, const void *a, const void *b)
{
    const char *x = text_value(option, a), *y = text_value(option, b);

    return x == y || (x != NULL && y != NULL && strcmp(x, y) == 0);
}

static bool text_is_set(const struct fr_route_option *option, const void *route)
{
    return text_value(option, route) != NULL;
}

static uint64_t text_hash(const struct fr_route_option *option, const void *route, uint64_t hash)
{
    const char *text = text_value(option, route);

    return fr_hash_text(text != NULL ? text : "", hash);
}

static void text_free(const struct fr_route_option *option, void *route)
{
    char **text = option_member(option, route);

    free(*text);
}

const struct fr_route_option_type fr_route_option_text = {
    .read = text_read,
    .equal = text_equal,
    .is_set = text_is_set,
    .hash = text_hash,
    .free = text_free,
};

/* ---- sinks ----------------------------------------------------------------------- */

struct sink_set {
    struct fr_routing_reader *reader;
    uint64_t bits;
};

static void route_option_add_sink(const struct fr_yaml *text, void *ctx)
{
    struct sink_set *set = ctx;
    struct fr_routing_reader *r = set->reader;
    struct fr_suggestion suggestion = fr_suggest_begin(text->text);

    for (size_t i = 0; i < r->sink_count; i++) {
        if (strcmp(r->sinks[i], text->text) == 0) {
            set->bits |= UINT64_C(1) << i;
            return;
        }
        fr_suggest_try(&suggestion, r->sinks[i]);
    }
    if (fr_suggest_best(&suggestion) != NULL)
        fr_yaml_config_error(&r->file, text, "there is no sink \"%s\"; did you mean \"%s\"?",
                             text->text, fr_suggest_best(&suggestion));
    else
        fr_yaml_config_error(&r->file, text,
                             "there is no sink \"%s\" under `sinks:` in fleetroute.yaml",
                             text->text);
}

uint64_t fr_route_option_read_sinks(struct fr_routing_reader *r, const struct fr_yaml *node,
                                    const char *option)
{
    struct sink_set set = {r, 0};

    fr_yaml_each_text(&r->file, node, option, route_option_add_sink, &set);
    return set.bits;
}

static void to_read(struct fr_routing_reader *r, const struct fr_route_option *option,
                    const struct fr_yaml *map, void *route)
{
    const struct fr_yaml *node = fr_yaml_get(map, option->name);
    uint64_t *sinks = option_member(option, route);

    if (node == NULL)
        fr_yaml_config_error(&r->file, map,
                             "the route has no `to:`: name a sink or a list of sinks");
    *sinks = fr_route_option_read_sinks(r, node, option->name);
}

const struct fr_route_option_type fr_route_option_to = {.read = to_read};

/* ---- tables ---------------------------------------------------------------------- */

static const struct fr_route_option *route_option_find(const struct fr_route_kind *kind,
                                                       const char *name)
{
    for (size_t i = 0; kind != NULL && i < kind->count; i++)
        if (strcmp(kind->options[i].name, name) == 0)
            return &kind->options[i];
    return NULL;
}

/* Report an option that only another kind of route has. False: no kind has it. */
static bool route_option_report_misplaced(struct fr_routing_reader *r,
                                          const struct fr_route_kind *kind,
                                          const struct fr_yaml *key)
{
    for (size_t i = 0; i < FR_ROUTE_KINDS; i++) {
        const struct fr_route_kind *other = r->kinds[i];
        const struct fr_route_option *option = route_option_find(other, key->text);

        if (option == NULL)
            continue;
        fr_yaml_config_error(&r->file, key, "`%s:` belongs to %s (under `%s:`), not to %s%s%s",
                             key->text, other->what, other->section, kind->what,
                             option->why_only_here != NULL ? ": " : "",
                             option->why_only_here != NULL ? option->why_only_here : "");
        return true;
    }
    return false;
}

static bool route_options_check_keys(struct fr_routing_reader *r, const struct fr_route_kind *kind,
                                     const struct fr_yaml *map)
{
    const char *keys[FR_ROUTE_OPTIONS_MAX + 1] = {NULL};

    assert(kind->count <= FR_ROUTE_OPTIONS_MAX);
    for (size_t i = 0; i < kind->count; i++)
        keys[i] = kind->options[i].name;
    if (map->kind != FR_YAML_MAP)
        return fr_yaml_is_map(&r->file, map, kind->what, keys);
    for (size_t i = 0; i < map->count; i++)
        if (route_option_find(kind, map->keys[i]->text) == NULL &&
            !route_option_report_misplaced(r, kind, map->keys[i]))
            fr_yaml_check_key(&r->file, map->keys[i], kind->what, keys);
    return true;
}

bool fr_route_options_read(struct fr_routing_reader *r, const struct fr_route_kind *kind,
                           const struct fr_yaml *map, void *route)
{
    if (!route_options_check_keys(r, kind, map))
        return false;
    /* In the order of the table: a check may use the members of the rows above. */
    for (size_t i = 0; i < kind->count; i++) {
        const struct fr_route_option *option = &kind->options[i];
        const struct fr_yaml *node = fr_yaml_get(map, option->name);

        option->type->read(r, option, map, route);
        if (node != NULL && option->check != NULL)
            option->check(r, node, route);
    }
    return true;
}

void fr_route_options_free(const struct fr_route_kind *kind, void *route)
{
    for (size_t i = 0; i < kind->count; i++)
        if (kind->options[i].type->free != NULL)
            kind->options[i].type->free(&kind->options[i], route);
}
