#include "sink/sink_queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "util/memory.h"

#define ROOM_AT_FIRST 256

/* What an entry costs beside its record: its place here, and what a plugin keeps for it
 * (librdkafka's message with seven headers takes about a kilobyte). */
#define OVERHEAD 1024

struct fr_sink_queue {
    pthread_mutex_t lock;
    struct fr_sink_entry *ring;
    size_t room; /* a power of two */
    size_t first, count;
    size_t most_records, most_bytes;
    _Atomic size_t records, bytes;
    _Atomic bool awaited;
};

struct fr_sink_queue *fr_sink_queue_new(size_t records, size_t bytes)
{
    struct fr_sink_queue *queue = fr_calloc(1, sizeof *queue);

    pthread_mutex_init(&queue->lock, NULL);
    queue->room = ROOM_AT_FIRST;
    queue->ring = fr_calloc(queue->room, sizeof *queue->ring);
    queue->most_records = records;
    queue->most_bytes = bytes;
    return queue;
}

void fr_sink_queue_free(struct fr_sink_queue *queue)
{
    for (size_t i = 0; i < queue->count; i++)
        fr_record_unref(queue->ring[(queue->first + i) & (queue->room - 1)].record);
    free(queue->ring);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

size_t fr_sink_queue_size(const struct fr_record *record)
{
    return record->size + OVERHEAD;
}

static bool at_limit(const struct fr_sink_queue *queue)
{
    return atomic_load_explicit(&queue->records, memory_order_relaxed) >= queue->most_records ||
           atomic_load_explicit(&queue->bytes, memory_order_relaxed) >= queue->most_bytes;
}

static void grow(struct fr_sink_queue *queue)
{
    struct fr_sink_entry *ring = fr_calloc(queue->room * 2, sizeof *ring);

    for (size_t i = 0; i < queue->count; i++)
        ring[i] = queue->ring[(queue->first + i) & (queue->room - 1)];
    free(queue->ring);
    queue->ring = ring;
    queue->first = 0;
    queue->room *= 2;
}

static void append(struct fr_sink_queue *queue, struct fr_sink_entry entry)
{
    if (queue->count == queue->room)
        grow(queue);
    queue->ring[(queue->first + queue->count) & (queue->room - 1)] = entry;
    queue->count++;
    atomic_fetch_add_explicit(&queue->records, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&queue->bytes, fr_sink_queue_size(entry.record),
                              memory_order_relaxed);
}

static struct fr_sink_entry pop(struct fr_sink_queue *queue)
{
    struct fr_sink_entry entry = queue->ring[queue->first];

    queue->first = (queue->first + 1) & (queue->room - 1);
    queue->count--;
    return entry;
}

static void discount(struct fr_sink_queue *queue, size_t records, size_t bytes)
{
    atomic_fetch_sub_explicit(&queue->records, records, memory_order_relaxed);
    atomic_fetch_sub_explicit(&queue->bytes, bytes, memory_order_relaxed);
}

size_t fr_sink_queue_put(struct fr_sink_queue *queue, const struct fr_sink_entry *entries,
                         size_t count)
{
    size_t dropped = 0;

    pthread_mutex_lock(&queue->lock);
    for (size_t i = 0; i < count; i++) {
        struct fr_record *victim = NULL;

        if (!entries[i].ack && at_limit(queue)) {
            dropped++;
            if (queue->count != 0 && !queue->ring[queue->first].ack) {
                victim = pop(queue).record;
                discount(queue, 1, fr_sink_queue_size(victim));
                append(queue, entries[i]);
            } else
                victim = entries[i].record;
            fr_record_unref(victim);
        } else
            append(queue, entries[i]);
    }
    pthread_mutex_unlock(&queue->lock);
    return dropped;
}

size_t fr_sink_queue_take(struct fr_sink_queue *queue, struct fr_sink_entry *entries, size_t most,
                          size_t most_bytes)
{
    size_t n = 0, bytes = 0;

    pthread_mutex_lock(&queue->lock);
    while (n < most && bytes < most_bytes && queue->count != 0) {
        entries[n] = pop(queue);
        bytes += entries[n++].record->size;
    }
    pthread_mutex_unlock(&queue->lock);
    return n;
}

bool fr_sink_queue_finish(struct fr_sink_queue *queue, size_t records, size_t bytes)
{
    discount(queue, records, bytes);
    /* With the fence in fr_sink_queue_full(): either that function sees the capacity, or this one
     * sees `awaited`. */
    atomic_thread_fence(memory_order_seq_cst);
    /* A tenth of room first, so that vehicles are not let in and held back record by record. */
    if (atomic_load_explicit(&queue->records, memory_order_relaxed) >=
            queue->most_records - queue->most_records / 10 ||
        atomic_load_explicit(&queue->bytes, memory_order_relaxed) >=
            queue->most_bytes - queue->most_bytes / 10)
        return false;
    return atomic_load_explicit(&queue->awaited, memory_order_relaxed) &&
           atomic_exchange(&queue->awaited, false);
}

bool fr_sink_queue_full(struct fr_sink_queue *queue)
{
    if (!at_limit(queue))
        return false;
    atomic_store(&queue->awaited, true);
    atomic_thread_fence(memory_order_seq_cst); /* see fr_sink_queue_finish() */
    /* If it was emptied just now nobody would tell of room; look once more. */
    return at_limit(queue);
}

size_t fr_sink_queue_records(const struct fr_sink_queue *queue)
{
    return atomic_load_explicit(&queue->records, memory_order_relaxed);
}

size_t fr_sink_queue_bytes(const struct fr_sink_queue *queue)
{
    return atomic_load_explicit(&queue->bytes, memory_order_relaxed);
}

size_t fr_sink_queue_waiting(struct fr_sink_queue *queue)
{
    size_t count;

    pthread_mutex_lock(&queue->lock);
    count = queue->count;
    pthread_mutex_unlock(&queue->lock);
    return count;
}
