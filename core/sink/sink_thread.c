/* A sink's thread: what wakes it, and what it does then. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sink/sink_state.h"
#include "util/clock.h"
#include "util/log.h"

#define TAKE_MOST 256 /* records run through the program at a time */
#define ROUNDS 16     /* of these before other events have their turn */
/* At a high rate a sink is woken at most so often; alone, a record is taken at once. */
#define WAKE_INTERVAL_MS 2
#define READ_AGAIN_MS 1000 /* after the journal could not be read */
#define CLOSE_MAX 1024     /* windows closed at a time */
#define CALLBACKS_MAX 16   /* between two looks at descriptors and timers */
#define SYNC_MAX_MS 2000   /* wait for the last values to be written */

/* ---- supply ---------------------------------------------------------------------- */

static bool wanted(void *ctx, enum fr_record_type type, const char *topic)
{
    struct fr_sink *sink = ctx;

    return fr_program_wants(sink->program, type, topic);
}

static void reading_failed(struct fr_sink *sink, const struct fr_error *error)
{
    static struct fr_log_limit limit;
    struct timeval pause = fr_timeval(READ_AGAIN_MS);

    fr_log_limited(&limit, FR_LOG_ERROR, "sink %s: %s; tried again", sink->settings.name,
                   error->text);
    sink->take_later = true;
    event_add(sink->take_timer, &pause);
}

static size_t read_journal(struct fr_sink *sink, struct fr_sink_entry *entries)
{
    struct fr_record *records[TAKE_MOST];
    uint64_t next = sink->read_next;
    struct fr_error error;
    int n = 0;

    for (int i = 0; i < ROUNDS && n == 0 && next < fr_journal_next(sink->house.journal); i++)
        n = fr_cursor_read(sink->cursor, &next, records, TAKE_MOST, wanted, sink, &error);
    if (n < 0) {
        reading_failed(sink, &error);
        return 0;
    }
    atomic_store(&sink->read_next, next);
    for (int i = 0; i < n; i++)
        entries[i] = (struct fr_sink_entry){records[i], false};
    return (size_t)n;
}

static bool caught_up(const struct fr_sink *sink)
{
    return sink->cursor == NULL || sink->read_next >= fr_journal_next(sink->house.journal);
}

static bool may_take(const struct fr_sink *sink)
{
    size_t held = sink->in_flight - sink->waiting;

    if (sink->retry_first != NULL || held >= sink->in_flight_most ||
        atomic_load(&sink->rewind_to) != UINT64_MAX)
        return false;
    return sink->cursor == NULL ||
           (!atomic_load(&sink->ending) && held < sink->settings.queue_records &&
            sink->in_flight_bytes < sink->settings.queue_bytes);
}

static size_t supply(struct fr_sink *sink, struct fr_sink_entry *entries)
{
    return sink->cursor != NULL ? read_journal(sink, entries)
                                : fr_sink_queue_take(sink->queue, entries, TAKE_MOST);
}

/* ---- taking ---------------------------------------------------------------------- */

static struct fr_program_time time_now(void)
{
    return (struct fr_program_time){fr_monotonic_ms(), fr_wall_ms()};
}

/* Windows may close while nothing waits for another try: what they deliver must not overtake it. */
static bool may_close_windows(const struct fr_sink *sink)
{
    return sink->retry_first == NULL && sink->in_flight - sink->waiting < sink->in_flight_most;
}

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

/* Let the timers follow the window that closes next and the pause that ends next. Called at the end
 * of each event of the sink's thread, so that no change is missed. */
static void follow_timers(struct fr_sink *sink)
{
    int64_t next = fr_program_next_close(sink->program);

    atomic_store_explicit(&sink->next_close_ms, next, memory_order_relaxed);
    atomic_store_explicit(&sink->lane_count, fr_lanes_count(sink->lanes), memory_order_relaxed);
    follow_timer(sink->window_timer, &sink->window_timer_ms, may_close_windows(sink) ? next : -1);
    follow_timer(sink->lane_timer, &sink->lane_timer_ms, fr_lanes_next(sink->lanes));
}

static void run_through(struct fr_sink *sink, const struct fr_sink_entry *entries, size_t n)
{
    struct fr_program_time time = time_now();

    for (size_t i = 0; i < n; i++) {
        bool journal = sink->cursor != NULL;
        struct item *item = fr_item_new(sink, entries[i].record, entries[i].ack, !journal);

        if (journal) {
            item->record->repeated = item->record->seq < sink->repeated_below;
            fr_item_link(sink, item);
        }
        sink->emitting = journal ? NULL : item;
        item->unfinished = 1; /* so that it is not finished while it is being taken apart */
        fr_program_run(sink->program, item->record, journal ? item : NULL, &time, fr_delivery_emit,
                       sink);
        if (journal)
            fr_item_drop_record(item);
        fr_item_release(sink, item);
    }
    sink->emitting = NULL;
    atomic_fetch_add_explicit(&sink->taken, n, memory_order_relaxed);
}

static void move_cursor(struct fr_sink *sink)
{
    uint64_t place = sink->first_item != NULL ? sink->first_item->seq : sink->read_next;

    if (sink->cursor != NULL && fr_cursor_place(sink->cursor) != place)
        fr_cursor_move(sink->cursor, place);
    if (sink->in_flight == 0 && caught_up(sink))
        atomic_store_explicit(&sink->progress_ms, fr_monotonic_ms(), memory_order_relaxed);
}

/* Run what there is through the program, as long as the plugin may be given more. */
static void take(struct fr_sink *sink)
{
    struct fr_sink_entry entries[TAKE_MOST];
    uint64_t before = sink->read_next;
    int rounds = 0;
    size_t n;

    while (may_take(sink) && rounds++ < ROUNDS && (n = supply(sink, entries)) != 0) {
        run_through(sink, entries, n);
        fr_deliveries_hand_over(sink);
    }
    /* Values that wait are handed over when all that is there was looked at for newer ones. */
    if (sink->latest != NULL && (caught_up(sink) || !may_take(sink))) {
        fr_latest_hand_over(sink);
        fr_deliveries_hand_over(sink);
    }
    move_cursor(sink);
    sink->last_take_ms = fr_monotonic_ms();
    if ((rounds > ROUNDS || sink->read_next != before) && !caught_up(sink) && may_take(sink))
        event_active(sink->take_timer, EV_TIMEOUT, 1);
    else if (rounds > ROUNDS && sink->cursor == NULL)
        event_active(sink->take_timer, EV_TIMEOUT, 1);
}

static void hand_over_values(struct fr_sink *sink)
{
    if (sink->latest != NULL)
        fr_latest_hand_over(sink);
    fr_deliveries_hand_over(sink);
}

/* Close the windows whose time has come. follow_timers comes back to those over the bound. */
static void close_windows(struct fr_sink *sink)
{
    struct fr_program_time time = time_now();

    if (!may_close_windows(sink))
        return;
    sink->emitting = NULL;
    fr_program_close_windows(sink->program, &time, CLOSE_MAX, fr_delivery_emit, sink);
    hand_over_values(sink);
}

/* Deliver the values that wait for their windows now. */
static void flush_windows(struct fr_sink *sink)
{
    struct fr_program_time time = time_now();

    sink->emitting = NULL;
    fr_program_flush(sink->program, &time, fr_delivery_emit, sink);
    hand_over_values(sink);
}

static void drain_if_asked(struct fr_sink *sink)
{
    unsigned asked = atomic_load(&sink->drains_wanted);

    if (asked == atomic_load(&sink->drains_done) || !caught_up(sink) ||
        fr_sink_queue_waiting(sink->queue) != 0)
        return;
    flush_windows(sink);
    if (sink->plugin->flush != NULL)
        sink->plugin->flush(sink->state);
    atomic_store(&sink->drains_done, asked);
}

static void emit_nothing(void *ctx, const struct fr_emission *emission)
{
    (void)ctx, (void)emission;
}

struct restoring {
    struct fr_sink *sink;
    fr_emit_fn *emit;
};

static bool restore_one(void *ctx, const struct fr_last_value *value)
{
    struct restoring *call = ctx;
    struct fr_sink *sink = call->sink;
    struct fr_record *record = fr_values_record(value);
    struct fr_program_time time = time_now();

    if (record == NULL)
        return false;
    fr_program_run(sink->program, record, NULL, &time, call->emit, sink);
    fr_record_unref(record);
    return !atomic_load(&sink->stop);
}

/* Run every last value through the program; what it emits goes to the plugin if `deliver`. */
static void restore(struct fr_sink *sink, bool deliver)
{
    struct restoring call = {sink, deliver ? fr_delivery_emit : emit_nothing};
    struct fr_error error;

    if (sink->house.values == NULL || (!deliver && !fr_program_remembers(sink->program)))
        return;
    sink->emitting = NULL;
    /* The store is written every few seconds; the records in between are behind the cursor. */
    fr_values_sync(sink->house.values, SYNC_MAX_MS);
    if (fr_values_each(sink->house.values, NULL, restore_one, &call, &error) != 0)
        fr_log(FR_LOG_WARNING, "sink %s: last values: %s", sink->settings.name, error.text);
    if (sink->latest == NULL)
        fr_deliveries_hand_over(sink);
}

/* ---- orders from other threads --------------------------------------------------- */

static void follow_new_routing(struct fr_sink *sink)
{
    struct fr_program *older = sink->program, *program;
    struct fr_program_time time = time_now();
    struct fr_routing *routing;
    size_t place;
    bool complete;

    pthread_mutex_lock(&sink->status_lock);
    routing = sink->new_routing;
    place = sink->new_place;
    sink->new_routing = NULL;
    pthread_mutex_unlock(&sink->status_lock);
    if (routing == NULL)
        return;
    program = fr_program_new(routing, place,
                             sink->plugin->format != FR_FORMAT_DEFAULT ? sink->plugin->format
                                                                       : FR_FORMAT_PROTOBUF);
    sink->emitting = NULL;
    /* What is emitted now has names of the older routing, so its deliveries must hold that one. */
    complete = fr_program_adopt(program, older, &time, fr_delivery_emit, sink);
    sink->program = program;
    hand_over_values(sink);
    fr_program_free(older);
    fr_routing_unref(routing);
    /* A new edge_only route must know where each vehicle is before it sees the next record. */
    if (!complete)
        restore(sink, false);
}

/* Go elsewhere in the journal when nothing is under way any more. */
static void rewind_if_asked(struct fr_sink *sink)
{
    uint64_t to = atomic_load(&sink->rewind_to);

    if (to == UINT64_MAX)
        return;
    fr_deliveries_abandon(sink);
    if (sink->in_plugin != 0)
        return; /* after() comes back to it */
    fr_program_forget(sink->program);
    if (sink->repeated_below < sink->read_next)
        sink->repeated_below = sink->read_next;
    atomic_store(&sink->read_next, to);
    fr_log(FR_LOG_NOTICE, "sink %s goes on at record %llu of the journal", sink->settings.name,
           (unsigned long long)to);
    atomic_compare_exchange_strong(&sink->rewind_to, &to, UINT64_MAX);
}

/* ---- events ---------------------------------------------------------------------- */

void fr_sink_schedule_after(struct fr_sink *sink)
{
    if (sink->after_pending)
        return;
    sink->after_pending = true;
    event_active(sink->after_event, EV_TIMEOUT, 1);
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
    pthread_mutex_lock(&sink->status_lock);
    sink->program_counts = counts;
    pthread_mutex_unlock(&sink->status_lock);
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
        flush_windows(sink);
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
    rewind_if_asked(sink);
    fr_deliveries_write_aside(sink);
    retry_if_ready(sink);
    fr_deliveries_take_ready(sink);
    fr_deliveries_hand_over(sink);
    close_windows(sink);
    take(sink);
    flush_at_end(sink);
    drain_if_asked(sink);
    copy_program_counts(sink);
    follow_timers(sink);
}

static void window_due(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_sink *sink = ctx;

    (void)fd, (void)what;
    sink->window_timer_ms = -1;
    close_windows(sink);
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
    take(sink);
    flush_at_end(sink);
    drain_if_asked(sink);
    follow_timers(sink);
}

static void obey(struct fr_sink *sink)
{
    follow_new_routing(sink);
    rewind_if_asked(sink);
    if (atomic_exchange(&sink->restore_wanted, false))
        restore(sink, sink->restores);
    if (atomic_load(&sink->ending) && !sink->windows_closed) {
        take(sink);
        flush_windows(sink);
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

    if ((!atomic_exchange(&sink->woken, true) || always) && write(sink->wake, &one, sizeof one) < 0)
        fr_log(FR_LOG_ERROR, "sink %s cannot be woken: %s", sink->settings.name, strerror(errno));
}

/* ---- the thread ------------------------------------------------------------------ */

static struct event *new_event(struct fr_sink *sink, int fd, short what, event_callback_fn call)
{
    return event_new(sink->base, fd, what, call, sink);
}

/* A base that looks for timers and descriptors after so many callbacks, although the sink's own
 * events activate themselves again while there is a backlog. */
static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config != NULL &&
        event_config_set_max_dispatch_interval(config, NULL, CALLBACKS_MAX, 0) == 0)
        base = event_base_new_with_config(config);
    if (config != NULL)
        event_config_free(config);
    return base;
}

int fr_sink_thread_prepare(struct fr_sink *sink, struct fr_error *error)
{
    sink->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    sink->base = new_base();
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

void *fr_sink_thread(void *ctx)
{
    struct fr_sink *sink = ctx;

    sink->state = sink->plugin->open(sink, &fr_plugin_host);
    sem_post(&sink->opened);
    if (sink->state == NULL)
        return NULL;
    restore(sink, sink->restores);
    fr_sink_schedule_after(sink);
    event_base_loop(sink->base, EVLOOP_NO_EXIT_ON_EMPTY);
    sink->plugin->close(sink->state);
    fr_ack_batch_flush(&sink->acks);
    move_cursor(sink);
    return NULL;
}
