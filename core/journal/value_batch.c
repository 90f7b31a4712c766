#include "journal/value_batch.h"

#include <stdlib.h>
#include <string.h>

#include "util/counters.h"
#include "util/hash.h"
#include "util/memory.h"

#define BUCKETS (1u << 16) /* for up to FR_VALUE_BATCH_MAX entries: short chains */
#define BYTES_MAX (16u << 20)

struct batch_entry {
    struct batch_entry *next;
    uint64_t hash;
    struct fr_last_value value; /* its bytes follow this struct */
    size_t capacity;            /* for the bytes */
};

/* A hash table with chains. */
struct fr_value_batch {
    struct batch_entry *buckets[BUCKETS];
    size_t count, bytes;
};

struct fr_value_batch *fr_value_batch_new(void)
{
    return fr_calloc(1, sizeof(struct fr_value_batch));
}

void fr_value_batch_free(struct fr_value_batch *b)
{
    if (b != NULL)
        fr_value_batch_clear(b);
    free(b);
}

static struct batch_entry **batch_find(struct fr_value_batch *b, const char *vin, uint32_t field,
                                       uint64_t hash)
{
    struct batch_entry **at = &b->buckets[hash & (BUCKETS - 1)];

    while (*at != NULL && ((*at)->hash != hash || (*at)->value.field != field ||
                           strcmp((*at)->value.vin, vin) != 0))
        at = &(*at)->next;
    return at;
}

/* The entry at `at` with capacity for `len` bytes, or a new one. */
static struct batch_entry *batch_reserve(struct fr_value_batch *b, struct batch_entry **at,
                                         size_t len)
{
    struct batch_entry *entry = *at, *next = entry != NULL ? entry->next : NULL;

    if (entry != NULL && entry->capacity >= len)
        return entry;
    b->count += entry == NULL;
    b->bytes += len - (entry != NULL ? entry->capacity : 0);
    free(entry);
    entry = fr_calloc(1, sizeof *entry + len);
    entry->capacity = len;
    entry->next = next;
    *at = entry;
    return entry;
}

/* Add one value, unless the batch has a newer one. */
static void batch_put(struct fr_value_batch *b, const struct fr_record *record, uint32_t field,
                      const uint8_t *bytes, size_t len)
{
    struct fr_last_value value = {.field = field,
                                  .created_ns = record->created_ns,
                                  .received_ms = record->received_ms,
                                  .len = len};
    uint64_t hash = fr_hash_text(record->vin, field);
    struct batch_entry **at = batch_find(b, record->vin, field, hash), *entry;

    if (!fr_last_value_fits(field, len)) {
        fr_count(FR_COUNT_VALUES_OVER_BOUND);
        return;
    }
    if (*at != NULL && fr_last_value_time(&(*at)->value) > fr_last_value_time(&value))
        return;
    entry = batch_reserve(b, at, len);
    entry->hash = hash;
    memcpy(value.vin, record->vin, strlen(record->vin) + 1);
    value.bytes = (const uint8_t *)(entry + 1);
    entry->value = value;
    if (len != 0)
        memcpy(entry + 1, bytes, len);
}

struct batch_record {
    struct fr_value_batch *batch;
    const struct fr_record *record;
};

static void batch_add_datum(void *ctx, uint32_t field, const uint8_t *bytes, size_t len)
{
    struct batch_record *from = ctx;

    batch_put(from->batch, from->record, field, bytes, len);
}

void fr_value_batch_add(struct fr_value_batch *b, const struct fr_record *record)
{
    struct batch_record from = {b, record};

    if (record->type == FR_RECORD_PRESENCE)
        batch_put(b, record, FR_FIELD_PRESENCE, record->payload, record->payload_len);
    else
        fr_payload_each(record->payload, record->payload_len, batch_add_datum, &from);
}

void fr_value_batch_clear(struct fr_value_batch *b)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct batch_entry *entry = b->buckets[i], *next;

        if (entry == NULL)
            continue; /* a bucket that was never used needs no memory */
        for (; entry != NULL; entry = next) {
            next = entry->next;
            free(entry);
        }
        b->buckets[i] = NULL;
    }
    b->count = b->bytes = 0;
}

bool fr_value_batch_full(const struct fr_value_batch *b)
{
    return b->count >= FR_VALUE_BATCH_MAX || b->bytes >= BYTES_MAX;
}

static int batch_compare(const void *left, const void *right)
{
    const struct fr_last_value *a = *(const struct fr_last_value *const *)left,
                               *b = *(const struct fr_last_value *const *)right;
    int order = strcmp(a->vin, b->vin);

    return order != 0 ? order : (a->field > b->field) - (a->field < b->field);
}

const struct fr_last_value **fr_value_batch_sorted(const struct fr_value_batch *b, size_t *count)
{
    const struct fr_last_value **rows = fr_calloc(b->count, sizeof *rows);
    size_t n = 0;

    for (size_t i = 0; i < BUCKETS; i++)
        for (struct batch_entry *entry = b->buckets[i]; entry != NULL; entry = entry->next)
            rows[n++] = &entry->value;
    qsort(rows, n, sizeof *rows, batch_compare);
    *count = n;
    return rows;
}
