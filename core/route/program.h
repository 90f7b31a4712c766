/*
 * program.h - what one sink does with a record: the routing file, compiled for it.
 *
 * Field routes are found by field number in one step. A program has the state that windows
 * and thresholds need, and is used by its sink's thread alone.
 */
#ifndef FR_PROGRAM_H
#define FR_PROGRAM_H

#include <stdint.h>

#include "config/routing_config.h"
#include "record/record.h"

/* Something to deliver. Pointers hold for the call; a record to be kept must be counted. */
struct fr_emission {
    enum fr_delivery_kind kind;
    struct fr_record *record;
    const char *vehicle_name;
    uint32_t marks;
    enum fr_format format; /* of a record */
    uint32_t field;
    const char *name;      /* holds as long as the program */
    const char *unit;      /* likewise */
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
 * routing must outlive the program. */
struct fr_program *fr_program_new(const struct fr_routing *routing, size_t sink,
                                  enum fr_format format);
void fr_program_free(struct fr_program *program);

/* Run a record through: emit what is to be delivered now. Clocks in ms: monotonic for windows,
 * wall for ages. */
void fr_program_run(struct fr_program *program, struct fr_record *record, int64_t now_ms,
                    int64_t wall_ms, fr_emit_fn *emit, void *ctx);

/* Close the windows whose time has come: emit the last value of each. */
void fr_program_close_windows(struct fr_program *program, int64_t now_ms, fr_emit_fn *emit,
                              void *ctx);

/* When the next window closes, in monotonic ms; -1: none is open. */
int64_t fr_program_next_close(const struct fr_program *program);

/* What the program has left out so far. */
struct fr_program_counts fr_program_counts(const struct fr_program *program);

#endif
