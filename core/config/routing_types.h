/*
 * The routes of records and field values as read from routing.yaml. Constant after the file is
 * read; the references are counted (routing_config.h).
 */
#ifndef FR_ROUTING_TYPES_H
#define FR_ROUTING_TYPES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleetroute/plugin.h"
#include "record/record.h"

/* Max sinks. A sink has the index of its entry in the server configuration; in a set of sinks, bit
 * i is the sink with index i. */
#define FR_SINKS_MAX 64

struct fr_vehicle {
    char *vin;
    char *name;       /* NULL: none */
    char *firmware;   /* NULL: not configured */
    int line, column; /* of the entry in the file */
};

struct fr_record_route {
    uint32_t types; /* bits, 1 << enum fr_record_type */
    bool all;       /* "*": every type and every topic */
    char **topics;  /* of FR_RECORD_OTHER */
    size_t topic_count;
    uint64_t sinks;
    uint64_t acks; /* subset of sinks: an acknowledgement waits for them */
    enum fr_format format;
    char *as;           /* an instruction for the plugin; NULL: the default of the plugin */
    int64_t max_age_ms; /* 0: any age */
};

/* Where a route got one of its fields from. */
struct fr_field_position {
    int line, column;
    bool by_name; /* false: from "*" or a category */
};

struct fr_field_route {
    int line, column; /* of the entry in the file */
    bool all;         /* "*": every field, also outside the catalogue */
    uint32_t *fields;
    struct fr_field_position *positions; /* of each field in `fields` */
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
    struct fr_vehicle *vehicles; /* none: every vehicle with a valid certificate is admitted */
    size_t vehicle_count;
    struct fr_record_route *records;
    size_t record_count;
    struct fr_field_route *fields;
    size_t field_count;
};

#endif
