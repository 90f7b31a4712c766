#include "journal/duplicates.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "util/memory.h"

struct print {
    uint64_t a, b; /* both 0: none */
};

/* Fingerprints in a ring, the oldest overwritten; chains of equal hash lead through it. */
struct fr_duplicates {
    uint64_t secret[2];
    size_t most, bucket_count, at;
    struct print *ring;
    uint32_t *next;   /* place + 1 of the next in the chain */
    uint32_t *bucket; /* place + 1 of the first */
};

struct fr_duplicates *fr_duplicates_new(size_t most)
{
    struct fr_duplicates *d = fr_calloc(1, sizeof *d);

    d->most = most;
    d->bucket_count = 1;
    while (d->bucket_count < most)
        d->bucket_count *= 2;
    d->ring = fr_calloc(most, sizeof *d->ring);
    d->next = fr_calloc(most, sizeof *d->next);
    d->bucket = fr_calloc(d->bucket_count, sizeof *d->bucket);
    if (getrandom(d->secret, sizeof d->secret, 0) != (ssize_t)sizeof d->secret)
        d->secret[0] = UINT64_C(0x9e3779b97f4a7c15);
    return d;
}

void fr_duplicates_free(struct fr_duplicates *d)
{
    if (d == NULL)
        return;
    free(d->ring);
    free(d->next);
    free(d->bucket);
    free(d);
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    hash ^= hash >> 32;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    return hash ^ hash >> 29;
}

static uint64_t add(uint64_t hash, const void *bytes, size_t len)
{
    const uint8_t *at = bytes, *end = at + len;
    uint64_t word = 0;

    hash = mix(hash, len + 1);
    for (; (size_t)(end - at) > sizeof word; at += sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = mix(hash, word + UINT64_C(0x632be59bd9b4e019));
    }
    if (len >= sizeof word) /* the last word overlaps the one before: no copy of variable length */
        memcpy(&word, end - sizeof word, sizeof word);
    else
        for (; at < end; at++)
            word = word << 8 | *at;
    return mix(hash, word + UINT64_C(0x632be59bd9b4e019));
}

static void add_datum(void *ctx, const uint8_t *datum, size_t len)
{
    uint64_t *hash = ctx;

    *hash = add(*hash, datum, len);
}

/* Of what the message says. Of vehicle data only the data: the mark that it is sent again stands in
 * the payload, too. */
static uint64_t hash_payload(const struct fr_duplicates *d, const struct fr_record *record)
{
    uint64_t hash = d->secret[0] ^ d->secret[1];

    if (record->type == FR_RECORD_V)
        fr_payload_each_datum(record->payload, record->payload_len, add_datum, &hash);
    else
        hash = add(hash, record->payload, record->payload_len);
    return hash;
}

static struct print print_of(const struct fr_duplicates *d, const struct fr_record *record)
{
    uint64_t hash[2], payload = hash_payload(d, record);

    for (int i = 0; i < 2; i++) {
        hash[i] = d->secret[i] + (uint64_t)i;
        hash[i] = add(hash[i], record->vin, strlen(record->vin));
        hash[i] = add(hash[i], record->topic, strlen(record->topic));
        hash[i] = add(hash[i], record->txid, record->txid_len);
        hash[i] = mix(hash[i], (uint64_t)record->created_ns);
        hash[i] = mix(hash[i], payload);
    }
    return (struct print){hash[0] | 1, hash[1]};
}

static void forget(struct fr_duplicates *d, size_t place)
{
    uint32_t *at = &d->bucket[d->ring[place].b & (d->bucket_count - 1)];

    while (*at != 0 && *at != place + 1)
        at = &d->next[*at - 1];
    if (*at != 0)
        *at = d->next[place];
}

bool fr_duplicates_seen(struct fr_duplicates *d, const struct fr_record *record)
{
    struct print print;
    uint32_t *bucket;

    if (record->txid_len == 0 || d->most == 0)
        return false;
    print = print_of(d, record);
    bucket = &d->bucket[print.b & (d->bucket_count - 1)];
    for (uint32_t at = *bucket; at != 0; at = d->next[at - 1])
        if (d->ring[at - 1].a == print.a && d->ring[at - 1].b == print.b)
            return true;
    if (d->ring[d->at].a != 0)
        forget(d, d->at);
    d->ring[d->at] = print;
    d->next[d->at] = *bucket;
    *bucket = (uint32_t)d->at + 1;
    d->at = (d->at + 1) % d->most;
    return false;
}
