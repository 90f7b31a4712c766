#include "route/throttle.h"

#include <stdlib.h>
#include <string.h>

#include "util/memory.h"

#define BUCKETS_AT_FIRST 256

struct fr_throttle {
    struct fr_throttle_slot **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
};

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

static size_t bucket_of(const struct fr_throttle *throttle, const uint64_t key[2])
{
    return mix(key[0] ^ mix(key[1])) & (throttle->bucket_count - 1);
}

struct fr_throttle *fr_throttle_new(void)
{
    struct fr_throttle *throttle = fr_calloc(1, sizeof *throttle);

    throttle->bucket_count = BUCKETS_AT_FIRST;
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

static void grow(struct fr_throttle *throttle)
{
    struct fr_throttle_slot **old = throttle->buckets;
    size_t old_count = throttle->bucket_count;

    throttle->bucket_count *= 2;
    throttle->buckets = fr_calloc(throttle->bucket_count, sizeof(struct fr_throttle_slot *));
    for (size_t i = 0; i < old_count; i++) {
        struct fr_throttle_slot *slot = old[i], *next;

        for (; slot != NULL; slot = next) {
            struct fr_throttle_slot **bucket = &throttle->buckets[bucket_of(throttle, slot->key)];

            next = slot->next_in_bucket;
            slot->next_in_bucket = *bucket;
            *bucket = slot;
        }
    }
    free(old);
}

struct fr_throttle_slot *fr_throttle_slot(struct fr_throttle *throttle, uint64_t vehicle,
                                          uint32_t route, uint32_t field)
{
    uint64_t key[2] = {vehicle, (uint64_t)route << 32 | field};
    struct fr_throttle_slot **bucket = &throttle->buckets[bucket_of(throttle, key)];
    struct fr_throttle_slot *slot;

    for (slot = *bucket; slot != NULL; slot = slot->next_in_bucket)
        if (slot->key[0] == key[0] && slot->key[1] == key[1])
            return slot;
    if (throttle->count >= FR_THROTTLE_MAX)
        return NULL;
    if (throttle->count >= throttle->bucket_count) {
        grow(throttle);
        bucket = &throttle->buckets[bucket_of(throttle, key)];
    }
    slot = fr_calloc(1, sizeof *slot);
    memcpy(slot->key, key, sizeof key);
    slot->next_in_bucket = *bucket;
    *bucket = slot;
    throttle->count++;
    return slot;
}

struct fr_value fr_throttle_kept(const struct fr_value *value)
{
    struct fr_value kept = *value;

    if (value->kind == FR_VALUE_TEXT) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < value->text.len; i++)
            hash = (hash ^ (unsigned char)value->text.bytes[i]) * UINT64_C(0x100000001b3);
        kept.kind = FR_VALUE_INT;
        kept.integer = (int64_t)(hash >> 1);
    }
    return kept;
}

void fr_throttle_open(struct fr_throttle_windows *windows, struct fr_throttle_slot *slot,
                      int64_t closes_ms)
{
    slot->closes_ms = closes_ms;
    slot->next_open = NULL;
    if (windows->first == NULL)
        windows->first = slot;
    else
        windows->last->next_open = slot;
    windows->last = slot;
}

struct fr_throttle_slot *fr_throttle_close(struct fr_throttle_windows *windows, int64_t now_ms)
{
    struct fr_throttle_slot *slot = windows->first;

    if (slot == NULL || slot->closes_ms > now_ms)
        return NULL;
    windows->first = slot->next_open;
    slot->closes_ms = 0;
    return slot;
}

bool fr_throttle_wait(struct fr_throttle_slot *slot, struct fr_record *record,
                      const struct fr_value *value, uint32_t marks)
{
    bool replaced = slot->waiting != NULL;

    fr_record_ref(record);
    if (replaced)
        fr_record_unref(slot->waiting);
    slot->waiting = record;
    slot->waiting_value = *value;
    slot->waiting_marks = marks;
    return replaced;
}

void fr_throttle_each(struct fr_throttle *throttle,
                      void (*each)(void *ctx, struct fr_throttle_slot *slot), void *ctx)
{
    for (size_t i = 0; i < throttle->bucket_count; i++)
        for (struct fr_throttle_slot *s = throttle->buckets[i]; s != NULL; s = s->next_in_bucket)
            each(ctx, s);
}
