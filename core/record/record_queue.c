#include "record/record_queue.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "util/memory.h"

#define INITIAL_CAPACITY 256 /* a power of two */

/* Bytes that an entry costs in addition to its record: the entry in the ring, and the plugin's
 * state for it (a message of librdkafka with seven headers takes about a kilobyte). */
#define ENTRY_OVERHEAD 1024

struct fr_record_queue {
    pthread_mutex_t lock; /* protects ring, capacity, first and count */
    struct fr_queue_entry *ring;
    size_t capacity;     /* a power of two */
    size_t first, count; /* index of the oldest entry; number of entries in the ring */
    size_t max_records, max_bytes;
    _Atomic size_t records, bytes; /* unfinished */
    _Atomic bool awaited;          /* a sender is paused until there is capacity */
};

struct fr_record_queue *fr_record_queue_new(size_t records, size_t bytes)
{
    struct fr_record_queue *queue = fr_calloc(1, sizeof *queue);

    pthread_mutex_init(&queue->lock, NULL);
    queue->capacity = INITIAL_CAPACITY;
    queue->ring = fr_calloc(queue->capacity, sizeof *queue->ring);
    queue->max_records = records;
    queue->max_bytes = bytes;
    return queue;
}

void fr_record_queue_free(struct fr_record_queue *queue)
{
    for (size_t i = 0; i < queue->count; i++)
        fr_record_unref(queue->ring[(queue->first + i) & (queue->capacity - 1)].record);
    free(queue->ring);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

size_t fr_record_queue_size(const struct fr_record *record)
{
    return record->size + ENTRY_OVERHEAD;
}

/* Whether a limit is reached. */
static bool queue_at_limit(const struct fr_record_queue *queue)
{
    return atomic_load_explicit(&queue->records, memory_order_relaxed) >= queue->max_records ||
           atomic_load_explicit(&queue->bytes, memory_order_relaxed) >= queue->max_bytes;
}

static void queue_grow(struct fr_record_queue *queue)
{
    struct fr_queue_entry *ring = fr_calloc(queue->capacity * 2, sizeof *ring);

    for (size_t i = 0; i < queue->count; i++)
        ring[i] = queue->ring[(queue->first + i) & (queue->capacity - 1)];
    free(queue->ring);
    queue->ring = ring;
    queue->first = 0;
    queue->capacity *= 2;
}

static void queue_append(struct fr_record_queue *queue, struct fr_queue_entry entry)
{
    if (queue->count == queue->capacity)
        queue_grow(queue);
    queue->ring[(queue->first + queue->count) & (queue->capacity - 1)] = entry;
    queue->count++;
    atomic_fetch_add_explicit(&queue->records, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&queue->bytes, fr_record_queue_size(entry.record),
                              memory_order_relaxed);
}

static struct fr_queue_entry queue_pop(struct fr_record_queue *queue)
{
    struct fr_queue_entry entry = queue->ring[queue->first];

    assert(queue->count != 0);
    queue->first = (queue->first + 1) & (queue->capacity - 1);
    queue->count--;
    return entry;
}

static void queue_discount(struct fr_record_queue *queue, size_t records, size_t bytes)
{
    assert(atomic_load_explicit(&queue->records, memory_order_relaxed) >= records);
    atomic_fetch_sub_explicit(&queue->records, records, memory_order_relaxed);
    atomic_fetch_sub_explicit(&queue->bytes, bytes, memory_order_relaxed);
}

size_t fr_record_queue_put(struct fr_record_queue *queue, const struct fr_queue_entry *entries,
                           size_t count)
{
    size_t dropped = 0;

    pthread_mutex_lock(&queue->lock);
    for (size_t i = 0; i < count; i++) {
        struct fr_record *victim = NULL;

        if (!entries[i].ack && queue_at_limit(queue)) {
            dropped++;
            if (queue->count != 0 && !queue->ring[queue->first].ack) {
                victim = queue_pop(queue).record;
                queue_discount(queue, 1, fr_record_queue_size(victim));
                queue_append(queue, entries[i]);
            } else
                victim = entries[i].record;
            fr_record_unref(victim);
        } else
            queue_append(queue, entries[i]);
    }
    pthread_mutex_unlock(&queue->lock);
    return dropped;
}

size_t fr_record_queue_take(struct fr_record_queue *queue, struct fr_queue_entry *entries,
                            size_t max, size_t max_bytes)
{
    size_t n = 0, bytes = 0;

    pthread_mutex_lock(&queue->lock);
    while (n < max && bytes < max_bytes && queue->count != 0) {
        entries[n] = queue_pop(queue);
        bytes += entries[n++].record->size;
    }
    pthread_mutex_unlock(&queue->lock);
    return n;
}

bool fr_record_queue_finish(struct fr_record_queue *queue, size_t records, size_t bytes)
{
    queue_discount(queue, records, bytes);
    /* Pairs with the fence in fr_record_queue_full(): either that function reads the reduced
     * counts, or this one reads `awaited`. */
    atomic_thread_fence(memory_order_seq_cst);
    /* Report only when a tenth of the capacity is free, so that senders do not alternate between
     * paused and running with every record. */
    if (atomic_load_explicit(&queue->records, memory_order_relaxed) >=
            queue->max_records - queue->max_records / 10 ||
        atomic_load_explicit(&queue->bytes, memory_order_relaxed) >=
            queue->max_bytes - queue->max_bytes / 10)
        return false;
    return atomic_load_explicit(&queue->awaited, memory_order_relaxed) &&
           atomic_exchange(&queue->awaited, false);
}

bool fr_record_queue_full(struct fr_record_queue *queue)
{
    if (!queue_at_limit(queue))
        return false;
    atomic_store(&queue->awaited, true);
    atomic_thread_fence(memory_order_seq_cst); /* see fr_record_queue_finish() */
    /* fr_record_queue_finish() may have missed `awaited` and reports nothing then; check again. */
    return queue_at_limit(queue);
}

size_t fr_record_queue_records(const struct fr_record_queue *queue)
{
    return atomic_load_explicit(&queue->records, memory_order_relaxed);
}

size_t fr_record_queue_bytes(const struct fr_record_queue *queue)
{
    return atomic_load_explicit(&queue->bytes, memory_order_relaxed);
}

size_t fr_record_queue_waiting(struct fr_record_queue *queue)
{
    size_t count;

    pthread_mutex_lock(&queue->lock);
    count = queue->count;
    pthread_mutex_unlock(&queue->lock);
    return count;
}
