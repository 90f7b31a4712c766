/*
 * The types that a program takes and returns (program.h).
 */
#ifndef FR_PROGRAM_TYPES_H
#define FR_PROGRAM_TYPES_H

#include <stdint.h>

#include "config/routing_config.h"
#include "record/record.h"

struct fr_program;

/* The time of a call, in ms on both clocks: the monotonic one for windows, wall time (since 1970)
 * for ages. */
struct fr_program_time {
    int64_t now_ms;
    int64_t wall_ms;
};

/* A record or a field value to deliver. All pointers hold during the call of fr_emit_fn at least;
 * to store the emission, the callee takes references of the record and the routing. */
struct fr_emission {
    enum fr_delivery_kind kind;
    struct fr_record *record;
    void *origin;             /* as given to fr_program_run() */
    const char *vehicle_name; /* from the routing; NULL: none */
    uint32_t flags;           /* FR_FLAG_* */
    enum fr_format format;    /* of a record */
    uint32_t field;           /* field number, of a field value */
    uint32_t route_id; /* of the field route: equal for routes with the same options, also after a
                              reload */
    const char *name;  /* of a field value; of a record: the `as` of its route, or NULL. Holds as
                              long as the program */
    const char *unit;  /* of a field value, "": none. Holds as long as the routing */
    struct fr_value value; /* of a field value; its text holds as long as the record */
    const uint8_t *datum; /* of a field value: the message Datum as sent, which holds as long as the
                              record; NULL: the unit of `value` was converted */
    size_t datum_len;
    int64_t due_ms;     /* wall time of the receipt, or of the close of the window */
    int64_t expires_ms; /* wall time at which it exceeds max_age; INT64_MAX: never */
};

/* Deliver an emission. Must not call functions of the program. */
typedef void fr_emit_fn(void *ctx, const struct fr_emission *emission);

struct fr_program_counts {
    uint64_t too_old;       /* skipped by max_age */
    uint64_t filtered_edge; /* skipped by edge_only */
    uint64_t unchanged;     /* skipped by min_change */
    uint64_t superseded;    /* replaced by a newer value during a window */
    uint64_t table_full;    /* had no slot or no memory to wait: `every` and `min_change` had no
                               effect, and edge_only skipped the value */
    uint64_t waiting;       /* values that wait for their window now */
    uint64_t waiting_bytes; /* memory of their records now */
};

#endif
