/*
 * Clocks in milliseconds, for the plugins. Any thread may call these functions; they do not fail.
 */
#ifndef FR_PLUGIN_CLOCK_MS_H
#define FR_PLUGIN_CLOCK_MS_H

#include <stdint.h>
#include <time.h>

/* The time of a clock of clock_gettime(2), in milliseconds. */
static inline int64_t fr_clock_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Milliseconds since an unspecified start; never decreases. For intervals. */
static inline int64_t fr_clock_monotonic_ms(void)
{
    return fr_clock_ms(CLOCK_MONOTONIC);
}

/* Milliseconds since 1970 (UTC); jumps when the system clock is set. */
static inline int64_t fr_clock_wall_ms(void)
{
    return fr_clock_ms(CLOCK_REALTIME);
}

#endif
