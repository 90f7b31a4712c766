#include "sink/lanes.h"

#include <stdlib.h>
#include <string.h>

#include "sink/sink_state.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/memory.h"

#define INITIAL_BUCKETS 64
#define PUT_BACK_MS 1000 /* the first pause of a lane whose dead letter could not be written */
#define LEVELS                                                                                     \
    24 /* the pause of each is twice that of the one below; the longest exceeds any `most` */

struct lane {
    struct lane *next_in_bucket;
    struct lane *before, *behind;  /* in the queue of its level, in the order of due_ms */
    struct delivery *first, *last; /* that wait, linked by `next`, in the order of `order` */
    size_t count;                  /* of these */
    struct delivery *trying;       /* the plugin has it; NULL: none, and the lane is in a level */
    bool suspect;                  /* one went to the dead letters, and none succeeded since */
    unsigned level;                /* of the next pause */
    int64_t due_ms;                /* monotonic: when the pause is over */
    uint64_t hash;
    char key[]; /* VIN, NUL, record type */
};

struct fr_lanes {
    struct lane **buckets;
    size_t bucket_count, count;
    size_t waiting; /* deliveries in all lanes */
    struct {
        struct lane *first, *last;
    } level[LEVELS];
};

struct fr_lanes *fr_lanes_new(void)
{
    struct fr_lanes *lanes = fr_calloc(1, sizeof *lanes);

    lanes->bucket_count = INITIAL_BUCKETS;
    lanes->buckets = fr_calloc(lanes->bucket_count, sizeof(struct lane *));
    return lanes;
}

void fr_lanes_free(struct fr_lanes *lanes)
{
    if (lanes == NULL)
        return;
    for (size_t i = 0; i < lanes->bucket_count; i++)
        for (struct lane *lane = lanes->buckets[i], *next; lane != NULL; lane = next) {
            next = lane->next_in_bucket;
            free(lane);
        }
    free(lanes->buckets);
    free(lanes);
}

size_t fr_lanes_count(const struct fr_lanes *lanes)
{
    return lanes->count;
}

/* ---- the table ------------------------------------------------------------------- */

static uint64_t lanes_hash(const struct delivery *d)
{
    return fr_hash_text(d->public.record_type, fr_hash_text(d->public.vin, 0));
}

static struct lane *lanes_find(const struct fr_lanes *lanes, const struct delivery *d)
{
    uint64_t hash = lanes_hash(d);
    struct lane *lane = lanes->buckets[hash & (lanes->bucket_count - 1)];

    while (lane != NULL && (lane->hash != hash || strcmp(lane->key, d->public.vin) != 0 ||
                            strcmp(lane->key + strlen(lane->key) + 1, d->public.record_type) != 0))
        lane = lane->next_in_bucket;
    return lane;
}

static void lanes_grow(struct fr_lanes *lanes)
{
    size_t count = lanes->bucket_count * 2;
    struct lane **buckets = fr_calloc(count, sizeof(struct lane *));

    for (size_t i = 0; i < lanes->bucket_count; i++)
        for (struct lane *lane = lanes->buckets[i], *next; lane != NULL; lane = next) {
            next = lane->next_in_bucket;
            lane->next_in_bucket = buckets[lane->hash & (count - 1)];
            buckets[lane->hash & (count - 1)] = lane;
        }
    free(lanes->buckets);
    lanes->buckets = buckets;
    lanes->bucket_count = count;
}

static struct lane *lanes_add(struct fr_lanes *lanes, const struct delivery *d)
{
    size_t vin = strlen(d->public.vin) + 1, type = strlen(d->public.record_type) + 1;
    struct lane *lane = fr_calloc(1, sizeof *lane + vin + type), **bucket;

    if (lanes->count++ >= lanes->bucket_count)
        lanes_grow(lanes);
    lane->hash = lanes_hash(d);
    memcpy(lane->key, d->public.vin, vin);
    memcpy(lane->key + vin, d->public.record_type, type);
    bucket = &lanes->buckets[lane->hash & (lanes->bucket_count - 1)];
    lane->next_in_bucket = *bucket;
    *bucket = lane;
    return lane;
}

static void lanes_remove(struct fr_lanes *lanes, struct lane *lane)
{
    struct lane **at = &lanes->buckets[lane->hash & (lanes->bucket_count - 1)];

    while (*at != lane)
        at = &(*at)->next_in_bucket;
    *at = lane->next_in_bucket;
    lanes->count--;
    free(lane);
}

/* ---- pauses ---------------------------------------------------------------------- */

static int64_t lane_pause(const struct fr_sink *sink, unsigned level)
{
    int64_t ms = sink->settings.retry_least_ms << level;

    return ms < sink->settings.retry_most_ms ? ms : sink->settings.retry_most_ms;
}

/* All pauses of a level are equally long, so the lane is the last of its level to be due. */
static void lane_schedule(struct fr_sink *sink, struct lane *lane)
{
    struct fr_lanes *lanes = sink->lanes;

    lane->due_ms = fr_monotonic_ms() + lane_pause(sink, lane->level);
    lane->behind = NULL;
    lane->before = lanes->level[lane->level].last;
    if (lane->before != NULL)
        lane->before->behind = lane;
    else
        lanes->level[lane->level].first = lane;
    lanes->level[lane->level].last = lane;
}

static void lane_unschedule(struct fr_lanes *lanes, struct lane *lane)
{
    if (lane->before != NULL)
        lane->before->behind = lane->behind;
    else
        lanes->level[lane->level].first = lane->behind;
    if (lane->behind != NULL)
        lane->behind->before = lane->before;
    else
        lanes->level[lane->level].last = lane->before;
}

int64_t fr_lanes_next(const struct fr_lanes *lanes)
{
    int64_t next = -1;

    for (size_t i = 0; lanes->count != 0 && i < LEVELS; i++) {
        const struct lane *first = lanes->level[i].first;

        if (first != NULL && (next < 0 || first->due_ms < next))
            next = first->due_ms;
    }
    return next;
}

/* ---- what waits ------------------------------------------------------------------ */

static void lane_insert(struct fr_lanes *lanes, struct lane *lane, struct delivery *d)
{
    struct delivery **at = &lane->first;

    if (lane->last != NULL && lane->last->order < d->order)
        at = &lane->last->next;
    else
        while (*at != NULL && (*at)->order < d->order)
            at = &(*at)->next;
    d->next = *at;
    *at = d;
    if (d->next == NULL)
        lane->last = d;
    lane->count++;
    lanes->waiting++;
}

static struct delivery *lane_pop(struct fr_lanes *lanes, struct lane *lane)
{
    struct delivery *d = lane->first;

    lane->first = d->next;
    if (lane->first == NULL)
        lane->last = NULL;
    lane->count--;
    lanes->waiting--;
    return d;
}

static bool lanes_are_full(const struct fr_sink *sink)
{
    return sink->lanes->waiting >= sink->in_flight_most / 2;
}

/* Keep the bounds: the oldest goes to the dead letters. The lane is not emptied. */
static void lane_bound(struct fr_sink *sink, struct lane *lane)
{
    if (lane->count < 2 || (lane->count <= FR_LANE_MAX && !lanes_are_full(sink)))
        return;
    lane->suspect = true;
    fr_delivery_set_aside(sink, lane_pop(sink->lanes, lane));
}

/* Try the oldest now. What waited in `latest` behind it is newer and takes its place. */
static void lane_try(struct fr_sink *sink, struct lane *lane)
{
    lane->trying = fr_delivery_newest(sink, lane_pop(sink->lanes, lane));
    lane->trying->lane = lane;
    fr_delivery_make_ready(sink, lane->trying);
}

/* Nothing failed any more: hand over what waited, and be gone. */
static void lane_dissolve(struct fr_sink *sink, struct lane *lane)
{
    while (lane->first != NULL)
        fr_delivery_make_ready(sink, lane_pop(sink->lanes, lane));
    lanes_remove(sink->lanes, lane);
}

bool fr_lanes_hold(struct fr_sink *sink, struct delivery *d)
{
    struct lane *lane;

    if (sink->lanes->count == 0 || d->lane != NULL || (lane = lanes_find(sink->lanes, d)) == NULL)
        return false;
    lane_insert(sink->lanes, lane, d);
    lane_bound(sink, lane);
    return true;
}

/* ---- answers --------------------------------------------------------------------- */

/* The lane has nothing in the plugin's hands: pause, or go on, or be gone. While dead letters cannot be
 * written it always pauses: what fails comes back to it. */
static void lane_continue(struct fr_sink *sink, struct lane *lane, bool pause)
{
    lane->trying = NULL;
    if (lane->first == NULL)
        lanes_remove(sink->lanes, lane);
    else if (pause || sink->letters_fail)
        lane_schedule(sink, lane);
    else
        lane_try(sink, lane);
}

void fr_lanes_failed(struct fr_sink *sink, struct delivery *d)
{
    struct lane *lane = d->lane != NULL ? d->lane : lanes_find(sink->lanes, d);
    bool was_trying = d->lane != NULL, is_new = lane == NULL;
    unsigned attempts;

    if (is_new)
        lane = lanes_add(sink->lanes, d);
    d->lane = NULL;
    attempts = lane->suspect ? 1 : sink->settings.attempts;
    if (++d->failures >= attempts || lanes_are_full(sink)) {
        lane->suspect = true;
        fr_delivery_set_aside(sink, d);
        if (was_trying || is_new)
            lane_continue(sink, lane, false);
        return;
    }
    lane_insert(sink->lanes, lane, d);
    lane_bound(sink, lane);
    if (!was_trying && !is_new)
        return; /* the lane has its pause already, or tries another delivery */
    if (was_trying && lane->level < LEVELS - 1)
        lane->level++;
    lane_continue(sink, lane, true);
}

void fr_lanes_answered(struct fr_sink *sink, struct delivery *d, bool done)
{
    struct lane *lane = d->lane;

    d->lane = NULL;
    if (done)
        lane_dissolve(sink, lane);
    else
        lane_continue(sink, lane, false);
}

void fr_lanes_put_back(struct fr_sink *sink, struct delivery *d)
{
    struct lane *lane = d->lane != NULL ? d->lane : lanes_find(sink->lanes, d);
    bool was_trying = d->lane != NULL, is_new = lane == NULL;

    if (is_new)
        lane = lanes_add(sink->lanes, d);
    /* The level says in which queue a lane that pauses is, so it changes only while it does not. */
    while ((is_new || lane->trying != NULL) && lane->level < LEVELS - 1 &&
           lane_pause(sink, lane->level) < PUT_BACK_MS)
        lane->level++;
    d->lane = NULL;
    lane_insert(sink->lanes, lane, d);
    if (was_trying || is_new)
        lane_continue(sink, lane, true);
}

void fr_lanes_try_due(struct fr_sink *sink, int64_t now_ms)
{
    struct fr_lanes *lanes = sink->lanes;

    for (size_t i = 0; lanes->count != 0 && i < LEVELS; i++) {
        struct lane *lane;

        while ((lane = lanes->level[i].first) != NULL && lane->due_ms <= now_ms) {
            lane_unschedule(lanes, lane);
            lane_try(sink, lane);
        }
    }
}

void fr_lanes_clear(struct fr_sink *sink, void (*each)(struct fr_sink *sink, struct delivery *d))
{
    struct fr_lanes *lanes = sink->lanes;

    for (size_t i = 0; lanes->count != 0 && i < lanes->bucket_count; i++)
        for (struct lane *lane = lanes->buckets[i], *next; lane != NULL; lane = next) {
            next = lane->next_in_bucket;
            while (lane->first != NULL)
                each(sink, lane_pop(lanes, lane));
            if (lane->trying == NULL) {
                lane_unschedule(lanes, lane);
                lanes_remove(lanes, lane);
            }
        }
}
