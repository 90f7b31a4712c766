#include "virtual_time.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define REAL_WAIT_MS 20000   /* max real time for the effect of an action on another thread */
#define MONOTONIC_MS 1000000 /* the monotonic time at which the virtual clock is 0 ms */

static _Thread_local const struct fr_virtual_script *script;
static int64_t now_ms;

void fr_virtual_enter(const struct fr_virtual_script *actions)
{
    script = actions;
}

void fr_virtual_set(int64_t ms)
{
    now_ms = ms;
}

int64_t fr_virtual_now(void)
{
    return now_ms;
}

int clock_gettime(clockid_t id, struct timespec *time)
{
    bool wall = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
    int64_t ms = now_ms + (wall ? FR_VIRTUAL_WALL_MS : MONOTONIC_MS);

    if (script == NULL)
        return (int)syscall(SYS_clock_gettime, id, time);
    *time = (struct timespec){ms / 1000, ms % 1000 * 1000000};
    return 0;
}

static int real_wait(int epoll, struct epoll_event *events, int max, int ms)
{
    return (int)syscall(SYS_epoll_pwait, epoll, events, max, ms, NULL, 8);
}

int epoll_wait(int epoll, struct epoll_event *events, int max, int timeout)
{
    int64_t action;
    int n;

    if (script == NULL)
        return real_wait(epoll, events, max, timeout);
    n = real_wait(epoll, events, max, 0);
    if (n != 0 || timeout == 0)
        return n;
    script->idle(script->ctx, now_ms);
    action = script->next(script->ctx);
    if (timeout > 0 && now_ms + timeout <= action) {
        now_ms += timeout;
        return 0;
    }
    if (action == INT64_MAX) {
        fprintf(stderr, "virtual time: no timer and no action is left\n");
        abort();
    }
    if (action > now_ms)
        now_ms = action;
    if (!script->act(script->ctx))
        return real_wait(epoll, events, max, 0);
    n = real_wait(epoll, events, max, REAL_WAIT_MS);
    if (n == 0) {
        fprintf(stderr, "virtual time: an action at %lld ms had no effect\n", (long long)now_ms);
        abort();
    }
    return n;
}
