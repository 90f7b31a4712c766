#include "record/acknowledge.h"

#include <assert.h>

/* Append a record to the lane of its completion, which takes over the reference. */
static void acknowledge_add(struct fr_ack_batch *batch, struct fr_record *record)
{
    size_t i = 0;

    assert(batch->lanes <= FR_ACK_LANES);
    while (i < batch->lanes && batch->lane[i].completion != record->completion)
        i++;
    if (i == FR_ACK_LANES) {
        fr_ack_batch_flush(batch);
        i = 0;
    }
    record->ack_next = NULL;
    if (i == batch->lanes) {
        batch->lane[i].completion = record->completion;
        batch->lane[i].first = record;
        batch->lanes++;
    } else
        batch->lane[i].last->ack_next = record;
    batch->lane[i].last = record;
}

void fr_record_confirm(struct fr_record *record, bool delivered, struct fr_ack_batch *batch)
{
    uint32_t before;

    if (!delivered)
        atomic_store_explicit(&record->refused, true, memory_order_relaxed);
    before = atomic_fetch_sub_explicit(&record->unconfirmed, 1, memory_order_acq_rel);
    assert(before != 0);
    if (before == 1 && record->completion != NULL)
        acknowledge_add(batch, fr_record_ref(record));
}

void fr_ack_batch_flush(struct fr_ack_batch *batch)
{
    for (size_t i = 0; i < batch->lanes; i++)
        batch->lane[i].completion->completed(batch->lane[i].completion, batch->lane[i].first,
                                             batch->lane[i].last);
    batch->lanes = 0;
}
