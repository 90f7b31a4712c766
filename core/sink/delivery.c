#include "sink/delivery.h"

#include <stdio.h>

#include "record/json.h"
#include "record/json_tesla.h"
#include "sink/batch.h"
#include "sink/in_flight.h"
#include "sink/lanes.h"
#include "sink/latest_values.h"
#include "sink/outcome.h"
#include "sink/retry.h"
#include "sink/sink_state.h"
#include "util/clock.h"

/* ---- from emissions to deliveries ------------------------------------------------ */

static void delivery_describe(struct delivery *d, const struct fr_emission *emission)
{
    const struct fr_record *record = emission->record;

    d->public = (struct fr_delivery){
        .size = sizeof d->public,
        .kind = emission->kind,
        .vin = record->vin,
        .vehicle_name = emission->vehicle_name,
        .record_type = record->topic,
        .txid = record->txid,
        .txid_len = record->txid_len,
        .client_version = record->client_version,
        .created_ms = record->created_ns / 1000000,
        .received_ms = record->received_ms,
        .flags = emission->flags,
        .format = emission->format,
        .name = emission->name, /* of a record: valid as long as delivery.routing */
        .field = emission->field,
        .unit = emission->unit,
        .value = emission->value,
    };
}

static void delivery_fill_protobuf(struct delivery *d, const struct fr_record *record)
{
    d->public.format = FR_FORMAT_PROTOBUF;
    d->public.bytes = record->payload;
    d->public.len = record->payload_len;
}

/* Write the record in the format of the route. Returns false if the format cannot express it; then
 * the delivery has its protobuf. */
static bool delivery_fill_bytes(struct delivery *d, const struct fr_emission *emission)
{
    fr_buffer_clear(&d->text);
    switch (emission->format) {
    case FR_FORMAT_JSON:
        fr_json_record(&d->text, emission->record, emission->vehicle_name, emission->flags, false);
        break;
    case FR_FORMAT_TESLA_JSON:
        if (fr_json_tesla(&d->text, emission->record, false) != 0) {
            delivery_fill_protobuf(d, emission->record);
            return false;
        }
        break;
    case FR_FORMAT_DEFAULT:
    case FR_FORMAT_PROTOBUF:
    default:
        delivery_fill_protobuf(d, emission->record);
        return true;
    }
    d->public.bytes = d->text.bytes;
    d->public.len = d->text.len;
    return true;
}

static void delivery_refuse(struct fr_sink *sink, struct delivery *d)
{
    fr_outcome_refuse(sink, d,
                      d->text.failed
                          ? "out of memory for its tesla-json"
                          : "tesla-json cannot express a time outside the years 1 to 9999");
}

/* Without a journal the record that is being routed has the item input.current_item. With a journal
 * emission->origin is the item. A value of a window without a journal, and a restored value, get an
 * item of their own. */
void fr_delivery_emit(void *ctx, const struct fr_emission *emission)
{
    struct fr_sink *sink = ctx;
    struct item *item = emission->origin != NULL ? emission->origin : sink->input.current_item;
    struct delivery *d;

    if (item == NULL)
        item = fr_item_new(sink, fr_record_ref(emission->record), false, false);
    d = fr_delivery_new(sink, item, emission);
    delivery_describe(d, emission);
    if (emission->kind == FR_DELIVERY_RECORD) {
        if (!delivery_fill_bytes(d, emission)) {
            d->inexpressible = true;
            delivery_refuse(sink, d);
            return;
        }
        d->size += d->text.len;
        sink->in_flight.bytes += d->text.len;
    } else {
        snprintf(d->name, sizeof d->name, "%s", emission->name);
        d->public.name = d->name;
        d->public.field_name = fr_field_name(emission->field, d->field_name);
        d->datum = emission->datum;
        d->datum_len = emission->datum_len;
    }
    if (sink->latest.table != NULL && emission->kind == FR_DELIVERY_FIELD)
        fr_latest_values_enqueue(sink, d, emission);
    else
        fr_batch_add(sink, d);
}

/* ---- to the plugin --------------------------------------------------------------- */

/* Remove from the batch the deliveries that became older than max_age while they waited, those that
 * must wait behind a failed delivery, and inexpressible ones whose dead letter could not be written.
 * Returns the new length of the batch. */
static size_t delivery_filter_batch(struct fr_sink *sink)
{
    int64_t wall = fr_wall_ms();
    size_t kept = 0;

    for (size_t i = 0; i < sink->batch.count; i++) {
        struct delivery *d = (struct delivery *)sink->batch.deliveries[i];

        if (d->inexpressible) {
            delivery_refuse(sink, d);
            continue;
        }
        if (d->expires_ms >= wall) {
            if (!fr_lanes_enqueue_if_blocked(sink, d))
                sink->batch.deliveries[kept++] = sink->batch.deliveries[i];
            continue;
        }
        sink->counters.expired++;
        fr_outcome_skip(sink, d);
    }
    return kept;
}

void fr_delivery_submit_batch(struct fr_sink *sink)
{
    size_t count = delivery_filter_batch(sink);

    sink->batch.count = 0;
    if (sink->retry.waiting.first != NULL) {
        /* The list may have older deliveries of the same vehicles. */
        for (size_t i = 0; i < count; i++)
            fr_retry_insert(sink, (struct delivery *)sink->batch.deliveries[i]);
        return;
    }
    sink->in_flight.in_plugin += count;
    if (count != 0)
        sink->plugin->deliver(sink->plugin_state, sink->batch.deliveries, count);
    if (sink->json.capacity > FR_BUFFER_KEEP_MAX)
        fr_buffer_free(&sink->json);
}
