/*
 * Simulated vehicles in a process of their own, which takes orders one after the other. The vehicles
 * are served only while an order is carried out.
 */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sim/load.h"
#include "sim/load_storm.h"

struct crowd {
    pid_t pid;
    int orders, reports; /* ends of two pipes */
};

enum crowd_action {
    CROWD_CONNECT, /* one report when all are connected */
    CROWD_SEND,    /* a report at the begin, and one with the result at the end */
    CROWD_STORM    /* see fr_load_storm(); one report */
};

struct crowd_order {
    enum crowd_action action;
    struct fr_load_phase phase; /* of CROWD_SEND */
    int64_t limit_ms;           /* of CROWD_STORM */
};

struct crowd_report {
    bool failed;
    char text[160]; /* the reason */
    struct fr_load_result result;
    struct fr_load_storm storm;
};

/* Start the process. `nice` is added to its priority; a negative one needs root and is ignored
 * otherwise. `settings` is copied, what it refers to must be constant; its callbacks are not used. */
struct crowd crowd_start(const struct fr_load_settings *settings, int nice_value);

/* Give an order. */
void crowd_order(const struct crowd *crowd, const struct crowd_order *order);
void crowd_send(const struct crowd *crowd, double rate, int64_t duration_ms);

/* Wait for a report. A process that ended without one is a failure. */
void crowd_wait(const struct crowd *crowd, struct crowd_report *report);

/* End the duration of CROWD_SEND now. */
void crowd_end_sending(const struct crowd *crowd);

/* Kill the process; its connections end. */
void crowd_kill(struct crowd *crowd);

#endif
