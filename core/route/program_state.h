/*
 * The structures of a program. Internal to core/route; for the files program*.c only.
 */
#ifndef FR_PROGRAM_STATE_H
#define FR_PROGRAM_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "record/units.h"
#include "route/program_types.h"
#include "route/throttle.h"
#include "route/windows.h"

/* One field route, compiled for one field. */
struct program_step {
    const struct fr_field_route *route;
    uint32_t index;    /* of the route in the program; of its windows and slots */
    uint32_t route_id; /* fr_emission.route_id */
    bool has_state;    /* the route needs a slot: fr_field_route_has_state() */
    const char *name;  /* NULL: fr_field_name() of the field number */
    const char *unit;
    bool converts;
    struct fr_conversion conversion;
    struct program_step *next; /* of the same field */
};

struct program_vehicle {
    struct program_vehicle *next; /* in the bucket */
    uint64_t hash;
    uint64_t id;          /* from 0, in the order of arrival */
    int64_t newest_ns;    /* creation time of the newest V record seen */
    size_t slots;         /* number of its slots in the throttle */
    size_t waiting_bytes; /* memory of its records whose values wait */
    const char *name;     /* from the routing; NULL: none */
    char vin[];
};

struct fr_program {
    struct fr_routing *routing; /* one reference */
    enum fr_format format;
    const struct fr_record_route **record_routes;
    size_t record_route_count;
    const struct fr_field_route **field_routes;
    size_t field_route_count;
    struct fr_windows *windows;
    struct program_step **steps;    /* by field number, for the fields of the catalogue */
    struct program_step *unknown;   /* for all other numbers: the routes of "*" */
    struct program_step **numbered; /* for each of `numbers` */
    uint32_t *numbers;              /* of fields that the routing file names field_N */
    size_t number_count;
    size_t slots_per_vehicle; /* max */
    struct fr_throttle *throttle;
    struct program_vehicle **vehicles; /* buckets */
    size_t vehicle_buckets;            /* a power of two */
    size_t vehicle_count;
    struct fr_program_counts counts;
    void (*acquire)(void *ctx, void *origin); /* fr_program_watch() */
    void (*release)(void *ctx, void *origin);
    void *watch_ctx;
};

/* One record during fr_program_run(), or one waiting value during its emission. */
struct program_run {
    struct fr_program *program;
    struct fr_record *record;
    void *origin;
    struct program_vehicle *vehicle; /* NULL: the table of vehicles is full */
    uint32_t flags;                  /* FR_FLAG_* */
    int64_t now_ms;                  /* monotonic */
    int64_t wall_ms;                 /* the same moment */
    int64_t due_ms;                  /* fr_emission.due_ms */
    int64_t age_ms;                  /* of the record, at wall_ms */
    fr_emit_fn *emit;
    void *ctx;
};

#endif
