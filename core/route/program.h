/*
 * A program applies the routing file to the records of one sink: it selects records and field
 * values by the routes of the sink and emits what is to be delivered.
 *
 * The routes of a field are found by its number, without a search. The program has the state of
 * `every`, `min_change`, `edge_only` and of late records. All functions are called on the thread of
 * the sink, or before that thread starts. The functions for windows and reloads are in
 * program_windows.h and program_adopt.h.
 */
#ifndef FR_PROGRAM_H
#define FR_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "route/program_adopt.h"
#include "route/program_types.h"
#include "route/program_windows.h"

/* Compile the routes whose `to:` has the sink with this index. `format` is that of record routes
 * without a `format:`. The program takes a reference of the routing. The caller frees it. */
struct fr_program *fr_program_new(struct fr_routing *routing, size_t sink, enum fr_format format);

/* Free the program and its references of waiting records. NULL is ignored. */
void fr_program_free(struct fr_program *program);

/* Set callbacks for the origins of records: acquire() is called when a value of the record begins
 * to wait for a window, release() when it no longer waits (delivered, replaced or skipped).
 * Neither is called for a NULL origin. */
void fr_program_watch(struct fr_program *program, void (*acquire)(void *ctx, void *origin),
                      void (*release)(void *ctx, void *origin), void *ctx);

/* Whether the program has a route for records of this type and, for FR_RECORD_OTHER, topic. */
bool fr_program_wants(const struct fr_program *program, enum fr_record_type type,
                      const char *topic);

/* Whether a route of the program has state: `every`, `min_change` or edge_only. */
bool fr_program_has_state(const struct fr_program *program);

/* Apply the routes to a record and emit what is to be delivered now. `origin` is passed on with the
 * emissions of the record, now and when a window closes; it must hold while a value waits. A
 * restored record is emitted without windows and thresholds, and its values become those that
 * later values are compared with, unless a newer one is known. With emit NULL, which only a
 * restored record may have, nothing is emitted and only edge_only stores the values. time->now_ms
 * must not decrease between calls. */
void fr_program_run(struct fr_program *program, struct fr_record *record, void *origin,
                    const struct fr_program_time *time, fr_emit_fn *emit, void *ctx);

/* The routing that the program was compiled from. No reference is taken. */
struct fr_routing *fr_program_routing(const struct fr_program *program);

/* The counts since the first program of the sink. */
struct fr_program_counts fr_program_counts(const struct fr_program *program);

#endif
