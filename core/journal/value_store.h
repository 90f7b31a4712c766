/*
 * value_store.h - the last values on disk: an LMDB environment of their own, written without fsync.
 *
 *   values  VIN, NUL, field (big-endian) -> creation time, time of receipt, message Value
 *           VIN, NUL, field 0            -> how much of the vehicle is kept
 *
 * After a crash of the machine the file may be torn, so it is thrown away and made again from the
 * journal; the file "state" beside it says in which boot it was written, or that it was closed
 * well. A killed process tears nothing: the page cache outlives it. One thread writes, any number
 * read.
 */
#ifndef FR_VALUE_STORE_H
#define FR_VALUE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/record.h"
#include "util/error.h"

/* Bounds of one vehicle: what goes beyond is not kept, and counted. */
#define FR_VALUE_FIELDS_MAX 512 /* fields of the catalogue */
#define FR_VALUE_BYTES_MAX 4096 /* of one value */
#define FR_VALUE_UNKNOWN_MAX 64 /* fields that the catalogue does not know */
#define FR_VALUE_UNKNOWN_BYTES_MAX 256
#define FR_VALUE_VEHICLE_BYTES_MAX 65536

/* The newest value of a field of a vehicle. */
struct fr_last_value {
    char vin[FR_VIN_MAX + 1];
    uint32_t field;
    int64_t created_ns, received_ms;
    const uint8_t *bytes; /* the message Value */
    size_t len;
};

/* When the value was true, in ns since 1970: its creation, or the receipt where that is unknown. */
int64_t fr_last_value_time(const struct fr_last_value *value);

/* Whether one value is within the bounds of its field. */
bool fr_last_value_fits(uint32_t field, size_t len);

struct fr_value_store;

/* Open the store in `folder`, made if it is not there. *fresh: it is empty, because it is new or
 * was damaged or torn. NULL and why. */
struct fr_value_store *fr_value_store_open(const char *folder, bool *fresh, struct fr_error *error);

/* Put everything on disk and close it. */
void fr_value_store_close(struct fr_value_store *store);

/* After a failed write: open the file again where that can help; throw it away where it is damaged
 * (*fresh). Readers wait meanwhile. -1 and why: it may be called again. */
int fr_value_store_recover(struct fr_value_store *store, bool *fresh, struct fr_error *error);

/* Keep values, which stand in the order of VIN and field; older ones than those kept are left out.
 * *over_bound is how many were left out because of a bound. -1 and why: none is kept. */
int fr_value_store_put(struct fr_value_store *store, const struct fr_last_value *const *values,
                       size_t count, size_t *over_bound, struct fr_error *error);

/* Call each() for the values of one vehicle, or (vin NULL) of all in the order of VINs, until it
 * returns false. No transaction is open meanwhile, so it may take its time. -1 and why. */
int fr_value_store_each(struct fr_value_store *store, const char *vin,
                        bool (*each)(void *ctx, const struct fr_last_value *value), void *ctx,
                        struct fr_error *error);

/* Bytes that are used of the file, and its limit. */
void fr_value_store_usage(struct fr_value_store *store, uint64_t *used, uint64_t *limit);

#endif
