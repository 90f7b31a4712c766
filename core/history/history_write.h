/*
 * Writes a batch to the history's file, in one transaction in the order of the keys. Internal to
 * core/history; the history's thread only.
 */
#ifndef FR_HISTORY_WRITE_H
#define FR_HISTORY_WRITE_H

#include "history/history_intake.h"
#include "history/history_store.h"

/* Bounds of one vehicle; the oldest row is deleted for a new one. */
#define FR_HISTORY_ALERTS_MAX 1000
#define FR_HISTORY_CONNECTIONS_MAX 4000

/* Write the batch of the intake, the rows of changed vehicles, and the number of the next record;
 * then the batch is empty. Returns 0, or -1 with `error` set: nothing is written, and the batch is
 * unchanged, except for the order of its values. */
int fr_history_write(struct fr_history_store *store, struct fr_history_intake *intake,
                     uint64_t next, struct fr_error *error);

/* The bytes that one vehicle may use while the file is nearly full, in bytes of rows. `used` is the
 * size of the file in bytes of pages and `rows` that of all rows; vehicles: their number. */
uint64_t fr_history_share(uint64_t size, uint64_t used, uint64_t rows, size_t vehicles);

/* Whether the file is nearly full: vehicles beyond their share then keep less. */
bool fr_history_nearly_full(uint64_t size, uint64_t used);

#endif
