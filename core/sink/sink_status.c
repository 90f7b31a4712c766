#include "sink/sink_status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sink/sink_state.h"
#include "util/clock.h"

#define OPEN_WARNING_MS 1000    /* an open() that takes longer makes the sink degraded */
#define FAILURE_REPORT_MS 60000 /* time for which a failed delivery makes the sink degraded */

/* Replace the reason, and change the health from up to degraded. */
static void sink_degrade(struct fr_sink_status *status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void sink_degrade(struct fr_sink_status *status, const char *format, ...)
{
    va_list ap;

    if (status->health == FR_HEALTH_UP)
        status->health = FR_HEALTH_DEGRADED;
    va_start(ap, format);
    vsnprintf(status->why, sizeof status->why, format, ap);
    va_end(ap);
}

/* Whether a record or a delivery can be processed now. Values that wait for windows do not count.
 * */
static bool sink_has_work(struct fr_sink *sink)
{
    return atomic_load(&sink->in_flight.count) != 0 ||
           fr_record_queue_records(sink->input.queue) != 0 ||
           (sink->input.cursor != NULL &&
            sink->input.read_next < fr_journal_next(sink->env.journal));
}

/* Measure the health of a sink whose plugin reports FR_HEALTH_UP: the plugin may deliver nothing,
 * or not everything. A worse report of the plugin has precedence. */
static void sink_measure_health(struct fr_sink *sink, const char *failure,
                                struct fr_sink_status *status)
{
    int64_t now = fr_monotonic_ms(), failed = atomic_load(&sink->health.failure_ms);
    int64_t oldest = atomic_load(&sink->in_flight.oldest_created_ms);
    int64_t idle_ms = now - atomic_load(&sink->health.progress_ms);
    enum sink_phase phase = atomic_load(&sink->thread.phase);

    if (status->health != FR_HEALTH_UP)
        return;
    if (status->paused)
        sink_degrade(status,
                     "paused by an administrator: its records wait in the journal; POST "
                     "/api/sinks/%s/resume continues it",
                     sink->settings.name);
    else if (phase == SINK_NOT_STARTED)
        sink_degrade(status,
                     "not started yet: the sink starts when the sink of this name with the former "
                     "options has ended");
    else if (phase == SINK_OPENING && now - sink->thread.started_ms >= OPEN_WARNING_MS)
        sink_degrade(status,
                     "plugin %s has been opening for %lld s; deliveries begin when it is open",
                     sink->plugin->name, (long long)((now - sink->thread.started_ms) / 1000));
    else if (failed != 0 && (now - failed < FAILURE_REPORT_MS || status->retrying != 0))
        sink_degrade(status,
                     "deliveries fail: %s (%zu pairs of vehicle and record type wait for a retry, "
                     "%llu dead letters)",
                     failure, status->retrying, (unsigned long long)status->dead_letters);
    else if (idle_ms >= sink->settings.stall_timeout_ms && sink_has_work(sink))
        sink_degrade(status,
                     "nothing was delivered for %lld s, and records wait (the plugin does not "
                     "answer)",
                     (long long)(idle_ms / 1000));
    else if (oldest != 0 && now - oldest >= sink->settings.stall_timeout_ms)
        sink_degrade(status,
                     "a delivery has been unfinished for %lld s, while others are delivered",
                     (long long)((now - oldest) / 1000));
}

/* Report a file or folder of the sink that cannot be written. This has precedence over the measured
 * health. A worse report of the plugin is kept in front of it. `why` is "" if there is no failure.
 * */
static void sink_report_write_failure(const char *prefix, const char *why, const char *suffix,
                                      struct fr_sink_status *status)
{
    char own[sizeof status->why];

    if (why[0] == '\0')
        return;
    memcpy(own, status->why, sizeof own);
    sink_degrade(status, "%.200s%s%s%s%s", status->health == FR_HEALTH_UP ? "" : own,
                 status->health == FR_HEALTH_UP ? "" : "; ", prefix, why, suffix);
}

/* Time in ms since the oldest delivery was due, or since the earliest open window should have been
 * closed. The time grows also while the sink's thread is blocked. */
static int64_t sink_overdue_ms(struct fr_sink *sink)
{
    int64_t due = atomic_load(&sink->in_flight.oldest_due_ms),
            closes = atomic_load(&sink->health.next_close_ms);
    int64_t delivery = due != 0 ? fr_wall_ms() - due : 0;
    int64_t window = closes >= 0 ? fr_monotonic_ms() - closes : 0;
    int64_t longest = delivery > window ? delivery : window;

    return longest > 0 ? longest : 0;
}

void fr_sink_status(struct fr_sink *sink, struct fr_sink_status *status)
{
    char failure[sizeof sink->health.failure], letters_why[sizeof sink->health.dead_letters_error];
    char state_why[sizeof sink->health.state_folder_error];

    memset(status, 0, sizeof *status);
    status->name = sink->settings.name;
    status->plugin = sink->plugin->name;
    status->paused = atomic_load(&sink->requests.paused);
    pthread_mutex_lock(&sink->health.lock);
    status->health = sink->health.reported;
    memcpy(status->why, sink->health.why, sizeof sink->health.why);
    memcpy(failure, sink->health.failure, sizeof failure);
    memcpy(letters_why, sink->health.dead_letters_error, sizeof letters_why);
    memcpy(state_why, sink->health.state_folder_error, sizeof state_why);
    memcpy(status->last_error, sink->health.last_error, sizeof status->last_error);
    status->last_error_ms = sink->health.last_error_ms;
    status->program = sink->health.program_counts;
    pthread_mutex_unlock(&sink->health.lock);
    status->from_journal = sink->input.cursor != NULL;
    if (sink->input.cursor != NULL) {
        status->cursor = fr_cursor_position(sink->input.cursor);
        status->deleted_undelivered = fr_cursor_dropped(sink->input.cursor);
    }
    status->unfinished = sink->input.cursor != NULL ? atomic_load(&sink->in_flight.count)
                                                    : fr_record_queue_records(sink->input.queue);
    status->unfinished_bytes = sink->input.cursor != NULL
                                   ? atomic_load(&sink->in_flight.bytes)
                                   : fr_record_queue_bytes(sink->input.queue);
    if (sink->input.cursor != NULL) {
        uint64_t next = fr_journal_next(sink->env.journal);
        uint64_t run = atomic_load(&sink->input.run_next);

        status->lag =
            (next > run ? next - run : 0) + atomic_load(&sink->in_flight.delivering_records);
    }
    status->received = atomic_load(&sink->counters.received);
    status->delivered = atomic_load(&sink->counters.delivered);
    status->retried = atomic_load(&sink->counters.retried);
    status->failed = atomic_load(&sink->counters.failed);
    status->refused = atomic_load(&sink->counters.refused);
    status->retrying = atomic_load(&sink->counters.lanes);
    status->dead_letters = atomic_load(&sink->counters.dead_letters);
    status->dropped = atomic_load(&sink->counters.dropped);
    status->replaced = atomic_load(&sink->counters.replaced);
    status->overdue_ms = sink_overdue_ms(sink);
    for (int i = 0; i < FR_DELAY_CLASSES; i++)
        status->delays[i] = atomic_load(&sink->counters.delays[i]);
    status->delay_sum_ms = atomic_load(&sink->counters.delay_sum_ms);
    sink_report_write_failure("", state_why, "", status);
    sink_report_write_failure("dead letters cannot be written: ", letters_why,
                              "; the deliveries wait", status);
    sink_measure_health(sink, failure, status);
}
