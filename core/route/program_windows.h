/*
 * The windows of a program: values that wait are emitted when their window closes.
 *
 * Called on the thread of the sink.
 */
#ifndef FR_PROGRAM_WINDOWS_H
#define FR_PROGRAM_WINDOWS_H

#include <stddef.h>
#include <stdint.h>

#include "route/program_types.h"

/* Close up to `max` windows that close by time->now_ms, the earliest first, and emit the value that
 * waits in each. A value that exceeds the max_age of its route is skipped. */
void fr_program_close_windows(struct fr_program *program, const struct fr_program_time *time,
                              size_t max, fr_emit_fn *emit, void *ctx);

/* Emit every value that waits, before its window closes. Those windows begin again. */
void fr_program_flush(struct fr_program *program, const struct fr_program_time *time,
                      fr_emit_fn *emit, void *ctx);

/* Discard the windows, the values that wait and the last values of min_change, because the next
 * records come from another position of the journal. edge_only keeps its last values. */
void fr_program_forget(struct fr_program *program);

/* When the next window closes, in monotonic ms; -1: none is open. */
int64_t fr_program_next_close(const struct fr_program *program);

#endif
