#include "ingest/presence.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "util/hash.h"
#include "util/memory.h"

/* A vehicle that is there, or was a moment ago. */
struct vehicle {
    struct vehicle *next;                   /* in its bucket */
    struct vehicle *next_going, **at_going; /* among those without a connection, oldest first */
    uint64_t hash;
    unsigned connections;
    int64_t down_ms;
    char vin[];
};

struct fr_presence {
    pthread_mutex_t lock;
    int64_t grace_ms;
    struct vehicle **buckets;
    size_t bucket_count, count;
    struct vehicle *going, **going_end;
};

struct fr_presence *fr_presence_new(int64_t grace_ms)
{
    struct fr_presence *p = fr_calloc(1, sizeof *p);

    pthread_mutex_init(&p->lock, NULL);
    p->grace_ms = grace_ms;
    p->bucket_count = 64;
    p->buckets = fr_calloc(p->bucket_count, sizeof(struct vehicle *));
    p->going_end = &p->going;
    return p;
}

void fr_presence_free(struct fr_presence *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->bucket_count; i++)
        for (struct vehicle *v = p->buckets[i], *next; v != NULL; v = next) {
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
    struct vehicle **buckets = fr_calloc(count, sizeof(struct vehicle *));

    for (size_t i = 0; i < p->bucket_count; i++)
        for (struct vehicle *v = p->buckets[i], *next; v != NULL; v = next) {
            next = v->next;
            v->next = buckets[v->hash & (count - 1)];
            buckets[v->hash & (count - 1)] = v;
        }
    free(p->buckets);
    p->buckets = buckets;
    p->bucket_count = count;
}

/* The vehicle; *is_new: it was not known. */
static struct vehicle *find(struct fr_presence *p, const char *vin, bool *is_new)
{
    uint64_t hash = fr_hash_text(vin, 0);
    struct vehicle *v = p->buckets[hash & (p->bucket_count - 1)];
    size_t size = strlen(vin) + 1;

    *is_new = false;
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
    *is_new = true;
    return v;
}

static void begin_going(struct fr_presence *p, struct vehicle *v, int64_t now_ms)
{
    v->down_ms = now_ms;
    v->next_going = NULL;
    v->at_going = p->going_end;
    *p->going_end = v;
    p->going_end = &v->next_going;
}

static void end_going(struct fr_presence *p, struct vehicle *v)
{
    if (v->at_going == NULL)
        return;
    *v->at_going = v->next_going;
    if (v->next_going != NULL)
        v->next_going->at_going = v->at_going;
    else
        p->going_end = v->at_going;
    v->at_going = NULL;
}

bool fr_presence_up(struct fr_presence *p, const char *vin)
{
    struct vehicle *v;
    bool came;

    pthread_mutex_lock(&p->lock);
    v = find(p, vin, &came);
    end_going(p, v);
    v->connections++;
    pthread_mutex_unlock(&p->lock);
    return came;
}

void fr_presence_down(struct fr_presence *p, const char *vin, int64_t now_ms)
{
    struct vehicle *v;
    bool is_new;

    pthread_mutex_lock(&p->lock);
    v = find(p, vin, &is_new);
    if (v->connections > 0 && --v->connections == 0)
        begin_going(p, v, now_ms);
    pthread_mutex_unlock(&p->lock);
}

void fr_presence_expect(struct fr_presence *p, const char *vin, int64_t now_ms)
{
    struct vehicle *v;
    bool is_new;

    pthread_mutex_lock(&p->lock);
    v = find(p, vin, &is_new);
    if (is_new)
        begin_going(p, v, now_ms);
    pthread_mutex_unlock(&p->lock);
}

static void forget(struct fr_presence *p, struct vehicle *v)
{
    struct vehicle **at = &p->buckets[v->hash & (p->bucket_count - 1)];

    while (*at != v)
        at = &(*at)->next;
    *at = v->next;
    p->count--;
    free(v);
}

bool fr_presence_gone(struct fr_presence *p, int64_t now_ms, char vin[FR_VIN_MAX + 1])
{
    struct vehicle *v;
    bool gone;

    pthread_mutex_lock(&p->lock);
    v = p->going;
    gone = v != NULL && now_ms - v->down_ms >= p->grace_ms;
    if (gone) {
        end_going(p, v);
        memcpy(vin, v->vin, strlen(v->vin) + 1);
        forget(p, v);
    }
    pthread_mutex_unlock(&p->lock);
    return gone;
}
