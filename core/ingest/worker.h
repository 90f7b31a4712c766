/*
 * An ingest thread with its own event base, listening socket, dispatch and connections.
 *
 * A connection stays on the worker that accepted it. One turn of the event loop is a "pass": it ends
 * with a flush of the dispatch and of all replies. Functions are called on the control thread unless
 * noted.
 */
#ifndef FR_WORKER_H
#define FR_WORKER_H

#include "ingest/ingest_state.h"
#include "util/error.h"

/* Initialize a zeroed worker, which has no socket yet. */
void fr_worker_init(struct fr_worker *worker, struct fr_ingest *ingest);

/* Listen, allocate, set up the event loop. -1 and the cause in *error; the worker can then only be
 * disposed. */
int fr_worker_prepare(struct fr_worker *worker, struct fr_error *error);

/* Start the thread. Returns 0 or the error number of pthread_create(3). */
int fr_worker_start(struct fr_worker *worker);

/* Close all connections (code 1001) and join the thread; no effect if it does not run. */
void fr_worker_stop(struct fr_worker *worker);

/* Free what the worker owns, records completed since the last pass included. The thread must be
 * stopped. */
void fr_worker_dispose(struct fr_worker *worker);

#endif
