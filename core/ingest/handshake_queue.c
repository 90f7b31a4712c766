#include "ingest/handshake_queue.h"

#include <assert.h>

#include "ingest/connection_write.h"
#include "util/clock.h"

/* The part of the queue in which a connection is or will be. A connection in the queue is not read,
 * so its TLS object does not appear meanwhile. */
static struct fr_handshake_list *queue_part(struct fr_connection *c)
{
    struct fr_handshake_queue *queue = &c->worker->handshakes;

    return c->tls.ssl != NULL ? &queue->begun : &queue->fresh;
}

void fr_handshake_queue_add(struct fr_connection *c)
{
    struct fr_handshake_list *list = queue_part(c);

    assert(c->state <= FR_CONNECTION_HANDSHAKE);
    if (c->queued)
        return;
    c->queued = true;
    c->queued_ms = fr_monotonic_ms();
    c->next_queued = NULL;
    c->previous_queued = list->last;
    if (list->last != NULL)
        list->last->next_queued = c;
    else
        list->first = c;
    list->last = c;
    list->count++;
    fr_connection_update_events(c);
}

void fr_handshake_queue_remove(struct fr_connection *c)
{
    struct fr_handshake_list *list = queue_part(c);
    int64_t waited_ms;

    if (!c->queued)
        return;
    c->queued = false;
    if (c->turns < FR_HANDSHAKE_TURNS_MAX) {
        waited_ms = fr_monotonic_ms() - c->queued_ms;
        c->turns++;
        c->waited_ms += waited_ms;
        c->deadline_ms += waited_ms;
    }
    if (c->previous_queued != NULL)
        c->previous_queued->next_queued = c->next_queued;
    else
        list->first = c->next_queued;
    if (c->next_queued != NULL)
        c->next_queued->previous_queued = c->previous_queued;
    else
        list->last = c->previous_queued;
    list->count--;
}

struct fr_connection *fr_handshake_queue_take(struct fr_worker *worker)
{
    struct fr_handshake_queue *queue = &worker->handshakes;
    struct fr_connection *c = queue->begun.first;

    if (c == NULL ||
        (queue->fresh.first != NULL && queue->begun_in_a_row >= FR_HANDSHAKE_BEGUN_MAX))
        c = queue->fresh.first;
    if (c == NULL)
        return NULL;
    queue->begun_in_a_row = c->tls.ssl != NULL ? queue->begun_in_a_row + 1 : 0;
    fr_handshake_queue_remove(c);
    fr_connection_update_events(c);
    return c;
}

bool fr_handshake_queue_is_empty(const struct fr_worker *worker)
{
    return fr_handshake_queue_count(worker) == 0;
}

size_t fr_handshake_queue_count(const struct fr_worker *worker)
{
    return worker->handshakes.begun.count + worker->handshakes.fresh.count;
}

int64_t fr_handshake_queue_wait_ms(const struct fr_worker *worker, int64_t now_ms)
{
    const struct fr_connection *begun = worker->handshakes.begun.first;
    const struct fr_connection *fresh = worker->handshakes.fresh.first;
    int64_t begun_ms = begun != NULL ? now_ms - begun->queued_ms : 0;
    int64_t fresh_ms = fresh != NULL ? now_ms - fresh->queued_ms : 0;

    return begun_ms > fresh_ms ? begun_ms : fresh_ms;
}
