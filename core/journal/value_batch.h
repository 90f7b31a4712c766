/*
 * A batch of values in memory: the newest value of each vehicle and field, before it is written to
 * the store. One thread at a time.
 */
#ifndef FR_VALUE_BATCH_H
#define FR_VALUE_BATCH_H

#include "journal/value_store_base.h"

struct fr_value_batch;

/* An empty batch. The caller frees it. */
struct fr_value_batch *fr_value_batch_new(void);
void fr_value_batch_free(struct fr_value_batch *batch);

/* Add the values of a record of vehicle data, or a presence record. A value older than the one in
 * the batch is skipped; a value beyond its bound is skipped and counted. The bytes are copied. */
void fr_value_batch_add(struct fr_value_batch *batch, const struct fr_record *record);

/* Remove all values. */
void fr_value_batch_clear(struct fr_value_batch *batch);

/* Whether the batch has reached its bound of memory: FR_VALUE_BATCH_MAX values or 16 MB. */
#define FR_VALUE_BATCH_MAX 100000
bool fr_value_batch_full(const struct fr_value_batch *batch);

/* The values in the order of the store's keys: neighbours share pages. The caller frees the array;
 * the values belong to the batch. *count becomes their number. */
const struct fr_last_value **fr_value_batch_sorted(const struct fr_value_batch *batch,
                                                   size_t *count);

#endif
