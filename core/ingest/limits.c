#include "ingest/limits.h"

#include <assert.h>

#include "util/clock.h"
#include "util/memory.h"

size_t fr_limits_share(const struct fr_worker *worker, size_t limit)
{
    unsigned workers = worker->ingest->worker_count;

    return (limit + workers - 1) / workers;
}

size_t fr_limits_half_open_max(const struct fr_worker *worker)
{
    struct fr_ingest *ingest = worker->ingest;
    size_t max = fr_limits_share(worker, worker->settings.half_open);
    size_t connections = atomic_load(&ingest->connections), sockets = worker->settings.sockets;
    size_t free_sockets = sockets > connections ? sockets - connections : 0;
    size_t share = free_sockets / ingest->worker_count;

    if (share == 0)
        share = 1;
    return share < max ? share : max;
}

bool fr_limits_half_open_full(const struct fr_worker *worker)
{
    return worker->half_open.count >= fr_limits_half_open_max(worker);
}

bool fr_limits_out_of_sockets(const struct fr_worker *worker)
{
    struct fr_ingest *ingest = worker->ingest;

    return atomic_load(&ingest->connections) + atomic_load(&ingest->half_open) >=
           worker->settings.sockets;
}

enum fr_half_open_rank fr_limits_rank(const void *connection, int64_t age_ms)
{
    const struct fr_connection *c = connection;
    bool idle = c->state == FR_CONNECTION_CLOSING || c->tls.ssl == NULL;

    if ((c->queued && c->turns < FR_HANDSHAKE_TURNS_MAX) ||
        age_ms - c->waited_ms < (idle ? FR_HALF_OPEN_MIN_AGE_MS : FR_HALF_OPEN_BEGUN_AGE_MS))
        return FR_HALF_OPEN_KEEP;
    return idle ? FR_HALF_OPEN_IDLE : FR_HALF_OPEN_BEGUN;
}

void fr_limits_add_half_open(struct fr_connection *c, int64_t now_ms)
{
    assert(!c->has_slot);
    c->waited_ms = 0;
    fr_half_open_add(&c->worker->half_open, c, c->source, now_ms);
    atomic_fetch_add(&c->worker->ingest->half_open, 1);
}

void fr_limits_remove(struct fr_connection *c)
{
    struct fr_worker *worker = c->worker;

    assert(!c->has_slot);
    fr_half_open_remove(c->has_place ? &worker->without_certificate : &worker->half_open, c);
    atomic_fetch_sub(
        c->has_place ? &worker->ingest->without_certificate : &worker->ingest->half_open, 1);
    c->has_place = false;
}

bool fr_limits_take_place(struct fr_connection *c, int64_t now_ms)
{
    struct fr_worker *worker = c->worker;
    _Atomic size_t *count = &worker->ingest->without_certificate;

    if (atomic_fetch_add(count, 1) >= worker->settings.without_certificate) {
        atomic_fetch_sub(count, 1);
        return false;
    }
    fr_limits_remove(c);
    c->has_place = true;
    fr_half_open_add(&worker->without_certificate, c, c->source, now_ms);
    return true;
}

void fr_limits_grow_slots(struct fr_worker *worker)
{
    size_t count = worker->settings.connections;

    if (count <= worker->slot_count)
        return;
    worker->slots = fr_realloc(worker->slots, count, sizeof(struct fr_connection *));
    worker->free_slots = fr_realloc(worker->free_slots, count, sizeof *worker->free_slots);
    for (size_t i = worker->slot_count; i < count; i++)
        worker->slots[i] = NULL;
    /* The lowest number goes on top of the stack. */
    for (size_t i = count; i > worker->slot_count; i--)
        worker->free_slots[worker->free_count++] = (uint32_t)(i - 1);
    worker->slot_count = count;
}

/* Count the connection among the open WebSockets of all workers. Returns NULL, or the key of the
 * limit that is reached. */
static const char *limits_count_open(struct fr_connection *c)
{
    struct fr_worker *worker = c->worker;
    struct fr_ingest *ingest = worker->ingest;
    size_t max_of_source =
        c->source == FR_SOURCE_NONE ? 0 : worker->settings.connections_per_source;

    if (worker->free_count == 0)
        return "limits.connections";
    if (!fr_source_counts_add(ingest->sources, c->source, max_of_source))
        return "limits.connections_per_source";
    if (atomic_fetch_add(&ingest->connections, 1) < worker->settings.connections)
        return NULL;
    atomic_fetch_sub(&ingest->connections, 1);
    fr_source_counts_remove(ingest->sources, c->source);
    return "limits.connections";
}

const char *fr_limits_take_slot(struct fr_connection *c)
{
    struct fr_worker *worker = c->worker;
    const char *limit = limits_count_open(c);

    if (limit != NULL)
        return limit;
    fr_limits_remove(c);
    c->has_slot = true;
    c->slot = worker->free_slots[--worker->free_count];
    c->generation = ++worker->next_generation;
    assert(worker->slots[c->slot] == NULL);
    worker->slots[c->slot] = c;
    return NULL;
}

void fr_limits_return_slot(struct fr_connection *c)
{
    struct fr_worker *worker = c->worker;

    if (!c->has_slot)
        return;
    c->has_slot = false;
    worker->slots[c->slot] = NULL;
    worker->free_slots[worker->free_count++] = c->slot;
    atomic_fetch_sub(&worker->ingest->connections, 1);
    fr_source_counts_remove(worker->ingest->sources, c->source);
    fr_limits_add_half_open(c, fr_monotonic_ms());
}

struct fr_connection *fr_limits_find(const struct fr_worker *worker, struct fr_connection_id id)
{
    struct fr_connection *c = worker->slots[id.slot];

    return c != NULL && c->generation == id.generation && c->state == FR_CONNECTION_OPEN ? c : NULL;
}
