/* What other threads ask of a sink: another routing, another place in the journal, last values. */
#include "sink/sink_state.h"
#include "util/clock.h"
#include "util/log.h"

#define SYNC_MAX_MS 2000 /* wait for the last values to be written */

struct restoring {
    struct fr_sink *sink;
    fr_emit_fn *emit;
};

static bool restore_one(void *ctx, const struct fr_last_value *value)
{
    struct restoring *call = ctx;
    struct fr_sink *sink = call->sink;
    struct fr_record *record = fr_values_record(value);
    struct fr_program_time time = fr_sink_time(sink);

    if (record == NULL)
        return false;
    fr_program_run(sink->program, record, NULL, &time, call->emit, sink);
    fr_record_unref(record);
    return !atomic_load(&sink->stop);
}

/* Run every last value through the program; what it emits goes to the plugin if `deliver`. */
void fr_sink_restore(struct fr_sink *sink, bool deliver)
{
    struct restoring call = {sink, deliver ? fr_delivery_emit : NULL};
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

void fr_sink_follow_routing(struct fr_sink *sink)
{
    struct fr_program *older = sink->program, *program;
    struct fr_program_time time;
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
    time = fr_sink_time(sink);
    program = fr_program_new(routing, place,
                             sink->plugin->format != FR_FORMAT_DEFAULT ? sink->plugin->format
                                                                       : FR_FORMAT_PROTOBUF);
    sink->emitting = NULL;
    /* What is emitted now has names of the older routing, so its deliveries must hold that one. */
    complete = fr_program_adopt(program, older, &time, fr_delivery_emit, sink);
    sink->program = program;
    fr_sink_hand_over_values(sink);
    fr_program_free(older);
    fr_routing_unref(routing);
    /* A new edge_only route must know where each vehicle is before it sees the next record. */
    if (!complete)
        fr_sink_restore(sink, false);
}

/* Go elsewhere in the journal when nothing is under way any more. */
void fr_sink_rewind_if_asked(struct fr_sink *sink)
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
    atomic_store(&sink->run_next, to);
    fr_log(FR_LOG_NOTICE, "sink %s goes on at record %llu of the journal", sink->settings.name,
           (unsigned long long)to);
    atomic_compare_exchange_strong(&sink->rewind_to, &to, UINT64_MAX);
}
