#include "ingest/presence.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "util/hash.h"
#include "util/memory.h"

/* A vehicle that is there, or once was. */
struct fr_present {
    struct fr_present *next;                 /* in its bucket */
    struct fr_present *next_away, **at_away; /* in the one of the two lists below it is in */
    struct away *list;                       /* which; NULL: none, it has a connection */
    uint64_t hash;
    struct fr_presence_link *first, *last; /* its connections, oldest first */
    unsigned connections;
    unsigned leaving; /* of these, connections that are being closed for newer ones */
    bool here;
    int64_t down_ms;
    _Atomic int64_t last_ms;
    _Atomic uint64_t records;
    fr_topics_used topics;
    char vin[];
};

/* Vehicles without a connection, those that lost it first to the front. */
struct away {
    struct fr_present *first, **end;
    size_t count;
};

struct fr_presence {
    pthread_mutex_t lock;
    int64_t grace_ms;
    struct fr_present **buckets;
    size_t bucket_count, count, here;
    struct away going; /* their grace runs */
    struct away gone;
};

struct fr_presence *fr_presence_new(int64_t grace_ms)
{
    struct fr_presence *p = fr_calloc(1, sizeof *p);

    pthread_mutex_init(&p->lock, NULL);
    p->grace_ms = grace_ms;
    p->bucket_count = 64;
    p->buckets = fr_calloc(p->bucket_count, sizeof(struct fr_present *));
    p->going.end = &p->going.first;
    p->gone.end = &p->gone.first;
    return p;
}

void fr_presence_free(struct fr_presence *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->bucket_count; i++)
        for (struct fr_present *v = p->buckets[i], *next; v != NULL; v = next) {
            next = v->next;
            free(v);
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

static void grow(struct fr_presence *p)
{
    size_t count = p->bucket_count * 2;
    struct fr_present **buckets = fr_calloc(count, sizeof(struct fr_present *));

    for (size_t i = 0; i < p->bucket_count; i++)
        for (struct fr_present *v = p->buckets[i], *next; v != NULL; v = next) {
            next = v->next;
            v->next = buckets[v->hash & (count - 1)];
            buckets[v->hash & (count - 1)] = v;
        }
    free(p->buckets);
    p->buckets = buckets;
    p->bucket_count = count;
}

static struct fr_present *find(struct fr_presence *p, const char *vin)
{
    uint64_t hash = fr_hash_text(vin, 0);
    struct fr_present *v = p->buckets[hash & (p->bucket_count - 1)];
    size_t size = strlen(vin) + 1;

    for (; v != NULL; v = v->next)
        if (v->hash == hash && strcmp(v->vin, vin) == 0)
            return v;
    if (p->count++ >= p->bucket_count)
        grow(p);
    v = fr_calloc(1, sizeof *v + size);
    memcpy(v->vin, vin, size);
    v->hash = hash;
    v->next = p->buckets[hash & (p->bucket_count - 1)];
    p->buckets[hash & (p->bucket_count - 1)] = v;
    return v;
}

static void put_away(struct away *list, struct fr_present *v)
{
    v->list = list;
    v->next_away = NULL;
    v->at_away = list->end;
    *list->end = v;
    list->end = &v->next_away;
    list->count++;
}

static void take_back(struct fr_present *v)
{
    if (v->list == NULL)
        return;
    *v->at_away = v->next_away;
    if (v->next_away != NULL)
        v->next_away->at_away = v->at_away;
    else
        v->list->end = v->at_away;
    v->list->count--;
    v->list = NULL;
}

static void forget(struct fr_presence *p, struct fr_present *v)
{
    struct fr_present **at = &p->buckets[v->hash & (p->bucket_count - 1)];

    take_back(v);
    while (*at != v)
        at = &(*at)->next;
    *at = v->next;
    p->count--;
    free(v);
}

static void set_here(struct fr_presence *p, struct fr_present *v, bool here)
{
    if (v->here == here)
        return;
    v->here = here;
    p->here += here ? 1 : (size_t)-1;
}

static void put_gone(struct fr_presence *p, struct fr_present *v)
{
    set_here(p, v, false);
    put_away(&p->gone, v);
    if (p->gone.count > FR_PRESENCE_GONE_MAX)
        forget(p, p->gone.first);
}

struct fr_present *fr_presence_up(struct fr_presence *p, const char *vin,
                                  struct fr_presence_link *link, fr_presence_announce_fn *announce,
                                  void *ctx)
{
    struct fr_present *v;
    bool came;

    pthread_mutex_lock(&p->lock);
    v = find(p, vin);
    came = !v->here;
    take_back(v);
    set_here(p, v, true);
    v->connections++;
    link->next = NULL;
    link->previous = v->last;
    link->leaving = false;
    if (v->last != NULL)
        v->last->next = link;
    else
        v->first = link;
    v->last = link;
    if (came)
        announce(ctx, vin, true);
    pthread_mutex_unlock(&p->lock);
    return v;
}

bool fr_presence_excess(struct fr_presence *p, struct fr_present *v, size_t most,
                        struct fr_presence_link *oldest)
{
    struct fr_presence_link *link;

    pthread_mutex_lock(&p->lock);
    link = v->connections - v->leaving > most ? v->first : NULL;
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

void fr_presence_spoke(struct fr_present *v, int64_t wall_ms)
{
    atomic_store_explicit(&v->last_ms, wall_ms, memory_order_relaxed);
    atomic_fetch_add_explicit(&v->records, 1, memory_order_relaxed);
}

fr_topics_used *fr_presence_topics(struct fr_present *v)
{
    return &v->topics;
}

void fr_presence_down(struct fr_presence *p, struct fr_present *v, struct fr_presence_link *link,
                      int64_t now_ms)
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
        v->down_ms = now_ms;
        put_away(&p->going, v);
    }
    pthread_mutex_unlock(&p->lock);
}

void fr_presence_expect(struct fr_presence *p, const char *vin, int64_t now_ms)
{
    struct fr_present *v;

    pthread_mutex_lock(&p->lock);
    v = find(p, vin);
    if (!v->here) {
        take_back(v);
        set_here(p, v, true);
        v->down_ms = now_ms;
        put_away(&p->going, v);
    }
    pthread_mutex_unlock(&p->lock);
}

void fr_presence_remember(struct fr_presence *p, const char *vin, int64_t wall_ms)
{
    struct fr_present *v;

    pthread_mutex_lock(&p->lock);
    v = find(p, vin);
    if (atomic_load(&v->last_ms) < wall_ms)
        atomic_store(&v->last_ms, wall_ms);
    if (!v->here && v->list == NULL)
        put_gone(p, v);
    pthread_mutex_unlock(&p->lock);
}

bool fr_presence_gone(struct fr_presence *p, int64_t now_ms, fr_presence_announce_fn *announce,
                      void *ctx)
{
    struct fr_present *v;
    bool gone;

    pthread_mutex_lock(&p->lock);
    v = p->going.first;
    gone = v != NULL && now_ms - v->down_ms >= p->grace_ms;
    if (gone) {
        announce(ctx, v->vin, false);
        take_back(v);
        put_gone(p, v);
    }
    pthread_mutex_unlock(&p->lock);
    return gone;
}

/* ---- for people ------------------------------------------------------------------ */

static int for_people(const void *a, const void *b)
{
    const struct fr_presence_status *left = a, *right = b;

    if (left->here != right->here)
        return left->here ? -1 : 1;
    if (!left->here && left->last_ms != right->last_ms)
        return left->last_ms > right->last_ms ? -1 : 1;
    return strcmp(left->vin, right->vin);
}

size_t fr_presence_list(struct fr_presence *p, const char *part, struct fr_presence_status **list)
{
    size_t count = 0;

    pthread_mutex_lock(&p->lock);
    *list = malloc((p->count + 1) * sizeof **list);
    for (size_t i = 0; *list != NULL && i < p->bucket_count; i++)
        for (const struct fr_present *v = p->buckets[i]; v != NULL; v = v->next) {
            struct fr_presence_status *status = &(*list)[count];

            if (strstr(v->vin, part) == NULL)
                continue;
            memcpy(status->vin, v->vin, strlen(v->vin) + 1);
            status->here = v->here;
            status->connections = v->connections;
            status->last_ms = atomic_load_explicit(&v->last_ms, memory_order_relaxed);
            status->records = atomic_load_explicit(&v->records, memory_order_relaxed);
            count++;
        }
    pthread_mutex_unlock(&p->lock);
    if (*list != NULL)
        qsort(*list, count, sizeof **list, for_people);
    return count;
}

void fr_presence_count(struct fr_presence *p, size_t *here, size_t *known)
{
    pthread_mutex_lock(&p->lock);
    *here = p->here;
    *known = p->count;
    pthread_mutex_unlock(&p->lock);
}
