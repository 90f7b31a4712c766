/*
 * A histogram of delays: 64 steps for each power of two, from 1 us to more than an hour. One thread.
 */
#ifndef FR_LOAD_DELAYS_H
#define FR_LOAD_DELAYS_H

#include <stdint.h>

#define FR_LOAD_STEPS 64
#define FR_LOAD_POWERS 32

/* All zero is an empty histogram. */
struct fr_load_delays {
    uint64_t counts[FR_LOAD_POWERS][FR_LOAD_STEPS];
    int64_t max_us;
};

/* Count one delay in us; a negative one counts as 0. */
void fr_load_delays_add(struct fr_load_delays *delays, int64_t us);

/* The delay in ms that `share` (0 to 1) of the counted ones do not exceed; 0 if none is counted. */
double fr_load_delays_ms(const struct fr_load_delays *delays, double share);

#endif
