/*
 * last_values.h - the newest value of each vehicle and field, and whether a vehicle is there.
 *
 * A reader of the journal like a sink, with a cursor of its own: it gathers what is newest in
 * memory and writes it to an environment of its own (value_store.h) every few seconds. No
 * acknowledgement waits for it, and after a crash it reads again what is missing.
 */
#ifndef FR_LAST_VALUES_H
#define FR_LAST_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/journal.h"
#include "journal/value_store.h"

/* The "field" under which a vehicle's presence record is kept, whole. */
#define FR_FIELD_PRESENCE UINT32_MAX

struct fr_values;

/* Start its thread; it writes at least every `every_ms`. NULL and why. */
struct fr_values *fr_values_start(struct fr_journal *journal, int64_t every_ms,
                                  struct fr_error *error);

/* Write what is gathered and end the thread; before the journal is stopped. */
void fr_values_stop(struct fr_values *values);

/* Wait until all that is committed to the journal now can be read; for so long at most. */
bool fr_values_sync(struct fr_values *values, int64_t most_ms);

/* Call each() with what is written: of one vehicle, or (vin NULL) of all. What it is handed
 * holds for the call. -1 and why. */
int fr_values_each(struct fr_values *values, const char *vin,
                   bool (*each)(void *ctx, const struct fr_last_value *value), void *ctx,
                   struct fr_error *error);

/* A record of this one value, marked as restored. NULL: no memory. */
struct fr_record *fr_values_record(const struct fr_last_value *value);

#endif
