#include "route/dispatch.h"

#include <assert.h>
#include <stdlib.h>

#include "journal/journal.h"
#include "route/tap.h"
#include "util/counters.h"
#include "util/memory.h"

/* Max entries of a batch. A full batch is enqueued at once. */
#define BATCH_MAX 256

struct lane {
    struct fr_sink *sink; /* NULL: the journal */
    bool awaited;         /* acknowledgements may wait for this sink */
    size_t count;
    struct fr_queue_entry batch[BATCH_MAX];
};

struct fr_dispatch {
    struct fr_routes *routes;
    struct fr_journal *journal; /* NULL: off */
    fr_dispatch_enqueue_fn *enqueue;
    fr_dispatch_full_fn *full;
    size_t lane_count;
    struct lane lanes[]; /* the journal's only, or one for each sink, in the order of the routes */
};

struct fr_dispatch *fr_dispatch_new(struct fr_routes *routes, fr_dispatch_enqueue_fn *enqueue,
                                    fr_dispatch_full_fn *full)
{
    struct fr_journal *journal = fr_routes_journal(routes);
    size_t count = journal != NULL ? 1 : fr_routes_sink_count(routes);
    uint64_t acks = journal != NULL ? 1 : fr_routes_ack_sinks(routes);
    struct fr_dispatch *dispatch =
        fr_calloc(1, sizeof *dispatch + count * sizeof dispatch->lanes[0]);

    dispatch->routes = routes;
    dispatch->journal = journal;
    dispatch->enqueue = enqueue;
    dispatch->full = full;
    dispatch->lane_count = count;
    for (size_t i = 0; i < count; i++) {
        dispatch->lanes[i].sink = journal != NULL ? NULL : fr_routes_sink(routes, i);
        dispatch->lanes[i].awaited = acks >> i & 1;
    }
    return dispatch;
}

void fr_dispatch_free(struct fr_dispatch *dispatch)
{
    free(dispatch);
}

static void dispatch_enqueue_batch(struct fr_dispatch *dispatch, struct lane *lane)
{
    if (lane->sink != NULL)
        dispatch->enqueue(lane->sink, lane->batch, lane->count);
    else
        fr_journal_enqueue(dispatch->journal, lane->batch, lane->count);
    lane->count = 0;
}

static void dispatch_add(struct fr_dispatch *dispatch, size_t index, struct fr_record *record,
                         bool ack)
{
    struct lane *lane = &dispatch->lanes[index];

    assert(index < dispatch->lane_count);
    lane->batch[lane->count++] = (struct fr_queue_entry){fr_record_ref(record), ack};
    if (lane->count == BATCH_MAX)
        dispatch_enqueue_batch(dispatch, lane);
}

bool fr_dispatch_record(struct fr_dispatch *dispatch, struct fr_record *record,
                        struct fr_completion *completion)
{
    struct fr_targets targets = fr_routes_targets(dispatch->routes, record);
    uint64_t acks = completion != NULL ? targets.acks : 0;

    fr_tap(record);
    if (targets.sinks == 0)
        fr_count(FR_COUNT_RECORDS_UNROUTED);
    if (dispatch->journal != NULL) {
        /* The journal stores every record: a sink that a reload adds may have a route for it. */
        record->completion = completion;
        atomic_store_explicit(&record->unconfirmed, 1, memory_order_relaxed);
        dispatch_add(dispatch, 0, record, true);
        return completion != NULL;
    }
    record->completion = acks != 0 ? completion : NULL;
    atomic_store_explicit(&record->unconfirmed, (uint32_t)__builtin_popcountll(acks),
                          memory_order_relaxed);
    for (uint64_t sinks = targets.sinks; sinks != 0; sinks &= sinks - 1) {
        unsigned index = (unsigned)__builtin_ctzll(sinks);

        dispatch_add(dispatch, index, record, acks >> index & 1);
    }
    return acks != 0;
}

void fr_dispatch_flush(struct fr_dispatch *dispatch)
{
    for (size_t i = 0; i < dispatch->lane_count; i++)
        if (dispatch->lanes[i].count != 0)
            dispatch_enqueue_batch(dispatch, &dispatch->lanes[i]);
}

bool fr_dispatch_full(struct fr_dispatch *dispatch)
{
    bool full = false;

    if (dispatch->journal != NULL)
        return fr_journal_full(dispatch->journal);
    /* full() of every sink is called: each registers that a notification is awaited. */
    for (size_t i = 0; i < dispatch->lane_count; i++)
        if (dispatch->lanes[i].awaited && dispatch->full(dispatch->lanes[i].sink))
            full = true;
    return full;
}
