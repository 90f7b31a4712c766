#include "util/counters.h"

#include <pthread.h>
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

static _Thread_local struct thread_counts *mine;
static _Atomic(struct thread_counts *) all;

/* Kept for the life of the process: threads are few, and their counts must outlast them. */
static struct thread_counts *begin_counting(void)
{
    struct thread_counts *counts = fr_calloc(1, sizeof *counts);

    counts->next = atomic_load(&all);
    while (!atomic_compare_exchange_weak(&all, &counts->next, counts))
        ;
    return counts;
}

void fr_count_add(enum fr_counter counter, uint64_t n)
{
    _Atomic uint64_t *count;

    if (mine == NULL)
        mine = begin_counting();
    count = &mine->count[counter];
    /* Only this thread writes here; atomic so that a reader never sees half a number. */
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

uint64_t fr_count_read(enum fr_counter counter)
{
    uint64_t sum = 0;

    for (struct thread_counts *c = atomic_load(&all); c != NULL; c = c->next)
        sum += atomic_load_explicit(&c->count[counter], memory_order_relaxed);
    return sum;
}

const char *fr_count_name(enum fr_counter counter)
{
    return names[counter];
}
