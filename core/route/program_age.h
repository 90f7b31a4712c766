/*
 * The age of records, and `max_age`. Internal to core/route.
 */
#ifndef FR_PROGRAM_AGE_H
#define FR_PROGRAM_AGE_H

#include "route/program_state.h"

/* The age of a record at wall_ms, in ms: since it was created or received, whichever is earlier, so
 * that a vehicle's clock that is fast does not make a record younger than its receipt. */
int64_t fr_program_age(const struct fr_record *record, int64_t wall_ms);

/* Whether the record of the run exceeds max_age_ms (0: no limit). Counts it if so. */
bool fr_program_too_old(const struct program_run *run, int64_t max_age_ms);

/* The wall time in ms at which the record of the run exceeds max_age_ms; INT64_MAX: never. */
int64_t fr_program_expiry(const struct program_run *run, int64_t max_age_ms);

#endif
