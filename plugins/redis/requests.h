/*
 * A queue of requests in the order in which a server answers them. It grows to the largest number
 * of requests that it had. A queue belongs to one thread; a zeroed one is empty.
 */
#ifndef FR_REDIS_REQUESTS_H
#define FR_REDIS_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleetroute/plugin.h"

struct request {
    struct fr_delivery *delivery; /* NULL: a request of the connection itself */
    int64_t sent_ms;              /* monotonic */
    size_t size;                  /* bytes of the request */
};

struct requests {
    struct request *items; /* a ring; owned */
    size_t capacity;       /* a power of 2, or 0 */
    size_t first, count;
    size_t size; /* bytes, the sum over all requests */
};

void requests_free(struct requests *requests);

/* Append a request. False: no memory. */
bool requests_add(struct requests *requests, struct request request);

/* The oldest request; NULL: there is none. Valid until the next call of another function. */
const struct request *requests_first(const struct requests *requests);

/* Remove the oldest request and return it. There must be one. */
struct request requests_take(struct requests *requests);

#endif
