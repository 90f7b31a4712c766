/*
 * Whether more peers connect than the workers can serve: numbers for the status, a log line at the
 * begin and at the end of such a busy period, and more time for vehicles that cannot connect yet.
 *
 * What is served when is decided elsewhere: listener (which connections are accepted), half_open and
 * limits (which ones are closed), handshake_queue (the order of handshakes).
 */
#ifndef FR_ADMISSION_H
#define FR_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/ingest_state.h"
#include "ingest/waiting.h"

/* A busy period begins when a handshake has waited for this time, and ends when all waits were
 * shorter for FR_ADMISSION_CALM_MS. */
#define FR_ADMISSION_BUSY_MS 1000
#define FR_ADMISSION_CALM_MS 2000

/* The expiry of vehicles is delayed by this time at most in one busy period, so that a flood of
 * peers cannot keep vehicles that have left in the presence for ever. */
#define FR_ADMISSION_PAUSE_MAX_MS 120000

enum fr_admission_change {
    FR_ADMISSION_UNCHANGED,
    FR_ADMISSION_BEGINS, /* a busy period begins */
    FR_ADMISSION_ENDS,
};

/* Update a busy period from the numbers at now_ms (monotonic). The thread of the first worker. */
enum fr_admission_change fr_admission_update(struct fr_busy_period *period,
                                             const struct fr_handshakes_waiting *waiting,
                                             int64_t now_ms);

/* The part of elapsed_ms by which the expiry of vehicles is to be delayed; it is counted in the
 * period. The thread of the first worker. */
int64_t fr_admission_pause_ms(struct fr_busy_period *period, int64_t elapsed_ms);

/* Report the worker's waiting handshakes at now_ms (monotonic), elapsed_ms after its last tick. The
 * first worker also updates the busy period, logs its changes and delays the expiry of vehicles. The
 * worker's thread. */
void fr_admission_tick(struct fr_worker *worker, int64_t now_ms, int64_t elapsed_ms);

/* Add the reports of all workers. Any thread. */
struct fr_handshakes_waiting fr_admission_waiting(const struct fr_ingest *ingest);

#endif
