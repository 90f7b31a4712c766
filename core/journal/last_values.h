/*
 * The last values: the newest value of each vehicle and field, and the presence of each vehicle.
 *
 * A reader of the journal with its own cursor and thread. The thread gathers the newest values in
 * memory (value_batch.h) and writes them to the store (value_store.h) every few seconds.
 * Acknowledgements do not wait for it. After a crash it reads the missing records again.
 */
#ifndef FR_LAST_VALUES_H
#define FR_LAST_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/journal.h"
#include "journal/value_store.h"

struct fr_values;

/* Open the store beside the journal and start the thread, which writes at least every `every_ms`.
 * The caller stops it. Returns NULL with `error` set. */
struct fr_values *fr_values_start(struct fr_journal *journal, int64_t every_ms,
                                  struct fr_error *error);

/* Write the gathered values, end the thread and free `values`; NULL is allowed. Called before
 * fr_journal_stop(). */
void fr_values_stop(struct fr_values *values);

/* Wait at most max_ms until the records that are committed now are in the store. Returns whether
 * they are. Any thread. */
bool fr_values_sync(struct fr_values *values, int64_t max_ms);

/* Call each() with the stored values of one vehicle, or (vin NULL) of all, until it returns false.
 * The value is valid during the call. Any thread. Returns 0, or -1 with `error` set. */
int fr_values_each(struct fr_values *values, const char *vin,
                   bool (*each)(void *ctx, const struct fr_last_value *value), void *ctx,
                   struct fr_error *error);

/* Call each() with the presence (FR_FIELD_PRESENCE) of each vehicle. Its time does not depend on the number
 * of values. Otherwise as fr_values_each(). */
int fr_values_each_presence(struct fr_values *values,
                            bool (*each)(void *ctx, const struct fr_last_value *value), void *ctx,
                            struct fr_error *error);

/* Create a record of this value, flagged as restored. The caller owns one reference. Any thread.
 * Returns NULL when out of memory. */
struct fr_record *fr_values_record(const struct fr_last_value *value);

#endif
