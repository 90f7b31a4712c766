#include "tool/field_counts.h"

#include <stdlib.h>

#include "journal/store_open.h"
#include "journal/store_read.h"
#include "journal/stored_record.h"
#include "record/field_catalogue.h"
#include "record/payload.h"
#include "util/memory.h"

#define CHUNK_RECORDS 1000 /* max records read in one transaction */

static void field_counts_add(void *ctx, uint32_t field, const uint8_t *value, size_t len)
{
    struct fr_field_counts *counts = ctx;

    (void)value;
    (void)len;
    if (field < fr_field_count())
        counts->values[field]++;
    else
        counts->others++;
}

static bool field_counts_record(void *ctx, uint64_t seq, const uint8_t *bytes, size_t len)
{
    struct fr_field_counts *counts = ctx;
    struct fr_payload_info info;
    struct fr_stored stored;

    (void)seq;
    if (fr_stored_read(bytes, len, &stored) != 0) {
        counts->damaged++;
        return true;
    }
    if (counts->first_ms == 0)
        counts->first_ms = stored.appended_ms;
    counts->last_ms = stored.appended_ms;
    if (stored.topic_len == 1 && stored.topic[0] == 'V' &&
        fr_payload_inspect(stored.payload, stored.payload_len, &info) == 0)
        fr_payload_each(stored.payload, stored.payload_len, field_counts_add, counts);
    return true;
}

int fr_field_counts_read(struct fr_field_counts *counts, const char *path, uint64_t from,
                         struct fr_error *error)
{
    struct fr_store *store = fr_store_open_readonly(path, true, error);
    struct fr_store_reader *reader = store != NULL ? fr_store_reader_new(store, error) : NULL;
    struct fr_store_usage usage;
    int n = -1;

    *counts = (struct fr_field_counts){.values = fr_calloc(fr_field_count(), sizeof(uint64_t))};
    if (reader != NULL && fr_store_usage(store, &usage, error) == 0) {
        struct fr_store_span span = {.next = from > usage.first ? from : usage.first,
                                     .end = usage.next};

        /* A journal that was replaced by a new one starts at lower numbers. */
        if (span.next > span.end)
            span.next = usage.first;
        counts->next = usage.next;
        do {
            n = fr_store_read(reader, &span, CHUNK_RECORDS, field_counts_record, counts, error);
            counts->damaged += span.missing;
        } while (n > 0);
    }
    fr_store_reader_free(reader);
    fr_store_close(store);
    return n < 0 ? -1 : 0;
}

void fr_field_counts_free(struct fr_field_counts *counts)
{
    free(counts->values);
    *counts = (struct fr_field_counts){0};
}
