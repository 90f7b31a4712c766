/*
 * program.h - what one sink does with a record: the routing file, compiled for it.
 *
 * Field routes are found by field number in one step. A program has the state that windows
 * and thresholds need, and is used by its sink's thread alone.
 */
#ifndef FR_PROGRAM_H
#define FR_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "config/routing_config.h"
#include "record/record.h"

/* Something to deliver. Pointers hold for the call; a record to be kept must be counted. */
struct fr_emission {
    enum fr_delivery_kind kind;
    struct fr_record *record;
    void *origin; /* as fr_program_run was told */
    const char *vehicle_name;
    uint32_t marks;
    enum fr_format format; /* of a record */
    uint32_t field;
    uint32_t route;   /* the field route's number in the program */
    const char *name; /* holds as long as the program; of a record: the route's `as`, or NULL */
    const char *unit; /* holds as long as the routing */
    struct fr_value value; /* text in it holds as long as the record */
};

typedef void fr_emit_fn(void *ctx, const struct fr_emission *emission);

struct fr_program_counts {
    uint64_t too_old;    /* left out by max_age */
    uint64_t not_edges;  /* left out by edge_only */
    uint64_t unchanged;  /* left out by min_change */
    uint64_t superseded; /* replaced by a newer value within a window */
    uint64_t untracked;  /* passed on without window or threshold: the table was full */
};

struct fr_program;

/* Compile the routes that name this sink. `format` is that of record routes without one. The
 * program holds on to the routing. */
struct fr_program *fr_program_new(struct fr_routing *routing, size_t sink, enum fr_format format);
void fr_program_free(struct fr_program *program);

/* Be told when a value begins to wait for its window, and when it waits no more (it was
 * delivered, or a newer one took its place). */
void fr_program_watch(struct fr_program *program, void (*hold)(void *ctx, void *origin),
                      void (*let_go)(void *ctx, void *origin), void *ctx);

/* Whether the program has a route for records of this type and topic. */
bool fr_program_wants(const struct fr_program *program, enum fr_record_type type,
                      const char *topic);

/* Whether some route compares a value with the one before it. */
bool fr_program_remembers(const struct fr_program *program);

/* Run a record through: emit what is to be delivered now. Clocks in ms: monotonic for windows,
 * wall for ages. `origin` is handed back with what is emitted, now or by a window. A restored
 * record is emitted without windows and thresholds, and becomes what these compare with. */
void fr_program_run(struct fr_program *program, struct fr_record *record, void *origin,
                    int64_t now_ms, int64_t wall_ms, fr_emit_fn *emit, void *ctx);

/* Take over what an older program of the same sink knows: vehicles, and for routes that have
 * not changed windows and last values. What waits for a window of a route that is gone is
 * emitted. The older one can only be freed afterwards. */
void fr_program_adopt(struct fr_program *program, struct fr_program *older, int64_t now_ms,
                      fr_emit_fn *emit, void *ctx);

/* The routing that it was compiled from. */
struct fr_routing *fr_program_routing(const struct fr_program *program);

/* Close the windows whose time has come: emit the last value of each. */
void fr_program_close_windows(struct fr_program *program, int64_t now_ms, fr_emit_fn *emit,
                              void *ctx);

/* When the next window closes, in monotonic ms; -1: none is open. */
int64_t fr_program_next_close(const struct fr_program *program);

/* What the program has left out so far. */
struct fr_program_counts fr_program_counts(const struct fr_program *program);

#endif
