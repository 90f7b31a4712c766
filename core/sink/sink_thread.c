#include "sink/sink_thread.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sink/batch.h"
#include "sink/dead_letter_writer.h"
#include "sink/delivery.h"
#include "sink/intake.h"
#include "sink/lanes.h"
#include "sink/plugin_host.h"
#include "sink/retry.h"
#include "sink/sink_commands.h"
#include "sink/sink_state.h"
#include "sink/wakeup.h"
#include "util/clock.h"
#include "util/event_base.h"
#include "util/log.h"

/* Minimum time between two runs of the intake that wake-ups cause. A record that arrives after a
 * longer time is received at once. A plugin may ask for more: fr_plugin.gather_ms. */
#define INTAKE_INTERVAL_MS 2
#define GATHER_RECORDS 400  /* while fewer arrive in fr_plugin.gather_ms, the time is longer */
#define RATE_INTERVAL_MS 50 /* minimum time in which the rate of records is measured */

/* ---- timers and counters --------------------------------------------------------- */

/* Set a timer to fire at `next_ms` (monotonic; -1: never), unless it is set so already. */
static void thread_set_timer(struct event *timer, int64_t *set_ms, int64_t next_ms)
{
    struct timeval pause;
    int64_t ms;

    if (next_ms == *set_ms)
        return;
    *set_ms = next_ms;
    if (next_ms < 0) {
        event_del(timer);
        return;
    }
    ms = next_ms - fr_monotonic_ms();
    pause = fr_timeval(ms > 0 ? ms : 0);
    event_add(timer, &pause);
}

static void thread_publish_program_counts(struct fr_sink *sink)
{
    static struct fr_log_limit limit;
    struct fr_program_counts counts = fr_program_counts(sink->program);

    counts.too_old += sink->counters.expired;
    if (counts.table_full != sink->health.program_counts.table_full)
        fr_log_limited(
            &limit, FR_LOG_WARNING,
            "sink %s: the table of windows is full: too many vehicles and fields, or too "
            "large values; for the others `every` and `min_change` have no effect, and "
            "edge_only delivers nothing",
            sink->settings.name);
    if (memcmp(&counts, &sink->health.program_counts, sizeof counts) == 0)
        return;
    pthread_mutex_lock(&sink->health.lock);
    sink->health.program_counts = counts;
    pthread_mutex_unlock(&sink->health.lock);
}

/* Publish the counters, and set the timers of windows and lanes. Each event of this file ends with
 * a call of this function, because each event can change them. */
static void thread_update_timers(struct fr_sink *sink)
{
    int64_t next = fr_program_next_close(sink->program);

    atomic_store_explicit(&sink->health.next_close_ms, next, memory_order_relaxed);
    atomic_store_explicit(&sink->counters.lanes, fr_lanes_count(sink->lanes), memory_order_relaxed);
    thread_publish_program_counts(sink);
    fr_dead_letter_clear_failure(sink);
    thread_set_timer(sink->thread.window_timer, &sink->thread.window_timer_ms,
                     fr_intake_may_close_windows(sink) ? next : -1);
    thread_set_timer(sink->thread.lane_timer, &sink->thread.lane_timer_ms,
                     fr_lanes_next_due(sink->lanes));
}

static void thread_drain_if_requested(struct fr_sink *sink)
{
    unsigned requested = atomic_load(&sink->requests.drains_requested);

    if (requested == atomic_load(&sink->requests.drains_completed) || !fr_intake_caught_up(sink) ||
        fr_record_queue_waiting(sink->input.queue) != 0)
        return;
    fr_intake_flush_windows(sink);
    if (sink->plugin->flush != NULL)
        sink->plugin->flush(sink->plugin_state);
    atomic_store(&sink->requests.drains_completed, requested);
}

/* ---- events ---------------------------------------------------------------------- */

static void thread_retry_if_ready(struct fr_sink *sink)
{
    if (!sink->retry.pause_over || sink->in_flight.in_plugin != 0)
        return;
    sink->retry.pause_over = false;
    fr_retry_add_to_batch(sink);
    fr_delivery_submit_batch(sink);
}

/* After fr_sink_end() no value may wait for a window. */
static void thread_flush_at_end(struct fr_sink *sink)
{
    if (sink->requests.windows_closed && fr_program_counts(sink->program).waiting != 0)
        fr_intake_flush_windows(sink);
}

/* The after-event; see wakeup.h. */
static void thread_on_after(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_sink *sink = ctx;

    (void)fd, (void)what;
    sink->thread.after_pending = false;
    fr_ack_batch_flush(&sink->in_flight.acks);
    if (fr_record_queue_finish(sink->input.queue, sink->in_flight.completed_records,
                               sink->in_flight.completed_bytes))
        sink->env.on_writable(sink->env.ctx);
    sink->in_flight.completed_records = sink->in_flight.completed_bytes = 0;
    fr_sink_rewind_if_requested(sink);
    fr_dead_letter_write_pending(sink);
    thread_retry_if_ready(sink);
    fr_batch_add_ready(sink);
    fr_delivery_submit_batch(sink);
    fr_intake_close_windows(sink);
    /* A timer is set for the next run, unless a limit ended the last one. */
    if (sink->input.limited || !sink->thread.intake_delayed || sink->latest.table != NULL)
        fr_intake_run(sink);
    else
        fr_intake_move_cursor(sink);
    thread_flush_at_end(sink);
    thread_drain_if_requested(sink);
    thread_update_timers(sink);
}

static void thread_on_window_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_sink *sink = ctx;

    (void)fd, (void)what;
    sink->thread.window_timer_ms = -1;
    fr_intake_close_windows(sink);
    thread_update_timers(sink);
}

static void thread_on_lane_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_sink *sink = ctx;

    (void)fd, (void)what;
    sink->thread.lane_timer_ms = -1;
    fr_lanes_retry_due(sink, fr_monotonic_ms());
    thread_update_timers(sink);
}

static void thread_on_retry_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_sink *sink = ctx;

    (void)fd, (void)what;
    sink->retry.pause_over = sink->retry.waiting.first != NULL;
    fr_sink_schedule_after(sink);
}

/* Measure the rate of records again if RATE_INTERVAL_MS has passed. */
static void thread_measure_rate(struct fr_sink *sink, int64_t max_ms)
{
    int64_t now = fr_monotonic_ms(), elapsed_ms = now - sink->thread.rate_ms;
    uint64_t next = fr_journal_next(sink->env.journal), records = next - sink->thread.rate_next;

    if (elapsed_ms < RATE_INTERVAL_MS)
        return;
    sink->thread.rate_ms = now;
    sink->thread.rate_next = next;
    sink->thread.gather_ms =
        records != 0 ? (int64_t)(GATHER_RECORDS * (uint64_t)elapsed_ms / records) : max_ms;
}

static int64_t thread_intake_interval_ms(struct fr_sink *sink)
{
    int64_t min_ms = fr_intake_gather_ms(sink), max_ms = fr_intake_gather_max_ms(sink);

    if (min_ms <= INTAKE_INTERVAL_MS)
        return INTAKE_INTERVAL_MS;
    thread_measure_rate(sink, max_ms);
    return sink->thread.gather_ms < min_ms   ? min_ms
           : sink->thread.gather_ms > max_ms ? max_ms
                                             : sink->thread.gather_ms;
}

/* Set the timer for the next run of the intake, unless the last run continues in this pass: libevent
 * would then forget that the timer is active. */
static void thread_delay_intake(struct fr_sink *sink, int64_t ms)
{
    struct timeval pause = fr_timeval(ms);

    if (event_pending(sink->thread.intake_timer, EV_TIMEOUT, NULL))
        return;
    sink->thread.intake_delayed = true;
    event_add(sink->thread.intake_timer, &pause);
}

static bool thread_has_input(const struct fr_sink *sink)
{
    return (!atomic_load(&sink->requests.paused) && !fr_intake_caught_up(sink)) ||
           fr_record_queue_waiting(sink->input.queue) != 0;
}

/* Run the intake. Under load the timer is set for the next run, and wake_pending stays set, so that
 * fr_sink_wake() does not wake the thread meanwhile. While a limit holds there is no timer: the
 * after-event in which it ends runs the intake. */
static void thread_receive(struct fr_sink *sink)
{
    int64_t interval_ms = thread_intake_interval_ms(sink);
    bool loaded = fr_monotonic_ms() - sink->input.last_run_ms < 2 * interval_ms;

    sink->thread.intake_delayed = false;
    atomic_store(&sink->thread.wake_pending, loaded);
    fr_intake_run(sink);
    thread_flush_at_end(sink);
    thread_drain_if_requested(sink);
    thread_update_timers(sink);
    if (!loaded || sink->thread.intake_delayed)
        return;
    if (sink->input.limited)
        atomic_store(&sink->thread.wake_pending, false);
    else
        thread_delay_intake(sink, interval_ms);
}

static void thread_on_intake_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_sink *sink = ctx;

    (void)fd, (void)what;
    sink->thread.intake_delayed = false;
    if (!thread_has_input(sink)) {
        atomic_store(&sink->thread.wake_pending, false);
        /* A record that was enqueued before the flag was cleared did not wake the thread. */
        if (!thread_has_input(sink))
            return;
    }
    thread_receive(sink);
}

static void thread_handle_requests(struct fr_sink *sink)
{
    fr_sink_follow_routing(sink);
    fr_sink_rewind_if_requested(sink);
    if (atomic_exchange(&sink->requests.restore, false)) /* the plugin needs them in any mode */
        fr_sink_restore(sink, sink->settings.restore != 0);
    if (atomic_load(&sink->requests.end) && !sink->requests.windows_closed) {
        fr_intake_run(sink);
        fr_intake_flush_windows(sink);
        if (sink->plugin->flush != NULL)
            sink->plugin->flush(sink->plugin_state);
        atomic_store(&sink->requests.windows_closed, true);
    }
}

static void thread_on_wake(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_sink *sink = ctx;
    int64_t since_ms, interval_ms = thread_intake_interval_ms(sink);
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        fr_log(FR_LOG_ERROR, "sink %s: cannot read the eventfd: %s", sink->settings.name,
               strerror(errno));
    if (atomic_load(&sink->requests.stop)) {
        event_base_loopbreak(sink->thread.base);
        return;
    }
    thread_handle_requests(sink);
    if (atomic_load(&sink->requests.drains_requested) !=
        atomic_load(&sink->requests.drains_completed)) {
        thread_receive(sink);
        return;
    }
    thread_update_timers(sink);
    if (sink->thread.intake_delayed)
        return;
    /* wake_pending stays set until the intake runs, so that fr_sink_wake() does not write
     * meanwhile. */
    since_ms = fr_monotonic_ms() - sink->input.last_run_ms;
    if (since_ms < interval_ms)
        thread_delay_intake(sink, interval_ms - since_ms);
    else
        thread_receive(sink);
}

/* ---- the thread ------------------------------------------------------------------ */

static struct event *thread_new_event(struct fr_sink *sink, int fd, short what,
                                      event_callback_fn call)
{
    return event_new(sink->thread.base, fd, what, call, sink);
}

int fr_sink_thread_prepare(struct fr_sink *sink, struct fr_error *error)
{
    sink->thread.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    sink->thread.base = fr_event_base_new();
    if (sink->thread.wake_fd < 0 || sink->thread.base == NULL)
        return fr_error_set(error, "sink %s: cannot create an event base: %s", sink->settings.name,
                            strerror(errno));
    sink->thread.wake_event =
        thread_new_event(sink, sink->thread.wake_fd, EV_READ | EV_PERSIST, thread_on_wake);
    sink->thread.intake_timer = thread_new_event(sink, -1, 0, thread_on_intake_timer);
    sink->thread.window_timer = thread_new_event(sink, -1, 0, thread_on_window_timer);
    sink->retry.timer = thread_new_event(sink, -1, 0, thread_on_retry_timer);
    sink->thread.lane_timer = thread_new_event(sink, -1, 0, thread_on_lane_timer);
    sink->thread.after_event = thread_new_event(sink, -1, 0, thread_on_after);
    if (sink->thread.wake_event == NULL || sink->thread.intake_timer == NULL ||
        sink->thread.window_timer == NULL || sink->retry.timer == NULL ||
        sink->thread.lane_timer == NULL || sink->thread.after_event == NULL ||
        event_add(sink->thread.wake_event, NULL) != 0)
        return fr_error_set(error, "sink %s: cannot create its events", sink->settings.name);
    return 0;
}

/* For top -H and tests/bench. The threads of the plugin's library have this name, too, unless the library
 * sets another. */
static void thread_set_name(const struct fr_sink *sink)
{
    char name[16]; /* the kernel's limit */

    snprintf(name, sizeof name, "sink:%s", sink->settings.name);
    pthread_setname_np(pthread_self(), name);
}

static void thread_report_failed_open(struct fr_sink *sink)
{
    pthread_mutex_lock(&sink->health.lock);
    sink->health.reported = FR_HEALTH_DOWN;
    snprintf(sink->health.why, sizeof sink->health.why,
             "the sink did not start: plugin %s could not be opened; see the log for the cause, "
             "correct it, then reload",
             sink->plugin->name);
    pthread_mutex_unlock(&sink->health.lock);
    atomic_store(&sink->thread.phase, SINK_FAILED);
}

void *fr_sink_thread(void *ctx)
{
    struct fr_sink *sink = ctx;

    thread_set_name(sink);
    sink->plugin_state = sink->plugin->open(sink, &fr_plugin_host);
    if (sink->plugin_state == NULL)
        thread_report_failed_open(sink);
    else
        atomic_store(&sink->thread.phase, SINK_OPEN);
    sem_post(&sink->thread.opened);
    if (sink->plugin_state == NULL)
        return NULL;
    fr_sink_restore(sink, sink->restores);
    fr_sink_schedule_after(sink);
    event_base_loop(sink->thread.base, EVLOOP_NO_EXIT_ON_EMPTY);
    sink->plugin->close(sink->plugin_state);
    fr_ack_batch_flush(&sink->in_flight.acks);
    fr_intake_move_cursor(sink);
    atomic_store(&sink->thread.phase, SINK_ENDED);
    return NULL;
}

static void thread_free_event(struct event *event)
{
    if (event != NULL)
        event_free(event);
}

void fr_sink_thread_free(struct fr_sink *sink)
{
    thread_free_event(sink->thread.wake_event);
    thread_free_event(sink->thread.intake_timer);
    thread_free_event(sink->thread.window_timer);
    thread_free_event(sink->retry.timer);
    thread_free_event(sink->thread.lane_timer);
    thread_free_event(sink->thread.after_event);
    if (sink->thread.base != NULL)
        event_base_free(sink->thread.base);
    if (sink->thread.wake_fd >= 0)
        close(sink->thread.wake_fd);
}
