#include "ingest/half_open.h"

#include <stdlib.h>
#include <string.h>

#include "util/memory.h"

void fr_half_open_free(struct fr_half_open *pool)
{
    free(pool->entries);
    memset(pool, 0, sizeof *pool);
}

void fr_half_open_add(struct fr_half_open *pool, void *connection, uint64_t source, int64_t now_ms)
{
    if (pool->count == pool->capacity) {
        pool->capacity = pool->capacity == 0 ? 64 : pool->capacity * 2;
        pool->entries = fr_realloc(pool->entries, pool->capacity, sizeof *pool->entries);
    }
    pool->entries[pool->count++] = (struct fr_half_open_entry){source, now_ms, connection};
}

void fr_half_open_remove(struct fr_half_open *pool, const void *connection)
{
    for (size_t i = 0; i < pool->count; i++)
        if (pool->entries[i].connection == connection) {
            pool->count--;
            memmove(&pool->entries[i], &pool->entries[i + 1],
                    (pool->count - i) * sizeof *pool->entries);
            return;
        }
}

void *fr_half_open_victim(const struct fr_half_open *pool, const uint64_t *source, int64_t now_ms,
                          fr_half_open_rank_fn *rank)
{
    enum fr_half_open_rank lowest = FR_HALF_OPEN_KEEP;
    void *victim = NULL;
    size_t searched = 0;

    for (size_t i = 0; i < pool->count && searched < FR_HALF_OPEN_SEARCH_MAX; i++) {
        const struct fr_half_open_entry *entry = &pool->entries[i];
        enum fr_half_open_rank of_entry;

        if (now_ms - entry->since_ms < FR_HALF_OPEN_MIN_AGE_MS)
            break; /* the rest is younger */
        if (source != NULL && entry->source != *source)
            continue;
        searched++;
        of_entry = rank(entry->connection, now_ms - entry->since_ms);
        if (of_entry < lowest) {
            lowest = of_entry;
            victim = entry->connection;
        }
        if (lowest == FR_HALF_OPEN_IDLE)
            break;
    }
    return victim;
}

size_t fr_half_open_of_source(const struct fr_half_open *pool, uint64_t source)
{
    size_t count = 0;

    for (size_t i = 0; i < pool->count; i++)
        count += pool->entries[i].source == source;
    return count;
}
