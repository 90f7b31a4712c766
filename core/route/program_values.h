/*
 * Applies field routes to single values: conversion, max_age, edge_only, min_change and every.
 * Internal to core/route.
 */
#ifndef FR_PROGRAM_VALUES_H
#define FR_PROGRAM_VALUES_H

#include "route/program_state.h"

/* Apply the field routes to the data of the run's V record. */
void fr_program_run_fields(const struct program_run *run);

/* Emit the value that waits in a slot whose window is closed, unless the filters skip it now; in
 * any case it no longer waits. due_ms: the wall time at which it was to be emitted. */
void fr_program_emit_waiting(struct fr_program *program, struct fr_throttle_slot *slot,
                             const struct fr_program_time *time, int64_t due_ms, fr_emit_fn *emit,
                             void *ctx);

#endif
