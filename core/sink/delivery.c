#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/json.h"
#include "sink/sink_state.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/memory.h"

#define BATCH_AT_FIRST 256
#define TEXT_KEPT 16384 /* JSON text of this size is kept for the next delivery */

/* ---- finishing ------------------------------------------------------------------- */

void fr_item_release(struct fr_sink *sink, struct item *item)
{
    if (item->ack)
        fr_record_confirm(item->record, !item->refused, &sink->acks);
    if (item->counted) {
        sink->finished_records++;
        sink->finished_bytes += fr_sink_queue_size(item->record);
    }
    fr_record_unref(item->record);
    item->next = sink->spare_items;
    sink->spare_items = item;
    fr_sink_schedule_after(sink);
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
    d->next = sink->spare_deliveries;
    sink->spare_deliveries = d;
    sink->in_flight--;
}

static void log_refused(struct fr_sink *sink, const struct fr_delivery *d)
{
    static struct fr_log_limit limit;

    fr_log_limited(&limit, FR_LOG_ERROR,
                   "sink %s: a delivery (%s, %zu bytes) is refused for good; its record will not "
                   "be acknowledged by this sink",
                   sink->settings.name, d->record_type, d->len);
}

static void retry_later(struct fr_sink *sink, struct delivery *d)
{
    struct timeval pause;
    int64_t ms;

    d->next = NULL;
    if (sink->retry_first == NULL)
        sink->retry_first = d;
    else
        sink->retry_last->next = d;
    sink->retry_last = d;
    atomic_fetch_add_explicit(&sink->retried, 1, memory_order_relaxed);
    if (event_pending(sink->retry_timer, EV_TIMEOUT, NULL))
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

void fr_delivery_done(struct fr_sink *sink, struct fr_delivery *delivery, enum fr_outcome outcome)
{
    struct delivery *d = (struct delivery *)delivery;
    struct item *item = d->item;

    switch (outcome) {
    case FR_RETRY:
        retry_later(sink, d);
        return;
    case FR_REFUSED:
        atomic_fetch_add_explicit(&sink->refused, 1, memory_order_relaxed);
        log_refused(sink, delivery);
        item->refused = true;
        break;
    case FR_DONE:
    default:
        atomic_store_explicit(&sink->delivered,
                              atomic_load_explicit(&sink->delivered, memory_order_relaxed) + 1,
                              memory_order_relaxed);
        sink->retry_pause_ms = 0;
        break;
    }
    release(sink, d);
    if (--item->unfinished == 0)
        fr_item_release(sink, item);
}

/* ---- from records to deliveries -------------------------------------------------- */

struct item *fr_item_new(struct fr_sink *sink, struct fr_record *record, bool ack, bool counted)
{
    struct item *item = sink->spare_items;

    if (item != NULL)
        sink->spare_items = item->next;
    else
        item = fr_calloc(1, sizeof *item);
    *item = (struct item){.record = record, .ack = ack, .counted = counted};
    return item;
}

static struct delivery *new_delivery(struct fr_sink *sink)
{
    struct delivery *d = sink->spare_deliveries;

    if (d != NULL)
        sink->spare_deliveries = d->next;
    else
        d = fr_calloc(1, sizeof *d);
    d->before = NULL;
    d->behind = sink->unfinished;
    if (d->behind != NULL)
        d->behind->before = d;
    sink->unfinished = d;
    sink->in_flight++;
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

/* The program emits something: make a delivery of it. */
void fr_delivery_emit(void *ctx, const struct fr_emission *emission)
{
    struct fr_sink *sink = ctx;
    struct item *item = sink->emitting;
    struct delivery *d = new_delivery(sink);

    if (item == NULL) /* a window closed; the record was finished long ago */
        item = fr_item_new(sink, fr_record_ref(emission->record), false, false);
    d->item = item;
    item->unfinished++;
    describe(d, emission);
    if (emission->kind == FR_DELIVERY_RECORD)
        fill_bytes(d, emission);
    else {
        snprintf(d->name, sizeof d->name, "%s", emission->name);
        d->public.name = d->name;
    }
    join_batch(sink, d);
}

void fr_deliveries_hand_over(struct fr_sink *sink)
{
    size_t count = sink->batch_count;

    sink->batch_count = 0;
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

/* Deliveries that the plugin never answered: their records stay unconfirmed. */
static void abandon_unfinished(struct fr_sink *sink)
{
    while (sink->unfinished != NULL) {
        struct delivery *d = sink->unfinished;
        struct item *item = d->item;

        release(sink, d);
        if (--item->unfinished == 0) {
            fr_record_unref(item->record);
            free(item);
        }
    }
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
        struct item *next = sink->spare_items->next;

        free(sink->spare_items);
        sink->spare_items = next;
    }
}
