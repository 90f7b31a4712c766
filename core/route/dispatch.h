/*
 * Passes the records of one worker to the journal or, without a journal, to the queues of the
 * sinks, in batches.
 *
 * Records are collected and enqueued once per pass of the worker's loop, so that the lock of a
 * queue is taken once for many records. A dispatch belongs to one worker and is used by its thread
 * only.
 */
#ifndef FR_DISPATCH_H
#define FR_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "record/acknowledge.h"
#include "record/record_queue.h"
#include "route/routes.h"

struct fr_dispatch;

/* Append entries to the queue of a sink. Takes over the references of the records. */
typedef void fr_dispatch_enqueue_fn(struct fr_sink *sink, const struct fr_queue_entry *entries,
                                    size_t count);

/* Whether the queue of a sink is full. */
typedef bool fr_dispatch_full_fn(struct fr_sink *sink);

/* Make a dispatch for the journal of the routes or, without one, for their sinks, which it
 * accesses by enqueue() and full(). The routes must outlive it. The caller frees it. */
struct fr_dispatch *fr_dispatch_new(struct fr_routes *routes, fr_dispatch_enqueue_fn *enqueue,
                                    fr_dispatch_full_fn *full);

/* Free a dispatch. fr_dispatch_flush() must have been called after the last record. */
void fr_dispatch_free(struct fr_dispatch *dispatch);

/* Add a record to the batch of the journal or of each sink that has a route for it; each batch
 * takes a reference of its own. Returns whether the acknowledgement of the record waits: then
 * `completion` is notified when the record is on disk or, without a journal, when the sinks of the
 * `ack:` lists have confirmed it. `completion` may be NULL: no notification. */
bool fr_dispatch_record(struct fr_dispatch *dispatch, struct fr_record *record,
                        struct fr_completion *completion);

/* Enqueue all batches. */
void fr_dispatch_flush(struct fr_dispatch *dispatch);

/* Whether the journal, or a sink that an acknowledgement waits for, is full, so that reading from
 * vehicles must pause. The journal or the sink calls on_writable when it has capacity again. */
bool fr_dispatch_full(struct fr_dispatch *dispatch);

#endif
