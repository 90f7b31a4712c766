/* `delivery: latest`: of the values that wait for the plugin, the newest of each slot. */
#include "sink/sink_state.h"

void fr_latest_queue_slot(struct fr_sink *sink, struct fr_latest_slot *slot)
{
    if (slot->queued || slot->handed != NULL || slot->waiting == NULL)
        return;
    slot->queued = true;
    slot->next_queued = NULL;
    if (sink->queued_first == NULL)
        sink->queued_first = slot;
    else
        sink->queued_last->next_queued = slot;
    sink->queued_last = slot;
}

static void latest_replace(struct fr_sink *sink, struct delivery *d)
{
    atomic_fetch_add_explicit(&sink->replaced, 1, memory_order_relaxed);
    fr_delivery_finish(sink, d);
}

static void latest_start_waiting(struct fr_sink *sink, struct fr_latest_slot *slot,
                                 struct delivery *d)
{
    slot->waiting = d;
    sink->waiting++;
    sink->in_flight_bytes -= d->size;
}

static struct delivery *latest_end_waiting(struct fr_sink *sink, struct fr_latest_slot *slot)
{
    struct delivery *d = slot->waiting;

    slot->waiting = NULL;
    sink->waiting--;
    sink->in_flight_bytes += d->size;
    return d;
}

void fr_latest_put_back(struct fr_sink *sink, struct delivery *d)
{
    struct fr_latest_slot *slot = d->slot;

    slot->handed = NULL;
    if (slot->waiting != NULL)
        latest_replace(sink, d);
    else
        latest_start_waiting(sink, slot, d);
    fr_latest_queue_slot(sink, slot);
}

struct delivery *fr_delivery_newest(struct fr_sink *sink, struct delivery *d)
{
    struct fr_latest_slot *slot = d->slot;
    struct delivery *newest;

    if (slot == NULL || slot->waiting == NULL)
        return d;
    newest = latest_end_waiting(sink, slot);
    newest->failures = d->failures;
    newest->reason = d->reason;
    d->reason = NULL;
    slot->handed = newest;
    latest_replace(sink, d);
    return newest;
}

/* Let a value wait as the newest of its vehicle, route and field. */
void fr_latest_join(struct fr_sink *sink, struct delivery *d, const struct fr_emission *e)
{
    struct fr_latest_slot *slot =
        fr_latest_slot(sink->latest, e->record->vin, e->route_id, e->field);

    if (slot == NULL) {
        fr_delivery_join_batch(sink, d);
        return;
    }
    d->slot = slot;
    if (slot->waiting != NULL &&
        fr_record_time_ns(e->record) < fr_record_time_ns(slot->waiting->record)) {
        latest_replace(sink, d); /* what waits is newer */
        return;
    }
    if (slot->waiting != NULL)
        latest_replace(sink, latest_end_waiting(sink, slot));
    latest_start_waiting(sink, slot, d);
    fr_latest_queue_slot(sink, slot);
}

void fr_latest_hand_over(struct fr_sink *sink)
{
    while (sink->queued_first != NULL && !sink->retry_ready &&
           !event_pending(sink->retry_timer, EV_TIMEOUT, NULL) &&
           sink->in_plugin + sink->batch_count < sink->in_flight_most) {
        struct fr_latest_slot *slot = sink->queued_first;

        sink->queued_first = slot->next_queued;
        slot->queued = false;
        if (slot->waiting == NULL || slot->handed != NULL)
            continue;
        slot->handed = latest_end_waiting(sink, slot);
        fr_delivery_join_batch(sink, slot->handed);
    }
}

void fr_latest_abandon(struct fr_sink *sink)
{
    for (; sink->queued_first != NULL; sink->queued_first = sink->queued_first->next_queued) {
        sink->queued_first->queued = false;
        if (sink->queued_first->waiting != NULL)
            fr_delivery_finish(sink, latest_end_waiting(sink, sink->queued_first));
    }
}
