/* The clocks. Wall time may jump, so it is used only for times that are displayed or stored.
 * Intervals (windows, timeouts, back-off) are measured with monotonic time. Any thread may call
 * these functions. */
#ifndef FR_CLOCK_H
#define FR_CLOCK_H

#include <stdint.h>
#include <sys/time.h>
#include <time.h>

/* Wall time in milliseconds since 1970. */
int64_t fr_wall_ms(void);

/* Wall time in nanoseconds since 1970. */
int64_t fr_wall_ns(void);

/* Let wall time run `offset_ms` ahead of the system's clock from now on. For tests with a simulated
 * month (`fleetroute keep --now`). Before other threads start. */
void fr_wall_shift(int64_t offset_ms);

/* Monotonic time in milliseconds since an unspecified moment. */
int64_t fr_monotonic_ms(void);

/* The moment `ms` milliseconds from now on the monotonic clock, for timed waits on condition
 * variables that use CLOCK_MONOTONIC. */
struct timespec fr_monotonic_after(int64_t ms);

/* An interval of `ms` milliseconds (>= 0) as the struct that libevent's timers take. */
struct timeval fr_timeval(int64_t ms);

/* CPU time that the calling thread has used, in microseconds. */
int64_t fr_thread_cpu_us(void);

/* CPU time that all threads of this process have used together, in microseconds. */
int64_t fr_cpu_us(void);

#endif
