#include "mqtt/name_limit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SLOTS_MIN 256

/* A name, or a vehicle with the number of its names. A hash of 0 marks an empty slot. */
struct slot {
    uint64_t hash;
    uint64_t names;
};

struct name_limit {
    uint64_t secret; /* prevents vehicles from choosing names with equal hashes */
    struct slot *slots;
    size_t size; /* a power of two; at most half of the slots are in use */
    size_t used, names;
    uint64_t refused;
};

struct name_limit *name_limit_new(void)
{
    struct name_limit *limit = calloc(1, sizeof *limit);

    if (limit == NULL)
        return NULL;
    limit->size = SLOTS_MIN;
    limit->slots = calloc(limit->size, sizeof *limit->slots);
    if (limit->slots != NULL &&
        getrandom(&limit->secret, sizeof limit->secret, 0) == (ssize_t)sizeof limit->secret)
        return limit;
    name_limit_free(limit);
    return NULL;
}

void name_limit_free(struct name_limit *limit)
{
    if (limit == NULL)
        return;
    free(limit->slots);
    free(limit);
}

/* FNV-1a with a final mix. The NUL is hashed, so that "a" "bc" differs from "ab" "c". */
static uint64_t limit_hash(uint64_t hash, const char *text)
{
    for (size_t i = 0, len = strlen(text) + 1; i < len; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    hash ^= hash >> 32;
    hash *= UINT64_C(0xd6e8feb86659fd93);
    return hash ^ hash >> 32;
}

/* The slot of a hash, or the empty slot where it is to be inserted. */
static struct slot *limit_find(const struct name_limit *limit, uint64_t hash)
{
    size_t at = hash & (limit->size - 1);

    while (limit->slots[at].hash != 0 && limit->slots[at].hash != hash)
        at = (at + 1) & (limit->size - 1);
    return &limit->slots[at];
}

/* Ensure capacity for two more slots. */
static bool limit_grow(struct name_limit *limit)
{
    struct name_limit larger = *limit;

    if ((limit->used + 2) * 2 <= limit->size)
        return true;
    larger.size = limit->size * 2;
    larger.slots = calloc(larger.size, sizeof *larger.slots);
    if (larger.slots == NULL)
        return false;
    for (size_t i = 0; i < limit->size; i++)
        if (limit->slots[i].hash != 0)
            *limit_find(&larger, limit->slots[i].hash) = limit->slots[i];
    free(limit->slots);
    *limit = larger;
    return true;
}

/* Add a new name of a vehicle. */
static bool limit_add(struct name_limit *limit, uint64_t vehicle, uint64_t name)
{
    struct slot *slot;

    if (limit->names >= NAME_LIMIT_TOTAL || !limit_grow(limit))
        return false;
    slot = limit_find(limit, vehicle);
    if (slot->names >= NAME_LIMIT_VEHICLE)
        return false;
    limit->used += slot->hash == 0;
    slot->hash = vehicle;
    slot->names++;
    limit_find(limit, name)->hash = name;
    limit->used++;
    limit->names++;
    return true;
}

bool name_limit_allows(struct name_limit *limit, const char *vin, const char *kind,
                       const char *name)
{
    uint64_t vehicle = limit_hash(limit->secret, vin) | 1;
    uint64_t hash = limit_hash(limit_hash(vehicle, kind), name) | 1;

    if (limit_find(limit, hash)->hash != 0 || limit_add(limit, vehicle, hash))
        return true;
    limit->refused++;
    return false;
}

uint64_t name_limit_refused(const struct name_limit *limit)
{
    return limit->refused;
}
