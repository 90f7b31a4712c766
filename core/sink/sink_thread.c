/* A sink's thread: what wakes it, and what it does then. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sink/sink_state.h"
#include "util/clock.h"
#include "util/event_base.h"
#include "util/log.h"

/* At a high rate a sink is woken at most so often; alone, a record is taken at once. */
#define WAKE_INTERVAL_MS 2

static void follow_timer(struct event *timer, int64_t *armed_ms, int64_t next_ms)
{
    struct timeval pause;
    int64_t ms;

    if (next_ms == *armed_ms)
        return;
    *armed_ms = next_ms;
    if (next_ms < 0) {
        event_del(timer);
        return;
    }
    ms = next_ms - fr_monotonic_ms();
    pause = fr_timeval(ms > 0 ? ms : 0);
    event_add(timer, &pause);
}

static void copy_program_counts(struct fr_sink *sink)
{
    static struct fr_log_limit limit;
    struct fr_program_counts counts = fr_program_counts(sink->program);

    counts.too_old += sink->expired;
    if (counts.untracked != sink->program_counts.untracked)
        fr_log_limited(&limit, FR_LOG_WARNING,
                       "sink %s: no more state for windows: too many vehicles and fields, or too "
                       "large values; `every` and `min_change` have no effect on the rest, and "
                       "edge_only delivers nothing of it",
                       sink->settings.name);
    if (memcmp(&counts, &sink->program_counts, sizeof counts) == 0)
        return;
    pthread_mutex_lock(&sink->status_lock);
    sink->program_counts = counts;
    pthread_mutex_unlock(&sink->status_lock);
}

/* Publish counts, and let the timers follow the window that closes next and the pause that ends next. Called at the end
 * of each event of the sink's thread, so that no change is missed. */
static void follow_timers(struct fr_sink *sink)
{
    int64_t next = fr_program_next_close(sink->program);

    atomic_store_explicit(&sink->next_close_ms, next, memory_order_relaxed);
    atomic_store_explicit(&sink->lane_count, fr_lanes_count(sink->lanes), memory_order_relaxed);
    copy_program_counts(sink);
    fr_dead_letters_forget_failure(sink);
    follow_timer(sink->window_timer, &sink->window_timer_ms,
                 fr_sink_may_close_windows(sink) ? next : -1);
    follow_timer(sink->lane_timer, &sink->lane_timer_ms, fr_lanes_next(sink->lanes));
}

static void drain_if_asked(struct fr_sink *sink)
{
    unsigned asked = atomic_load(&sink->drains_wanted);

    if (asked == atomic_load(&sink->drains_done) || !fr_sink_caught_up(sink) ||
        fr_sink_queue_waiting(sink->queue) != 0)
        return;
    fr_sink_flush_windows(sink);
    if (sink->plugin->flush != NULL)
        sink->plugin->flush(sink->state);
    atomic_store(&sink->drains_done, asked);
}

/* ---- events ---------------------------------------------------------------------- */

void fr_sink_schedule_after(struct fr_sink *sink)
{
    if (sink->after_pending)
        return;
    sink->after_pending = true;
    event_active(sink->after_event, EV_TIMEOUT, 1);
}

static void retry_if_ready(struct fr_sink *sink)
{
    if (!sink->retry_ready || sink->in_plugin != 0)
        return;
    sink->retry_ready = false;
    fr_retry_hand_over(sink);
    fr_deliveries_hand_over(sink);
}

/* At the end, what was taken after the windows were closed must not wait for others. */
static void flush_at_end(struct fr_sink *sink)
{
    if (sink->windows_closed && fr_program_counts(sink->program).waiting != 0)
        fr_sink_flush_windows(sink);
}

/* After deliveries were answered: acknowledge, signal capacity, continue. */
static void after(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_sink *sink = ctx;

    (void)fd, (void)what;
    sink->after_pending = false;
    fr_ack_batch_flush(&sink->acks);
    if (fr_sink_queue_finish(sink->queue, sink->finished_records, sink->finished_bytes))
        sink->house.room(sink->house.ctx);
    sink->finished_records = sink->finished_bytes = 0;
    fr_sink_rewind_if_asked(sink);
    fr_deliveries_write_aside(sink);
    retry_if_ready(sink);
    fr_deliveries_take_ready(sink);
    fr_deliveries_hand_over(sink);
    fr_sink_close_windows(sink);
    fr_sink_take(sink);
    flush_at_end(sink);
    drain_if_asked(sink);
    follow_timers(sink);
}

static void window_due(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_sink *sink = ctx;

    (void)fd, (void)what;
    sink->window_timer_ms = -1;
    fr_sink_close_windows(sink);
    follow_timers(sink);
}

static void lane_due(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_sink *sink = ctx;

    (void)fd, (void)what;
    sink->lane_timer_ms = -1;
    fr_lanes_try_due(sink, fr_monotonic_ms());
    follow_timers(sink);
}

static void retry_due(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_sink *sink = ctx;

    (void)fd, (void)what;
    sink->retry_ready = sink->retry_first != NULL;
    fr_sink_schedule_after(sink);
}

static void take_due(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_sink *sink = ctx;

    (void)fd, (void)what;
    sink->take_later = false;
    atomic_store(&sink->woken, false);
    fr_sink_take(sink);
    flush_at_end(sink);
    drain_if_asked(sink);
    follow_timers(sink);
}

static void obey(struct fr_sink *sink)
{
    fr_sink_follow_routing(sink);
    fr_sink_rewind_if_asked(sink);
    if (atomic_exchange(&sink->restore_wanted, false))
        fr_sink_restore(sink, sink->restores);
    if (atomic_load(&sink->ending) && !sink->windows_closed) {
        fr_sink_take(sink);
        fr_sink_flush_windows(sink);
        if (sink->plugin->flush != NULL)
            sink->plugin->flush(sink->state);
        atomic_store(&sink->windows_closed, true);
    }
}

static void woken(evutil_socket_t fd, short what, void *ctx)
{
    static const struct timeval pause = {0, WAKE_INTERVAL_MS * 1000};
    struct fr_sink *sink = ctx;
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        fr_log(FR_LOG_ERROR, "sink %s: its eventfd: %s", sink->settings.name, strerror(errno));
    if (atomic_load(&sink->stop)) {
        event_base_loopbreak(sink->base);
        return;
    }
    obey(sink);
    if (atomic_load(&sink->drains_wanted) != atomic_load(&sink->drains_done)) {
        take_due(-1, 0, sink);
        return;
    }
    follow_timers(sink);
    if (sink->take_later)
        return;
    /* `woken` stays set until the queue is looked at, so nobody wakes us in between. */
    if (fr_monotonic_ms() - sink->last_take_ms < WAKE_INTERVAL_MS) {
        sink->take_later = true;
        event_add(sink->take_timer, &pause);
    } else
        take_due(-1, 0, sink);
}

void fr_sink_wake(struct fr_sink *sink, bool always)
{
    uint64_t one = 1;

    if (sink->wake < 0)
        return; /* not started */
    if ((!atomic_exchange(&sink->woken, true) || always) && write(sink->wake, &one, sizeof one) < 0)
        fr_log(FR_LOG_ERROR, "sink %s cannot be woken: %s", sink->settings.name, strerror(errno));
}

/* ---- the thread ------------------------------------------------------------------ */

static struct event *new_event(struct fr_sink *sink, int fd, short what, event_callback_fn call)
{
    return event_new(sink->base, fd, what, call, sink);
}

int fr_sink_thread_prepare(struct fr_sink *sink, struct fr_error *error)
{
    sink->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    sink->base = fr_event_base_new();
    if (sink->wake < 0 || sink->base == NULL)
        return fr_error_set(error, "sink %s: cannot make an event base: %s", sink->settings.name,
                            strerror(errno));
    sink->wake_event = new_event(sink, sink->wake, EV_READ | EV_PERSIST, woken);
    sink->take_timer = new_event(sink, -1, 0, take_due);
    sink->window_timer = new_event(sink, -1, 0, window_due);
    sink->retry_timer = new_event(sink, -1, 0, retry_due);
    sink->lane_timer = new_event(sink, -1, 0, lane_due);
    sink->after_event = new_event(sink, -1, 0, after);
    if (sink->wake_event == NULL || sink->take_timer == NULL || sink->window_timer == NULL ||
        sink->retry_timer == NULL || sink->lane_timer == NULL || sink->after_event == NULL ||
        event_add(sink->wake_event, NULL) != 0)
        return fr_error_set(error, "sink %s: cannot set up its events", sink->settings.name);
    return 0;
}

static void report_failed_open(struct fr_sink *sink)
{
    pthread_mutex_lock(&sink->status_lock);
    sink->health = FR_HEALTH_DOWN;
    snprintf(sink->why, sizeof sink->why,
             "it did not start: sink %s: plugin %s could not begin; the log says why; reload when "
             "it is mended",
             sink->settings.name, sink->plugin->name);
    pthread_mutex_unlock(&sink->status_lock);
    atomic_store(&sink->phase, SINK_FAILED);
}

void *fr_sink_thread(void *ctx)
{
    struct fr_sink *sink = ctx;

    sink->state = sink->plugin->open(sink, &fr_plugin_host);
    if (sink->state == NULL)
        report_failed_open(sink);
    else
        atomic_store(&sink->phase, SINK_OPEN);
    sem_post(&sink->opened);
    if (sink->state == NULL)
        return NULL;
    fr_sink_restore(sink, sink->restores);
    fr_sink_schedule_after(sink);
    event_base_loop(sink->base, EVLOOP_NO_EXIT_ON_EMPTY);
    sink->plugin->close(sink->state);
    fr_ack_batch_flush(&sink->acks);
    fr_sink_move_cursor(sink);
    atomic_store(&sink->phase, SINK_ENDED);
    return NULL;
}
