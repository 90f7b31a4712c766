#include "redis/requests.h"

#include <assert.h>
#include <stdlib.h>

#define CAPACITY_MIN 64

void requests_free(struct requests *r)
{
    free(r->items);
    *r = (struct requests){0};
}

static bool requests_grow(struct requests *r)
{
    size_t capacity = r->capacity != 0 ? 2 * r->capacity : CAPACITY_MIN;
    struct request *items = calloc(capacity, sizeof *items);

    if (items == NULL)
        return false;
    for (size_t i = 0; i < r->count; i++)
        items[i] = r->items[(r->first + i) & (r->capacity - 1)];
    free(r->items);
    r->items = items;
    r->capacity = capacity;
    r->first = 0;
    return true;
}

bool requests_add(struct requests *r, struct request request)
{
    if (r->count == r->capacity && !requests_grow(r))
        return false;
    r->items[(r->first + r->count) & (r->capacity - 1)] = request;
    r->count++;
    r->size += request.size;
    return true;
}

const struct request *requests_first(const struct requests *r)
{
    return r->count != 0 ? &r->items[r->first] : NULL;
}

struct request requests_take(struct requests *r)
{
    struct request request;

    assert(r->count != 0);
    request = r->items[r->first];
    r->first = (r->first + 1) & (r->capacity - 1);
    r->count--;
    r->size -= request.size;
    return request;
}
