#include "journal/dedup.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "util/memory.h"

struct fingerprint {
    uint64_t a, b; /* a == 0: unused */
};

/* A hash table with chains. The fingerprints are in a ring; a new one replaces the oldest. */
struct fr_dedup {
    uint64_t secret[2];
    size_t max, bucket_count;
    size_t next_index; /* in the ring: of the next fingerprint */
    struct fingerprint *ring;
    uint32_t *next;   /* index + 1 of the next in the chain; 0: none */
    uint32_t *bucket; /* index + 1 of the first in the chain; 0: none */
};

struct fr_dedup *fr_dedup_new(size_t max)
{
    struct fr_dedup *d = fr_calloc(1, sizeof *d);

    d->max = max;
    d->bucket_count = 1;
    while (d->bucket_count < max)
        d->bucket_count *= 2;
    d->ring = fr_calloc(max, sizeof *d->ring);
    d->next = fr_calloc(max, sizeof *d->next);
    d->bucket = fr_calloc(d->bucket_count, sizeof *d->bucket);
    if (getrandom(d->secret, sizeof d->secret, 0) != (ssize_t)sizeof d->secret)
        d->secret[0] = UINT64_C(0x9e3779b97f4a7c15);
    return d;
}

void fr_dedup_free(struct fr_dedup *d)
{
    if (d == NULL)
        return;
    free(d->ring);
    free(d->next);
    free(d->bucket);
    free(d);
}

static uint64_t dedup_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    hash ^= hash >> 32;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    return hash ^ hash >> 29;
}

static uint64_t dedup_add(uint64_t hash, const void *bytes, size_t len)
{
    const uint8_t *at = bytes, *end = at + len;
    uint64_t word = 0;

    hash = dedup_mix(hash, len + 1);
    for (; (size_t)(end - at) > sizeof word; at += sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = dedup_mix(hash, word + UINT64_C(0x632be59bd9b4e019));
    }
    if (len >= sizeof word) /* the last word overlaps the one before: no copy of variable length */
        memcpy(&word, end - sizeof word, sizeof word);
    else
        for (; at < end; at++)
            word = word << 8 | *at;
    return dedup_mix(hash, word + UINT64_C(0x632be59bd9b4e019));
}

static void dedup_add_part(void *ctx, const uint8_t *part, size_t len)
{
    uint64_t *hash = ctx;

    *hash = dedup_add(*hash, part, len);
}

/* Hash the payload; of vehicle data all but the resend flag. */
static uint64_t dedup_hash_payload(const struct fr_dedup *d, const struct fr_record *record)
{
    uint64_t hash = d->secret[0] ^ d->secret[1];

    if (record->type == FR_RECORD_V)
        fr_payload_each_part(record->payload, record->payload_len, dedup_add_part, &hash);
    else
        hash = dedup_add(hash, record->payload, record->payload_len);
    return hash;
}

static struct fingerprint dedup_fingerprint(const struct fr_dedup *d,
                                            const struct fr_record *record)
{
    uint64_t hash[2], payload = dedup_hash_payload(d, record);

    for (int i = 0; i < 2; i++) {
        hash[i] = d->secret[i] + (uint64_t)i;
        hash[i] = dedup_add(hash[i], record->vin, strlen(record->vin));
        hash[i] = dedup_add(hash[i], record->topic, strlen(record->topic));
        hash[i] = dedup_add(hash[i], record->txid, record->txid_len);
        hash[i] = dedup_mix(hash[i], (uint64_t)record->created_ns);
        hash[i] = dedup_mix(hash[i], payload);
    }
    return (struct fingerprint){hash[0] | 1, hash[1]};
}

/* Remove the fingerprint at `index` of the ring from its chain. */
static void dedup_unlink(struct fr_dedup *d, size_t index)
{
    uint32_t *at = &d->bucket[d->ring[index].b & (d->bucket_count - 1)];

    while (*at != 0 && *at != index + 1)
        at = &d->next[*at - 1];
    if (*at != 0)
        *at = d->next[index];
}

bool fr_dedup_seen(struct fr_dedup *d, const struct fr_record *record)
{
    struct fingerprint print;
    uint32_t *bucket;

    if (record->txid_len == 0 || d->max == 0)
        return false;
    print = dedup_fingerprint(d, record);
    bucket = &d->bucket[print.b & (d->bucket_count - 1)];
    for (uint32_t at = *bucket; at != 0; at = d->next[at - 1])
        if (d->ring[at - 1].a == print.a && d->ring[at - 1].b == print.b)
            return true;
    if (d->ring[d->next_index].a != 0)
        dedup_unlink(d, d->next_index);
    d->ring[d->next_index] = print;
    d->next[d->next_index] = *bucket;
    *bucket = (uint32_t)d->next_index + 1;
    d->next_index = (d->next_index + 1) % d->max;
    return false;
}
