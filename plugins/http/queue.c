#include "http/queue.h"

#include <assert.h>
#include <stdlib.h>

#define CAPACITY_MIN 64

void queue_free(struct queue *q)
{
    free(q->items);
    *q = (struct queue){0};
}

static bool queue_reserve(struct queue *q)
{
    size_t capacity = q->capacity != 0 ? 2 * q->capacity : CAPACITY_MIN;
    struct fr_delivery **items;

    if (q->count < q->capacity)
        return true;
    items = calloc(capacity, sizeof(struct fr_delivery *));
    if (items == NULL)
        return false;
    for (size_t i = 0; i < q->count; i++)
        items[i] = q->items[(q->first + i) & (q->capacity - 1)];
    free(q->items);
    q->items = items;
    q->capacity = capacity;
    q->first = 0;
    return true;
}

bool queue_add(struct queue *q, struct fr_delivery *delivery)
{
    if (!queue_reserve(q))
        return false;
    q->items[(q->first + q->count++) & (q->capacity - 1)] = delivery;
    return true;
}

bool queue_put_back(struct queue *q, struct fr_delivery *delivery)
{
    if (!queue_reserve(q))
        return false;
    q->first = (q->first - 1) & (q->capacity - 1);
    q->items[q->first] = delivery;
    q->count++;
    return true;
}

struct fr_delivery *queue_first(const struct queue *q)
{
    return q->count != 0 ? q->items[q->first] : NULL;
}

struct fr_delivery *queue_take(struct queue *q)
{
    struct fr_delivery *delivery = queue_first(q);

    assert(delivery != NULL);
    q->first = (q->first + 1) & (q->capacity - 1);
    q->count--;
    return delivery;
}
