#include "route/throttle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "util/hash.h"
#include "util/memory.h"

#define INITIAL_BUCKETS 256

struct fr_throttle {
    struct fr_throttle_slot **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
};

/* The finaliser of MurmurHash3: every bit of x changes about half the bits of the result. */
static uint64_t throttle_mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

static size_t throttle_bucket(const struct fr_throttle *throttle, const uint64_t key[2])
{
    return throttle_mix(key[0] ^ throttle_mix(key[1])) & (throttle->bucket_count - 1);
}

struct fr_throttle *fr_throttle_new(void)
{
    struct fr_throttle *throttle = fr_calloc(1, sizeof *throttle);

    throttle->bucket_count = INITIAL_BUCKETS;
    throttle->buckets = fr_calloc(throttle->bucket_count, sizeof(struct fr_throttle_slot *));
    return throttle;
}

void fr_throttle_free(struct fr_throttle *throttle)
{
    for (size_t i = 0; i < throttle->bucket_count; i++) {
        struct fr_throttle_slot *slot = throttle->buckets[i], *next;

        for (; slot != NULL; slot = next) {
            next = slot->next_in_bucket;
            if (slot->waiting != NULL)
                fr_record_unref(slot->waiting);
            free(slot);
        }
    }
    free(throttle->buckets);
    free(throttle);
}

static void throttle_grow(struct fr_throttle *throttle)
{
    struct fr_throttle_slot **old = throttle->buckets;
    size_t old_count = throttle->bucket_count;

    throttle->bucket_count *= 2;
    throttle->buckets = fr_calloc(throttle->bucket_count, sizeof(struct fr_throttle_slot *));
    for (size_t i = 0; i < old_count; i++) {
        struct fr_throttle_slot *slot = old[i], *next;

        for (; slot != NULL; slot = next) {
            struct fr_throttle_slot **bucket =
                &throttle->buckets[throttle_bucket(throttle, slot->key)];

            next = slot->next_in_bucket;
            slot->next_in_bucket = *bucket;
            *bucket = slot;
        }
    }
    free(old);
}

struct fr_throttle_slot *fr_throttle_find(const struct fr_throttle *throttle, uint64_t vehicle,
                                          uint32_t route, uint32_t field)
{
    uint64_t key[2] = {vehicle, (uint64_t)route << 32 | field};
    struct fr_throttle_slot *slot = throttle->buckets[throttle_bucket(throttle, key)];

    while (slot != NULL && (slot->key[0] != key[0] || slot->key[1] != key[1]))
        slot = slot->next_in_bucket;
    return slot;
}

struct fr_throttle_slot *fr_throttle_add(struct fr_throttle *throttle, uint64_t vehicle,
                                         uint32_t route, uint32_t field)
{
    uint64_t key[2] = {vehicle, (uint64_t)route << 32 | field};
    struct fr_throttle_slot *slot, **bucket;

    assert(fr_throttle_find(throttle, vehicle, route, field) == NULL);
    if (throttle->count >= FR_THROTTLE_MAX)
        return NULL;
    if (throttle->count >= throttle->bucket_count)
        throttle_grow(throttle);
    bucket = &throttle->buckets[throttle_bucket(throttle, key)];
    slot = fr_calloc(1, sizeof *slot);
    memcpy(slot->key, key, sizeof key);
    slot->next_in_bucket = *bucket;
    *bucket = slot;
    throttle->count++;
    return slot;
}

uint32_t fr_throttle_route(const struct fr_throttle_slot *slot)
{
    return (uint32_t)(slot->key[1] >> 32);
}

uint32_t fr_throttle_field(const struct fr_throttle_slot *slot)
{
    return (uint32_t)slot->key[1];
}

struct fr_value fr_throttle_compact_value(const struct fr_value *value)
{
    struct fr_value compact = *value;

    if (value->kind == FR_VALUE_TEXT) {
        uint64_t hash = fr_hash_bytes(value->text.bytes, value->text.len, 0);

        compact.kind = FR_VALUE_INT;
        compact.integer = (int64_t)(hash >> 1);
    }
    return compact;
}

void fr_throttle_set_last(struct fr_throttle_slot *slot, const struct fr_value *value,
                          int64_t measured_ns)
{
    if (slot->has_last && measured_ns < slot->last_ns)
        return;
    slot->last = fr_throttle_compact_value(value);
    slot->last_ns = measured_ns;
    slot->has_last = true;
}

void fr_throttle_each(struct fr_throttle *throttle,
                      void (*each)(void *ctx, struct fr_throttle_slot *slot), void *ctx)
{
    for (size_t i = 0; i < throttle->bucket_count; i++)
        for (struct fr_throttle_slot *s = throttle->buckets[i]; s != NULL; s = s->next_in_bucket)
            each(ctx, s);
}
