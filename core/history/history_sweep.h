/*
 * Deletes what is older than it is kept, a part of the file at a time. Internal to core/history; the
 * history's thread only, while its batch is empty.
 */
#ifndef FR_HISTORY_SWEEP_H
#define FR_HISTORY_SWEEP_H

#include "history/history_store.h"

struct fr_history_sweep {
    size_t index;    /* of the next vehicle */
    int64_t keep_ms; /* fr_history_settings.keep_ms */
};

/* Delete old rows of the next vehicles, at most a few thousand rows. now_ms: the present, ms since
 * 1970. While the file is nearly full, a vehicle beyond its share keeps a shorter time. A vehicle
 * without rows that was silent for as long as anything is kept is removed. *more: a vehicle was not
 * completed or not reached. Returns 0, or -1 with `error` set. */
int fr_history_sweep(struct fr_history_store *store, struct fr_history_vehicles *vehicles,
                     struct fr_history_sweep *sweep, int64_t now_ms, bool *more,
                     struct fr_error *error);

#endif
