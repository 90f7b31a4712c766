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

void fr_half_open_set_source(struct fr_half_open *pool, const void *connection, uint64_t source)
{
    for (size_t i = 0; i < pool->count; i++)
        if (pool->entries[i].connection == connection) {
            pool->entries[i].source = source;
            return;
        }
}

void *fr_half_open_victim(const struct fr_half_open *pool, int64_t now_ms)
{
    if (pool->count == 0 || now_ms - pool->entries[0].since_ms < FR_HALF_OPEN_MIN_AGE_MS)
        return NULL;
    return pool->entries[0].connection;
}

size_t fr_half_open_of_source(const struct fr_half_open *pool, uint64_t source,
                              struct fr_half_open_entry *oldest)
{
    size_t count = 0;

    for (size_t i = 0; i < pool->count; i++)
        if (pool->entries[i].source == source && count++ == 0)
            *oldest = pool->entries[i];
    return count;
}
