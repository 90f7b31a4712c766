/*
 * A queue of deliveries. It grows to the largest number of deliveries that it had. A queue belongs to
 * one thread; a zeroed one is empty.
 */
#ifndef FR_HTTP_QUEUE_H
#define FR_HTTP_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "fleetroute/plugin.h"

struct queue {
    struct fr_delivery **items; /* owned; a ring */
    size_t first, count;
    size_t capacity; /* a power of two, or 0 */
};

void queue_free(struct queue *queue);

/* Append a delivery. False: no memory. */
bool queue_add(struct queue *queue, struct fr_delivery *delivery);

/* Put a delivery before the first one. False: no memory. */
bool queue_put_back(struct queue *queue, struct fr_delivery *delivery);

/* The first delivery; NULL: the queue is empty. */
struct fr_delivery *queue_first(const struct queue *queue);

/* Remove the first delivery of a queue that is not empty. */
struct fr_delivery *queue_take(struct queue *queue);

#endif
