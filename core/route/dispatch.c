#include "route/dispatch.h"

#include <stdlib.h>

#include "journal/journal.h"
#include "sink/sink.h"
#include "util/counters.h"
#include "util/memory.h"

/* Handed over at the latest when so many are put aside for a sink. */
#define ASIDE_MAX 256

struct lane {
    struct fr_sink *sink; /* NULL: the journal */
    bool awaited;         /* some acknowledgement waits for it */
    size_t count;
    struct fr_sink_entry aside[ASIDE_MAX];
};

struct fr_dispatch {
    struct fr_routes *routes;
    struct fr_journal *journal;
    size_t lane_count;
    struct lane lanes[];
};

struct fr_dispatch *fr_dispatch_new(struct fr_routes *routes)
{
    struct fr_journal *journal = fr_routes_journal(routes);
    size_t count = journal != NULL ? 1 : fr_routes_sink_count(routes);
    uint64_t acks = journal != NULL ? 1 : fr_routes_ack_sinks(routes);
    struct fr_dispatch *dispatch =
        fr_calloc(1, sizeof *dispatch + count * sizeof dispatch->lanes[0]);

    dispatch->routes = routes;
    dispatch->journal = journal;
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

static void hand_over(struct fr_dispatch *dispatch, struct lane *lane)
{
    if (lane->sink != NULL)
        fr_sink_offer(lane->sink, lane->aside, lane->count);
    else
        fr_journal_offer(dispatch->journal, lane->aside, lane->count);
    lane->count = 0;
}

static void put_aside(struct fr_dispatch *dispatch, size_t place, struct fr_record *record,
                      bool ack)
{
    struct lane *lane = &dispatch->lanes[place];

    lane->aside[lane->count++] = (struct fr_sink_entry){fr_record_ref(record), ack};
    if (lane->count == ASIDE_MAX)
        hand_over(dispatch, lane);
}

bool fr_dispatch_record(struct fr_dispatch *dispatch, struct fr_record *record,
                        struct fr_ack_owner *owner)
{
    struct fr_targets targets = fr_routes_targets(dispatch->routes, record);
    uint64_t acks = owner != NULL ? targets.acks : 0;

    fr_tap(record);
    if (targets.sinks == 0)
        fr_count(FR_COUNT_RECORDS_UNROUTED);
    if (dispatch->journal != NULL) {
        /* The journal takes them all: a sink that is added later may want them. */
        record->owner = owner;
        atomic_store_explicit(&record->unconfirmed, 1, memory_order_relaxed);
        put_aside(dispatch, 0, record, true);
        return owner != NULL;
    }
    record->owner = acks != 0 ? owner : NULL;
    atomic_store_explicit(&record->unconfirmed, (uint32_t)__builtin_popcountll(acks),
                          memory_order_relaxed);
    for (uint64_t left = targets.sinks; left != 0; left &= left - 1) {
        unsigned place = (unsigned)__builtin_ctzll(left);

        put_aside(dispatch, place, record, acks >> place & 1);
    }
    return acks != 0;
}

void fr_dispatch_flush(struct fr_dispatch *dispatch)
{
    for (size_t i = 0; i < dispatch->lane_count; i++)
        if (dispatch->lanes[i].count != 0)
            hand_over(dispatch, &dispatch->lanes[i]);
}

bool fr_dispatch_full(struct fr_dispatch *dispatch)
{
    bool full = false;

    if (dispatch->journal != NULL)
        return fr_journal_full(dispatch->journal);
    for (size_t i = 0; i < dispatch->lane_count; i++)
        if (dispatch->lanes[i].awaited && fr_sink_full(dispatch->lanes[i].sink))
            full = true;
    return full;
}
