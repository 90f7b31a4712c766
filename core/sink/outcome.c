#include "sink/outcome.h"

#include <stdio.h>
#include <stdlib.h>

#include "sink/dead_letter_queue.h"
#include "sink/in_flight.h"
#include "sink/lanes.h"
#include "sink/latest_values.h"
#include "sink/retry.h"
#include "sink/sink_state.h"
#include "sink/wakeup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/memory.h"

/* Finish a delivery that the plugin does not hold, and continue with what waits behind it. */
static void outcome_finish(struct fr_sink *sink, struct delivery *d, bool delivered)
{
    struct fr_latest_slot *slot = d->slot;

    if (d->lane != NULL)
        fr_lanes_complete(sink, d, delivered);
    fr_delivery_finish(sink, d);
    if (slot != NULL)
        fr_latest_values_complete(sink, slot);
}

void fr_outcome_skip(struct fr_sink *sink, struct delivery *d)
{
    outcome_finish(sink, d, false);
}

void fr_outcome_set_reason(struct fr_sink *sink, const char *format, va_list ap)
{
    pthread_mutex_lock(&sink->health.lock);
    vsnprintf(sink->health.failure, sizeof sink->health.failure, format, ap);
    snprintf(sink->health.last_error, sizeof sink->health.last_error, "%s", sink->health.failure);
    sink->health.last_error_ms = fr_wall_ms();
    sink->health.failure_has_reason = true;
    pthread_mutex_unlock(&sink->health.lock);
}

/* Move the reason of fr_outcome_set_reason() to the delivery. */
static void outcome_store_reason(struct fr_sink *sink, struct delivery *d)
{
    pthread_mutex_lock(&sink->health.lock);
    if (!sink->health.failure_has_reason)
        snprintf(sink->health.failure, sizeof sink->health.failure, "the plugin gave no reason");
    sink->health.failure_has_reason = false;
    free(d->reason);
    d->reason = fr_strdup(sink->health.failure);
    pthread_mutex_unlock(&sink->health.lock);
}

static void outcome_failed(struct fr_sink *sink, struct delivery *d)
{
    static struct fr_log_limit limit;

    outcome_store_reason(sink, d);
    atomic_store(&sink->health.failure_ms, fr_monotonic_ms());
    atomic_fetch_add_explicit(&sink->counters.failed, 1, memory_order_relaxed);
    fr_log_limited(&limit, FR_LOG_WARNING, "sink %s: a delivery (%s of %s) failed: %s",
                   sink->settings.name, d->public.record_type, d->public.vin, d->reason);
    fr_lanes_failed(sink, d);
}

/* d->reason is set. */
static void outcome_refused(struct fr_sink *sink, struct delivery *d)
{
    atomic_store(&sink->health.failure_ms, fr_monotonic_ms());
    atomic_fetch_add_explicit(&sink->counters.refused, 1, memory_order_relaxed);
    d->failures++;
    if (d->lane != NULL)
        fr_lanes_complete(sink, d, false);
    fr_dead_letter_enqueue(sink, d);
}

void fr_outcome_refuse(struct fr_sink *sink, struct delivery *d, const char *reason)
{
    free(d->reason);
    d->reason = fr_strdup(reason);
    pthread_mutex_lock(&sink->health.lock);
    snprintf(sink->health.last_error, sizeof sink->health.last_error, "%s", reason);
    sink->health.last_error_ms = fr_wall_ms();
    pthread_mutex_unlock(&sink->health.lock);
    outcome_refused(sink, d);
}

/* Count the delay in the histogram; see FR_DELAY_BOUNDS. Restored values have no delay. */
static void outcome_count_delay(struct fr_sink *sink, const struct delivery *d)
{
    static const int64_t bounds[FR_DELAY_CLASSES - 1] = FR_DELAY_BOUNDS;
    int64_t delay = fr_wall_ms() - d->due_ms;
    int class = 0;

    while (class < FR_DELAY_CLASSES - 1 && delay >= bounds[class])
        class ++;
    if (!(d->public.flags & FR_FLAG_RESTORED)) {
        atomic_store_explicit(
            &sink->counters.delays[class],
            atomic_load_explicit(&sink->counters.delays[class], memory_order_relaxed) + 1,
            memory_order_relaxed);
        if (delay > 0)
            atomic_fetch_add_explicit(&sink->counters.delay_sum_ms, (uint64_t)delay,
                                      memory_order_relaxed);
    }
    atomic_store_explicit(&sink->health.progress_ms, fr_monotonic_ms(), memory_order_relaxed);
}

static void outcome_done(struct fr_sink *sink, struct delivery *d)
{
    atomic_store_explicit(&sink->counters.delivered,
                          atomic_load_explicit(&sink->counters.delivered, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    fr_retry_reset_pause(sink);
    if (d->item->seq > sink->in_flight.max_delivered_seq)
        sink->in_flight.max_delivered_seq = d->item->seq;
    outcome_count_delay(sink, d);
    outcome_finish(sink, d, true);
}

void fr_outcome_report(struct fr_sink *sink, struct fr_delivery *delivery, enum fr_outcome outcome)
{
    struct delivery *d = (struct delivery *)delivery;

    sink->in_flight.in_plugin--;
    /* The after-event is needed even if the record stays unfinished, because another value of the
     * record waits for a window: values in latest slots or in the journal wait for the capacity
     * that this delivery used. */
    fr_sink_schedule_after(sink);
    switch (outcome) {
    case FR_DONE:
        outcome_done(sink, d);
        break;
    case FR_FAILED:
        outcome_failed(sink, d);
        break;
    case FR_REFUSED:
        outcome_store_reason(sink, d);
        outcome_refused(sink, d);
        break;
    case FR_RETRY:
    default:
        if (d->lane != NULL)
            fr_lanes_requeue(sink, d);
        else
            fr_retry_add(sink, d);
        break;
    }
}
