/* How a sink is: its health as measured, and its counts. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sink/sink_state.h"
#include "util/clock.h"

#define OPENING_SHOWN_MS 1000  /* a plugin that opens for longer makes the sink degraded */
#define FAILURE_SHOWN_MS 60000 /* a failed delivery makes the sink degraded for so long */

static void degrade(struct fr_sink_status *status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void degrade(struct fr_sink_status *status, const char *format, ...)
{
    va_list ap;

    if (status->health == FR_HEALTH_UP)
        status->health = FR_HEALTH_DEGRADED;
    va_start(ap, format);
    vsnprintf(status->why, sizeof status->why, format, ap);
    va_end(ap);
}

/* Whether there is something to deliver now. Values that wait for their windows are not. */
static bool has_work(struct fr_sink *sink)
{
    return atomic_load(&sink->in_flight) != 0 || fr_sink_queue_records(sink->queue) != 0 ||
           (sink->cursor != NULL && sink->read_next < fr_journal_next(sink->house.journal));
}

/* Health is measured: a plugin that reports "up" may deliver nothing, or not all. A plugin's own
 * report of something worse goes first. */
static void measure_health(struct fr_sink *sink, const char *failure, struct fr_sink_status *status)
{
    int64_t now = fr_monotonic_ms(), failed = atomic_load(&sink->failure_ms);
    int64_t oldest = atomic_load(&sink->oldest_made_ms);
    int64_t still = now - atomic_load(&sink->progress_ms);
    enum sink_phase phase = atomic_load(&sink->phase);

    if (status->health != FR_HEALTH_UP)
        return;
    if (phase == SINK_NOT_STARTED)
        degrade(status, "it starts when the sink of that name with the former options has ended");
    else if (phase == SINK_OPENING && now - sink->begun_ms >= OPENING_SHOWN_MS)
        degrade(status, "plugin %s opens for %lld s; deliveries begin when it is open",
                sink->plugin->name, (long long)((now - sink->begun_ms) / 1000));
    else if (failed != 0 && (now - failed < FAILURE_SHOWN_MS || status->retrying != 0))
        degrade(status,
                "deliveries fail: %s (%zu vehicles and record types wait for another try, "
                "%llu dead letters)",
                failure, status->retrying, (unsigned long long)status->dead_letters);
    else if (still >= sink->settings.stall_ms && has_work(sink))
        degrade(status,
                "nothing was delivered for %lld s, and records wait (the plugin does not "
                "answer)",
                (long long)(still / 1000));
    else if (oldest != 0 && now - oldest >= sink->settings.stall_ms)
        degrade(status, "a delivery is unfinished for %lld s, while others are delivered",
                (long long)((now - oldest) / 1000));
}

/* A state folder that cannot be written goes before what is measured, and stands behind a plugin's
 * own report of something worse. */
static void report_state_folder(const char *what, const char *why, const char *then,
                                struct fr_sink_status *status)
{
    char own[sizeof status->why];

    if (why[0] == '\0')
        return;
    memcpy(own, status->why, sizeof own);
    degrade(status, "%.200s%s%s%s%s", status->health == FR_HEALTH_UP ? "" : own,
            status->health == FR_HEALTH_UP ? "" : "; ", what, why, then);
}

/* For how long something has been due: the oldest delivery, or the value of a window that should be
 * closed. It grows also when the sink's thread does nothing. */
static int64_t overdue_ms(struct fr_sink *sink)
{
    int64_t due = atomic_load(&sink->oldest_due_ms), closes = atomic_load(&sink->next_close_ms);
    int64_t delivery = due != 0 ? fr_wall_ms() - due : 0;
    int64_t window = closes >= 0 ? fr_monotonic_ms() - closes : 0;
    int64_t longest = delivery > window ? delivery : window;

    return longest > 0 ? longest : 0;
}

void fr_sink_status(struct fr_sink *sink, struct fr_sink_status *status)
{
    char failure[sizeof sink->failure], letters_why[sizeof sink->letters_why];
    char state_why[sizeof sink->state_why];

    memset(status, 0, sizeof *status);
    status->name = sink->settings.name;
    status->plugin = sink->plugin->name;
    pthread_mutex_lock(&sink->status_lock);
    status->health = sink->health;
    memcpy(status->why, sink->why, sizeof status->why);
    memcpy(failure, sink->failure, sizeof failure);
    memcpy(letters_why, sink->letters_why, sizeof letters_why);
    memcpy(state_why, sink->state_why, sizeof state_why);
    memcpy(status->last_error, sink->last_error, sizeof status->last_error);
    status->last_error_ms = sink->last_error_ms;
    status->program = sink->program_counts;
    pthread_mutex_unlock(&sink->status_lock);
    status->from_journal = sink->cursor != NULL;
    if (sink->cursor != NULL) {
        status->cursor = fr_cursor_place(sink->cursor);
        status->deleted_undelivered = fr_cursor_dropped(sink->cursor);
    }
    status->unfinished =
        sink->cursor != NULL ? atomic_load(&sink->in_flight) : fr_sink_queue_records(sink->queue);
    status->unfinished_bytes = sink->cursor != NULL ? atomic_load(&sink->in_flight_bytes)
                                                    : fr_sink_queue_bytes(sink->queue);
    if (sink->cursor != NULL) {
        uint64_t next = fr_journal_next(sink->house.journal);

        uint64_t run = atomic_load(&sink->run_next);

        status->behind = (next > run ? next - run : 0) + atomic_load(&sink->delivering);
    }
    status->taken = atomic_load(&sink->taken);
    status->delivered = atomic_load(&sink->delivered);
    status->retried = atomic_load(&sink->retried);
    status->failed = atomic_load(&sink->failed);
    status->refused = atomic_load(&sink->refused);
    status->retrying = atomic_load(&sink->lane_count);
    status->dead_letters = atomic_load(&sink->dead_letters);
    status->dropped = atomic_load(&sink->dropped);
    status->replaced = atomic_load(&sink->replaced);
    status->overdue_ms = overdue_ms(sink);
    for (int i = 0; i < FR_DELAY_CLASSES; i++)
        status->delays[i] = atomic_load(&sink->delays[i]);
    status->delay_sum_ms = atomic_load(&sink->delay_sum_ms);
    report_state_folder("", state_why, "", status);
    report_state_folder("dead letters cannot be written: ", letters_why, "; the deliveries wait",
                        status);
    measure_health(sink, failure, status);
}
