/* value_store_state.h - the insides of the last values' store; for value_store*.c only. */
#ifndef FR_VALUE_STORE_STATE_H
#define FR_VALUE_STORE_STATE_H

#include <lmdb.h>
#include <pthread.h>

#include "journal/value_store.h"

#define FR_VALUE_HEAD 16                  /* creation time, time of receipt */
#define FR_VALUE_KEY_MAX (FR_VIN_MAX + 5) /* VIN, NUL, field */
#define FR_VALUE_STORE_MAX (UINT64_C(2) << 30)
#define FR_VALUE_STORE_FULL (FR_VALUE_STORE_MAX / 8 * 7) /* beyond, no new key is taken */

struct fr_value_store {
    char *folder;
    pthread_rwlock_t lock; /* for writing: by who closes env */
    MDB_env *env;          /* NULL: a reset failed */
    MDB_dbi values;
    int code; /* of the last write */
};

/* Say which call failed, and why. Returns -1. */
int fr_value_store_failed(const struct fr_value_store *store, struct fr_error *error,
                          const char *what, int code);

/* Write a value's key; field 0 is the vehicle's sum. Returns its length. */
size_t fr_value_key(uint8_t *key, const char *vin, uint32_t field);

/* Read a key and its data. False: it is none of ours, or a vehicle's sum. */
bool fr_value_read(const MDB_val *key, const MDB_val *data, struct fr_last_value *value);

#endif
