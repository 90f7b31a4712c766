/* Acknowledgement of records: sinks confirm records, and a completed record is reported to the
 * worker or source that made it. A record is completed when all sinks of its route's `ack:` list
 * have confirmed it. Completed records are reported in batches, so that a worker is woken once for
 * many records. */
#ifndef FR_ACKNOWLEDGE_H
#define FR_ACKNOWLEDGE_H

#include <stdbool.h>
#include <stddef.h>

#include "record/record.h"

/* Receives completed records; embedded in the struct of a worker or a source. */
struct fr_completion {
    /* Called on any thread with a list of records, linked by ack_next up to `last`. Each record has
     * one reference, which the callee takes over. */
    void (*completed)(struct fr_completion *completion, struct fr_record *first,
                      struct fr_record *last);
    /* NULL, or called for each record that is never completed because the daemon stops. */
    void (*abandoned)(struct fr_completion *completion);
    bool repeats; /* repeated records are intended (a replay) and are not skipped as duplicates */
};

#define FR_ACK_LANES 64

/* Completed records that are not yet reported, in one lane for each completion. A batch whose
 * members are all zero is empty. Used by one thread. */
struct fr_ack_batch {
    struct {
        struct fr_completion *completion;
        struct fr_record *first, *last;
    } lane[FR_ACK_LANES];
    size_t lanes;
};

/* Count one confirmation of `record` by a sink. delivered false: the sink has given the record up;
 * the record is then marked as refused. The last confirmation of a record with a completion adds
 * the record, with a new reference, to `batch`. Any thread; one call for each sink of the `ack:`
 * list. */
void fr_record_confirm(struct fr_record *record, bool delivered, struct fr_ack_batch *batch);

/* Report the records of the batch to their completions. The batch is empty afterwards. */
void fr_ack_batch_flush(struct fr_ack_batch *batch);

#endif
