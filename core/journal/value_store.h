/*
 * The last values on disk: reading and writing of a separate LMDB environment.
 *
 *   values  VIN, NUL, field   -> a value (value_store_base.h)
 *           VIN, NUL, field 0 -> how much is stored of the vehicle: fields of the catalogue (u32),
 *                                other fields (u32), bytes (u64), in the byte order of the machine
 *
 * Transactions are committed without fsync. A killed process does not tear the file, because the
 * page cache survives it. After a crash of the machine the file may be torn; value_store_open.h
 * then deletes it, and its caller restores the values from the journal. One thread writes, any
 * number read.
 */
#ifndef FR_VALUE_STORE_H
#define FR_VALUE_STORE_H

#include "journal/value_store_base.h"

/* Store values, which are in the order of VIN and field. Values older than the stored ones are
 * skipped. *over_bound is the number of values that were skipped because of a bound. Writing thread
 * only. Returns 0, or -1 with `error` set: none is stored. */
int fr_value_store_put(struct fr_value_store *store, const struct fr_last_value *const *values,
                       size_t count, size_t *over_bound, struct fr_error *error);

/* Call each() for the values of one vehicle, or (vin NULL) of all in the order of VINs, until it
 * returns false. No transaction is open during a call, so each() may block; the value is valid
 * during the call. Any thread. Returns 0, or -1 with `error` set. */
int fr_value_store_each(struct fr_value_store *store, const char *vin,
                        bool (*each)(void *ctx, const struct fr_last_value *value), void *ctx,
                        struct fr_error *error);

/* The same for one field (not 0) of all vehicles. Other values are not read. */
int fr_value_store_each_of_field(struct fr_value_store *store, uint32_t field,
                                 bool (*each)(void *ctx, const struct fr_last_value *value),
                                 void *ctx, struct fr_error *error);

/* The used bytes of the file, and its limit. Any thread. */
void fr_value_store_usage(struct fr_value_store *store, uint64_t *used, uint64_t *limit);

#endif
