#include "ingest/handshake_queue.h"

#include <assert.h>

#include "ingest/connection_write.h"

void fr_handshake_queue_add(struct fr_connection *c)
{
    struct fr_handshake_queue *queue = &c->worker->handshakes;

    assert(c->state <= FR_CONNECTION_HANDSHAKE);
    if (c->queued)
        return;
    c->queued = true;
    c->next_queued = NULL;
    c->previous_queued = queue->last;
    if (queue->last != NULL)
        queue->last->next_queued = c;
    else
        queue->first = c;
    queue->last = c;
    fr_connection_update_events(c);
}

void fr_handshake_queue_remove(struct fr_connection *c)
{
    struct fr_handshake_queue *queue = &c->worker->handshakes;

    if (!c->queued)
        return;
    c->queued = false;
    if (c->previous_queued != NULL)
        c->previous_queued->next_queued = c->next_queued;
    else
        queue->first = c->next_queued;
    if (c->next_queued != NULL)
        c->next_queued->previous_queued = c->previous_queued;
    else
        queue->last = c->previous_queued;
}

struct fr_connection *fr_handshake_queue_take(struct fr_worker *worker)
{
    struct fr_connection *c = worker->handshakes.first;

    if (c == NULL)
        return NULL;
    fr_handshake_queue_remove(c);
    fr_connection_update_events(c);
    return c;
}
