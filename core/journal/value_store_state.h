/* The shared struct of the last values' store. Internal to core/journal, for value_store*.c. */
#ifndef FR_VALUE_STORE_STATE_H
#define FR_VALUE_STORE_STATE_H

#include "journal/unsynced_env.h"

#define FR_VALUE_STORE_MAX (UINT64_C(2) << 30) /* bytes: limit of the file */
#define FR_VALUE_STORE_FULL                                                                        \
    (FR_VALUE_STORE_MAX / 8 * 7) /* with more in use, new keys are skipped */

struct fr_value_store {
    struct fr_unsynced_env file;
};

#endif
