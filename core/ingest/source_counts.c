#include "ingest/source_counts.h"

#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>

#include "util/memory.h"

#define BUCKET_BITS 12
#define BUCKETS (1 << BUCKET_BITS)

struct source_count {
    struct source_count *next;
    uint64_t source;
    size_t count;
};

struct fr_source_counts {
    pthread_mutex_t lock;
    uint64_t multiplier; /* odd and random, so that peers cannot choose addresses of one bucket */
    struct source_count *buckets[BUCKETS];
};

struct fr_source_counts *fr_source_counts_new(void)
{
    struct fr_source_counts *counts;
    uint64_t random;

    if (RAND_bytes((unsigned char *)&random, sizeof random) != 1)
        return NULL;
    counts = fr_calloc(1, sizeof *counts);
    pthread_mutex_init(&counts->lock, NULL);
    counts->multiplier = random | 1;
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

/* The pointer to the source's entry, or to NULL at the end of its bucket. The hash is universal
 * (multiply-shift): two sources share a bucket with a probability of at most 2 / BUCKETS. */
static struct source_count **source_counts_find(struct fr_source_counts *counts, uint64_t source)
{
    uint64_t hash = source * counts->multiplier;
    struct source_count **at = &counts->buckets[hash >> (64 - BUCKET_BITS)];

    while (*at != NULL && (*at)->source != source)
        at = &(*at)->next;
    return at;
}

bool fr_source_counts_add(struct fr_source_counts *counts, uint64_t source, size_t max)
{
    struct source_count **at;
    bool counted;

    pthread_mutex_lock(&counts->lock);
    at = source_counts_find(counts, source);
    counted = max == 0 || *at == NULL || (*at)->count < max;
    if (counted && *at == NULL) {
        *at = fr_calloc(1, sizeof **at);
        (*at)->source = source;
    }
    if (counted)
        (*at)->count++;
    pthread_mutex_unlock(&counts->lock);
    return counted;
}

size_t fr_source_counts_of(struct fr_source_counts *counts, uint64_t source)
{
    struct source_count *entry;
    size_t count;

    pthread_mutex_lock(&counts->lock);
    entry = *source_counts_find(counts, source);
    count = entry != NULL ? entry->count : 0;
    pthread_mutex_unlock(&counts->lock);
    return count;
}

void fr_source_counts_remove(struct fr_source_counts *counts, uint64_t source)
{
    struct source_count **at, *entry;

    pthread_mutex_lock(&counts->lock);
    at = source_counts_find(counts, source);
    entry = *at;
    if (entry != NULL && --entry->count == 0) {
        *at = entry->next;
        free(entry);
    }
    pthread_mutex_unlock(&counts->lock);
}
