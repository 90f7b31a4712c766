#include "ingest/presence.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/hash.h"
#include "util/memory.h"

/* Vehicles outlive their connections. They are allocated many at a time, so that they do not keep
 * the pages of closed connections from being returned to the kernel. */
#define BLOCK_VEHICLES 128
#define SHORT_VIN 24         /* bytes with the NUL; a longer VIN has an allocation of its own */
#define SLICE ((size_t)1024) /* buckets that are copied while the lock is held */

struct fr_presence_vehicle {
    struct fr_presence_vehicle *next; /* in its bucket */
    struct presence_list *list;       /* that it is in; NULL: not yet in any */
    struct fr_presence_vehicle *next_in_list, **at_in_list;
    uint64_t hash;
    struct fr_presence_link *first, *last; /* its connections, oldest first */
    unsigned connections;
    unsigned leaving; /* connections that are being closed because of connections_per_vin */
    bool connected;
    int64_t connected_ms; /* monotonic time at which `connected` became true */
    int64_t down_ms;      /* presence_clock() when the last connection closed */
    int64_t stated_ms;    /* monotonic time of the last event "connected" */
    _Atomic int64_t last_seen_ms;
    _Atomic uint64_t records;
    _Atomic uint64_t faults;
    _Atomic int64_t last_fault_ms;
    fr_topics_used topics;
    char *vin; /* short_vin or an allocation */
    char short_vin[SHORT_VIN];
};

struct presence_block {
    struct presence_block *next;
    struct fr_presence_vehicle vehicles[BLOCK_VEHICLES];
};

/* Vehicles in the order of a time: without a connection, that at which they lost it; with one, that
 * of the last event. */
struct presence_list {
    struct fr_presence_vehicle *first, **end;
    size_t count;
};

struct fr_presence {
    pthread_mutex_t lock; /* protects everything but the atomic members of vehicles */
    int64_t grace_ms;
    int64_t delay_ms;   /* sum of fr_presence_delay_expiry() */
    int64_t restate_ms; /* 0: events are not repeated */
    struct fr_presence_vehicle **buckets;
    size_t bucket_count;         /* a power of two */
    size_t count;                /* vehicles in the table */
    size_t connected;            /* of these, connected or within the grace period */
    struct presence_list online; /* with a connection */
    struct presence_list in_grace;
    struct presence_list expired;
    struct presence_block *blocks;
    struct fr_presence_vehicle *spare; /* unused ones in blocks, linked by `next` */
};

struct fr_presence *fr_presence_new(int64_t grace_ms)
{
    struct fr_presence *p = fr_calloc(1, sizeof *p);

    pthread_mutex_init(&p->lock, NULL);
    p->grace_ms = grace_ms;
    p->bucket_count = 64;
    p->buckets = fr_calloc(p->bucket_count, sizeof(struct fr_presence_vehicle *));
    p->online.end = &p->online.first;
    p->in_grace.end = &p->in_grace.first;
    p->expired.end = &p->expired.first;
    return p;
}

void fr_presence_free(struct fr_presence *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->bucket_count; i++)
        for (struct fr_presence_vehicle *v = p->buckets[i]; v != NULL; v = v->next)
            if (v->vin != v->short_vin)
                free(v->vin);
    for (struct presence_block *block = p->blocks, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    free(p->buckets);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void fr_presence_set_grace(struct fr_presence *p, int64_t grace_ms)
{
    pthread_mutex_lock(&p->lock);
    p->grace_ms = grace_ms;
    pthread_mutex_unlock(&p->lock);
}

void fr_presence_delay_expiry(struct fr_presence *p, int64_t ms)
{
    if (ms == 0)
        return;
    pthread_mutex_lock(&p->lock);
    p->delay_ms += ms;
    pthread_mutex_unlock(&p->lock);
}

/* The time by which grace periods are measured: monotonic time without the delays. */
static int64_t presence_clock(const struct fr_presence *p, int64_t now_ms)
{
    return now_ms - p->delay_ms;
}

void fr_presence_set_restate(struct fr_presence *p, int64_t every_ms)
{
    pthread_mutex_lock(&p->lock);
    p->restate_ms = every_ms;
    pthread_mutex_unlock(&p->lock);
}

static void presence_grow(struct fr_presence *p)
{
    size_t count = p->bucket_count * 2;
    struct fr_presence_vehicle **buckets = fr_calloc(count, sizeof(struct fr_presence_vehicle *));

    for (size_t i = 0; i < p->bucket_count; i++)
        for (struct fr_presence_vehicle *v = p->buckets[i], *next; v != NULL; v = next) {
            next = v->next;
            v->next = buckets[v->hash & (count - 1)];
            buckets[v->hash & (count - 1)] = v;
        }
    free(p->buckets);
    p->buckets = buckets;
    p->bucket_count = count;
}

/* A zeroed vehicle with this VIN. */
static struct fr_presence_vehicle *presence_new_vehicle(struct fr_presence *p, const char *vin)
{
    size_t size = strlen(vin) + 1;
    struct fr_presence_vehicle *v;

    if (p->spare == NULL) {
        struct presence_block *block = fr_calloc(1, sizeof *block);

        block->next = p->blocks;
        p->blocks = block;
        for (size_t i = 0; i < BLOCK_VEHICLES; i++) {
            block->vehicles[i].next = p->spare;
            p->spare = &block->vehicles[i];
        }
    }
    v = p->spare;
    p->spare = v->next;
    memset(v, 0, sizeof *v);
    v->vin = size <= SHORT_VIN ? v->short_vin : fr_calloc(1, size);
    memcpy(v->vin, vin, size);
    return v;
}

static void presence_free_vehicle(struct fr_presence *p, struct fr_presence_vehicle *v)
{
    if (v->vin != v->short_vin)
        free(v->vin);
    v->next = p->spare;
    p->spare = v;
}

/* Find a vehicle, or add it. */
static struct fr_presence_vehicle *presence_find(struct fr_presence *p, const char *vin)
{
    uint64_t hash = fr_hash_text(vin, 0);
    struct fr_presence_vehicle *v = p->buckets[hash & (p->bucket_count - 1)];

    for (; v != NULL; v = v->next)
        if (v->hash == hash && strcmp(v->vin, vin) == 0)
            return v;
    if (p->count++ >= p->bucket_count)
        presence_grow(p);
    v = presence_new_vehicle(p, vin);
    v->hash = hash;
    v->next = p->buckets[hash & (p->bucket_count - 1)];
    p->buckets[hash & (p->bucket_count - 1)] = v;
    return v;
}

static void presence_append(struct presence_list *list, struct fr_presence_vehicle *v)
{
    v->list = list;
    v->next_in_list = NULL;
    v->at_in_list = list->end;
    *list->end = v;
    list->end = &v->next_in_list;
    list->count++;
}

/* Remove a vehicle from the list that it is in, if any. */
static void presence_unlink(struct fr_presence_vehicle *v)
{
    if (v->list == NULL)
        return;
    *v->at_in_list = v->next_in_list;
    if (v->next_in_list != NULL)
        v->next_in_list->at_in_list = v->at_in_list;
    else
        v->list->end = v->at_in_list;
    v->list->count--;
    v->list = NULL;
}

static void presence_remove_vehicle(struct fr_presence *p, struct fr_presence_vehicle *v)
{
    struct fr_presence_vehicle **at = &p->buckets[v->hash & (p->bucket_count - 1)];

    presence_unlink(v);
    while (*at != v)
        at = &(*at)->next;
    *at = v->next;
    p->count--;
    presence_free_vehicle(p, v);
}

static void presence_set_connected(struct fr_presence *p, struct fr_presence_vehicle *v,
                                   bool connected)
{
    if (v->connected == connected)
        return;
    v->connected = connected;
    p->connected += connected ? 1 : (size_t)-1;
}

static void presence_expire(struct fr_presence *p, struct fr_presence_vehicle *v)
{
    presence_set_connected(p, v, false);
    presence_append(&p->expired, v);
    if (p->expired.count > FR_PRESENCE_EXPIRED_MAX)
        presence_remove_vehicle(p, p->expired.first);
}

/* The vehicle has its first connection, or it had none for a while. Its event is due if it was not
 * connected. With repeated events it is due in each case: the last event may be old, and the list
 * has the order of events. */
static void presence_enter_online(struct fr_presence *p, struct fr_presence_vehicle *v,
                                  int64_t now_ms, fr_presence_event_fn *event, void *ctx)
{
    bool is_due = !v->connected || p->restate_ms != 0;

    presence_unlink(v);
    if (!v->connected)
        v->connected_ms = now_ms;
    presence_set_connected(p, v, true);
    v->stated_ms = now_ms;
    presence_append(&p->online, v);
    if (is_due)
        event(ctx, v->vin, true);
}

struct fr_presence_vehicle *fr_presence_up(struct fr_presence *p, const char *vin,
                                           struct fr_presence_link *link, int64_t now_ms,
                                           fr_presence_event_fn *event, void *ctx)
{
    struct fr_presence_vehicle *v;

    pthread_mutex_lock(&p->lock);
    v = presence_find(p, vin);
    link->next = NULL;
    link->previous = v->last;
    link->leaving = false;
    if (v->last != NULL)
        v->last->next = link;
    else
        v->first = link;
    v->last = link;
    if (v->connections++ == 0)
        presence_enter_online(p, v, now_ms, event, ctx);
    pthread_mutex_unlock(&p->lock);
    return v;
}

bool fr_presence_excess(struct fr_presence *p, struct fr_presence_vehicle *v, size_t max,
                        struct fr_presence_link *oldest)
{
    struct fr_presence_link *link;

    pthread_mutex_lock(&p->lock);
    link = v->connections - v->leaving > max ? v->first : NULL;
    while (link != NULL && link->leaving)
        link = link->next;
    if (link != NULL) {
        link->leaving = true;
        v->leaving++;
        *oldest = *link;
    }
    pthread_mutex_unlock(&p->lock);
    return link != NULL;
}

void fr_presence_touch(struct fr_presence_vehicle *v, int64_t wall_ms)
{
    atomic_store_explicit(&v->last_seen_ms, wall_ms, memory_order_relaxed);
    atomic_fetch_add_explicit(&v->records, 1, memory_order_relaxed);
}

void fr_presence_fault(struct fr_presence_vehicle *v, int64_t wall_ms)
{
    atomic_store_explicit(&v->last_fault_ms, wall_ms, memory_order_relaxed);
    atomic_fetch_add_explicit(&v->faults, 1, memory_order_relaxed);
}

fr_topics_used *fr_presence_topics(struct fr_presence_vehicle *v)
{
    return &v->topics;
}

void fr_presence_down(struct fr_presence *p, struct fr_presence_vehicle *v,
                      struct fr_presence_link *link, int64_t now_ms)
{
    pthread_mutex_lock(&p->lock);
    if (link->previous != NULL)
        link->previous->next = link->next;
    else
        v->first = link->next;
    if (link->next != NULL)
        link->next->previous = link->previous;
    else
        v->last = link->previous;
    v->leaving -= link->leaving;
    if (--v->connections == 0) {
        v->down_ms = presence_clock(p, now_ms);
        presence_unlink(v);
        presence_append(&p->in_grace, v);
    }
    pthread_mutex_unlock(&p->lock);
}

void fr_presence_expect(struct fr_presence *p, const char *vin, int64_t now_ms)
{
    struct fr_presence_vehicle *v;

    pthread_mutex_lock(&p->lock);
    v = presence_find(p, vin);
    if (!v->connected) {
        presence_unlink(v);
        presence_set_connected(p, v, true);
        v->connected_ms = now_ms;
        v->down_ms = presence_clock(p, now_ms);
        presence_append(&p->in_grace, v);
    }
    pthread_mutex_unlock(&p->lock);
}

void fr_presence_restore_last_seen(struct fr_presence *p, const char *vin, int64_t wall_ms)
{
    struct fr_presence_vehicle *v;

    pthread_mutex_lock(&p->lock);
    v = presence_find(p, vin);
    if (atomic_load(&v->last_seen_ms) < wall_ms)
        atomic_store(&v->last_seen_ms, wall_ms);
    if (!v->connected && v->list == NULL)
        presence_expire(p, v);
    pthread_mutex_unlock(&p->lock);
}

bool fr_presence_disconnect(struct fr_presence *p, int64_t now_ms, fr_presence_event_fn *event,
                            void *ctx)
{
    struct fr_presence_vehicle *v;
    bool expired;

    pthread_mutex_lock(&p->lock);
    v = p->in_grace.first;
    expired = v != NULL && presence_clock(p, now_ms) - v->down_ms >= p->grace_ms;
    if (expired) {
        event(ctx, v->vin, false);
        presence_unlink(v);
        presence_expire(p, v);
    }
    pthread_mutex_unlock(&p->lock);
    return expired;
}

bool fr_presence_restate(struct fr_presence *p, int64_t now_ms, fr_presence_event_fn *event,
                         void *ctx)
{
    struct fr_presence_vehicle *v;
    bool due;

    pthread_mutex_lock(&p->lock);
    v = p->online.first;
    due = v != NULL && p->restate_ms != 0 && now_ms - v->stated_ms >= p->restate_ms;
    if (due) {
        v->stated_ms = now_ms;
        presence_unlink(v);
        presence_append(&p->online, v);
        event(ctx, v->vin, true);
    }
    pthread_mutex_unlock(&p->lock);
    return due;
}

/* ---- status ---------------------------------------------------------------------- */

static int presence_compare_status(const void *a, const void *b)
{
    const struct fr_presence_status *left = a, *right = b;

    if (left->connected != right->connected)
        return left->connected ? -1 : 1;
    if (!left->connected && left->last_seen_ms != right->last_seen_ms)
        return left->last_seen_ms > right->last_seen_ms ? -1 : 1;
    return strcmp(left->vin, right->vin);
}

static void presence_copy_status(const struct fr_presence_vehicle *v,
                                 struct fr_presence_status *status)
{
    memcpy(status->vin, v->vin, strlen(v->vin) + 1);
    status->connected = v->connected;
    status->connections = v->connections;
    status->connected_ms = v->connected_ms;
    status->last_seen_ms = atomic_load_explicit(&v->last_seen_ms, memory_order_relaxed);
    status->records = atomic_load_explicit(&v->records, memory_order_relaxed);
    status->faults = atomic_load_explicit(&v->faults, memory_order_relaxed);
    status->last_fault_ms = atomic_load_explicit(&v->last_fault_ms, memory_order_relaxed);
    snprintf(status->peer, sizeof status->peer, "%s", v->last != NULL ? v->last->peer : "");
}

size_t fr_presence_list(struct fr_presence *p, const char *part, struct fr_presence_status **list)
{
    size_t count = 0;

    pthread_mutex_lock(&p->lock);
    *list = malloc((p->count + 1) * sizeof **list);
    for (size_t i = 0; *list != NULL && i < p->bucket_count; i++)
        for (const struct fr_presence_vehicle *v = p->buckets[i]; v != NULL; v = v->next) {
            if (strstr(v->vin, part) == NULL)
                continue;
            presence_copy_status(v, &(*list)[count++]);
        }
    pthread_mutex_unlock(&p->lock);
    if (*list != NULL)
        qsort(*list, count, sizeof **list, presence_compare_status);
    return count;
}

/* Returns false with *list NULL if memory is exhausted. */
static bool presence_grow_list(struct fr_presence_status **list, size_t *capacity)
{
    struct fr_presence_status *longer = realloc(*list, 2 * *capacity * sizeof **list);

    if (longer == NULL)
        free(*list);
    *list = longer;
    *capacity *= 2;
    return longer != NULL;
}

/* Copy the vehicles of up to SLICE buckets from `bucket` on behind the `count` entries of `list`, which
 * grows. Returns false if the number of buckets is no longer `buckets`, or if memory is exhausted:
 * *list is then NULL. */
static bool presence_copy_slice(struct fr_presence *p, size_t bucket, size_t buckets,
                                struct fr_presence_status **list, size_t *count, size_t *capacity)
{
    size_t end = buckets - bucket < SLICE ? buckets : bucket + SLICE;
    bool same;

    pthread_mutex_lock(&p->lock);
    same = p->bucket_count == buckets;
    for (; same && bucket < end && *list != NULL; bucket++)
        for (const struct fr_presence_vehicle *v = p->buckets[bucket]; v != NULL; v = v->next) {
            if (*count == *capacity && !presence_grow_list(list, capacity))
                break;
            presence_copy_status(v, &(*list)[(*count)++]);
        }
    pthread_mutex_unlock(&p->lock);
    return same && *list != NULL;
}

size_t fr_presence_list_all(struct fr_presence *p, struct fr_presence_status **list)
{
    size_t buckets, capacity, count, bucket;

    for (;;) {
        pthread_mutex_lock(&p->lock);
        buckets = p->bucket_count;
        capacity = p->count + SLICE;
        pthread_mutex_unlock(&p->lock);
        *list = malloc(capacity * sizeof **list);
        count = 0;
        for (bucket = 0; bucket < buckets && *list != NULL &&
                         presence_copy_slice(p, bucket, buckets, list, &count, &capacity);
             bucket += SLICE)
            ;
        if (*list == NULL)
            return 0;
        if (bucket >= buckets)
            return count;
        free(*list); /* the table has grown: begin again */
    }
}

bool fr_presence_find(struct fr_presence *p, const char *vin, struct fr_presence_status *status)
{
    uint64_t hash = fr_hash_text(vin, 0);
    const struct fr_presence_vehicle *v;

    pthread_mutex_lock(&p->lock);
    for (v = p->buckets[hash & (p->bucket_count - 1)]; v != NULL; v = v->next)
        if (v->hash == hash && strcmp(v->vin, vin) == 0)
            break;
    if (v != NULL)
        presence_copy_status(v, status);
    pthread_mutex_unlock(&p->lock);
    return v != NULL;
}

void fr_presence_count(struct fr_presence *p, size_t *connected, size_t *known)
{
    pthread_mutex_lock(&p->lock);
    *connected = p->connected;
    *known = p->count;
    pthread_mutex_unlock(&p->lock);
}
