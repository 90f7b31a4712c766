#include "type_limit.h"

#include <stdlib.h>
#include <string.h>

/* A power of two. FR_TYPES_MAX types use two slots each, so that half of the slots stay free. */
#define SLOTS 16384

static uint64_t limit_hash_of(const char *vin, const char *type, unsigned number)
{
    uint64_t h = 14695981039346656037ULL ^ number; /* FNV-1a */

    for (; *vin != '\0'; vin++)
        h = (h ^ (unsigned char)*vin) * 1099511628211ULL;
    h = (h ^ 0xffu) * 1099511628211ULL;
    for (; *type != '\0'; type++)
        h = (h ^ (unsigned char)*type) * 1099511628211ULL;
    return h != 0 ? h : 1;
}

/* The slot of a hash, or the empty slot where it is to be inserted. */
static size_t limit_slot_of(const struct fr_type_limit *limit, uint64_t hash)
{
    size_t slot = (size_t)(hash >> 7) % SLOTS;

    while (limit->known[slot] != 0 && limit->known[slot] != hash)
        slot = (slot + 1) % SLOTS;
    return slot;
}

static bool limit_is_known_type(const char *type)
{
    static const char *const known[] = {"V",        "alerts", "errors", "connectivity",
                                        "presence", "fields", "other"};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(type, known[i]) == 0)
            return true;
    return false;
}

/* Count one more type of a vehicle, by a hash of the vehicle and the count. False: the limit is
 * reached. */
static bool limit_count_type(struct fr_type_limit *limit, const char *vin)
{
    for (unsigned n = 1; n <= FR_TYPES_PER_VEHICLE; n++) {
        uint64_t hash = limit_hash_of(vin, "", n);
        size_t slot = limit_slot_of(limit, hash);

        if (limit->known[slot] == 0) {
            limit->known[slot] = hash;
            return true;
        }
    }
    return false;
}

const char *fr_type_in_path(struct fr_type_limit *limit, const char *vin, const char *type)
{
    uint64_t hash = limit_hash_of(vin, type, 0);
    size_t slot;

    if (limit_is_known_type(type))
        return type;
    if (limit->known == NULL && (limit->known = calloc(SLOTS, sizeof *limit->known)) == NULL)
        return "other";
    slot = limit_slot_of(limit, hash);
    if (limit->known[slot] != 0)
        return type;
    if (limit->count == FR_TYPES_MAX || !limit_count_type(limit, vin))
        return "other";
    limit->known[limit_slot_of(limit, hash)] = hash;
    limit->count++;
    return type;
}

void fr_type_limit_free(struct fr_type_limit *limit)
{
    free(limit->known);
    *limit = (struct fr_type_limit){0};
}
