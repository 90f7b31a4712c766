#include "sink/sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sink/dead_letters.h"
#include "sink/in_flight.h"
#include "sink/lanes.h"
#include "sink/latest.h"
#include "sink/plugin_host.h"
#include "sink/sink_state.h"
#include "sink/sink_thread.h"
#include "sink/wakeup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/memory.h"

#define IN_FLIGHT_DEFAULT 10000 /* deliveries in flight where the plugin names no limit */

struct fr_sink *fr_sink_new(struct fr_server_config *config, size_t index,
                            const struct fr_plugin *plugin, struct fr_options *options)
{
    struct fr_sink *sink = fr_calloc(1, sizeof *sink);
    enum fr_delivery_mode mode = config->sinks[index].mode;

    sink->config = fr_server_config_ref(config);
    sink->settings = config->sinks[index];
    sink->plugin = plugin;
    sink->instance = (struct fr_plugin_instance){
        .kind = "sink", .name = sink->settings.name, .options = options};
    sink->input.queue =
        fr_record_queue_new(sink->settings.queue_records, sink->settings.queue_bytes);
    sink->in_flight.max = plugin->in_flight != 0 ? plugin->in_flight : IN_FLIGHT_DEFAULT;
    if (mode == FR_MODE_DEFAULT)
        mode = plugin->mode;
    if (mode == FR_MODE_LATEST)
        sink->latest.table = fr_latest_new();
    sink->restores =
        sink->settings.restore < 0 ? sink->latest.table != NULL : sink->settings.restore;
    sink->thread.wake_fd = -1;
    sink->thread.window_timer_ms = sink->thread.lane_timer_ms = -1;
    sink->lanes = fr_lanes_new();
    atomic_init(&sink->health.next_close_ms, -1);
    atomic_init(&sink->requests.rewind_to, UINT64_MAX);
    sem_init(&sink->thread.opened, 0, 0);
    pthread_mutex_init(&sink->health.lock, NULL);
    snprintf(sink->health.why, sizeof sink->health.why, "healthy");
    return sink;
}

void fr_sink_check(struct fr_sink *sink, struct fr_diagnostics *diagnostics)
{
    if (sink->plugin->check == NULL)
        return;
    sink->instance.diagnostics = diagnostics;
    sink->plugin->check(sink, &fr_plugin_host);
    sink->instance.diagnostics = NULL;
}

const char *fr_sink_path(const struct fr_sink *sink, size_t index)
{
    return fr_options_path(sink->instance.options, index);
}

bool fr_sink_same(const struct fr_sink *sink, const struct fr_sink *other)
{
    return sink->plugin == other->plugin &&
           fr_yaml_equal(sink->settings.node, other->settings.node);
}

/* Called on the journal's thread after each commit. */
static void sink_on_commit(void *ctx)
{
    fr_sink_wake(ctx, false);
}

static int sink_begin(struct fr_sink *sink, struct fr_routing *routing, size_t index,
                      const struct fr_sink_env *env, struct fr_error *error)
{
    int code;

    sink->env = *env;
    sink->dead_letters.file = fr_dead_letters_new(env->dead_letters, sink->settings.name);
    if (fr_sink_thread_prepare(sink, error) != 0)
        return -1;
    sink->program = fr_program_new(routing, index,
                                   sink->plugin->format != FR_FORMAT_DEFAULT ? sink->plugin->format
                                                                             : FR_FORMAT_PROTOBUF);
    if (env->journal != NULL) {
        fr_program_watch(sink->program, fr_item_acquire, fr_item_release, sink);
        sink->input.cursor =
            fr_cursor_open(env->journal, sink->settings.name, sink->settings.from_oldest,
                           sink_on_commit, sink, error);
        if (sink->input.cursor == NULL)
            return fr_error_wrap(error, "sink %s", sink->settings.name);
        atomic_store(&sink->input.read_next, fr_cursor_position(sink->input.cursor));
        atomic_store(&sink->input.run_next, sink->input.read_next);
        sink->input.repeated_below = fr_cursor_repeated_below(sink->input.cursor);
    }
    atomic_store(&sink->health.progress_ms, fr_monotonic_ms());
    sink->thread.started_ms = fr_monotonic_ms();
    atomic_store(&sink->thread.phase, SINK_OPENING);
    code = pthread_create(&sink->thread.id, NULL, fr_sink_thread, sink);
    if (code != 0) {
        atomic_store(&sink->thread.phase, SINK_FAILED);
        return fr_error_set(error, "sink %s: cannot start a thread: %s", sink->settings.name,
                            strerror(code));
    }
    sink->thread.joinable = true;
    return 0;
}

int fr_sink_begin(struct fr_sink *sink, struct fr_routing *routing, size_t index,
                  const struct fr_sink_env *env, struct fr_error *error)
{
    if (sink_begin(sink, routing, index, env, error) == 0)
        return 0;
    sink->health.reported = FR_HEALTH_DOWN;
    snprintf(sink->health.why, sizeof sink->health.why,
             "the sink did not start: %.*s; correct the cause, then reload",
             (int)sizeof sink->health.why - 64, error->text);
    atomic_store(&sink->thread.phase, SINK_FAILED);
    return -1;
}

enum fr_sink_begun fr_sink_begun(struct fr_sink *sink, struct fr_error *error)
{
    switch (atomic_load(&sink->thread.phase)) {
    case SINK_OPEN:
    case SINK_ENDED:
        return FR_SINK_OPENED;
    case SINK_FAILED:
        fr_error_set(error, "sink %s: plugin %s could not be opened; see the log for the cause",
                     sink->settings.name, sink->plugin->name);
        return FR_SINK_OPEN_FAILED;
    case SINK_NOT_STARTED:
    case SINK_OPENING:
    default:
        return FR_SINK_OPENING;
    }
}

int fr_sink_start(struct fr_sink *sink, struct fr_routing *routing, size_t index,
                  const struct fr_sink_env *env, struct fr_error *error)
{
    if (fr_sink_begin(sink, routing, index, env, error) != 0)
        return -1;
    while (sem_wait(&sink->thread.opened) != 0)
        ; /* interrupted by a signal */
    if (fr_sink_begun(sink, error) == FR_SINK_OPENED)
        return 0;
    fr_sink_stop(sink); /* the caller frees it */
    return -1;
}

void fr_sink_reroute(struct fr_sink *sink, struct fr_routing *routing, size_t index)
{
    struct fr_routing *superseded;

    pthread_mutex_lock(&sink->health.lock);
    superseded = sink->requests.routing;
    sink->requests.routing = fr_routing_ref(routing);
    sink->requests.routing_index = index;
    pthread_mutex_unlock(&sink->health.lock);
    fr_routing_unref(superseded);
    fr_sink_wake(sink, true);
}

bool fr_sink_rewind(struct fr_sink *sink, uint64_t seq)
{
    if (sink->input.cursor == NULL)
        return false;
    atomic_store(&sink->requests.rewind_to, seq);
    fr_sink_wake(sink, true);
    return true;
}

bool fr_sink_pause(struct fr_sink *sink, bool pause)
{
    if (sink->input.cursor == NULL || !fr_sink_runs(sink))
        return false;
    atomic_store(&sink->requests.paused, pause);
    fr_sink_wake(sink, true);
    return true;
}

void fr_sink_enqueue(struct fr_sink *sink, const struct fr_queue_entry *entries, size_t count)
{
    static struct fr_log_limit limit;
    size_t dropped = fr_record_queue_put(sink->input.queue, entries, count);

    if (dropped != 0) {
        atomic_fetch_add_explicit(&sink->counters.dropped, dropped, memory_order_relaxed);
        fr_log_limited(&limit, FR_LOG_WARNING,
                       "sink %s: the oldest records are dropped: the queue is full, and no "
                       "acknowledgement depends on them",
                       sink->settings.name);
    }
    fr_sink_wake(sink, false);
}

bool fr_sink_full(struct fr_sink *sink)
{
    return fr_record_queue_full(sink->input.queue);
}

void fr_sink_end(struct fr_sink *sink)
{
    atomic_store(&sink->requests.end, true);
    fr_sink_wake(sink, true);
}

bool fr_sink_ended(struct fr_sink *sink)
{
    if (fr_sink_stopped(sink))
        return true;
    if (!atomic_load(&sink->requests.windows_closed))
        return false;
    return sink->input.cursor != NULL ? atomic_load(&sink->in_flight.in_plugin) == 0
                                      : atomic_load(&sink->in_flight.count) == 0 &&
                                            fr_record_queue_records(sink->input.queue) == 0;
}

bool fr_sink_clean_shutdown(const struct fr_sink *sink)
{
    return sink->input.cursor == NULL ||
           (sink->in_flight.in_plugin == 0 &&
            sink->in_flight.max_delivered_seq < fr_cursor_position(sink->input.cursor));
}

void fr_sink_drain(struct fr_sink *sink)
{
    if (!fr_sink_runs(sink))
        return;
    atomic_fetch_add(&sink->requests.drains_requested, 1);
    fr_sink_wake(sink, true);
}

bool fr_sink_idle(struct fr_sink *sink)
{
    if (!fr_sink_runs(sink))
        return true;
    if (atomic_load(&sink->requests.paused)) /* its records stay in the journal */
        return atomic_load(&sink->in_flight.count) == 0;
    return atomic_load(&sink->requests.drains_requested) ==
               atomic_load(&sink->requests.drains_completed) &&
           fr_record_queue_records(sink->input.queue) == 0 &&
           atomic_load(&sink->in_flight.count) == 0 &&
           (sink->input.cursor == NULL ||
            sink->input.read_next >= fr_journal_next(sink->env.journal));
}

void fr_sink_stop(struct fr_sink *sink)
{
    if (!sink->thread.joinable)
        return;
    fr_sink_ask_stop(sink);
    pthread_join(sink->thread.id, NULL);
    sink->thread.joinable = false;
    if (sink->input.cursor != NULL) {
        fr_cursor_mark_repeated(sink->input.cursor, sink->input.repeated_below);
        fr_cursor_mark_repeated(sink->input.cursor, sink->in_flight.max_delivered_seq + 1);
    }
}

void fr_sink_ask_stop(struct fr_sink *sink)
{
    atomic_store(&sink->requests.stop, true);
    fr_sink_wake(sink, true);
}

bool fr_sink_stopped(const struct fr_sink *sink)
{
    enum sink_phase phase = atomic_load(&sink->thread.phase);

    return phase != SINK_OPENING && phase != SINK_OPEN;
}

void fr_sink_refuse_unfinished(struct fr_sink *sink)
{
    struct fr_ack_batch acks = {.lanes = 0};
    struct fr_queue_entry entry;

    for (struct delivery *d = sink->in_flight.first; d != NULL; d = d->next_unfinished) {
        if (d->item->ack)
            fr_record_confirm(d->item->record, false, &acks);
        d->item->ack = false;
    }
    while (fr_record_queue_take(sink->input.queue, &entry, 1, SIZE_MAX) != 0) {
        if (entry.ack)
            fr_record_confirm(entry.record, false, &acks);
        fr_record_unref(entry.record);
    }
    fr_ack_batch_flush(&acks);
}

void fr_sink_free(struct fr_sink *sink)
{
    if (sink == NULL)
        return;
    fr_cursor_close(sink->input.cursor);
    fr_sink_thread_free(sink);
    fr_deliveries_free(sink);
    fr_lanes_free(sink->lanes);
    fr_dead_letters_free(sink->dead_letters.file);
    fr_program_free(sink->program);
    fr_routing_unref(sink->requests.routing);
    fr_record_queue_free(sink->input.queue);
    fr_latest_free(sink->latest.table);
    fr_options_free(sink->instance.options);
    free(sink->batch.deliveries);
    free(sink->state_dir);
    fr_buffer_free(&sink->json);
    sem_destroy(&sink->thread.opened);
    pthread_mutex_destroy(&sink->health.lock);
    fr_server_config_unref(sink->config);
    free(sink);
}

bool fr_sink_runs(const struct fr_sink *sink)
{
    return !fr_sink_stopped(sink);
}

const char *fr_sink_name(const struct fr_sink *sink)
{
    return sink->settings.name;
}
