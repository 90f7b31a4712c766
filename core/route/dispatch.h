/*
 * dispatch.h - from a worker to the sinks' queues, in batches.
 *
 * Each worker has one. Records are put aside for the journal (or, without one, for each sink)
 * and handed over once per pass of the worker's loop, so that a queue's lock is taken once for
 * many records.
 */
#ifndef FR_DISPATCH_H
#define FR_DISPATCH_H

#include <stdbool.h>

#include "record/acknowledge.h"
#include "route/routes.h"

struct fr_dispatch;

/* The routes must outlive it. */
struct fr_dispatch *fr_dispatch_new(struct fr_routes *routes);
void fr_dispatch_free(struct fr_dispatch *dispatch);

/* Put a record aside for the journal, or for the sinks that want it (each counts it). If its
 * acknowledgement waits for them, owner is told when they have confirmed it, and true is
 * returned. owner may be NULL: nobody is told. */
bool fr_dispatch_record(struct fr_dispatch *dispatch, struct fr_record *record,
                        struct fr_ack_owner *owner);

/* Hand over what was put aside. */
void fr_dispatch_flush(struct fr_dispatch *dispatch);

/* Whether the journal, or a sink that acknowledgements wait for, is full, so that vehicles must
 * be held back. Who takes from it tells (its `room`) when it no longer is. */
bool fr_dispatch_full(struct fr_dispatch *dispatch);

#endif
