/*
 * shifted_clock.so - simulates a change of the wall clock. When it is preloaded into the daemon
 * (LD_PRELOAD), it adds a number of seconds to the wall clock. FR_SHIFTED_CLOCK is the path of the
 * file with this number. The file is read at most once in 100 ms; without the file, the shift is 0.
 * Monotonic clocks are not changed.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

#define READ_AGAIN_NS 100000000

static _Atomic long shift_s;
static _Atomic long long read_ns;

static int real_clock(clockid_t clock, struct timespec *now)
{
    static int (*real_function)(clockid_t, struct timespec *);

    if (real_function == NULL) {
        void *symbol = dlsym(RTLD_NEXT, "clock_gettime");

        if (symbol == NULL)
            abort();
        *(void **)&real_function = symbol;
    }
    return real_function(clock, now);
}

static long shift(void)
{
    const char *name = getenv("FR_SHIFTED_CLOCK");
    struct timespec now;
    long long now_ns, last = read_ns;
    long seconds = 0;
    FILE *file;

    real_clock(CLOCK_MONOTONIC, &now);
    now_ns = (long long)now.tv_sec * 1000000000 + now.tv_nsec;
    if (name == NULL || (last != 0 && now_ns - last < READ_AGAIN_NS) ||
        !atomic_compare_exchange_strong(&read_ns, &last, now_ns))
        return shift_s;
    file = fopen(name, "re");
    if (file != NULL) {
        if (fscanf(file, "%ld", &seconds) != 1)
            seconds = 0;
        fclose(file);
    }
    shift_s = seconds;
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int status = real_clock(clock, now);

    if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += shift();
    return status;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec t;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &t);
    now->tv_sec = t.tv_sec;
    now->tv_usec = t.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    if (result != NULL)
        *result = t.tv_sec;
    return t.tv_sec;
}
