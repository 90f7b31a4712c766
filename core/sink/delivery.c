#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/json.h"
#include "sink/dead_letters.h"
#include "sink/sink_state.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/memory.h"

#define BATCH_AT_FIRST 256
#define TEXT_KEPT 16384 /* JSON text of this size is kept for the next delivery */

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

static void note_oldest(struct fr_sink *sink)
{
    atomic_store_explicit(&sink->oldest_due_ms,
                          sink->unfinished != NULL ? sink->unfinished->due_ms : 0,
                          memory_order_relaxed);
}

static void release(struct fr_sink *sink, struct delivery *d)
{
    if (d->text.room > TEXT_KEPT)
        fr_buffer_free(&d->text);
    if (d->before != NULL)
        d->before->behind = d->behind;
    else
        sink->unfinished = d->behind;
    if (d->behind != NULL)
        d->behind->before = d->before;
    else
        sink->last_unfinished = d->before;
    note_oldest(sink);
    fr_routing_unref(d->routing);
    fr_record_unref(d->record);
    d->next = sink->spare_deliveries;
    sink->spare_deliveries = d;
    sink->in_flight--;
    sink->in_flight_bytes -= d->size;
}

static void finish(struct fr_sink *sink, struct delivery *d)
{
    struct item *item = d->item;

    release(sink, d);
    fr_item_release(sink, item);
}

/* The delay is counted from when the delivery was due: its record's receipt, or the end of the
 * window that the value waited for. */
static void count_delay(struct fr_sink *sink, const struct delivery *d)
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

/* Set a delivery aside that is refused for good. -1: it could not be, so it must stay. */
static int set_aside(struct fr_sink *sink, struct delivery *d)
{
    static struct fr_log_limit limit;
    struct fr_error error;

    if (fr_dead_letter(sink->house.dead_letters, sink->settings.name, d->record, d->refusals,
                       &error) != 0) {
        fr_log_limited(&limit, FR_LOG_ERROR, "sink %s: a dead letter cannot be kept: %s",
                       sink->settings.name, error.text);
        return -1;
    }
    fr_count(FR_COUNT_DEAD_LETTERS);
    atomic_fetch_add_explicit(&sink->dead_letters, 1, memory_order_relaxed);
    fr_log_limited(&limit, FR_LOG_ERROR,
                   "sink %s: refused a record (%s, %zu bytes) %u times; it is set aside in "
                   "%s/%s.jsonl",
                   sink->settings.name, d->public.record_type, d->public.len, d->refusals,
                   sink->house.dead_letters, sink->settings.name);
    return 0;
}

/* ---- trying again ---------------------------------------------------------------- */

static void pause_before_retry(struct fr_sink *sink)
{
    struct timeval pause;
    int64_t ms;

    if (event_pending(sink->retry_timer, EV_TIMEOUT, NULL) || sink->retry_ready)
        return;
    if (sink->retry_pause_ms < sink->settings.retry_least_ms)
        sink->retry_pause_ms = sink->settings.retry_least_ms;
    /* Up to a quarter more, so that sinks that failed together do not return together. */
    ms = sink->retry_pause_ms + sink->retry_pause_ms * (random() & 0xff) / 1024;
    pause = fr_timeval(ms);
    event_add(sink->retry_timer, &pause);
    sink->retry_pause_ms *= 2;
    if (sink->retry_pause_ms > sink->settings.retry_most_ms)
        sink->retry_pause_ms = sink->settings.retry_most_ms;
}

/* Something was delivered, so what waits for another try need not wait for a pause that grew. */
static void end_retry_pause(struct fr_sink *sink)
{
    struct timeval pause = fr_timeval(sink->settings.retry_least_ms);

    if (sink->retry_pause_ms != 0 && event_pending(sink->retry_timer, EV_TIMEOUT, NULL))
        event_add(sink->retry_timer, &pause);
    sink->retry_pause_ms = 0;
}

/* The list is kept in the order in which the deliveries were made, however the plugin answers. */
static void put_to_retries(struct fr_sink *sink, struct delivery *d)
{
    struct delivery **at = &sink->retry_first;

    if (sink->retry_last != NULL && sink->retry_last->order < d->order)
        at = &sink->retry_last->next;
    else
        while (*at != NULL && (*at)->order < d->order)
            at = &(*at)->next;
    d->next = *at;
    *at = d;
    if (d->next == NULL)
        sink->retry_last = d;
}

static void queue_slot(struct fr_sink *sink, struct fr_latest_slot *slot)
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

static void replace(struct fr_sink *sink, struct delivery *d)
{
    atomic_fetch_add_explicit(&sink->replaced, 1, memory_order_relaxed);
    finish(sink, d);
}

static void start_waiting(struct fr_sink *sink, struct fr_latest_slot *slot, struct delivery *d)
{
    slot->waiting = d;
    sink->waiting++;
    sink->in_flight_bytes -= d->size;
}

static struct delivery *end_waiting(struct fr_sink *sink, struct fr_latest_slot *slot)
{
    struct delivery *d = slot->waiting;

    slot->waiting = NULL;
    sink->waiting--;
    sink->in_flight_bytes += d->size;
    return d;
}

static void try_again(struct fr_sink *sink, struct delivery *d)
{
    struct fr_latest_slot *slot = d->slot;

    atomic_fetch_add_explicit(&sink->retried, 1, memory_order_relaxed);
    if (slot == NULL)
        put_to_retries(sink, d);
    else if (slot->waiting != NULL)
        replace(sink, d);
    else
        start_waiting(sink, slot, d);
    pause_before_retry(sink);
    if (slot != NULL)
        queue_slot(sink, slot);
}

void fr_delivery_done(struct fr_sink *sink, struct fr_delivery *delivery, enum fr_outcome outcome)
{
    struct delivery *d = (struct delivery *)delivery;
    struct fr_latest_slot *slot = d->slot;

    sink->in_plugin--;
    /* Also when the record stays unfinished: another of its values may wait for a window, while
     * values behind this one wait in `latest` or in the journal for the capacity that it had. */
    fr_sink_schedule_after(sink);
    if (slot != NULL)
        slot->handed = NULL;
    if (outcome == FR_REFUSED) {
        atomic_fetch_add_explicit(&sink->refused, 1, memory_order_relaxed);
        d->refusals++;
    }
    if (outcome == FR_RETRY || (outcome == FR_REFUSED &&
                                (d->refusals < sink->settings.tries || set_aside(sink, d) != 0))) {
        try_again(sink, d);
        return;
    }
    if (outcome == FR_REFUSED)
        d->item->refused = true;
    else {
        atomic_store_explicit(&sink->delivered,
                              atomic_load_explicit(&sink->delivered, memory_order_relaxed) + 1,
                              memory_order_relaxed);
        end_retry_pause(sink);
        if (d->item->seq > sink->done_seq)
            sink->done_seq = d->item->seq;
        count_delay(sink, d);
    }
    finish(sink, d);
    if (slot != NULL)
        queue_slot(sink, slot);
}

/* ---- from records to deliveries -------------------------------------------------- */

static struct delivery *new_delivery(struct fr_sink *sink)
{
    struct delivery *d = sink->spare_deliveries;

    if (d != NULL)
        sink->spare_deliveries = d->next;
    else
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
    d->refusals = 0;
    d->slot = NULL;
    d->routing = fr_routing_ref(fr_program_routing(sink->program));
    return d;
}

static void describe(struct delivery *d, const struct fr_emission *emission)
{
    const struct fr_record *record = emission->record;

    d->public = (struct fr_delivery){
        .kind = emission->kind,
        .vin = record->vin,
        .vehicle_name = emission->vehicle_name,
        .record_type = record->topic,
        .txid = record->txid,
        .txid_len = record->txid_len,
        .client_version = record->client_version,
        .created_ms = record->created_ns / 1000000,
        .received_ms = record->received_ms,
        .marks = emission->marks,
        .format = emission->format,
        .name = emission->name, /* of a record: the routing's, which the delivery holds */
        .field = emission->field,
        .unit = emission->unit,
        .value = emission->value,
    };
}

static void fill_bytes(struct delivery *d, const struct fr_emission *emission)
{
    fr_buffer_clear(&d->text);
    switch (emission->format) {
    case FR_FORMAT_JSON:
        fr_json_record(&d->text, emission->record, emission->vehicle_name, emission->marks, false);
        break;
    case FR_FORMAT_TESLA_JSON:
        if (fr_json_tesla(&d->text, emission->record, false) != 0)
            fr_buffer_text(&d->text, "{}");
        break;
    case FR_FORMAT_DEFAULT:
    case FR_FORMAT_PROTOBUF:
    default:
        d->public.format = FR_FORMAT_PROTOBUF;
        d->public.bytes = emission->record->payload;
        d->public.len = emission->record->payload_len;
        return;
    }
    d->public.bytes = d->text.bytes;
    d->public.len = d->text.len;
}

static void join_batch(struct fr_sink *sink, struct delivery *d)
{
    if (sink->batch_count == sink->batch_room) {
        sink->batch_room = sink->batch_room ? sink->batch_room * 2 : BATCH_AT_FIRST;
        sink->batch = fr_realloc(sink->batch, sink->batch_room, sizeof(struct fr_delivery *));
    }
    sink->batch[sink->batch_count++] = &d->public;
}

/* Let a value wait as the newest of its vehicle, route and field. */
static void join_latest(struct fr_sink *sink, struct delivery *d, const struct fr_emission *e)
{
    struct fr_latest_slot *slot =
        fr_latest_slot(sink->latest, e->record->vin, e->route_id, e->field);

    if (slot == NULL) {
        join_batch(sink, d);
        return;
    }
    d->slot = slot;
    if (slot->waiting != NULL &&
        fr_record_time_ns(e->record) < fr_record_time_ns(slot->waiting->record)) {
        replace(sink, d); /* what waits is newer */
        return;
    }
    if (slot->waiting != NULL)
        replace(sink, end_waiting(sink, slot));
    start_waiting(sink, slot, d);
    queue_slot(sink, slot);
}

/* The program emits something: make a delivery of it. */
void fr_delivery_emit(void *ctx, const struct fr_emission *emission)
{
    struct fr_sink *sink = ctx;
    struct item *item = emission->origin != NULL ? emission->origin : sink->emitting;
    struct delivery *d = new_delivery(sink);

    if (item == NULL) /* a window closed, or a value is restored: no record's last word */
        item = fr_item_new(sink, fr_record_ref(emission->record), false, false);
    d->item = item;
    d->record = fr_record_ref(emission->record);
    d->size = fr_sink_queue_size(d->record);
    sink->in_flight_bytes += d->size;
    item->unfinished++;
    d->due_ms = emission->due_ms;
    d->expires_ms = emission->expires_ms;
    note_oldest(sink);
    describe(d, emission);
    if (emission->kind == FR_DELIVERY_RECORD)
        fill_bytes(d, emission);
    else {
        snprintf(d->name, sizeof d->name, "%s", emission->name);
        d->public.name = d->name;
        d->public.field_name = fr_field_name(emission->field, d->field_name);
    }
    if (sink->latest != NULL && emission->kind == FR_DELIVERY_FIELD)
        join_latest(sink, d, emission);
    else
        join_batch(sink, d);
}

/* A delivery that waited for the plugin until it was too old for its route is no delivery. */
static size_t drop_expired(struct fr_sink *sink)
{
    int64_t wall = fr_wall_ms();
    size_t kept = 0;

    for (size_t i = 0; i < sink->batch_count; i++) {
        struct delivery *d = (struct delivery *)sink->batch[i];

        if (d->expires_ms >= wall) {
            sink->batch[kept++] = sink->batch[i];
            continue;
        }
        sink->expired++;
        if (d->slot != NULL) {
            d->slot->handed = NULL;
            queue_slot(sink, d->slot);
        }
        finish(sink, d);
    }
    return kept;
}

void fr_deliveries_hand_over(struct fr_sink *sink)
{
    size_t count = drop_expired(sink);

    sink->batch_count = 0;
    if (sink->retry_first != NULL) { /* older deliveries of these vehicles may be among those */
        for (size_t i = 0; i < count; i++)
            put_to_retries(sink, (struct delivery *)sink->batch[i]);
        return;
    }
    sink->in_plugin += count;
    if (count != 0)
        sink->plugin->deliver(sink->state, sink->batch, count);
}

void fr_deliveries_retry(struct fr_sink *sink)
{
    struct delivery *d = sink->retry_first;

    sink->retry_first = sink->retry_last = NULL;
    while (d != NULL) {
        struct delivery *next = d->next;

        join_batch(sink, d);
        d = next;
    }
}

void fr_deliveries_take_latest(struct fr_sink *sink)
{
    while (sink->queued_first != NULL && !sink->retry_ready &&
           !event_pending(sink->retry_timer, EV_TIMEOUT, NULL) &&
           sink->in_plugin + sink->batch_count < sink->in_flight_most) {
        struct fr_latest_slot *slot = sink->queued_first;

        sink->queued_first = slot->next_queued;
        slot->queued = false;
        if (slot->waiting == NULL || slot->handed != NULL)
            continue;
        slot->handed = end_waiting(sink, slot);
        join_batch(sink, slot->handed);
    }
}

void fr_deliveries_abandon(struct fr_sink *sink)
{
    struct delivery *d = sink->retry_first;

    sink->retry_first = sink->retry_last = NULL;
    sink->retry_ready = false;
    while (d != NULL) {
        struct delivery *next = d->next;

        finish(sink, d);
        d = next;
    }
    for (; sink->queued_first != NULL; sink->queued_first = sink->queued_first->next_queued) {
        sink->queued_first->queued = false;
        if (sink->queued_first->waiting != NULL)
            finish(sink, end_waiting(sink, sink->queued_first));
    }
}

/* Deliveries that the plugin never answered: their records stay unconfirmed. */
static void abandon_unfinished(struct fr_sink *sink)
{
    while (sink->unfinished != NULL) {
        struct item *item = sink->unfinished->item;

        release(sink, sink->unfinished);
        if (--item->unfinished == 0)
            drop_item(sink, item);
    }
    while (sink->first_item != NULL) /* values of these wait for windows */
        drop_item(sink, sink->first_item);
}

void fr_deliveries_free(struct fr_sink *sink)
{
    abandon_unfinished(sink);
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
