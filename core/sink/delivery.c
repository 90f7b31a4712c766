/* From what the routing program emits to deliveries that the plugin is handed. */
#include <stdio.h>

#include "record/json.h"
#include "sink/sink_state.h"
#include "util/clock.h"
#include "util/memory.h"

#define INITIAL_BATCH 256

/* ---- from records to deliveries -------------------------------------------------- */

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

void fr_delivery_join_batch(struct fr_sink *sink, struct delivery *d)
{
    if (sink->batch_count == sink->batch_room) {
        sink->batch_room = sink->batch_room ? sink->batch_room * 2 : INITIAL_BATCH;
        sink->batch = fr_realloc(sink->batch, sink->batch_room, sizeof(struct fr_delivery *));
    }
    sink->batch[sink->batch_count++] = &d->public;
}

/* The program emits something: make a delivery of it. */
void fr_delivery_emit(void *ctx, const struct fr_emission *emission)
{
    struct fr_sink *sink = ctx;
    struct item *item = emission->origin != NULL ? emission->origin : sink->emitting;
    struct delivery *d;

    if (item == NULL) /* a window closed, or a value is restored */
        item = fr_item_new(sink, fr_record_ref(emission->record), false, false);
    d = fr_delivery_new(sink, item, emission);
    describe(d, emission);
    if (emission->kind == FR_DELIVERY_RECORD) {
        fill_bytes(d, emission);
        d->size += d->text.len;
        sink->in_flight_bytes += d->text.len;
    } else {
        snprintf(d->name, sizeof d->name, "%s", emission->name);
        d->public.name = d->name;
        d->public.field_name = fr_field_name(emission->field, d->field_name);
    }
    if (sink->latest != NULL && emission->kind == FR_DELIVERY_FIELD)
        fr_latest_join(sink, d, emission);
    else
        fr_delivery_join_batch(sink, d);
}

void fr_delivery_make_ready(struct fr_sink *sink, struct delivery *d)
{
    d->next = NULL;
    if (sink->ready_first == NULL)
        sink->ready_first = d;
    else
        sink->ready_last->next = d;
    sink->ready_last = d;
    fr_sink_schedule_after(sink);
}

void fr_deliveries_take_ready(struct fr_sink *sink)
{
    struct delivery *d = sink->ready_first, *next;

    sink->ready_first = sink->ready_last = NULL;
    for (; d != NULL; d = next) {
        next = d->next;
        fr_delivery_join_batch(sink, d);
    }
}

/* Leave out of the batch what became too old for its route while it waited for the plugin, and what
 * has to wait behind a delivery that failed. */
static size_t delivery_choose(struct fr_sink *sink)
{
    int64_t wall = fr_wall_ms();
    size_t kept = 0;

    for (size_t i = 0; i < sink->batch_count; i++) {
        struct delivery *d = (struct delivery *)sink->batch[i];

        if (d->expires_ms >= wall) {
            if (!fr_lanes_hold(sink, d))
                sink->batch[kept++] = sink->batch[i];
            continue;
        }
        sink->expired++;
        fr_delivery_skip(sink, d);
    }
    return kept;
}

void fr_deliveries_hand_over(struct fr_sink *sink)
{
    size_t count = delivery_choose(sink);

    sink->batch_count = 0;
    if (sink->retry_first != NULL) { /* older deliveries of these vehicles may be among those */
        for (size_t i = 0; i < count; i++)
            fr_retry_insert(sink, (struct delivery *)sink->batch[i]);
        return;
    }
    sink->in_plugin += count;
    if (count != 0)
        sink->plugin->deliver(sink->state, sink->batch, count);
    if (sink->json.room > FR_BUFFER_KEEP_MAX)
        fr_buffer_free(&sink->json);
}
