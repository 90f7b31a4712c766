#include "ingest/source_counts.h"

#include <pthread.h>
#include <stdlib.h>

#include "util/memory.h"

#define BUCKETS 4096 /* a power of two; sources are as many as connections at most */

struct source_count {
    struct source_count *next;
    uint64_t source;
    size_t count;
};

struct fr_source_counts {
    pthread_mutex_t lock;
    uint64_t secret; /* so that nobody can choose addresses that share a bucket */
    struct source_count *buckets[BUCKETS];
};

struct fr_source_counts *fr_source_counts_new(void)
{
    struct fr_source_counts *counts = fr_calloc(1, sizeof *counts);

    pthread_mutex_init(&counts->lock, NULL);
    counts->secret = (uint64_t)(uintptr_t)counts;
    return counts;
}

void fr_source_counts_free(struct fr_source_counts *counts)
{
    if (counts == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct source_count *c = counts->buckets[i], *next; c != NULL; c = next) {
            next = c->next;
            free(c);
        }
    pthread_mutex_destroy(&counts->lock);
    free(counts);
}

/* Where the source's entry is, or where it belongs. */
static struct source_count **counts_find(struct fr_source_counts *counts, uint64_t source)
{
    uint64_t hash = (source ^ counts->secret) * UINT64_C(0x9e3779b97f4a7c15);
    struct source_count **at = &counts->buckets[hash >> 52];

    while (*at != NULL && (*at)->source != source)
        at = &(*at)->next;
    return at;
}

bool fr_source_counts_add(struct fr_source_counts *counts, uint64_t source, size_t most)
{
    struct source_count **at;
    bool room;

    pthread_mutex_lock(&counts->lock);
    at = counts_find(counts, source);
    room = most == 0 || *at == NULL || (*at)->count < most;
    if (room && *at == NULL) {
        *at = fr_calloc(1, sizeof **at);
        (*at)->source = source;
    }
    if (room)
        (*at)->count++;
    pthread_mutex_unlock(&counts->lock);
    return room;
}

void fr_source_counts_remove(struct fr_source_counts *counts, uint64_t source)
{
    struct source_count **at, *entry;

    pthread_mutex_lock(&counts->lock);
    at = counts_find(counts, source);
    entry = *at;
    if (entry != NULL && --entry->count == 0) {
        *at = entry->next;
        free(entry);
    }
    pthread_mutex_unlock(&counts->lock);
}
