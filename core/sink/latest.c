#include "sink/latest.h"

#include <stdlib.h>
#include <string.h>

#include "util/hash.h"
#include "util/memory.h"

struct fr_latest {
    struct fr_latest_slot **buckets;
    size_t bucket_count, count;
};

struct fr_latest *fr_latest_new(void)
{
    struct fr_latest *latest = fr_calloc(1, sizeof *latest);

    latest->bucket_count = 256;
    latest->buckets = fr_calloc(latest->bucket_count, sizeof(struct fr_latest_slot *));
    return latest;
}

void fr_latest_free(struct fr_latest *latest)
{
    if (latest == NULL)
        return;
    for (size_t i = 0; i < latest->bucket_count; i++)
        for (struct fr_latest_slot *slot = latest->buckets[i], *next; slot != NULL; slot = next) {
            next = slot->next;
            free(slot);
        }
    free(latest->buckets);
    free(latest);
}

static void latest_grow(struct fr_latest *latest)
{
    size_t count = latest->bucket_count * 2;
    struct fr_latest_slot **buckets = fr_calloc(count, sizeof(struct fr_latest_slot *));

    for (size_t i = 0; i < latest->bucket_count; i++) {
        struct fr_latest_slot *slot = latest->buckets[i], *next;

        for (; slot != NULL; slot = next) {
            next = slot->next;
            slot->next = buckets[slot->hash & (count - 1)];
            buckets[slot->hash & (count - 1)] = slot;
        }
    }
    free(latest->buckets);
    latest->buckets = buckets;
    latest->bucket_count = count;
}

struct fr_latest_slot *fr_latest_slot(struct fr_latest *latest, const char *vin, uint32_t route,
                                      uint32_t field)
{
    uint64_t hash = fr_hash_text(vin, (uint64_t)route << 32 | field);
    struct fr_latest_slot *slot;
    size_t size = strlen(vin) + 1;

    for (slot = latest->buckets[hash & (latest->bucket_count - 1)]; slot != NULL; slot = slot->next)
        if (slot->hash == hash && slot->route == route && slot->field == field &&
            strcmp(slot->vin, vin) == 0)
            return slot;
    if (latest->count == FR_LATEST_MAX)
        return NULL;
    if (latest->count++ >= latest->bucket_count)
        latest_grow(latest);
    slot = fr_calloc(1, sizeof *slot + size);
    slot->hash = hash;
    slot->route = route;
    slot->field = field;
    memcpy(slot->vin, vin, size);
    slot->next = latest->buckets[hash & (latest->bucket_count - 1)];
    latest->buckets[hash & (latest->bucket_count - 1)] = slot;
    return slot;
}
