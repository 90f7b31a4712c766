/*
 * A reconnect storm: all vehicles of a load connect at the same time, after their server has
 * restarted. Used by tests/bench.
 */
#ifndef FR_LOAD_STORM_H
#define FR_LOAD_STORM_H

#include <stddef.h>
#include <stdint.h>

#include "sim/load.h"

/* Times are in s from the first connection attempt; negative: not reached. */
struct fr_load_storm {
    size_t back;                 /* vehicles that are connected at the end */
    double half_s, p99_s, all_s; /* until 50 %, 99 % and all vehicles were connected */
    uint64_t failed_attempts;    /* connections that ended before the WebSocket was open */
};

/* Wait up to 10 s until every connection has ended, and then connect all vehicles at once. An
 * attempt that fails is repeated after 1 s. Ends when all are connected, or after limit_ms. The
 * load has hold_reconnect. */
void fr_load_storm(struct fr_load *load, int64_t limit_ms, struct fr_load_storm *storm);

#endif
