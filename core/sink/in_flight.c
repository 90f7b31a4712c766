/* The records and deliveries that a sink has taken and not finished. */
#include <stdlib.h>

#include "sink/sink_state.h"
#include "util/clock.h"
#include "util/memory.h"

#define TEXT_KEPT 16384 /* bytes of JSON text that a spare delivery keeps */
#define SPARE_MAX 1024  /* deliveries kept for later use: 16 MB with their texts */

/* ---- items ----------------------------------------------------------------------- */

struct item *fr_item_new(struct fr_sink *sink, struct fr_record *record, bool ack, bool counted)
{
    struct item *item = sink->spare_items;

    if (item != NULL)
        sink->spare_items = item->behind;
    else
        item = fr_calloc(1, sizeof *item);
    *item = (struct item){.record = record, .seq = record->seq, .ack = ack, .counted = counted};
    return item;
}

void fr_item_drop_record(struct item *item)
{
    fr_record_unref(item->record);
    item->record = NULL;
}

void fr_item_link(struct fr_sink *sink, struct item *item)
{
    item->linked = true;
    item->before = sink->last_item;
    if (sink->last_item != NULL)
        sink->last_item->behind = item;
    else
        sink->first_item = item;
    sink->last_item = item;
}

static void unlink_item(struct fr_sink *sink, struct item *item)
{
    if (item->before != NULL)
        item->before->behind = item->behind;
    else
        sink->first_item = item->behind;
    if (item->behind != NULL)
        item->behind->before = item->before;
    else
        sink->last_item = item->before;
}

static void drop_item(struct fr_sink *sink, struct item *item)
{
    if (item->linked)
        unlink_item(sink, item);
    if (item->record != NULL)
        fr_item_drop_record(item);
    item->behind = sink->spare_items;
    sink->spare_items = item;
}

static void item_complete(struct fr_sink *sink, struct item *item)
{
    if (item->ack)
        fr_record_confirm(item->record, !item->refused, &sink->acks);
    if (item->counted) {
        sink->finished_records++;
        sink->finished_bytes += fr_sink_queue_size(item->record);
    }
    drop_item(sink, item);
    fr_sink_schedule_after(sink);
}

void fr_item_acquire(void *ctx, void *item)
{
    (void)ctx;
    ((struct item *)item)->unfinished++;
}

void fr_item_release(void *ctx, void *of)
{
    struct item *item = of;

    if (--item->unfinished == 0)
        item_complete(ctx, item);
}

/* ---- finishing ------------------------------------------------------------------- */

static void in_flight_note_oldest(struct fr_sink *sink)
{
    atomic_store_explicit(&sink->oldest_made_ms,
                          sink->unfinished != NULL ? sink->unfinished->made_ms : 0,
                          memory_order_relaxed);
    atomic_store_explicit(&sink->oldest_due_ms,
                          sink->unfinished != NULL ? sink->unfinished->due_ms : 0,
                          memory_order_relaxed);
}

static void in_flight_recycle(struct fr_sink *sink, struct delivery *d)
{
    if (sink->spare_count == SPARE_MAX) {
        fr_buffer_free(&d->text);
        free(d);
        return;
    }
    if (d->text.room > TEXT_KEPT)
        fr_buffer_free(&d->text);
    d->next = sink->spare_deliveries;
    sink->spare_deliveries = d;
    sink->spare_count++;
}

static void in_flight_remove(struct fr_sink *sink, struct delivery *d)
{
    if (d->before != NULL)
        d->before->behind = d->behind;
    else
        sink->unfinished = d->behind;
    if (d->behind != NULL)
        d->behind->before = d->before;
    else
        sink->last_unfinished = d->before;
    if (--d->item->deliveries == 0 && d->item->linked)
        atomic_fetch_sub_explicit(&sink->delivering, 1, memory_order_relaxed);
    in_flight_note_oldest(sink);
    fr_routing_unref(d->routing);
    fr_record_unref(d->record);
    free(d->reason);
    d->reason = NULL;
    sink->in_flight--;
    sink->in_flight_bytes -= d->size;
    in_flight_recycle(sink, d);
}

void fr_delivery_finish(struct fr_sink *sink, struct delivery *d)
{
    struct item *item = d->item;

    in_flight_remove(sink, d);
    fr_item_release(sink, item);
}

/* The delay is counted from when the delivery was due: its record's receipt, or the end of the
 * window that the value waited for. */
void fr_delivery_count_delay(struct fr_sink *sink, const struct delivery *d)
{
    static const int64_t bounds[FR_DELAY_CLASSES - 1] = FR_DELAY_BOUNDS;
    int64_t delay = fr_wall_ms() - d->due_ms;
    int class = 0;

    while (class < FR_DELAY_CLASSES - 1 && delay >= bounds[class])
        class ++;
    if (!(d->public.marks & FR_MARK_RESTORED)) {
        atomic_store_explicit(&sink->delays[class],
                              atomic_load_explicit(&sink->delays[class], memory_order_relaxed) + 1,
                              memory_order_relaxed);
        if (delay > 0)
            atomic_fetch_add_explicit(&sink->delay_sum_ms, (uint64_t)delay, memory_order_relaxed);
    }
    atomic_store_explicit(&sink->progress_ms, fr_monotonic_ms(), memory_order_relaxed);
}

/* ---- deliveries ------------------------------------------------------------------ */

struct delivery *fr_delivery_new(struct fr_sink *sink, struct item *item,
                                 const struct fr_emission *emission)
{
    struct delivery *d = sink->spare_deliveries;

    if (d != NULL) {
        sink->spare_deliveries = d->next;
        sink->spare_count--;
    } else
        d = fr_calloc(1, sizeof *d);
    d->before = sink->last_unfinished;
    d->behind = NULL;
    if (d->before != NULL)
        d->before->behind = d;
    else
        sink->unfinished = d;
    sink->last_unfinished = d;
    sink->in_flight++;
    d->order = sink->orders++;
    d->failures = 0;
    d->slot = NULL;
    d->lane = NULL;
    d->item = item;
    d->record = fr_record_ref(emission->record);
    d->size = fr_sink_queue_size(d->record);
    d->due_ms = emission->due_ms;
    d->expires_ms = emission->expires_ms;
    d->made_ms = sink->now_ms;
    sink->in_flight_bytes += d->size;
    item->unfinished++;
    if (item->deliveries++ == 0 && item->linked)
        atomic_fetch_add_explicit(&sink->delivering, 1, memory_order_relaxed);
    in_flight_note_oldest(sink);
    d->routing = fr_routing_ref(fr_program_routing(sink->program));
    return d;
}

/* ---- the end --------------------------------------------------------------------- */

/* Deliveries that the plugin never answered: their records stay unconfirmed. */
static void in_flight_abandon(struct fr_sink *sink)
{
    while (sink->unfinished != NULL) {
        struct item *item = sink->unfinished->item;

        in_flight_remove(sink, sink->unfinished);
        if (--item->unfinished == 0)
            drop_item(sink, item);
    }
    while (sink->first_item != NULL) /* values of these wait for windows */
        drop_item(sink, sink->first_item);
}

void fr_deliveries_free(struct fr_sink *sink)
{
    in_flight_abandon(sink);
    while (sink->spare_deliveries != NULL) {
        struct delivery *next = sink->spare_deliveries->next;

        fr_buffer_free(&sink->spare_deliveries->text);
        free(sink->spare_deliveries);
        sink->spare_deliveries = next;
    }
    while (sink->spare_items != NULL) {
        struct item *next = sink->spare_items->behind;

        free(sink->spare_items);
        sink->spare_items = next;
    }
}
