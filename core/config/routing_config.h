/*
 * routing_config.h - routing.yaml, read and checked: which records and fields go to which
 * sinks, and which vehicles are let in.
 */
#ifndef FR_ROUTING_CONFIG_H
#define FR_ROUTING_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/diagnostics.h"
#include "fleetroute/plugin.h"
#include "record/record.h"

/* Sinks are known by their place in the server configuration; sets of them are bits. */
#define FR_SINKS_MAX 64

struct fr_vehicle {
    char *vin;
    char *name;     /* NULL: none */
    char *firmware; /* NULL: not said */
};

struct fr_record_route {
    uint32_t types; /* bits, 1 << enum fr_record_type */
    bool all;       /* "*": topics without a type of ours too */
    char **topics;  /* those that have no type of ours */
    size_t topic_count;
    uint64_t sinks;
    uint64_t acks; /* among sinks: an acknowledgement waits for them */
    enum fr_format format;
    char *as;           /* what the plugin is to make of it; NULL: what it always does */
    int64_t max_age_ms; /* 0: any age */
};

struct fr_field_route {
    bool all; /* "*": fields that we do not know too */
    uint32_t *fields;
    size_t field_count;
    uint64_t sinks;
    int64_t every_ms;  /* 0: at once */
    double min_change; /* 0: any change; metres for locations; in the route's unit */
    char *unit;        /* "km/h", "metric", "imperial"; NULL: as on the wire */
    char *as;          /* NULL: the field's name */
    int64_t max_age_ms;
    bool edge_only;
};

struct fr_routing {
    _Atomic unsigned references;
    struct fr_vehicle *vehicles; /* none: every vehicle with a valid certificate is let in */
    size_t vehicle_count;
    struct fr_record_route *records;
    size_t record_count;
    struct fr_field_route *fields;
    size_t field_count;
};

/* Read the file. sinks are the names that may be used, in the server configuration's order.
 * Mistakes and warnings, all of them, go to `diagnostics`; NULL if there was a mistake. */
struct fr_routing *fr_routing_load(const char *path, const char *const *sinks, size_t sink_count,
                                   struct fr_diagnostics *diagnostics);

/* The same from text; `path` is what messages call it. */
struct fr_routing *fr_routing_parse(const char *text, size_t len, const char *path,
                                    const char *const *sinks, size_t sink_count,
                                    struct fr_diagnostics *diagnostics);

/* A routing is loaded with one reference and freed with the last; any thread. NULL is nothing. */
struct fr_routing *fr_routing_ref(struct fr_routing *routing);
void fr_routing_unref(struct fr_routing *routing);

/* The unit in which a route delivers a field, or NULL when the route's unit does not suit it.
 * "" for a field without a unit. */
const char *fr_routing_unit(const char *asked, const char *wire);

#endif
