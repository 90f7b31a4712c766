/*
 * Work that other threads leave for a worker: completed records and connections to close.
 *
 * An eventfd wakes the worker, at most once between two of its reads. One lock for each worker,
 * held for a few instructions.
 */
#ifndef FR_INBOX_H
#define FR_INBOX_H

#include <stddef.h>
#include <stdint.h>

#include "ingest/ingest_state.h"

/* Set up the lock. The inbox has no eventfd until fr_inbox_open(). */
void fr_inbox_init(struct fr_inbox *inbox);

/* Create the eventfd. Returns -1 and sets errno when that fails. */
int fr_inbox_open(struct fr_inbox *inbox);

/* Close the eventfd, free the evictions, destroy the lock. Completed records must be taken first. */
void fr_inbox_close(struct fr_inbox *inbox);

/* Wake the worker. Any thread. */
void fr_inbox_wake(struct fr_inbox *inbox);

/* Wake the worker even if it seems to be signaled already: state that the caller set before is
 * seen by the worker for certain. Any thread. */
void fr_inbox_wake_again(struct fr_inbox *inbox);

/* Add a chain of completed records (linked by ack_next) and wake the worker, which takes over one
 * reference to each record. Any thread. */
void fr_inbox_complete(struct fr_inbox *inbox, struct fr_record *first, struct fr_record *last);

/* Ask the worker to close a connection, and wake the worker. Any thread. */
void fr_inbox_evict(struct fr_inbox *inbox, struct fr_connection_id connection);

/* Read the eventfd: the next fr_inbox_wake() writes it again. The worker's thread; it calls this
 * before it takes the inbox's content. */
void fr_inbox_acknowledge_wake(struct fr_inbox *inbox);

/* Take all completed records: a chain linked by ack_next, NULL when there are none. The caller owns
 * one reference to each. */
struct fr_record *fr_inbox_take_completed(struct fr_inbox *inbox);

/* Take all evictions. The caller frees *list with free(3). Returns their number. */
size_t fr_inbox_take_evictions(struct fr_inbox *inbox, struct fr_connection_id **list);

#endif
