#include "ingest/presence_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/presence_state.h"
#include "ingest/presence_table.h"

#define SLICE ((size_t)1024) /* buckets that are copied while the lock is held */

static int status_compare(const void *a, const void *b)
{
    const struct fr_presence_status *left = a, *right = b;

    if (left->connected != right->connected)
        return left->connected ? -1 : 1;
    if (!left->connected && left->last_seen_ms != right->last_seen_ms)
        return left->last_seen_ms > right->last_seen_ms ? -1 : 1;
    return strcmp(left->vin, right->vin);
}

static void status_copy(const struct fr_presence_vehicle *v, struct fr_presence_status *status)
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
            status_copy(v, &(*list)[count++]);
        }
    pthread_mutex_unlock(&p->lock);
    if (*list != NULL)
        qsort(*list, count, sizeof **list, status_compare);
    return count;
}

/* Returns false with *list NULL if memory is exhausted. */
static bool status_grow_list(struct fr_presence_status **list, size_t *capacity)
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
static bool status_copy_slice(struct fr_presence *p, size_t bucket, size_t buckets,
                              struct fr_presence_status **list, size_t *count, size_t *capacity)
{
    size_t end = buckets - bucket < SLICE ? buckets : bucket + SLICE;
    bool same;

    pthread_mutex_lock(&p->lock);
    same = p->bucket_count == buckets;
    for (; same && bucket < end && *list != NULL; bucket++)
        for (const struct fr_presence_vehicle *v = p->buckets[bucket]; v != NULL; v = v->next) {
            if (*count == *capacity && !status_grow_list(list, capacity))
                break;
            status_copy(v, &(*list)[(*count)++]);
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
                         status_copy_slice(p, bucket, buckets, list, &count, &capacity);
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
    const struct fr_presence_vehicle *v;

    pthread_mutex_lock(&p->lock);
    v = fr_presence_table_lookup(p, vin);
    if (v != NULL)
        status_copy(v, status);
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
