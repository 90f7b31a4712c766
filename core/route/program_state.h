/* program_state.h - what a program consists of; for the files program*.c only. */
#ifndef FR_PROGRAM_STATE_H
#define FR_PROGRAM_STATE_H

#include "record/payload.h"
#include "record/units.h"
#include "route/program.h"
#include "route/throttle.h"
#include "route/windows.h"

/* One route as it applies to one field. */
struct step {
    const struct fr_field_route *route;
    uint32_t index;    /* the route's number in the program */
    uint32_t route_id; /* fr_emission.route_id */
    const char *name;
    const char *unit;
    bool converts;
    struct fr_conversion conversion;
    struct step *next; /* of the same field */
};

struct vehicle {
    struct vehicle *next;
    uint64_t hash;
    uint64_t id;
    int64_t newest_ns;    /* creation time of the newest record seen */
    size_t slots;         /* in the throttle */
    size_t waiting_bytes; /* of records whose values wait for their windows */
    const char *name;
    char vin[];
};

struct fr_program {
    struct fr_routing *routing; /* counted */
    size_t sink;
    enum fr_format format;
    const struct fr_record_route **record_routes;
    size_t record_route_count;
    const struct fr_field_route **field_routes;
    size_t field_route_count;
    struct fr_windows *windows;
    struct step **steps;    /* by field number, for the catalogue's fields */
    struct step *unknown;   /* for every other number: routes of "*" */
    struct step **numbered; /* for field_N named in the file */
    uint32_t *numbers;
    size_t number_count;
    size_t slots_per_vehicle; /* max */
    struct fr_throttle *throttle;
    struct vehicle **vehicles;
    size_t vehicle_buckets, vehicle_count;
    struct fr_program_counts counts;
    void (*acquire)(void *ctx, void *origin);
    void (*release)(void *ctx, void *origin);
    void *watcher;
};

/* One record on its way through the program. */
struct run {
    struct fr_program *program;
    struct fr_record *record;
    void *origin;
    struct vehicle *vehicle; /* NULL: too many vehicles */
    uint32_t marks;
    int64_t now_ms;  /* monotonic */
    int64_t wall_ms; /* the same moment */
    int64_t due_ms;  /* fr_emission.due_ms */
    int64_t age_ms;  /* of the record */
    fr_emit_fn *emit;
    void *ctx;
};

/* How old a record is at wall_ms, in ms. It is at least as old as its receipt, whatever the
 * vehicle's clock says. */
int64_t fr_program_age(const struct fr_record *record, int64_t wall_ms);

/* Find a vehicle, or add it; NULL: there are too many. */
struct vehicle *fr_program_vehicle(struct fr_program *program, const char *vin);

/* The name that the routing gives a vehicle, or NULL. */
const char *fr_program_vehicle_name(const struct fr_routing *routing, const char *vin);

/* Whether a value is too old for a route; counted if it is. */
bool fr_program_too_old(const struct run *run, int64_t max_age_ms);

/* Run the data of a V record through the field routes. */
void fr_program_run_fields(const struct run *run);

/* The routes of a field. */
const struct step *fr_program_steps(const struct fr_program *program, uint32_t field);

/* A route as it applies to a field; NULL: it does not. */
const struct step *fr_program_step_of_route(const struct fr_program *program, uint32_t route,
                                            uint32_t field);

/* Whether a route needs a slot. */
bool fr_program_route_has_state(const struct fr_field_route *route);

/* Deliver the value that waits in a slot whose window is closed; due_ms: when it could be. */
void fr_program_emit_waiting(struct fr_program *program, struct fr_throttle_slot *slot,
                             const struct fr_program_time *time, int64_t due_ms, fr_emit_fn *emit,
                             void *ctx);

/* Put a value in the place of the one that waits in a slot, or record NULL: none; releases what
 * the one before held. */
void fr_program_set_waiting(struct fr_program *program, struct vehicle *vehicle,
                            struct fr_throttle_slot *slot, struct fr_record *record, void *origin);

#endif
