#include "sink/latest_values.h"

#include <assert.h>

#include "sink/batch.h"
#include "sink/in_flight.h"
#include "sink/latest.h"
#include "sink/sink_state.h"

/* Add a slot to the ready list if its waiting value may be passed to the plugin. */
static void latest_make_ready(struct fr_sink *sink, struct fr_latest_slot *slot)
{
    if (slot->is_ready || slot->in_plugin != NULL || slot->waiting == NULL)
        return;
    slot->is_ready = true;
    slot->next_ready = NULL;
    if (sink->latest.ready_first == NULL)
        sink->latest.ready_first = slot;
    else
        sink->latest.ready_last->next_ready = slot;
    sink->latest.ready_last = slot;
}

static void latest_drop_replaced(struct fr_sink *sink, struct delivery *d)
{
    atomic_fetch_add_explicit(&sink->counters.replaced, 1, memory_order_relaxed);
    fr_delivery_finish(sink, d);
}

static void latest_set_waiting(struct fr_sink *sink, struct fr_latest_slot *slot,
                               struct delivery *d)
{
    assert(slot->waiting == NULL && d->slot == slot);
    slot->waiting = d;
    sink->latest.waiting++;
    sink->in_flight.bytes -= d->size;
}

static struct delivery *latest_take_waiting(struct fr_sink *sink, struct fr_latest_slot *slot)
{
    struct delivery *d = slot->waiting;

    assert(d != NULL && sink->latest.waiting != 0);
    slot->waiting = NULL;
    sink->latest.waiting--;
    sink->in_flight.bytes += d->size;
    return d;
}

void fr_latest_values_enqueue(struct fr_sink *sink, struct delivery *d,
                              const struct fr_emission *emission)
{
    struct fr_latest_slot *slot = fr_latest_slot(sink->latest.table, emission->record->vin,
                                                 emission->route_id, emission->field);

    if (slot == NULL) {
        fr_batch_add(sink, d);
        return;
    }
    d->slot = slot;
    if (slot->waiting != NULL &&
        fr_record_time_ns(emission->record) < fr_record_time_ns(slot->waiting->record)) {
        latest_drop_replaced(sink, d);
        return;
    }
    if (slot->waiting != NULL)
        latest_drop_replaced(sink, latest_take_waiting(sink, slot));
    latest_set_waiting(sink, slot, d);
    latest_make_ready(sink, slot);
}

void fr_latest_values_add_to_batch(struct fr_sink *sink)
{
    while (sink->latest.ready_first != NULL && !sink->retry.pause_over &&
           !event_pending(sink->retry.timer, EV_TIMEOUT, NULL) &&
           sink->in_flight.in_plugin + sink->batch.count < sink->in_flight.max) {
        struct fr_latest_slot *slot = sink->latest.ready_first;

        sink->latest.ready_first = slot->next_ready;
        slot->is_ready = false;
        if (slot->waiting == NULL || slot->in_plugin != NULL)
            continue; /* the waiting value was retried by its lane */
        slot->in_plugin = latest_take_waiting(sink, slot);
        fr_batch_add(sink, slot->in_plugin);
    }
}

void fr_latest_values_requeue(struct fr_sink *sink, struct delivery *d)
{
    struct fr_latest_slot *slot = d->slot;

    slot->in_plugin = NULL;
    if (slot->waiting != NULL)
        latest_drop_replaced(sink, d);
    else
        latest_set_waiting(sink, slot, d);
    latest_make_ready(sink, slot);
}

void fr_latest_values_complete(struct fr_sink *sink, struct fr_latest_slot *slot)
{
    slot->in_plugin = NULL;
    latest_make_ready(sink, slot);
}

struct delivery *fr_latest_values_newest(struct fr_sink *sink, struct delivery *d)
{
    struct fr_latest_slot *slot = d->slot;
    struct delivery *newest;

    if (slot == NULL || slot->waiting == NULL)
        return d;
    newest = latest_take_waiting(sink, slot);
    newest->failures = d->failures;
    newest->reason = d->reason;
    d->reason = NULL;
    slot->in_plugin = newest;
    latest_drop_replaced(sink, d);
    return newest;
}

void fr_latest_values_abandon(struct fr_sink *sink)
{
    struct fr_latest_slot *slot;

    for (; (slot = sink->latest.ready_first) != NULL; sink->latest.ready_first = slot->next_ready) {
        slot->is_ready = false;
        if (slot->waiting != NULL)
            fr_delivery_finish(sink, latest_take_waiting(sink, slot));
    }
}
