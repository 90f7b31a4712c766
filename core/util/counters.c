#include "util/counters.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>

#include "util/memory.h"

struct thread_counts {
    _Atomic uint64_t count[FR_COUNTER_END];
    struct thread_counts *next;
};

static const char *const names[] = {
#define COUNTER_NAME(id, name) name,
    FR_COUNTERS(COUNTER_NAME)
#undef COUNTER_NAME
};

static _Thread_local struct thread_counts *own_counts;
static _Atomic(struct thread_counts *) all_counts; /* linked by next */

/* The array of a thread is never freed: its counts stay part of the sums after the thread ends, and
 * the number of threads is bounded. */
static struct thread_counts *counters_add_thread(void)
{
    struct thread_counts *counts = fr_calloc(1, sizeof *counts);

    counts->next = atomic_load(&all_counts);
    while (!atomic_compare_exchange_weak(&all_counts, &counts->next, counts))
        ;
    return counts;
}

void fr_count_add(enum fr_counter counter, uint64_t n)
{
    _Atomic uint64_t *count;

    assert(counter < FR_COUNTER_END);
    if (own_counts == NULL)
        own_counts = counters_add_thread();
    count = &own_counts->count[counter];
    /* Only this thread writes to its array, so no atomic addition is needed. The store is atomic
     * because other threads read the count. */
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

uint64_t fr_count_read(enum fr_counter counter)
{
    uint64_t sum = 0;

    for (struct thread_counts *c = atomic_load(&all_counts); c != NULL; c = c->next)
        sum += atomic_load_explicit(&c->count[counter], memory_order_relaxed);
    return sum;
}

const char *fr_count_name(enum fr_counter counter)
{
    return names[counter];
}
