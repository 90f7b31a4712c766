/* The barrier: while the plugin's peer is away, deliveries wait for it in their order. */
#include <stdlib.h>

#include "sink/sink_state.h"
#include "util/clock.h"

static void retry_pause(struct fr_sink *sink)
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
void fr_retry_end_pause(struct fr_sink *sink)
{
    struct timeval pause = fr_timeval(sink->settings.retry_least_ms);

    if (sink->retry_pause_ms != 0 && event_pending(sink->retry_timer, EV_TIMEOUT, NULL))
        event_add(sink->retry_timer, &pause);
    sink->retry_pause_ms = 0;
}

/* The list is kept in the order in which the deliveries were made, however the plugin answers. */
void fr_retry_insert(struct fr_sink *sink, struct delivery *d)
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

void fr_retry_add(struct fr_sink *sink, struct delivery *d)
{
    atomic_fetch_add_explicit(&sink->retried, 1, memory_order_relaxed);
    if (d->slot == NULL)
        fr_retry_insert(sink, d);
    else
        fr_latest_put_back(sink, d);
    retry_pause(sink);
}

void fr_retry_hand_over(struct fr_sink *sink)
{
    struct delivery *d = sink->retry_first;

    sink->retry_first = sink->retry_last = NULL;
    while (d != NULL) {
        struct delivery *next = d->next;

        fr_delivery_join_batch(sink, d);
        d = next;
    }
}

void fr_retry_abandon(struct fr_sink *sink)
{
    struct delivery *d = sink->retry_first;

    sink->retry_first = sink->retry_last = NULL;
    sink->retry_ready = false;
    while (d != NULL) {
        struct delivery *next = d->next;

        fr_delivery_finish(sink, d);
        d = next;
    }
}
