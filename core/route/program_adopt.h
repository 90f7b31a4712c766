/*
 * Moves the state of a program to the program of a changed routing, at a reload.
 */
#ifndef FR_PROGRAM_ADOPT_H
#define FR_PROGRAM_ADOPT_H

#include <stdbool.h>

#include "route/program_types.h"

/* Move the vehicles, the counts and, of routes whose options have not changed, the windows and last
 * values from an older program of the same sink. Values that wait for a window of a removed route
 * are emitted. A new route of the same field and unit begins with the last value of the removed
 * route, so that a reload causes no edge. Afterwards the older program can only be freed.
 *
 * Returns false if an edge_only route has a field for which the older program had no state: the
 * caller should restore the last values of the vehicles. Thread of the sink. */
bool fr_program_adopt(struct fr_program *program, struct fr_program *older,
                      const struct fr_program_time *time, fr_emit_fn *emit, void *ctx);

#endif
