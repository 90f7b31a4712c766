/* clock_ms.h - the time in milliseconds, for plugins. */
#ifndef FR_PLUGIN_CLOCK_MS_H
#define FR_PLUGIN_CLOCK_MS_H

#include <stdint.h>
#include <time.h>

static inline int64_t fr_clock_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Never goes back; since an unknown moment. */
static inline int64_t fr_clock_monotonic_ms(void)
{
    return fr_clock_ms(CLOCK_MONOTONIC);
}

/* Since 1970; goes back when the clock is set. */
static inline int64_t fr_clock_wall_ms(void)
{
    return fr_clock_ms(CLOCK_REALTIME);
}

#endif
