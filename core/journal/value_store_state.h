/* The shared struct of the last values' store. Internal to core/journal, for value_store*.c. */
#ifndef FR_VALUE_STORE_STATE_H
#define FR_VALUE_STORE_STATE_H

#include <lmdb.h>
#include <pthread.h>

#define FR_VALUE_STORE_MAX (UINT64_C(2) << 30) /* bytes: limit of the file */
#define FR_VALUE_STORE_FULL                                                                        \
    (FR_VALUE_STORE_MAX / 8 * 7) /* with more in use, new keys are skipped */

struct fr_value_store {
    char *folder;
    pthread_rwlock_t lock; /* taken for reading by readers of env, for writing to replace it */
    MDB_env *env;          /* NULL: fr_value_store_recover() failed */
    MDB_dbi values;
    int code; /* result of the last write; writing thread */
};

#endif
