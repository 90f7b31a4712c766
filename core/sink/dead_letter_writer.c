#include "sink/dead_letter_writer.h"

#include <stdio.h>
#include <string.h>

#include "sink/dead_letters.h"
#include "sink/delivery_list.h"
#include "sink/lanes.h"
#include "sink/outcome.h"
#include "sink/sink_state.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"

/* The reason of the failure. A delivery that waited behind a failed one and was not tried itself
 * has the reason of the newest failure of the sink. */
static const char *writer_reason(const struct fr_sink *sink, const struct delivery *d)
{
    return d->reason != NULL ? d->reason : sink->health.failure;
}

static void writer_complete(struct fr_sink *sink, struct delivery *d)
{
    static struct fr_log_limit limit;

    fr_count(FR_COUNT_DEAD_LETTERS);
    atomic_fetch_add_explicit(&sink->counters.dead_letters, 1, memory_order_relaxed);
    fr_log_limited(
        &limit, FR_LOG_ERROR,
        "sink %s: a record (%s of %s, %zu bytes) is dead-lettered after %u attempts: %s; "
        "the record is in %s/%s.jsonl, `fleetroute replay` sends it again",
        sink->settings.name, d->public.record_type, d->public.vin, d->record->payload_len,
        d->failures, writer_reason(sink, d), sink->env.dead_letters, sink->settings.name);
    d->item->refused = true;
    fr_outcome_skip(sink, d);
}

#define LOG_INTERVAL_MS 60000       /* between log lines of the same failure */
#define LOG_CHANGE_INTERVAL_MS 1000 /* between log lines of different failures */

/* Publish the failure in the health and in the log. */
static void writer_report_failure(struct fr_sink *sink, const struct fr_error *error)
{
    int64_t now = fr_monotonic_ms(), since = now - sink->dead_letters.logged_ms;
    bool changed;

    pthread_mutex_lock(&sink->health.lock);
    changed = sink->dead_letters.log_pending || !sink->dead_letters.failure_logged ||
              strncmp(sink->health.dead_letters_error, error->text,
                      sizeof sink->health.dead_letters_error - 1) != 0;
    snprintf(sink->health.dead_letters_error, sizeof sink->health.dead_letters_error, "%.*s",
             (int)sizeof sink->health.dead_letters_error - 1, error->text);
    snprintf(sink->health.last_error, sizeof sink->health.last_error,
             "dead letters cannot be written: %.*s", (int)sizeof sink->health.last_error - 64,
             error->text);
    sink->health.last_error_ms = fr_wall_ms();
    pthread_mutex_unlock(&sink->health.lock);
    sink->dead_letters.failing = true;
    sink->dead_letters.log_pending = changed;
    if (sink->dead_letters.logged_ms != 0 &&
        since < (changed ? LOG_CHANGE_INTERVAL_MS : LOG_INTERVAL_MS))
        return;
    sink->dead_letters.log_pending = false;
    sink->dead_letters.logged_ms = now;
    sink->dead_letters.failure_logged = true;
    fr_log(FR_LOG_ERROR,
           "sink %s: dead letters cannot be written: %s; the deliveries wait and are tried again",
           sink->settings.name, error->text);
}

static void writer_clear_failure(struct fr_sink *sink, const char *reason)
{
    if (!sink->dead_letters.failing)
        return;
    pthread_mutex_lock(&sink->health.lock);
    sink->health.dead_letters_error[0] = '\0';
    pthread_mutex_unlock(&sink->health.lock);
    if (sink->dead_letters.failure_logged)
        fr_log(FR_LOG_NOTICE, "sink %s: %s", sink->settings.name, reason);
    sink->dead_letters.failing = sink->dead_letters.failure_logged =
        sink->dead_letters.log_pending = false;
}

void fr_dead_letter_clear_failure(struct fr_sink *sink)
{
    if (fr_lanes_count(sink->lanes) == 0 && sink->dead_letters.pending.first == NULL)
        writer_clear_failure(sink, "no delivery waits for the dead-letter file any more");
}

void fr_dead_letter_write_pending(struct fr_sink *sink)
{
    struct delivery_list pending = sink->dead_letters.pending;
    struct delivery *d;
    struct fr_error error;
    int status = 0;

    if (pending.first == NULL)
        return;
    /* fr_lanes_requeue() may add deliveries to the list. */
    sink->dead_letters.pending = (struct delivery_list){NULL, NULL};
    for (const struct delivery *each = pending.first; each != NULL && status == 0;
         each = each->next)
        status = fr_dead_letters_add(sink->dead_letters.file, each->record, each->failures,
                                     writer_reason(sink, each), &error);
    if (status == 0)
        status = fr_dead_letters_write(sink->dead_letters.file, &error);
    if (status != 0)
        writer_report_failure(sink, &error);
    else
        writer_clear_failure(sink, "dead letters are written again");
    while ((d = fr_delivery_list_pop(&pending)) != NULL) {
        if (status == 0)
            writer_complete(sink, d);
        else
            fr_lanes_requeue(sink, d);
    }
}
