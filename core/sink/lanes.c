#include "sink/lanes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sink/batch.h"
#include "sink/dead_letter_queue.h"
#include "sink/delivery_list.h"
#include "sink/in_flight.h"
#include "sink/latest_values.h"
#include "sink/sink_state.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/memory.h"

#define INITIAL_BUCKETS 64
#define REQUEUE_MIN_MS                                                                             \
    1000 /* shortest pause after fr_lanes_requeue(), unless `retry: max` is less */

/* The pause of a level is twice the pause of the level before. The last pause exceeds any
 * `retry: max`. */
#define LEVEL_COUNT 24

struct lane {
    struct lane *next_in_bucket;
    struct lane *prev, *next;     /* in the list of its level, by due_ms */
    struct delivery_list waiting; /* by delivery.order */
    size_t count;                 /* of `waiting` */
    struct delivery *in_plugin;   /* the delivery that is tried; NULL: the lane pauses */
    bool has_dead_letter;         /* and no delivery has succeeded since */
    unsigned level;               /* of the present or next pause */
    int64_t due_ms;               /* monotonic: end of the pause */
    uint64_t hash;
    char key[]; /* VIN, NUL, record type, NUL */
};

struct fr_lanes {
    struct lane **buckets;
    size_t bucket_count, count;
    size_t waiting; /* deliveries in all lanes */
    struct {
        struct lane *first, *last;
    } level[LEVEL_COUNT]; /* lanes that pause */
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
    struct lane **link = &lanes->buckets[lane->hash & (lanes->bucket_count - 1)];

    assert(lane->waiting.first == NULL && lane->count == 0);
    while (*link != lane)
        link = &(*link)->next_in_bucket;
    *link = lane->next_in_bucket;
    lanes->count--;
    free(lane);
}

/* ---- pauses ---------------------------------------------------------------------- */

static int64_t lane_pause_ms(const struct fr_sink *sink, unsigned level)
{
    int64_t ms = sink->settings.retry_min_ms << level;

    return ms < sink->settings.retry_max_ms ? ms : sink->settings.retry_max_ms;
}

/* Begin the pause. All pauses of a level have the same length, so the lane is the last one of its
 * level. */
static void lane_schedule(struct fr_sink *sink, struct lane *lane)
{
    struct fr_lanes *lanes = sink->lanes;

    assert(lane->in_plugin == NULL && lane->level < LEVEL_COUNT);
    lane->due_ms = fr_monotonic_ms() + lane_pause_ms(sink, lane->level);
    lane->next = NULL;
    lane->prev = lanes->level[lane->level].last;
    if (lane->prev != NULL)
        lane->prev->next = lane;
    else
        lanes->level[lane->level].first = lane;
    lanes->level[lane->level].last = lane;
}

static void lane_unschedule(struct fr_lanes *lanes, struct lane *lane)
{
    if (lane->prev != NULL)
        lane->prev->next = lane->next;
    else
        lanes->level[lane->level].first = lane->next;
    if (lane->next != NULL)
        lane->next->prev = lane->prev;
    else
        lanes->level[lane->level].last = lane->prev;
}

int64_t fr_lanes_next_due(const struct fr_lanes *lanes)
{
    int64_t next = -1;

    for (size_t i = 0; lanes->count != 0 && i < LEVEL_COUNT; i++) {
        const struct lane *first = lanes->level[i].first;

        if (first != NULL && (next < 0 || first->due_ms < next))
            next = first->due_ms;
    }
    return next;
}

/* ---- waiting deliveries ---------------------------------------------------------- */

static void lane_insert(struct fr_lanes *lanes, struct lane *lane, struct delivery *d)
{
    fr_delivery_list_insert(&lane->waiting, d);
    lane->count++;
    lanes->waiting++;
}

static struct delivery *lane_pop(struct fr_lanes *lanes, struct lane *lane)
{
    struct delivery *d = fr_delivery_list_pop(&lane->waiting);

    assert(d != NULL && lane->count != 0 && lanes->waiting != 0);
    lane->count--;
    lanes->waiting--;
    return d;
}

static bool lanes_full(const struct fr_sink *sink)
{
    return sink->lanes->waiting >= sink->in_flight.max / 2;
}

/* If a bound is exceeded, make the oldest delivery a dead letter. At least one delivery remains in
 * the lane. */
static void lane_enforce_bounds(struct fr_sink *sink, struct lane *lane)
{
    if (lane->count < 2 || (lane->count <= FR_LANE_MAX && !lanes_full(sink)))
        return;
    lane->has_dead_letter = true;
    fr_dead_letter_enqueue(sink, lane_pop(sink->lanes, lane));
}

/* Try the oldest delivery now. A newer value that waits in its latest slot replaces it. */
static void lane_try(struct fr_sink *sink, struct lane *lane)
{
    lane->in_plugin = fr_latest_values_newest(sink, lane_pop(sink->lanes, lane));
    lane->in_plugin->lane = lane;
    fr_batch_add_later(sink, lane->in_plugin);
}

/* A delivery succeeded: all others join the batch. */
static void lane_remove_and_flush(struct fr_sink *sink, struct lane *lane)
{
    while (lane->waiting.first != NULL)
        fr_batch_add_later(sink, lane_pop(sink->lanes, lane));
    lanes_remove(sink->lanes, lane);
}

bool fr_lanes_enqueue_if_blocked(struct fr_sink *sink, struct delivery *d)
{
    struct lane *lane;

    if (sink->lanes->count == 0 || d->lane != NULL || (lane = lanes_find(sink->lanes, d)) == NULL)
        return false;
    lane_insert(sink->lanes, lane, d);
    lane_enforce_bounds(sink, lane);
    return true;
}

/* ---- outcomes -------------------------------------------------------------------- */

/* The plugin no longer holds a delivery of the lane: begin a pause, try the next delivery, or
 * remove the empty lane. While dead letters cannot be written the lane always pauses, because each
 * failed delivery returns to the lane. */
static void lane_continue(struct fr_sink *sink, struct lane *lane, bool pause)
{
    lane->in_plugin = NULL;
    if (lane->waiting.first == NULL)
        lanes_remove(sink->lanes, lane);
    else if (pause || sink->dead_letters.failing)
        lane_schedule(sink, lane);
    else
        lane_try(sink, lane);
}

void fr_lanes_failed(struct fr_sink *sink, struct delivery *d)
{
    struct lane *lane = d->lane != NULL ? d->lane : lanes_find(sink->lanes, d);
    bool was_in_plugin = d->lane != NULL, is_new = lane == NULL;
    unsigned attempts;

    if (is_new)
        lane = lanes_add(sink->lanes, d);
    d->lane = NULL;
    attempts = lane->has_dead_letter ? 1 : sink->settings.attempts;
    if (++d->failures >= attempts || lanes_full(sink)) {
        lane->has_dead_letter = true;
        fr_dead_letter_enqueue(sink, d);
        if (was_in_plugin || is_new)
            lane_continue(sink, lane, false);
        return;
    }
    lane_insert(sink->lanes, lane, d);
    lane_enforce_bounds(sink, lane);
    if (!was_in_plugin && !is_new)
        return; /* the lane pauses already, or tries another delivery */
    if (was_in_plugin && lane->level < LEVEL_COUNT - 1)
        lane->level++;
    lane_continue(sink, lane, true);
}

void fr_lanes_complete(struct fr_sink *sink, struct delivery *d, bool delivered)
{
    struct lane *lane = d->lane;

    assert(lane != NULL && lane->in_plugin == d);
    d->lane = NULL;
    if (delivered)
        lane_remove_and_flush(sink, lane);
    else
        lane_continue(sink, lane, false);
}

void fr_lanes_requeue(struct fr_sink *sink, struct delivery *d)
{
    struct lane *lane = d->lane != NULL ? d->lane : lanes_find(sink->lanes, d);
    bool was_in_plugin = d->lane != NULL, is_new = lane == NULL;

    if (is_new)
        lane = lanes_add(sink->lanes, d);
    /* A lane that pauses is in the list of its level, so the level must not change then. */
    while ((is_new || lane->in_plugin != NULL) && lane->level < LEVEL_COUNT - 1 &&
           lane_pause_ms(sink, lane->level) < REQUEUE_MIN_MS)
        lane->level++;
    d->lane = NULL;
    lane_insert(sink->lanes, lane, d);
    if (was_in_plugin || is_new)
        lane_continue(sink, lane, true);
}

void fr_lanes_retry_due(struct fr_sink *sink, int64_t now_ms)
{
    struct fr_lanes *lanes = sink->lanes;

    for (size_t i = 0; lanes->count != 0 && i < LEVEL_COUNT; i++) {
        struct lane *lane;

        while ((lane = lanes->level[i].first) != NULL && lane->due_ms <= now_ms) {
            lane_unschedule(lanes, lane);
            lane_try(sink, lane);
        }
    }
}

void fr_lanes_abandon(struct fr_sink *sink, void (*skip)(struct fr_sink *sink, struct delivery *d))
{
    struct fr_lanes *lanes = sink->lanes;

    for (size_t i = 0; lanes->count != 0 && i < lanes->bucket_count; i++)
        for (struct lane *lane = lanes->buckets[i], *next; lane != NULL; lane = next) {
            next = lane->next_in_bucket;
            while (lane->waiting.first != NULL)
                skip(sink, lane_pop(lanes, lane));
            if (lane->in_plugin == NULL) {
                lane_unschedule(lanes, lane);
                lanes_remove(lanes, lane);
            }
        }
}
