#include "sink/batch.h"

#include "sink/delivery_list.h"
#include "sink/sink_state.h"
#include "sink/wakeup.h"
#include "util/memory.h"

#define INITIAL_CAPACITY 256

void fr_batch_add(struct fr_sink *sink, struct delivery *d)
{
    struct sink_batch *batch = &sink->batch;

    if (batch->count == batch->capacity) {
        batch->capacity = batch->capacity != 0 ? batch->capacity * 2 : INITIAL_CAPACITY;
        batch->deliveries =
            fr_realloc(batch->deliveries, batch->capacity, sizeof(struct fr_delivery *));
    }
    batch->deliveries[batch->count++] = &d->public;
}

void fr_batch_add_later(struct fr_sink *sink, struct delivery *d)
{
    fr_delivery_list_append(&sink->batch.ready, d);
    fr_sink_schedule_after(sink);
}

void fr_batch_add_ready(struct fr_sink *sink)
{
    struct delivery *d;

    while ((d = fr_delivery_list_pop(&sink->batch.ready)) != NULL)
        fr_batch_add(sink, d);
}
