/*
 * clock.h - the two clocks.
 *
 * Wall time says when something happened and may jump; it is used only in what is shown
 * or stored. Intervals (windows, time-outs, back-off) are measured with monotonic time.
 */
#ifndef FR_CLOCK_H
#define FR_CLOCK_H

#include <stdint.h>
#include <sys/time.h>
#include <time.h>

/* Milliseconds since 1970. */
int64_t fr_wall_ms(void);

/* Nanoseconds since 1970. */
int64_t fr_wall_ns(void);

/* Milliseconds since some fixed moment; never goes back. */
int64_t fr_monotonic_ms(void);

/* The moment so many ms from now on the monotonic clock, for timed waits. */
struct timespec fr_monotonic_after(int64_t ms);

/* An interval of ms as libevent's timers want it. */
struct timeval fr_timeval(int64_t ms);

/* CPU time that this process has used, in microseconds, all threads together. */
int64_t fr_cpu_us(void);

#endif
