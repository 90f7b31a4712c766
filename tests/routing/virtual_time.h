/*
 * Runs an event loop of libevent in virtual time.
 *
 * The program defines clock_gettime(2) and epoll_wait(2), so that libevent and fleetroute call
 * these definitions. On a thread that has called fr_virtual_enter(), the clocks stand still while
 * code runs. When the loop is idle, the clock moves to the next timer, or to the next action if
 * that is earlier. All other threads use the real clocks.
 */
#ifndef FR_VIRTUAL_TIME_H
#define FR_VIRTUAL_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* The wall time in ms since 1970 at which the virtual clock is 0 ms. */
#define FR_VIRTUAL_WALL_MS INT64_C(1767225600000)

/* The actions of the test at given times. The functions are called on the thread in virtual time. */
struct fr_virtual_script {
    /* The time of the next action, in virtual ms; INT64_MAX: there is none. */
    int64_t (*next)(void *ctx);

    /* Perform the next action. Returns whether it makes a descriptor of the loop ready, at once or
     * after work of another thread. */
    bool (*act)(void *ctx);

    /* The loop is idle at now_ms: no descriptor is ready and no timer is due. */
    void (*idle)(void *ctx, int64_t now_ms);
    void *ctx;
};

/* Put the calling thread into virtual time, for the rest of its life. The clock continues from its
 * last value. `script` must outlive the thread. */
void fr_virtual_enter(const struct fr_virtual_script *script);

/* Set and read the virtual clock, in ms. Called on the thread in virtual time, or while there is
 * none. */
void fr_virtual_set(int64_t ms);
int64_t fr_virtual_now(void);

#endif
