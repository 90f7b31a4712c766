/*
 * virtual_time.h - runs an event loop of libevent in virtual time.
 *
 * The program defines clock_gettime(2) and epoll_wait(2) itself, so that libevent and fleetroute
 * call these. On a thread that called fr_virtual_enter, clocks stand still while code runs. When
 * the loop has nothing to do, the clock moves to its next timer, or to the next action if that is
 * earlier. All other threads see the real clocks.
 */
#ifndef FR_VIRTUAL_TIME_H
#define FR_VIRTUAL_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* Of wall time, when the virtual clock stands at 0 ms. */
#define FR_VIRTUAL_WALL_MS INT64_C(1767225600000)

/* What the test does at given times. */
struct fr_virtual_script {
    /* When the next action is due, in ms; INT64_MAX: there is none. */
    int64_t (*next)(void *ctx);

    /* Do it. Returns whether it makes a descriptor of the loop readable, now or soon. */
    bool (*act)(void *ctx);

    /* The loop is idle: all that could happen by now has happened. */
    void (*idle)(void *ctx, int64_t now_ms);
    void *ctx;
};

/* Put this thread into virtual time. The clock goes on where the thread before it left it. */
void fr_virtual_enter(const struct fr_virtual_script *script);

/* Set and read the virtual clock, in ms; while no thread is in virtual time, or on it. */
void fr_virtual_set(int64_t ms);
int64_t fr_virtual_now(void);

#endif
