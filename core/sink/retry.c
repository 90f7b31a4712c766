#include "sink/retry.h"

#include <assert.h>
#include <stdlib.h>

#include "sink/batch.h"
#include "sink/delivery_list.h"
#include "sink/in_flight.h"
#include "sink/latest_values.h"
#include "sink/sink_state.h"
#include "util/clock.h"

static void retry_begin_pause(struct fr_sink *sink)
{
    struct sink_retry *retry = &sink->retry;
    struct timeval pause;
    int64_t ms;

    if (event_pending(retry->timer, EV_TIMEOUT, NULL) || retry->pause_over)
        return;
    if (retry->pause_ms < sink->settings.retry_min_ms)
        retry->pause_ms = sink->settings.retry_min_ms;
    /* Add a random part of up to a quarter, so that sinks that failed together do not reconnect
     * together. */
    ms = retry->pause_ms + retry->pause_ms * (random() & 0xff) / 1024;
    pause = fr_timeval(ms);
    event_add(retry->timer, &pause);
    retry->pause_ms *= 2;
    if (retry->pause_ms > sink->settings.retry_max_ms)
        retry->pause_ms = sink->settings.retry_max_ms;
}

void fr_retry_reset_pause(struct fr_sink *sink)
{
    struct timeval pause = fr_timeval(sink->settings.retry_min_ms);

    if (sink->retry.pause_ms != 0 && event_pending(sink->retry.timer, EV_TIMEOUT, NULL))
        event_add(sink->retry.timer, &pause);
    sink->retry.pause_ms = 0;
}

void fr_retry_end_pause(struct fr_sink *sink)
{
    sink->retry.pause_ms = 0;
    if (event_pending(sink->retry.timer, EV_TIMEOUT, NULL))
        event_active(sink->retry.timer, EV_TIMEOUT, 1);
}

void fr_retry_insert(struct fr_sink *sink, struct delivery *d)
{
    fr_delivery_list_insert(&sink->retry.waiting, d);
}

void fr_retry_add(struct fr_sink *sink, struct delivery *d)
{
    assert(d->lane == NULL);
    atomic_fetch_add_explicit(&sink->counters.retried, 1, memory_order_relaxed);
    if (d->slot == NULL)
        fr_retry_insert(sink, d);
    else
        fr_latest_values_requeue(sink, d);
    retry_begin_pause(sink);
}

void fr_retry_add_to_batch(struct fr_sink *sink)
{
    struct delivery *d;

    while ((d = fr_delivery_list_pop(&sink->retry.waiting)) != NULL)
        fr_batch_add(sink, d);
}

void fr_retry_abandon(struct fr_sink *sink, void (*skip)(struct fr_sink *sink, struct delivery *d))
{
    struct delivery *d;

    sink->retry.pause_over = false;
    while ((d = fr_delivery_list_pop(&sink->retry.waiting)) != NULL)
        skip(sink, d);
}
