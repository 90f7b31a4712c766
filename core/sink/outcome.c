/* The plugin's answers: what happens to a delivery that is done, failed or refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sink/dead_letters.h"
#include "sink/sink_state.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/memory.h"

/* Finish a delivery that the plugin has no more, and go on with what waited behind it. */
static void outcome_finish(struct fr_sink *sink, struct delivery *d, bool done)
{
    struct fr_latest_slot *slot = d->slot;

    if (d->lane != NULL)
        fr_lanes_answered(sink, d, done);
    fr_delivery_finish(sink, d);
    if (slot != NULL) {
        slot->handed = NULL;
        fr_latest_queue_slot(sink, slot);
    }
}

void fr_delivery_skip(struct fr_sink *sink, struct delivery *d)
{
    outcome_finish(sink, d, false);
}

/* ---- dead letters ---------------------------------------------------------------- */

void fr_delivery_set_aside(struct fr_sink *sink, struct delivery *d)
{
    d->next = NULL;
    if (sink->aside_first == NULL)
        sink->aside_first = d;
    else
        sink->aside_last->next = d;
    sink->aside_last = d;
    fr_sink_schedule_after(sink);
}

/* Of a delivery that had to wait behind a failed one, and was not tried itself: the newest failure. */
static const char *outcome_reason(const struct fr_sink *sink, const struct delivery *d)
{
    return d->reason != NULL ? d->reason : sink->failure;
}

static void outcome_aside_written(struct fr_sink *sink, struct delivery *d)
{
    static struct fr_log_limit limit;

    fr_count(FR_COUNT_DEAD_LETTERS);
    atomic_fetch_add_explicit(&sink->dead_letters, 1, memory_order_relaxed);
    fr_log_limited(
        &limit, FR_LOG_ERROR,
        "sink %s: a record (%s of %s, %zu bytes) is dead-lettered after %u attempts: %s; "
        "it is in %s/%s.jsonl, `fleetroute replay` sends it again",
        sink->settings.name, d->public.record_type, d->public.vin, d->record->payload_len,
        d->failures, outcome_reason(sink, d), sink->house.dead_letters, sink->settings.name);
    d->item->refused = true;
    fr_delivery_skip(sink, d);
}

#define LETTERS_LOG_MS 60000      /* the same failure is logged so often */
#define LETTERS_LOG_LEAST_MS 1000 /* and another one */

/* Name the failure in the health and in the log. */
static void outcome_letters_failed(struct fr_sink *sink, const struct fr_error *error)
{
    int64_t now = fr_monotonic_ms(), since = now - sink->letters_logged_ms;
    bool news;

    pthread_mutex_lock(&sink->status_lock);
    news = sink->letters_news || !sink->letters_told ||
           strncmp(sink->letters_why, error->text, sizeof sink->letters_why - 1) != 0;
    snprintf(sink->letters_why, sizeof sink->letters_why, "%.*s", (int)sizeof sink->letters_why - 1,
             error->text);
    snprintf(sink->last_error, sizeof sink->last_error, "dead letters cannot be written: %.*s",
             (int)sizeof sink->last_error - 64, error->text);
    sink->last_error_ms = fr_wall_ms();
    pthread_mutex_unlock(&sink->status_lock);
    sink->letters_fail = true;
    sink->letters_news = news;
    if (sink->letters_logged_ms != 0 && since < (news ? LETTERS_LOG_LEAST_MS : LETTERS_LOG_MS))
        return;
    sink->letters_news = false;
    sink->letters_logged_ms = now;
    sink->letters_told = true;
    fr_log(FR_LOG_ERROR,
           "sink %s: dead letters cannot be written: %s; the deliveries are kept and tried again",
           sink->settings.name, error->text);
}

static void outcome_letters_work(struct fr_sink *sink, const char *how)
{
    if (!sink->letters_fail)
        return;
    pthread_mutex_lock(&sink->status_lock);
    sink->letters_why[0] = '\0';
    pthread_mutex_unlock(&sink->status_lock);
    if (sink->letters_told)
        fr_log(FR_LOG_NOTICE, "sink %s: %s", sink->settings.name, how);
    sink->letters_fail = sink->letters_told = sink->letters_news = false;
}

void fr_dead_letters_forget_failure(struct fr_sink *sink)
{
    if (fr_lanes_count(sink->lanes) == 0 && sink->aside_first == NULL)
        outcome_letters_work(sink, "no delivery waits for dead letters that cannot be written");
}

/* One write and one fsync for all that were set aside since the last time. */
void fr_deliveries_write_aside(struct fr_sink *sink)
{
    struct delivery *d = sink->aside_first, *next;
    struct fr_error error;
    int status = 0;

    if (d == NULL)
        return;
    sink->aside_first = sink->aside_last = NULL;
    for (const struct delivery *each = d; each != NULL && status == 0; each = each->next)
        status = fr_dead_letters_add(sink->dead_letter_file, each->record, each->failures,
                                     outcome_reason(sink, each), &error);
    if (status == 0)
        status = fr_dead_letters_write(sink->dead_letter_file, &error);
    if (status != 0)
        outcome_letters_failed(sink, &error);
    else
        outcome_letters_work(sink, "dead letters are written again");
    for (; d != NULL; d = next) {
        next = d->next;
        if (status == 0)
            outcome_aside_written(sink, d);
        else
            fr_lanes_put_back(sink, d);
    }
}

static void outcome_abandon_aside(struct fr_sink *sink)
{
    struct delivery *d = sink->aside_first, *next;

    sink->aside_first = sink->aside_last = NULL;
    for (; d != NULL; d = next) {
        next = d->next;
        fr_delivery_finish(sink, d);
    }
}

/* ---- answers --------------------------------------------------------------------- */

void fr_delivery_note_failure(struct fr_sink *sink, const char *format, va_list ap)
{
    pthread_mutex_lock(&sink->status_lock);
    vsnprintf(sink->failure, sizeof sink->failure, format, ap);
    snprintf(sink->last_error, sizeof sink->last_error, "%s", sink->failure);
    sink->last_error_ms = fr_wall_ms();
    sink->failure_given = true;
    pthread_mutex_unlock(&sink->status_lock);
}

static void outcome_note(struct fr_sink *sink, struct delivery *d)
{
    pthread_mutex_lock(&sink->status_lock);
    if (!sink->failure_given)
        snprintf(sink->failure, sizeof sink->failure, "the plugin gave no reason");
    sink->failure_given = false;
    free(d->reason);
    d->reason = fr_strdup(sink->failure);
    pthread_mutex_unlock(&sink->status_lock);
}

static void outcome_failed(struct fr_sink *sink, struct delivery *d)
{
    static struct fr_log_limit limit;

    outcome_note(sink, d);
    atomic_store(&sink->failure_ms, fr_monotonic_ms());
    atomic_fetch_add_explicit(&sink->failed, 1, memory_order_relaxed);
    fr_log_limited(&limit, FR_LOG_WARNING, "sink %s: a delivery (%s of %s) failed: %s",
                   sink->settings.name, d->public.record_type, d->public.vin, d->reason);
    fr_lanes_failed(sink, d);
}

static void outcome_refused(struct fr_sink *sink, struct delivery *d)
{
    outcome_note(sink, d);
    atomic_store(&sink->failure_ms, fr_monotonic_ms());
    atomic_fetch_add_explicit(&sink->refused, 1, memory_order_relaxed);
    d->failures++;
    if (d->lane != NULL)
        fr_lanes_answered(sink, d, false);
    fr_delivery_set_aside(sink, d);
}

static void outcome_done(struct fr_sink *sink, struct delivery *d)
{
    atomic_store_explicit(&sink->delivered,
                          atomic_load_explicit(&sink->delivered, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    fr_retry_end_pause(sink);
    if (d->item->seq > sink->done_seq)
        sink->done_seq = d->item->seq;
    fr_delivery_count_delay(sink, d);
    outcome_finish(sink, d, true);
}

void fr_delivery_done(struct fr_sink *sink, struct fr_delivery *delivery, enum fr_outcome outcome)
{
    struct delivery *d = (struct delivery *)delivery;

    sink->in_plugin--;
    /* Also when the record stays unfinished: another of its values may wait for a window, while
     * values behind this one wait in `latest` or in the journal for the capacity that it had. */
    fr_sink_schedule_after(sink);
    switch (outcome) {
    case FR_DONE:
        outcome_done(sink, d);
        break;
    case FR_FAILED:
        outcome_failed(sink, d);
        break;
    case FR_REFUSED:
        outcome_refused(sink, d);
        break;
    case FR_RETRY:
    default:
        if (d->lane != NULL)
            fr_lanes_put_back(sink, d);
        else
            fr_retry_add(sink, d);
        break;
    }
}

void fr_deliveries_abandon(struct fr_sink *sink)
{
    struct delivery *d;

    fr_retry_abandon(sink);
    fr_lanes_clear(sink, fr_delivery_finish);
    while ((d = sink->ready_first) != NULL) {
        sink->ready_first = d->next;
        if (d->lane != NULL)
            fr_lanes_answered(sink, d, false); /* its lane is empty: nothing becomes ready */
        fr_delivery_finish(sink, d);
    }
    outcome_abandon_aside(sink);
    fr_latest_abandon(sink);
}
