#include "sink/sink_commands.h"

#include "sink/dead_letter_queue.h"
#include "sink/delivery.h"
#include "sink/delivery_list.h"
#include "sink/in_flight.h"
#include "sink/intake.h"
#include "sink/lanes.h"
#include "sink/latest_values.h"
#include "sink/outcome.h"
#include "sink/retry.h"
#include "sink/sink_state.h"
#include "util/log.h"

#define SYNC_MAX_MS 2000 /* longest wait until the store of last values is written */

struct restore_context {
    struct fr_sink *sink;
    fr_emit_fn *emit;
};

static bool command_restore_value(void *ctx, const struct fr_last_value *value)
{
    struct restore_context *call = ctx;
    struct fr_sink *sink = call->sink;
    struct fr_record *record = fr_values_record(value);
    struct fr_program_time time = fr_intake_time(sink);

    if (record == NULL)
        return false;
    fr_program_run(sink->program, record, NULL, &time, call->emit, sink);
    fr_record_unref(record);
    return !atomic_load(&sink->requests.stop);
}

void fr_sink_restore(struct fr_sink *sink, bool deliver)
{
    struct restore_context call = {sink, deliver ? fr_delivery_emit : NULL};
    struct fr_error error;

    if (sink->env.values == NULL || (!deliver && !fr_program_has_state(sink->program)))
        return;
    sink->input.current_item = NULL;
    /* The store is written every few seconds. Values of newer records come from the journal. */
    fr_values_sync(sink->env.values, SYNC_MAX_MS);
    if (fr_values_each(sink->env.values, NULL, command_restore_value, &call, &error) != 0)
        fr_log(FR_LOG_WARNING, "sink %s: cannot read the last values: %s", sink->settings.name,
               error.text);
    if (sink->latest.table == NULL)
        fr_delivery_submit_batch(sink);
}

void fr_sink_follow_routing(struct fr_sink *sink)
{
    struct fr_program *older = sink->program, *program;
    struct fr_program_time time;
    struct fr_routing *routing;
    size_t index;
    bool complete;

    pthread_mutex_lock(&sink->health.lock);
    routing = sink->requests.routing;
    index = sink->requests.routing_index;
    sink->requests.routing = NULL;
    pthread_mutex_unlock(&sink->health.lock);
    if (routing == NULL)
        return;
    time = fr_intake_time(sink);
    program = fr_program_new(routing, index,
                             sink->plugin->format != FR_FORMAT_DEFAULT ? sink->plugin->format
                                                                       : FR_FORMAT_PROTOBUF);
    sink->input.current_item = NULL;
    /* Emissions of fr_program_adopt() point to names of the older routing, and fr_delivery_new()
     * takes a reference to the routing of sink->program: so the older program is replaced after
     * this call. */
    complete = fr_program_adopt(program, older, &time, fr_delivery_emit, sink);
    sink->program = program;
    fr_intake_submit_values(sink);
    fr_program_free(older);
    fr_routing_unref(routing);
    /* A new edge_only route needs the last value of each vehicle before the next record. */
    if (!complete)
        fr_sink_restore(sink, false);
}

/* The lanes are first: the lane of a delivery that is skipped later is then empty and is removed.
 * The slots are last: each skip may make the value that waits in a slot ready. */
void fr_sink_abandon_deliveries(struct fr_sink *sink)
{
    struct delivery *d;

    fr_lanes_abandon(sink, fr_outcome_skip);
    fr_retry_abandon(sink, fr_outcome_skip);
    while ((d = fr_delivery_list_pop(&sink->batch.ready)) != NULL)
        fr_outcome_skip(sink, d);
    fr_dead_letter_abandon(sink, fr_outcome_skip);
    fr_latest_values_abandon(sink);
}

void fr_sink_rewind_if_requested(struct fr_sink *sink)
{
    uint64_t to = atomic_load(&sink->requests.rewind_to);

    if (to == UINT64_MAX)
        return;
    fr_sink_abandon_deliveries(sink);
    if (sink->in_flight.in_plugin != 0)
        return; /* the after-event calls this function again */
    fr_program_forget(sink->program);
    if (sink->input.repeated_below < sink->input.read_next)
        sink->input.repeated_below = sink->input.read_next;
    atomic_store(&sink->input.read_next, to);
    atomic_store(&sink->input.run_next, to);
    fr_log(FR_LOG_NOTICE, "sink %s: continues at record %llu of the journal", sink->settings.name,
           (unsigned long long)to);
    /* A newer request that arrived meanwhile stays. */
    atomic_compare_exchange_strong(&sink->requests.rewind_to, &to, UINT64_MAX);
}
