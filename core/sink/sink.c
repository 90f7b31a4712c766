#include "sink/sink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sink/sink_state.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/memory.h"

#define IN_FLIGHT_DEFAULT 10000 /* deliveries a plugin may hold unfinished */

struct fr_sink *fr_sink_new(struct fr_server_config *config, size_t place,
                            const struct fr_plugin *plugin, struct fr_options *options)
{
    struct fr_sink *sink = fr_calloc(1, sizeof *sink);
    enum fr_delivery_mode mode = config->sinks[place].mode;

    sink->config = fr_server_config_ref(config);
    sink->settings = config->sinks[place];
    sink->plugin = plugin;
    sink->options = options;
    sink->queue = fr_sink_queue_new(sink->settings.queue_records, sink->settings.queue_bytes);
    sink->in_flight_most = plugin->in_flight != 0 ? plugin->in_flight : IN_FLIGHT_DEFAULT;
    if (mode == FR_MODE_DEFAULT)
        mode = plugin->mode;
    if (mode == FR_MODE_LATEST)
        sink->latest = fr_latest_new();
    sink->restores = sink->settings.restore < 0 ? sink->latest != NULL : sink->settings.restore;
    sink->wake = -1;
    sink->window_timer_ms = sink->lane_timer_ms = -1;
    sink->lanes = fr_lanes_new();
    atomic_init(&sink->next_close_ms, -1);
    atomic_init(&sink->rewind_to, UINT64_MAX);
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

const char *fr_sink_path(const struct fr_sink *sink, size_t place)
{
    return fr_options_path(sink->options, place);
}

bool fr_sink_same(const struct fr_sink *sink, const struct fr_sink *other)
{
    return sink->plugin == other->plugin &&
           fr_yaml_equal(sink->settings.node, other->settings.node);
}

static void new_records(void *ctx)
{
    fr_sink_wake(ctx, false);
}

static int sink_begin(struct fr_sink *sink, struct fr_routing *routing, size_t place,
                      const struct fr_sink_house *house, struct fr_error *error)
{
    int code;

    sink->house = *house;
    sink->dead_letter_file = fr_dead_letters_new(house->dead_letters, sink->settings.name);
    if (fr_sink_thread_prepare(sink, error) != 0)
        return -1;
    sink->program = fr_program_new(routing, place,
                                   sink->plugin->format != FR_FORMAT_DEFAULT ? sink->plugin->format
                                                                             : FR_FORMAT_PROTOBUF);
    if (house->journal != NULL) {
        fr_program_watch(sink->program, fr_item_acquire, fr_item_release, sink);
        sink->cursor = fr_cursor_open(house->journal, sink->settings.name,
                                      sink->settings.from_oldest, new_records, sink, error);
        if (sink->cursor == NULL)
            return fr_error_wrap(error, "sink %s", sink->settings.name);
        atomic_store(&sink->read_next, fr_cursor_place(sink->cursor));
        atomic_store(&sink->run_next, sink->read_next);
        sink->repeated_below = fr_cursor_repeated_below(sink->cursor);
    }
    atomic_store(&sink->progress_ms, fr_monotonic_ms());
    sink->begun_ms = fr_monotonic_ms();
    atomic_store(&sink->phase, SINK_OPENING);
    code = pthread_create(&sink->thread, NULL, fr_sink_thread, sink);
    if (code != 0) {
        atomic_store(&sink->phase, SINK_FAILED);
        return fr_error_set(error, "sink %s: cannot start its thread: %s", sink->settings.name,
                            strerror(code));
    }
    sink->has_thread = true;
    return 0;
}

int fr_sink_begin(struct fr_sink *sink, struct fr_routing *routing, size_t place,
                  const struct fr_sink_house *house, struct fr_error *error)
{
    if (sink_begin(sink, routing, place, house, error) == 0)
        return 0;
    sink->health = FR_HEALTH_DOWN;
    snprintf(sink->why, sizeof sink->why, "it did not start: %.*s; reload when it is mended",
             (int)sizeof sink->why - 64, error->text);
    atomic_store(&sink->phase, SINK_FAILED);
    return -1;
}

int fr_sink_begun(struct fr_sink *sink, struct fr_error *error)
{
    switch (atomic_load(&sink->phase)) {
    case SINK_OPEN:
    case SINK_ENDED:
        return 1;
    case SINK_FAILED:
        return fr_error_set(error, "sink %s: plugin %s could not begin; the log says why",
                            sink->settings.name, sink->plugin->name);
    default:
        return 0;
    }
}

int fr_sink_start(struct fr_sink *sink, struct fr_routing *routing, size_t place,
                  const struct fr_sink_house *house, struct fr_error *error)
{
    if (fr_sink_begin(sink, routing, place, house, error) != 0)
        return -1;
    while (sem_wait(&sink->opened) != 0)
        ; /* a signal came */
    if (fr_sink_begun(sink, error) == 1)
        return 0;
    fr_sink_stop(sink); /* the caller frees it */
    return -1;
}

void fr_sink_reroute(struct fr_sink *sink, struct fr_routing *routing, size_t place)
{
    struct fr_routing *overtaken;

    pthread_mutex_lock(&sink->status_lock);
    overtaken = sink->new_routing;
    sink->new_routing = fr_routing_ref(routing);
    sink->new_place = place;
    pthread_mutex_unlock(&sink->status_lock);
    fr_routing_unref(overtaken);
    fr_sink_wake(sink, true);
}

bool fr_sink_rewind(struct fr_sink *sink, uint64_t seq)
{
    if (sink->cursor == NULL)
        return false;
    atomic_store(&sink->rewind_to, seq);
    fr_sink_wake(sink, true);
    return true;
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
    fr_sink_wake(sink, false);
}

bool fr_sink_full(struct fr_sink *sink)
{
    return fr_sink_queue_full(sink->queue);
}

void fr_sink_end(struct fr_sink *sink)
{
    atomic_store(&sink->ending, true);
    fr_sink_wake(sink, true);
}

bool fr_sink_ended(struct fr_sink *sink)
{
    if (fr_sink_stopped(sink))
        return true;
    if (!atomic_load(&sink->windows_closed))
        return false;
    return sink->cursor != NULL
               ? atomic_load(&sink->in_plugin) == 0
               : atomic_load(&sink->in_flight) == 0 && fr_sink_queue_records(sink->queue) == 0;
}

bool fr_sink_ended_well(const struct fr_sink *sink)
{
    return sink->cursor == NULL ||
           (sink->in_plugin == 0 && sink->done_seq < fr_cursor_place(sink->cursor));
}

void fr_sink_drain(struct fr_sink *sink)
{
    if (!fr_sink_runs(sink))
        return;
    atomic_fetch_add(&sink->drains_wanted, 1);
    fr_sink_wake(sink, true);
}

bool fr_sink_idle(struct fr_sink *sink)
{
    if (!fr_sink_runs(sink))
        return true;
    return atomic_load(&sink->drains_wanted) == atomic_load(&sink->drains_done) &&
           fr_sink_queue_records(sink->queue) == 0 && atomic_load(&sink->in_flight) == 0 &&
           (sink->cursor == NULL || sink->read_next >= fr_journal_next(sink->house.journal));
}

void fr_sink_stop(struct fr_sink *sink)
{
    if (!sink->has_thread)
        return;
    fr_sink_ask_stop(sink);
    pthread_join(sink->thread, NULL);
    sink->has_thread = false;
    if (sink->cursor != NULL) {
        fr_cursor_mark_repeated(sink->cursor, sink->repeated_below);
        fr_cursor_mark_repeated(sink->cursor, sink->done_seq + 1);
    }
}

void fr_sink_ask_stop(struct fr_sink *sink)
{
    atomic_store(&sink->stop, true);
    fr_sink_wake(sink, true);
}

bool fr_sink_stopped(const struct fr_sink *sink)
{
    enum sink_phase phase = atomic_load(&sink->phase);

    return phase != SINK_OPENING && phase != SINK_OPEN;
}

void fr_sink_refuse_unfinished(struct fr_sink *sink)
{
    struct fr_ack_batch acks = {.lanes = 0};
    struct fr_sink_entry entry;

    for (struct delivery *d = sink->unfinished; d != NULL; d = d->behind) {
        if (d->item->ack)
            fr_record_confirm(d->item->record, false, &acks);
        d->item->ack = false;
    }
    while (fr_sink_queue_take(sink->queue, &entry, 1, SIZE_MAX) != 0) {
        if (entry.ack)
            fr_record_confirm(entry.record, false, &acks);
        fr_record_unref(entry.record);
    }
    fr_ack_batch_flush(&acks);
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
    fr_cursor_close(sink->cursor);
    free_event(sink->wake_event);
    free_event(sink->take_timer);
    free_event(sink->window_timer);
    free_event(sink->retry_timer);
    free_event(sink->lane_timer);
    free_event(sink->after_event);
    if (sink->base != NULL)
        event_base_free(sink->base);
    if (sink->wake >= 0)
        close(sink->wake);
    fr_deliveries_free(sink);
    fr_lanes_free(sink->lanes);
    fr_dead_letters_free(sink->dead_letter_file);
    fr_program_free(sink->program);
    fr_routing_unref(sink->new_routing);
    fr_sink_queue_free(sink->queue);
    fr_latest_free(sink->latest);
    fr_options_free(sink->options);
    free(sink->batch);
    free(sink->state_dir);
    fr_buffer_free(&sink->json);
    sem_destroy(&sink->opened);
    pthread_mutex_destroy(&sink->status_lock);
    fr_server_config_unref(sink->config);
    free(sink);
}

bool fr_sink_runs(const struct fr_sink *sink)
{
    return !fr_sink_stopped(sink);
}

const char *fr_health_word(enum fr_health health)
{
    static const char *const words[] = {"up", "degraded", "down"};

    return words[health];
}

const char *fr_sink_name(const struct fr_sink *sink)
{
    return sink->settings.name;
}
