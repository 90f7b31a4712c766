/*
 * The value type of the last values' store, its bounds and its form on disk.
 *
 *   key   VIN, NUL, field (u32, big-endian)
 *   data  creation time (i64, ns since 1970), time of receipt (i64, ms since 1970), message Value
 *
 * The functions are thread-safe.
 */
#ifndef FR_VALUE_STORE_BASE_H
#define FR_VALUE_STORE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/record.h"
#include "util/error.h"

/* Bounds of one vehicle. Values beyond are skipped and counted. */
#define FR_VALUE_FIELDS_MAX 512        /* fields of the catalogue */
#define FR_VALUE_BYTES_MAX 4096        /* of one value */
#define FR_VALUE_UNKNOWN_MAX 64        /* fields that are not in the catalogue */
#define FR_VALUE_UNKNOWN_BYTES_MAX 256 /* of one value of such a field */
#define FR_VALUE_VEHICLE_BYTES_MAX 65536

#define FR_VALUE_HEAD 16                  /* bytes before the message Value */
#define FR_VALUE_KEY_MAX (FR_VIN_MAX + 5) /* bytes of a key */

/* The "field" of a vehicle's presence record, which is stored completely. */
#define FR_FIELD_PRESENCE UINT32_MAX

struct fr_value_store;

/* The newest value of a field of a vehicle. */
struct fr_last_value {
    char vin[FR_VIN_MAX + 1];
    uint32_t field;
    int64_t created_ns;   /* ns since 1970; 0: unknown */
    int64_t received_ms;  /* ms since 1970 */
    const uint8_t *bytes; /* the message Value; owned by the caller that fills in the struct */
    size_t len;
};

/* When the value was valid, in ns since 1970: its creation, or the receipt if that is unknown. */
int64_t fr_last_value_time(const struct fr_last_value *value);

/* Whether a value of `len` bytes is within the bounds of its field. */
bool fr_last_value_fits(uint32_t field, size_t len);

/* Whether the field is in the catalogue, or is FR_FIELD_PRESENCE. */
bool fr_value_field_known(uint32_t field);

/* Write the key of a value; field 0 is the key of the vehicle's sum. Returns its length. */
size_t fr_value_key(uint8_t key[FR_VALUE_KEY_MAX], const char *vin, uint32_t field);

/* Parse a key and its data. `value` refers to the data's bytes. Returns false for invalid bytes and
 * for a vehicle's sum. */
bool fr_last_value_parse(const uint8_t *key, size_t key_len, const uint8_t *data, size_t data_len,
                         struct fr_last_value *value);

/* Set `error` for the action `what` that failed with the LMDB or errno code `code`. Returns -1. */
int fr_value_store_failed(const struct fr_value_store *store, struct fr_error *error,
                          const char *what, int code);

#endif
