#include "ingest/presence.h"

#include <stdlib.h>

#include "ingest/presence_state.h"
#include "ingest/presence_table.h"
#include "util/memory.h"

struct fr_presence *fr_presence_new(int64_t grace_ms)
{
    struct fr_presence *p = fr_calloc(1, sizeof *p);

    pthread_mutex_init(&p->lock, NULL);
    p->grace_ms = grace_ms;
    fr_presence_table_init(p);
    return p;
}

void fr_presence_free(struct fr_presence *p)
{
    if (p == NULL)
        return;
    fr_presence_table_clear(p);
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
    fr_presence_table_append(&p->expired, v);
    if (p->expired.count > FR_PRESENCE_EXPIRED_MAX)
        fr_presence_table_remove(p, p->expired.first);
}

/* The vehicle has its first connection, or it had none for a while. Its event is due if it was not
 * connected. With repeated events it is due in each case: the last event may be old, and the list
 * has the order of events. */
static void presence_enter_online(struct fr_presence *p, struct fr_presence_vehicle *v,
                                  int64_t now_ms, fr_presence_event_fn *event, void *ctx)
{
    bool is_due = !v->connected || p->restate_ms != 0;

    fr_presence_table_unlink(v);
    if (!v->connected)
        v->connected_ms = now_ms;
    presence_set_connected(p, v, true);
    v->stated_ms = now_ms;
    fr_presence_table_append(&p->online, v);
    if (is_due)
        event(ctx, v->vin, true);
}

struct fr_presence_vehicle *fr_presence_up(struct fr_presence *p, const char *vin,
                                           struct fr_presence_link *link, int64_t now_ms,
                                           fr_presence_event_fn *event, void *ctx)
{
    struct fr_presence_vehicle *v;

    pthread_mutex_lock(&p->lock);
    v = fr_presence_table_add(p, vin);
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
        fr_presence_table_unlink(v);
        fr_presence_table_append(&p->in_grace, v);
    }
    pthread_mutex_unlock(&p->lock);
}

void fr_presence_expect(struct fr_presence *p, const char *vin, int64_t now_ms)
{
    struct fr_presence_vehicle *v;

    pthread_mutex_lock(&p->lock);
    v = fr_presence_table_add(p, vin);
    if (!v->connected) {
        fr_presence_table_unlink(v);
        presence_set_connected(p, v, true);
        v->connected_ms = now_ms;
        v->down_ms = presence_clock(p, now_ms);
        fr_presence_table_append(&p->in_grace, v);
    }
    pthread_mutex_unlock(&p->lock);
}

void fr_presence_restore_last_seen(struct fr_presence *p, const char *vin, int64_t wall_ms)
{
    struct fr_presence_vehicle *v;

    pthread_mutex_lock(&p->lock);
    v = fr_presence_table_add(p, vin);
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
        fr_presence_table_unlink(v);
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
        fr_presence_table_unlink(v);
        fr_presence_table_append(&p->online, v);
        event(ctx, v->vin, true);
    }
    pthread_mutex_unlock(&p->lock);
    return due;
}
