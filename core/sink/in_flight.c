#include "sink/in_flight.h"

#include <assert.h>
#include <stdlib.h>

#include "record/tesla_messages.h"
#include "sink/sink_state.h"
#include "sink/wakeup.h"
#include "util/memory.h"

#define SPARE_TEXT_MAX 16384 /* bytes of JSON text that a spare delivery keeps allocated */
#define SPARE_MAX 1024       /* spare deliveries: 16 MB with their texts */

/* ---- items ----------------------------------------------------------------------- */

struct item *fr_item_new(struct fr_sink *sink, struct fr_record *record, bool ack, bool from_queue)
{
    struct item *item = sink->in_flight.spare_items;

    if (item != NULL)
        sink->in_flight.spare_items = item->next;
    else
        item = fr_calloc(1, sizeof *item);
    *item =
        (struct item){.record = record, .seq = record->seq, .ack = ack, .from_queue = from_queue};
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
    item->prev = sink->in_flight.last_item;
    if (sink->in_flight.last_item != NULL)
        sink->in_flight.last_item->next = item;
    else
        sink->in_flight.first_item = item;
    sink->in_flight.last_item = item;
}

static void in_flight_unlink_item(struct fr_sink *sink, struct item *item)
{
    if (item->prev != NULL)
        item->prev->next = item->next;
    else
        sink->in_flight.first_item = item->next;
    if (item->next != NULL)
        item->next->prev = item->prev;
    else
        sink->in_flight.last_item = item->prev;
}

static void in_flight_drop_item(struct fr_sink *sink, struct item *item)
{
    if (item->linked)
        in_flight_unlink_item(sink, item);
    if (item->record != NULL)
        fr_item_drop_record(item);
    item->next = sink->in_flight.spare_items;
    sink->in_flight.spare_items = item;
}

static void in_flight_complete_item(struct fr_sink *sink, struct item *item)
{
    assert(item->deliveries == 0);
    if (item->ack)
        fr_record_confirm(item->record, !item->refused, &sink->in_flight.acks);
    if (item->from_queue) {
        sink->in_flight.completed_records++;
        sink->in_flight.completed_bytes += fr_record_queue_size(item->record);
    }
    in_flight_drop_item(sink, item);
    fr_sink_schedule_after(sink);
}

void fr_item_acquire(void *ctx, void *item)
{
    (void)ctx;
    ((struct item *)item)->unfinished++;
}

void fr_item_release(void *ctx, void *origin)
{
    struct item *item = origin;

    assert(item->unfinished != 0);
    if (--item->unfinished == 0)
        in_flight_complete_item(ctx, item);
}

/* ---- finishing ------------------------------------------------------------------- */

static void in_flight_publish_oldest(struct fr_sink *sink)
{
    atomic_store_explicit(&sink->in_flight.oldest_created_ms,
                          sink->in_flight.first != NULL ? sink->in_flight.first->created_ms : 0,
                          memory_order_relaxed);
    atomic_store_explicit(&sink->in_flight.oldest_due_ms,
                          sink->in_flight.first != NULL ? sink->in_flight.first->due_ms : 0,
                          memory_order_relaxed);
}

static void in_flight_recycle(struct fr_sink *sink, struct delivery *d)
{
    if (sink->in_flight.spare_count == SPARE_MAX) {
        fr_buffer_free(&d->text);
        free(d);
        return;
    }
    if (d->text.capacity > SPARE_TEXT_MAX)
        fr_buffer_free(&d->text);
    d->next = sink->in_flight.spare_deliveries;
    sink->in_flight.spare_deliveries = d;
    sink->in_flight.spare_count++;
}

static void in_flight_remove(struct fr_sink *sink, struct delivery *d)
{
    assert(sink->in_flight.count != 0 && d->item->deliveries != 0);
    if (d->prev_unfinished != NULL)
        d->prev_unfinished->next_unfinished = d->next_unfinished;
    else
        sink->in_flight.first = d->next_unfinished;
    if (d->next_unfinished != NULL)
        d->next_unfinished->prev_unfinished = d->prev_unfinished;
    else
        sink->in_flight.last = d->prev_unfinished;
    if (--d->item->deliveries == 0 && d->item->linked)
        atomic_fetch_sub_explicit(&sink->in_flight.delivering_records, 1, memory_order_relaxed);
    in_flight_publish_oldest(sink);
    fr_routing_unref(d->routing);
    fr_record_unref(d->record);
    fr_tesla_messages_free(d->tesla);
    d->tesla = NULL;
    free(d->reason);
    d->reason = NULL;
    sink->in_flight.count--;
    sink->in_flight.bytes -= d->size;
    in_flight_recycle(sink, d);
}

void fr_delivery_finish(struct fr_sink *sink, struct delivery *d)
{
    struct item *item = d->item;

    in_flight_remove(sink, d);
    fr_item_release(sink, item);
}

/* ---- deliveries ------------------------------------------------------------------ */

struct delivery *fr_delivery_new(struct fr_sink *sink, struct item *item,
                                 const struct fr_emission *emission)
{
    struct delivery *d = sink->in_flight.spare_deliveries;

    if (d != NULL) {
        sink->in_flight.spare_deliveries = d->next;
        sink->in_flight.spare_count--;
    } else
        d = fr_calloc(1, sizeof *d);
    d->prev_unfinished = sink->in_flight.last;
    d->next_unfinished = NULL;
    if (d->prev_unfinished != NULL)
        d->prev_unfinished->next_unfinished = d;
    else
        sink->in_flight.first = d;
    sink->in_flight.last = d;
    sink->in_flight.count++;
    d->order = sink->in_flight.next_order++;
    d->failures = 0;
    d->inexpressible = false;
    d->slot = NULL;
    d->lane = NULL;
    d->item = item;
    d->record = fr_record_ref(emission->record);
    d->size = fr_record_queue_size(d->record);
    d->due_ms = emission->due_ms;
    d->expires_ms = emission->expires_ms;
    d->created_ms = sink->in_flight.now_ms;
    sink->in_flight.bytes += d->size;
    item->unfinished++;
    if (item->deliveries++ == 0 && item->linked)
        atomic_fetch_add_explicit(&sink->in_flight.delivering_records, 1, memory_order_relaxed);
    in_flight_publish_oldest(sink);
    d->routing = fr_routing_ref(fr_program_routing(sink->program));
    return d;
}

/* ---- the end --------------------------------------------------------------------- */

/* Free the items and deliveries that the plugin did not answer, without confirming their records.
 * */
static void in_flight_abandon(struct fr_sink *sink)
{
    while (sink->in_flight.first != NULL) {
        struct item *item = sink->in_flight.first->item;

        in_flight_remove(sink, sink->in_flight.first);
        if (--item->unfinished == 0)
            in_flight_drop_item(sink, item);
    }
    while (sink->in_flight.first_item != NULL) /* only values that wait for windows are left */
        in_flight_drop_item(sink, sink->in_flight.first_item);
}

void fr_deliveries_free(struct fr_sink *sink)
{
    in_flight_abandon(sink);
    while (sink->in_flight.spare_deliveries != NULL) {
        struct delivery *next = sink->in_flight.spare_deliveries->next;

        fr_buffer_free(&sink->in_flight.spare_deliveries->text);
        free(sink->in_flight.spare_deliveries);
        sink->in_flight.spare_deliveries = next;
    }
    while (sink->in_flight.spare_items != NULL) {
        struct item *next = sink->in_flight.spare_items->next;

        free(sink->in_flight.spare_items);
        sink->in_flight.spare_items = next;
    }
}
