/*
 * acknowledge.h - the only thing that flows back: sinks confirm, vehicles are told.
 *
 * A record waits for as many confirmations as its route's `ack:` list has sinks. Sinks
 * confirm in batches, so that a worker is woken once for many records.
 */
#ifndef FR_ACKNOWLEDGE_H
#define FR_ACKNOWLEDGE_H

#include <stdbool.h>
#include <stddef.h>

#include "record/record.h"

/* Who is told that records are settled; embedded in the worker. Called on any thread with a
 * chain of records (by ack_next), each with a reference that the callee takes over. */
struct fr_ack_owner {
    void (*settled)(struct fr_ack_owner *owner, struct fr_record *first, struct fr_record *last);
    /* NULL, or called for each record that is never settled, because the daemon stops. */
    void (*abandoned)(struct fr_ack_owner *owner);
    bool repeats; /* what it sends again it means to: no duplicate */
};

#define FR_ACK_LANES 64

/* Settled records, gathered by owner. All zero is empty. One thread's. */
struct fr_ack_batch {
    struct {
        struct fr_ack_owner *owner;
        struct fr_record *first, *last;
    } lane[FR_ACK_LANES];
    size_t lanes;
};

/* One sink's word on a record: delivered, or (refused) never to be. When it is the last one
 * awaited the record goes to the batch. */
void fr_record_confirm(struct fr_record *record, bool delivered, struct fr_ack_batch *batch);

/* Tell the owners. */
void fr_ack_batch_flush(struct fr_ack_batch *batch);

#endif
