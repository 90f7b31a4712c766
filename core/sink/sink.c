#include "sink/sink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "route/throttle.h"
#include "sink/sink_state.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/memory.h"

#define TAKE_MOST 256           /* records run through the program at a time */
#define IN_FLIGHT_DEFAULT 10000 /* deliveries a plugin may hold unfinished */
/* At a high rate a sink is woken at most so often; alone, a record is taken at once. */
#define WAKE_INTERVAL_MS 2

/* ---- events of the thread -------------------------------------------------------- */

void fr_sink_schedule_after(struct fr_sink *sink)
{
    if (sink->after_pending)
        return;
    sink->after_pending = true;
    event_active(sink->after_event, EV_TIMEOUT, 1);
}

static void arm_window_timer(struct fr_sink *sink)
{
    int64_t next = fr_program_next_close(sink->program), ms;
    struct timeval pause;

    if (next < 0 || event_pending(sink->window_timer, EV_TIMEOUT, NULL))
        return;
    ms = next - fr_monotonic_ms();
    if (ms < 1)
        ms = 1;
    pause = fr_timeval(ms);
    event_add(sink->window_timer, &pause);
}

/* Run what waits in the queue through the program, as long as the plugin may be given more. */
static void take(struct fr_sink *sink)
{
    struct fr_sink_entry entries[TAKE_MOST];
    size_t n;

    while (sink->retry_first == NULL && sink->in_flight < sink->in_flight_most &&
           (n = fr_sink_queue_take(sink->queue, entries, TAKE_MOST)) != 0) {
        int64_t now = fr_monotonic_ms(), wall = fr_wall_ms();

        for (size_t i = 0; i < n; i++) {
            struct item *item = fr_item_new(sink, entries[i].record, entries[i].ack, true);

            sink->emitting = item;
            item->unfinished = 1; /* so that it is not finished while it is being taken apart */
            fr_program_run(sink->program, item->record, now, wall, fr_delivery_emit, sink);
            if (--item->unfinished == 0)
                fr_item_release(sink, item); /* nothing of it is for this sink */
        }
        sink->emitting = NULL;
        atomic_fetch_add_explicit(&sink->taken, n, memory_order_relaxed);
        fr_deliveries_hand_over(sink);
        arm_window_timer(sink);
    }
    sink->last_take_ms = fr_monotonic_ms();
}

static void copy_program_counts(struct fr_sink *sink)
{
    static struct fr_log_limit limit;
    struct fr_program_counts counts = fr_program_counts(sink->program);

    if (counts.untracked != sink->program_counts.untracked)
        fr_log_limited(&limit, FR_LOG_WARNING,
                       "sink %s: more vehicles and fields than %u windows can be kept for; the "
                       "rest is delivered without `every` and `min_change`",
                       sink->settings.name, FR_THROTTLE_MAX);
    pthread_mutex_lock(&sink->status_lock);
    sink->program_counts = counts;
    pthread_mutex_unlock(&sink->status_lock);
}

/* Behind whatever finished deliveries: tell vehicles, make room, go on. */
static void after(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_sink *sink = ctx;
    bool room;

    (void)fd, (void)what;
    sink->after_pending = false;
    fr_ack_batch_flush(&sink->acks);
    room = fr_sink_queue_finish(sink->queue, sink->finished_records, sink->finished_bytes);
    sink->finished_records = sink->finished_bytes = 0;
    for (size_t i = 0; room && i < sink->listener_count; i++)
        sink->listeners[i].room(sink->listeners[i].ctx);
    take(sink);
    copy_program_counts(sink);
}

static void close_windows(struct fr_sink *sink, int64_t now)
{
    sink->emitting = NULL;
    fr_program_close_windows(sink->program, now, fr_delivery_emit, sink);
    fr_deliveries_hand_over(sink);
}

static void window_due(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    close_windows(ctx, fr_monotonic_ms());
    arm_window_timer(ctx);
}

static void retry_due(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_sink *sink = ctx;

    (void)fd, (void)what;
    fr_deliveries_retry(sink);
    fr_deliveries_hand_over(sink);
    fr_sink_schedule_after(sink);
}

static void take_due(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_sink *sink = ctx;

    (void)fd, (void)what;
    sink->take_later = false;
    atomic_store(&sink->woken, false);
    take(sink);
}

static void drain_now(struct fr_sink *sink)
{
    take(sink);
    close_windows(sink, INT64_MAX / 2); /* all; with room for the windows that this opens */
    if (sink->plugin->flush != NULL)
        sink->plugin->flush(sink->state);
}

static void woken(evutil_socket_t fd, short what, void *ctx)
{
    static const struct timeval pause = {0, WAKE_INTERVAL_MS * 1000};
    struct fr_sink *sink = ctx;
    unsigned wanted;
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        fr_log(FR_LOG_ERROR, "sink %s: its eventfd: %s", sink->settings.name, strerror(errno));
    if (atomic_load(&sink->stop)) {
        event_base_loopbreak(sink->base);
        return;
    }
    wanted = atomic_load(&sink->drains_wanted);
    if (wanted != atomic_load(&sink->drains_done)) {
        atomic_store(&sink->woken, false);
        drain_now(sink);
        atomic_store(&sink->drains_done, wanted);
        return;
    }
    if (sink->take_later)
        return;
    /* `woken` stays set until the queue is looked at, so nobody wakes us in between. */
    if (fr_monotonic_ms() - sink->last_take_ms < WAKE_INTERVAL_MS) {
        sink->take_later = true;
        event_add(sink->take_timer, &pause);
    } else
        take_due(-1, 0, sink);
}

static void wake_up(struct fr_sink *sink, bool always)
{
    uint64_t one = 1;

    if ((!atomic_exchange(&sink->woken, true) || always) && write(sink->wake, &one, sizeof one) < 0)
        fr_log(FR_LOG_ERROR, "sink %s cannot be woken: %s", sink->settings.name, strerror(errno));
}

/* ---- life ------------------------------------------------------------------------ */

struct fr_sink *fr_sink_new(const struct fr_sink_settings *settings, const struct fr_plugin *plugin,
                            struct fr_options *options)
{
    struct fr_sink *sink = fr_calloc(1, sizeof *sink);

    sink->settings = *settings;
    sink->plugin = plugin;
    sink->options = options;
    sink->queue = fr_sink_queue_new(settings->queue_records, settings->queue_bytes);
    sink->in_flight_most = plugin->in_flight != 0 ? plugin->in_flight : IN_FLIGHT_DEFAULT;
    sink->wake = -1;
    sem_init(&sink->opened, 0, 0);
    pthread_mutex_init(&sink->status_lock, NULL);
    snprintf(sink->why, sizeof sink->why, "nothing to complain of");
    return sink;
}

void fr_sink_check(struct fr_sink *sink, struct fr_diagnostics *diagnostics)
{
    if (sink->plugin->check == NULL)
        return;
    sink->diagnostics = diagnostics;
    sink->plugin->check(sink, &fr_plugin_host);
    sink->diagnostics = NULL;
}

void fr_sink_when_room(struct fr_sink *sink, void (*room)(void *ctx), void *ctx)
{
    if (sink->listener_count == FR_SINK_LISTENERS_MAX)
        return;
    sink->listeners[sink->listener_count].room = room;
    sink->listeners[sink->listener_count++].ctx = ctx;
}

static void *run(void *ctx)
{
    struct fr_sink *sink = ctx;

    sink->state = sink->plugin->open(sink, &fr_plugin_host);
    sem_post(&sink->opened);
    if (sink->state == NULL)
        return NULL;
    event_base_loop(sink->base, EVLOOP_NO_EXIT_ON_EMPTY);
    sink->plugin->close(sink->state);
    fr_ack_batch_flush(&sink->acks);
    return NULL;
}

static struct event *new_event(struct fr_sink *sink, int fd, short what, event_callback_fn call)
{
    return event_new(sink->base, fd, what, call, sink);
}

static int prepare(struct fr_sink *sink, struct fr_error *error)
{
    sink->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    sink->base = event_base_new();
    if (sink->wake < 0 || sink->base == NULL)
        return fr_error_set(error, "sink %s: cannot make an event base: %s", sink->settings.name,
                            strerror(errno));
    sink->wake_event = new_event(sink, sink->wake, EV_READ | EV_PERSIST, woken);
    sink->take_timer = new_event(sink, -1, 0, take_due);
    sink->window_timer = new_event(sink, -1, 0, window_due);
    sink->retry_timer = new_event(sink, -1, 0, retry_due);
    sink->after_event = new_event(sink, -1, 0, after);
    if (sink->wake_event == NULL || sink->take_timer == NULL || sink->window_timer == NULL ||
        sink->retry_timer == NULL || sink->after_event == NULL ||
        event_add(sink->wake_event, NULL) != 0)
        return fr_error_set(error, "sink %s: cannot set up its events", sink->settings.name);
    return 0;
}

int fr_sink_start(struct fr_sink *sink, const struct fr_routing *routing, size_t place,
                  struct fr_error *error)
{
    if (prepare(sink, error) != 0)
        return -1;
    sink->program = fr_program_new(routing, place,
                                   sink->plugin->format != FR_FORMAT_DEFAULT ? sink->plugin->format
                                                                             : FR_FORMAT_PROTOBUF);
    if (pthread_create(&sink->thread, NULL, run, sink) != 0)
        return fr_error_set(error, "sink %s: cannot start its thread: %s", sink->settings.name,
                            strerror(errno));
    while (sem_wait(&sink->opened) != 0)
        ; /* a signal came */
    if (sink->state == NULL) {
        pthread_join(sink->thread, NULL);
        return fr_error_set(error, "sink %s: plugin %s could not begin; the log says why",
                            sink->settings.name, sink->plugin->name);
    }
    sink->running = true;
    return 0;
}

void fr_sink_offer(struct fr_sink *sink, const struct fr_sink_entry *entries, size_t count)
{
    static struct fr_log_limit limit;
    size_t dropped = fr_sink_queue_put(sink->queue, entries, count);

    if (dropped != 0) {
        atomic_fetch_add_explicit(&sink->dropped, dropped, memory_order_relaxed);
        fr_log_limited(&limit, FR_LOG_WARNING,
                       "sink %s: its queue is full and no acknowledgement waits for it: the oldest "
                       "records are dropped",
                       sink->settings.name);
    }
    wake_up(sink, false);
}

bool fr_sink_full(struct fr_sink *sink)
{
    return fr_sink_queue_full(sink->queue);
}

void fr_sink_drain(struct fr_sink *sink)
{
    atomic_fetch_add(&sink->drains_wanted, 1);
    wake_up(sink, true);
}

bool fr_sink_idle(struct fr_sink *sink)
{
    return atomic_load(&sink->drains_wanted) == atomic_load(&sink->drains_done) &&
           fr_sink_queue_records(sink->queue) == 0 && atomic_load(&sink->in_flight) == 0;
}

void fr_sink_stop(struct fr_sink *sink)
{
    if (!sink->running)
        return;
    atomic_store(&sink->stop, true);
    wake_up(sink, true);
    pthread_join(sink->thread, NULL);
    sink->running = false;
}

static void free_event(struct event *event)
{
    if (event != NULL)
        event_free(event);
}

void fr_sink_free(struct fr_sink *sink)
{
    if (sink == NULL)
        return;
    free_event(sink->wake_event);
    free_event(sink->take_timer);
    free_event(sink->window_timer);
    free_event(sink->retry_timer);
    free_event(sink->after_event);
    if (sink->base != NULL)
        event_base_free(sink->base);
    if (sink->wake >= 0)
        close(sink->wake);
    fr_deliveries_free(sink);
    fr_program_free(sink->program);
    fr_sink_queue_free(sink->queue);
    free(sink->batch);
    fr_buffer_free(&sink->json);
    sem_destroy(&sink->opened);
    pthread_mutex_destroy(&sink->status_lock);
    free(sink);
}

void fr_sink_status(struct fr_sink *sink, struct fr_sink_status *status)
{
    memset(status, 0, sizeof *status);
    status->name = sink->settings.name;
    status->plugin = sink->plugin->name;
    pthread_mutex_lock(&sink->status_lock);
    status->health = sink->health;
    memcpy(status->why, sink->why, sizeof status->why);
    status->program = sink->program_counts;
    pthread_mutex_unlock(&sink->status_lock);
    status->unfinished = fr_sink_queue_records(sink->queue);
    status->unfinished_bytes = fr_sink_queue_bytes(sink->queue);
    status->taken = atomic_load(&sink->taken);
    status->delivered = atomic_load(&sink->delivered);
    status->retried = atomic_load(&sink->retried);
    status->refused = atomic_load(&sink->refused);
    status->dropped = atomic_load(&sink->dropped);
}
