#include "util/clock.h"

#include <time.h>

static int64_t clock_read_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t clock_shift_ns; /* set before threads start */

void fr_wall_shift(int64_t offset_ms)
{
    clock_shift_ns = offset_ms * 1000000;
}

int64_t fr_wall_ms(void)
{
    return fr_wall_ns() / 1000000;
}

int64_t fr_wall_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME) + clock_shift_ns;
}

int64_t fr_monotonic_ms(void)
{
    return clock_read_ns(CLOCK_MONOTONIC) / 1000000;
}

struct timespec fr_monotonic_after(int64_t ms)
{
    int64_t at = fr_monotonic_ms() + ms;

    return (struct timespec){at / 1000, at % 1000 * 1000000};
}

struct timeval fr_timeval(int64_t ms)
{
    return (struct timeval){ms / 1000, ms % 1000 * 1000};
}

int64_t fr_thread_cpu_us(void)
{
    return clock_read_ns(CLOCK_THREAD_CPUTIME_ID) / 1000;
}

int64_t fr_cpu_us(void)
{
    return clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) / 1000;
}
