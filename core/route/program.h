/*
 * program.h - what one sink does with a record: the routing file, compiled for it.
 *
 * Field routes are found by field number in one step. A program has the state that windows and
 * thresholds need. It is used by its sink's thread alone.
 */
#ifndef FR_PROGRAM_H
#define FR_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "config/routing_config.h"
#include "record/record.h"

/* The two clocks at one moment, in ms: monotonic for windows, wall clock for ages. */
struct fr_program_time {
    int64_t now_ms;
    int64_t wall_ms;
};

/* Something to deliver. Pointers hold for the call; a record to be kept must be counted. */
struct fr_emission {
    enum fr_delivery_kind kind;
    struct fr_record *record;
    void *origin; /* as given to fr_program_run */
    const char *vehicle_name;
    uint32_t marks;
    enum fr_format format; /* of a record */
    uint32_t field;
    uint32_t route_id; /* of the field route: the same as long as the route says the same */
    const char *name;  /* holds as long as the program; of a record: the route's `as`, or NULL */
    const char *unit;  /* holds as long as the routing */
    struct fr_value value; /* text in it holds as long as the record */
    int64_t due_ms;        /* wall clock: receipt, or the end of the window that it waited for */
    int64_t expires_ms;    /* wall clock: when it becomes older than max_age; INT64_MAX: never */
};

typedef void fr_emit_fn(void *ctx, const struct fr_emission *emission);

struct fr_program_counts {
    uint64_t too_old;    /* skipped by max_age */
    uint64_t not_edges;  /* skipped by edge_only */
    uint64_t unchanged;  /* skipped by min_change */
    uint64_t superseded; /* replaced by a newer value within a window */
    uint64_t
        untracked;    /* found no slot: `every` and `min_change` had no effect, edge_only skipped */
    uint64_t waiting; /* values that wait for their window now */
    uint64_t waiting_bytes; /* of the records that they keep in memory */
};

/* Bounds of what waits for windows: over these, values are delivered at once (untracked). */
#define FR_PROGRAM_WAITING_MAX (64u << 20)
#define FR_PROGRAM_WAITING_MAX_VEHICLE (256u << 10)

/* Fields that the catalogue does not have and a vehicle may have slots for, for each route. */
#define FR_PROGRAM_UNKNOWN_FIELDS_MAX 64

struct fr_program;

/* Compile the routes that name this sink. `format` is that of record routes without one. The
 * program holds a reference of the routing. */
struct fr_program *fr_program_new(struct fr_routing *routing, size_t sink, enum fr_format format);
void fr_program_free(struct fr_program *program);

/* Have acquire() called with a record's origin when one of its values begins to wait for a window,
 * and release() when it waits no more (it was delivered, replaced or skipped). */
void fr_program_watch(struct fr_program *program, void (*acquire)(void *ctx, void *origin),
                      void (*release)(void *ctx, void *origin), void *ctx);

/* Whether the program has a route for records of this type and topic. */
bool fr_program_wants(const struct fr_program *program, enum fr_record_type type,
                      const char *topic);

/* Whether some route compares a value with the one before it. */
bool fr_program_remembers(const struct fr_program *program);

/* Run a record through: emit what is to be delivered now. `origin` is handed back with what is
 * emitted, now or when a window closes. A restored record is emitted without windows and
 * thresholds, and becomes what these compare with, unless they know a newer value; with emit NULL
 * nothing is emitted, and only edge_only learns. Time must not go back between calls (now_ms). */
void fr_program_run(struct fr_program *program, struct fr_record *record, void *origin,
                    const struct fr_program_time *time, fr_emit_fn *emit, void *ctx);

/* Take over the state of an older program of the same sink: vehicles, and of routes that have not
 * changed windows and last values. What waits for a window of a route that is gone is emitted. A
 * new route of the same field and unit begins with the last value of the route that is gone, so
 * that a reload makes no edge. The older one can only be freed afterwards. false: an edge_only
 * route has a field of which the older one had no last values; they should be restored. */
bool fr_program_adopt(struct fr_program *program, struct fr_program *older,
                      const struct fr_program_time *time, fr_emit_fn *emit, void *ctx);

/* Close windows whose time has come, the earliest first, at most `max` of them, and emit the value
 * that waits in each. Values that became older than their route's max_age are skipped. */
void fr_program_close_windows(struct fr_program *program, const struct fr_program_time *time,
                              size_t max, fr_emit_fn *emit, void *ctx);

/* Emit every value that waits, before its window's end. Its window begins again. */
void fr_program_flush(struct fr_program *program, const struct fr_program_time *time,
                      fr_emit_fn *emit, void *ctx);

/* Forget windows, the values that wait in them, and what min_change compares with: the records
 * that follow come from elsewhere in the journal. edge_only keeps its last values. */
void fr_program_forget(struct fr_program *program);

/* When the next window closes, in monotonic ms; -1: none is open. */
int64_t fr_program_next_close(const struct fr_program *program);

/* The routing that it was compiled from. */
struct fr_routing *fr_program_routing(const struct fr_program *program);

/* What the program has skipped so far, and what waits. */
struct fr_program_counts fr_program_counts(const struct fr_program *program);

#endif
