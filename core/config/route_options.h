/*
 * Tables of the options of a route in routing.yaml: one row for each option, with the type that
 * reads, compares and frees its member of the route. Internal to the reading of routing.yaml.
 *
 * A new option is a member of struct fr_record_route or struct fr_field_route, a row in
 * record_route.c or field_route.c, and its use in core/route.
 */
#ifndef FR_ROUTE_OPTIONS_H
#define FR_ROUTE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/diagnostics.h"
#include "config/routing_types.h"
#include "config/yaml_tree.h"

#define FR_ROUTE_KINDS 2

/* The state of reading one routing file. */
struct fr_routing_reader {
    struct fr_yaml_file file;
    const char *const *sinks; /* names, by sink index */
    size_t sink_count;
    const struct fr_route_kind *kinds[FR_ROUTE_KINDS]; /* for messages about a misplaced option */
    struct fr_routing *routing;
};

struct fr_route_option;

/* What is done with the member of a route that an option sets. `route` is the struct of the route.
 * Functions that are NULL do nothing. */
struct fr_route_option_type {
    /* Read the option from the map of the route; called also if the map does not have it. */
    void (*read)(struct fr_routing_reader *r, const struct fr_route_option *option,
                 const struct fr_yaml *map, void *route);
    /* Whether two routes have the same value. NULL: the option does not matter for the state of a
     * route at a reload. */
    bool (*equal)(const struct fr_route_option *option, const void *a, const void *b);
    bool (*is_set)(const struct fr_route_option *option, const void *route);
    uint64_t (*hash)(const struct fr_route_option *option, const void *route, uint64_t hash);
    void (*free)(const struct fr_route_option *option, void *route);
};

struct fr_route_option {
    const char *name;
    const struct fr_route_option_type *type;
    size_t member;    /* offset of the member in the struct of the route */
    bool needs_state; /* a route that sets it needs a slot for each vehicle and field; the type
                         must have is_set() */
    /* NULL, or checks the option after it was read, if the map has it: its value is `node`. */
    void (*check)(struct fr_routing_reader *r, const struct fr_yaml *node, const void *route);
    const char *why_only_here; /* why the other kind of route does not have the option; or NULL */
};

/* Max rows of a table. */
#define FR_ROUTE_OPTIONS_MAX 15

/* A kind of route and its table of options. */
struct fr_route_kind {
    const char *what;    /* "a record route" */
    const char *section; /* "records", the key of its list in the file */
    const struct fr_route_option *options;
    size_t count; /* of options */
};

/* The types that the options of both kinds of routes share. Members: int64_t in ms, double, bool,
 * char * (allocated; NULL: not set), and uint64_t, a set of sink indices. */
extern const struct fr_route_option_type fr_route_option_duration;
extern const struct fr_route_option_type fr_route_option_real;
extern const struct fr_route_option_type fr_route_option_boolean;
extern const struct fr_route_option_type fr_route_option_text;
extern const struct fr_route_option_type fr_route_option_to; /* required */

/* Read all options of a route from its map; false: `map` is not a map. An unknown option is an
 * error that names the kind of route which has it, or the nearest option. Errors go to the
 * diagnostics of the file. */
bool fr_route_options_read(struct fr_routing_reader *r, const struct fr_route_kind *kind,
                           const struct fr_yaml *map, void *route);

/* Free the members of a route. */
void fr_route_options_free(const struct fr_route_kind *kind, void *route);

/* Read a name or a list of names of sinks, the value of an option; 0: `node` is NULL. */
uint64_t fr_route_option_read_sinks(struct fr_routing_reader *r, const struct fr_yaml *node,
                                    const char *option);

#endif
