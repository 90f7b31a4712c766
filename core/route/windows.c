#include "route/windows.h"

#include <assert.h>
#include <stdlib.h>

#include "route/throttle.h"
#include "util/memory.h"

#define NOT_IN_HEAP SIZE_MAX

struct queue { /* of the open windows of one route */
    struct fr_throttle_slot *first, *last;
    size_t heap_index; /* NOT_IN_HEAP: no window of this route is open */
};

struct fr_windows {
    struct queue *queues; /* by route index */
    uint32_t *heap;       /* indices of routes with open windows; the parent of i is (i - 1) / 2 */
    size_t heap_size;
    size_t route_count;
};

struct fr_windows *fr_windows_new(size_t routes)
{
    struct fr_windows *windows = fr_calloc(1, sizeof *windows);

    windows->route_count = routes;
    windows->queues = fr_calloc(routes, sizeof *windows->queues);
    windows->heap = fr_calloc(routes, sizeof *windows->heap);
    for (size_t i = 0; i < routes; i++)
        windows->queues[i].heap_index = NOT_IN_HEAP;
    return windows;
}

void fr_windows_free(struct fr_windows *windows)
{
    if (windows == NULL)
        return;
    free(windows->queues);
    free(windows->heap);
    free(windows);
}

/* ---- the heap -------------------------------------------------------------------- */

static int64_t windows_first_close(const struct fr_windows *windows, uint32_t route)
{
    return windows->queues[route].first->closes_ms;
}

static void windows_heap_set(struct fr_windows *windows, size_t i, uint32_t route)
{
    windows->heap[i] = route;
    windows->queues[route].heap_index = i;
}

static void windows_sift_up(struct fr_windows *windows, size_t i)
{
    uint32_t route = windows->heap[i];

    while (i > 0) {
        size_t parent = (i - 1) / 2;

        if (windows_first_close(windows, windows->heap[parent]) <=
            windows_first_close(windows, route))
            break;
        windows_heap_set(windows, i, windows->heap[parent]);
        i = parent;
    }
    windows_heap_set(windows, i, route);
}

static void windows_sift_down(struct fr_windows *windows, size_t i)
{
    uint32_t route = windows->heap[i];

    while (2 * i + 1 < windows->heap_size) {
        size_t child = 2 * i + 1;

        if (child + 1 < windows->heap_size &&
            windows_first_close(windows, windows->heap[child + 1]) <
                windows_first_close(windows, windows->heap[child]))
            child++;
        if (windows_first_close(windows, route) <=
            windows_first_close(windows, windows->heap[child]))
            break;
        windows_heap_set(windows, i, windows->heap[child]);
        i = child;
    }
    windows_heap_set(windows, i, route);
}

static void windows_heap_remove(struct fr_windows *windows, uint32_t route)
{
    size_t i = windows->queues[route].heap_index;
    uint32_t last = windows->heap[--windows->heap_size];

    windows->queues[route].heap_index = NOT_IN_HEAP;
    if (last == route)
        return;
    windows_heap_set(windows, i, last);
    windows_sift_up(windows, i);
    windows_sift_down(windows, windows->queues[last].heap_index);
}

/* ---- opening and closing --------------------------------------------------------- */

void fr_windows_open(struct fr_windows *windows, uint32_t route, struct fr_throttle_slot *slot,
                     int64_t closes_ms)
{
    struct queue *queue = &windows->queues[route];

    assert(route < windows->route_count);
    assert(!slot->open);
    assert(queue->first == NULL || queue->last->closes_ms <= closes_ms);
    slot->open = true;
    slot->closes_ms = closes_ms;
    slot->next_open = NULL;
    if (queue->first != NULL) {
        queue->last->next_open = slot;
        queue->last = slot;
        return;
    }
    queue->first = queue->last = slot;
    windows_heap_set(windows, windows->heap_size++, route);
    windows_sift_up(windows, queue->heap_index);
}

struct fr_throttle_slot *fr_windows_close_next(struct fr_windows *windows, int64_t now_ms,
                                               uint32_t *route)
{
    struct fr_throttle_slot *slot;
    struct queue *queue;

    if (windows->heap_size == 0 || windows_first_close(windows, windows->heap[0]) > now_ms)
        return NULL;
    *route = windows->heap[0];
    queue = &windows->queues[*route];
    slot = queue->first;
    slot->open = false;
    queue->first = slot->next_open;
    if (queue->first == NULL)
        windows_heap_remove(windows, *route);
    else
        windows_sift_down(windows, 0);
    return slot;
}

struct fr_throttle_slot *fr_windows_close_route(struct fr_windows *windows, uint32_t route)
{
    struct queue *queue = &windows->queues[route];
    struct fr_throttle_slot *first = queue->first;

    if (first == NULL)
        return NULL;
    windows_heap_remove(windows, route);
    queue->first = queue->last = NULL;
    for (struct fr_throttle_slot *slot = first; slot != NULL; slot = slot->next_open)
        slot->open = false;
    return first;
}

int64_t fr_windows_next_close(const struct fr_windows *windows)
{
    return windows->heap_size != 0 ? windows_first_close(windows, windows->heap[0]) : -1;
}
