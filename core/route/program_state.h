/* program_state.h - what a program consists of; for the files program*.c only. */
#ifndef FR_PROGRAM_STATE_H
#define FR_PROGRAM_STATE_H

#include "record/units.h"
#include "route/program.h"
#include "route/throttle.h"

/* One route as it applies to one field. */
struct step {
    const struct fr_field_route *route;
    uint32_t index; /* the route's number in the program */
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
    int64_t newest_ns; /* creation time of the newest record seen */
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
    struct fr_throttle_windows *windows; /* of each field route */
    size_t field_route_count;
    struct step **steps;    /* by field number, for the catalogue's fields */
    struct step *unknown;   /* for every other number: routes of "*" */
    struct step **numbered; /* for field_N named in the file */
    uint32_t *numbers;
    size_t number_count;
    struct fr_throttle *throttle;
    struct vehicle **vehicles;
    size_t vehicle_buckets, vehicle_count;
    struct fr_program_counts counts;
    void (*hold)(void *ctx, void *origin);
    void (*let_go)(void *ctx, void *origin);
    void *watcher;
};

/* Emit what waits in a slot of a route whose window is closed. */
void fr_program_emit_waiting(struct fr_program *program, struct fr_throttle_slot *slot,
                             uint32_t route, int64_t now_ms, fr_emit_fn *emit, void *ctx);

/* The name that the routing gives a vehicle, or NULL. */
const char *fr_program_vehicle_name(const struct fr_routing *routing, const char *vin);

#endif
