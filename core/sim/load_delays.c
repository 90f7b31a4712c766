#include "sim/load_delays.h"

void fr_load_delays_add(struct fr_load_delays *delays, int64_t us)
{
    unsigned power, step;

    if (us < 0)
        us = 0;
    power = us < FR_LOAD_STEPS ? 0 : (unsigned)(63 - __builtin_clzll((uint64_t)us)) - 5;
    step = us < FR_LOAD_STEPS ? (unsigned)us : (unsigned)(us >> (power - 1)) - FR_LOAD_STEPS;
    if (power < FR_LOAD_POWERS)
        delays->counts[power][step & (FR_LOAD_STEPS - 1)]++;
    if (us > delays->max_us)
        delays->max_us = us;
}

double fr_load_delays_ms(const struct fr_load_delays *delays, double share)
{
    uint64_t total = 0, seen = 0;

    for (int p = 0; p < FR_LOAD_POWERS; p++)
        for (int s = 0; s < FR_LOAD_STEPS; s++)
            total += delays->counts[p][s];
    for (int p = 0; p < FR_LOAD_POWERS; p++)
        for (int s = 0; s < FR_LOAD_STEPS; s++) {
            seen += delays->counts[p][s];
            if (total != 0 && (double)seen >= share * (double)total)
                return (p == 0 ? s : (double)((uint64_t)(s + FR_LOAD_STEPS) << (p - 1))) / 1000;
        }
    return 0;
}
