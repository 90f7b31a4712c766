#include "record/acknowledge.h"

static void add(struct fr_ack_batch *batch, struct fr_record *record)
{
    size_t i = 0;

    while (i < batch->lanes && batch->lane[i].owner != record->owner)
        i++;
    if (i == FR_ACK_LANES) {
        fr_ack_batch_flush(batch);
        i = 0;
    }
    record->ack_next = NULL;
    if (i == batch->lanes) {
        batch->lane[i].owner = record->owner;
        batch->lane[i].first = record;
        batch->lanes++;
    } else
        batch->lane[i].last->ack_next = record;
    batch->lane[i].last = record;
}

void fr_record_confirm(struct fr_record *record, bool delivered, struct fr_ack_batch *batch)
{
    if (!delivered)
        atomic_store_explicit(&record->refused, true, memory_order_relaxed);
    if (atomic_fetch_sub_explicit(&record->unconfirmed, 1, memory_order_acq_rel) == 1 &&
        record->owner != NULL)
        add(batch, fr_record_ref(record));
}

void fr_ack_batch_flush(struct fr_ack_batch *batch)
{
    for (size_t i = 0; i < batch->lanes; i++)
        batch->lane[i].owner->settled(batch->lane[i].owner, batch->lane[i].first,
                                      batch->lane[i].last);
    batch->lanes = 0;
}
