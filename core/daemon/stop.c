#include "daemon/stop.h"

#include <stdlib.h>
#include <unistd.h>

#include "admin/web_libraries.h"
#include "daemon/api_overview.h"
#include "daemon/reload_waiters.h"
#include "daemon/backpressure.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/plural.h"

/* Bounds in ms from SIGTERM to the end: records of vehicles are delivered, then the presence
 * records of the closed connections. With a journal, undelivered records are not lost, so the
 * bounds are lower. */
#define DRAIN_RECORDS_MS 6000
#define DRAIN_PRESENCE_MS 2000
#define DRAIN_WITH_JOURNAL_MS 2000
#define COMMIT_MS 1500
#define END_SINKS_MS 3000
#define POLL_MS 5

static bool stop_sinks_idle(const struct fr_daemon *d)
{
    for (size_t i = 0; i < d->sink_count; i++)
        if (!fr_sink_idle(d->setup->sinks[i]))
            return false;
    return true;
}

/* Commit the journal and let the sinks deliver what they have, for max_ms at most. */
static void stop_drain_sinks(const struct fr_daemon *d, int64_t max_ms)
{
    int64_t until;

    if (d->journal != NULL) {
        fr_journal_flush(d->journal, COMMIT_MS);
        if (max_ms > DRAIN_WITH_JOURNAL_MS)
            max_ms = DRAIN_WITH_JOURNAL_MS;
    }
    until = fr_monotonic_ms() + max_ms;
    for (size_t i = 0; i < d->sink_count; i++)
        fr_sink_drain(d->setup->sinks[i]);
    while (!stop_sinks_idle(d) && fr_monotonic_ms() < until)
        usleep(POLL_MS * 1000);
}

static void stop_report_undelivered(const struct fr_daemon *d)
{
    for (size_t i = 0; i < d->sink_count; i++) {
        struct fr_sink_status s;

        fr_sink_status(d->setup->sinks[i], &s);
        if (s.from_journal && s.lag != 0)
            fr_log(FR_LOG_NOTICE,
                   "sink %s stops with a lag of %llu record%s, which stay%s in the journal (%s)",
                   s.name, (unsigned long long)s.lag, fr_plural(s.lag), s.lag == 1 ? "s" : "",
                   s.why);
        else if (!s.from_journal && s.unfinished != 0)
            fr_log(FR_LOG_WARNING, "sink %s stops with %zu record%s undelivered (%s)", s.name,
                   s.unfinished, fr_plural(s.unfinished), s.why);
    }
}

static void stop_sources(struct fr_daemon *d)
{
    fr_daemon_set_sources(d, NULL);
    for (size_t i = 0; i < d->setup->server->source_count; i++)
        fr_source_stop(d->setup->sources[i]);
}

static void stop_vehicles(struct fr_daemon *d)
{
    stop_sources(d);
    fr_ingest_quiesce(d->ingest);
    stop_drain_sinks(d, DRAIN_RECORDS_MS);
    fr_ingest_stop(d->ingest);
    stop_drain_sinks(d, DRAIN_PRESENCE_MS);
    stop_report_undelivered(d);
}

static bool stop_sinks_ended(struct fr_sink *const *sinks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!fr_sink_ended(sinks[i]))
            return false;
    return true;
}

/* All running sinks: those of the setup in force, and those that a reload is ending. */
static size_t stop_list_sinks(const struct fr_daemon *d, struct fr_sink **sinks)
{
    size_t count = 0;

    for (size_t i = 0; i < d->sink_count; i++)
        sinks[count++] = d->setup->sinks[i];
    for (size_t i = 0; i < d->changes.count; i++)
        if (d->changes.change[i].old != NULL)
            sinks[count++] = d->changes.change[i].old;
    return count;
}

/* Returns whether all shutdowns were clean: no sink was stopped with records in flight, which the
 * next start may deliver again. */
static bool stop_sinks(struct fr_daemon *d)
{
    int64_t until = fr_monotonic_ms() + END_SINKS_MS;
    struct fr_sink *sinks[3 * FR_SINKS_MAX];
    size_t count = stop_list_sinks(d, sinks);
    size_t first = d->journal != NULL
                       ? 0
                       : d->sink_count; /* without a journal the sinks were drained before */
    bool clean = true;

    for (size_t i = first; i < count; i++)
        fr_sink_end(sinks[i]);
    while (!stop_sinks_ended(sinks + first, count - first) && fr_monotonic_ms() < until)
        usleep(POLL_MS * 1000);
    for (size_t i = 0; i < count; i++)
        fr_sink_ask_stop(sinks[i]);
    for (size_t i = 0; i < count; i++) {
        fr_sink_stop(sinks[i]);
        clean = clean && fr_sink_clean_shutdown(sinks[i]);
    }
    return clean;
}

static void stop_free_events(struct fr_daemon *d)
{
    for (size_t i = 0; i < 3; i++)
        if (d->signals[i] != NULL)
            event_free(d->signals[i]);
    if (d->files_timer != NULL)
        event_free(d->files_timer);
    if (d->heap_timer != NULL)
        event_free(d->heap_timer);
    if (d->reload_timer != NULL)
        event_free(d->reload_timer);
    if (d->watchdog_timer != NULL)
        event_free(d->watchdog_timer);
    event_base_free(d->base);
}

void fr_daemon_stop(struct fr_daemon *d)
{
    bool clean;

    /* First, because jobs use all other parts, and no event loop runs any more. */
    fr_jobs_free(d->jobs);
    fr_reload_waiters_abandon(d);
    fr_http_admin_free(d->admin);
    fr_web_libraries_free(d->libraries);
    fr_overview_free(d);
    if (d->ingest != NULL)
        stop_vehicles(d);
    clean = stop_sinks(d);
    fr_history_stop(d->history);
    fr_values_stop(d->values);
    if (d->journal != NULL)
        fr_journal_stop(d->journal, clean);
    fr_control_free(d->control);
    fr_record_feed_free(d->feed);
    if (d->bound != NULL)
        fr_ingest_free(d->bound);
    fr_routes_free(d->routes);
    for (size_t i = 0; i < d->changes.count; i++)
        fr_sink_free(d->changes.change[i].old);
    fr_buffer_free(&d->reload_report);
    fr_setup_free(d->setup);
    fr_journal_free(d->journal);
    stop_free_events(d);
    fr_upkeep_free(d->upkeep);
    free(d->dead_letters);
}
