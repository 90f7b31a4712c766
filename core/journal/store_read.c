#include "journal/store_read.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "journal/store_base.h"
#include "journal/stored_record.h"
#include "util/memory.h"

/* Read pages of the map stay in resident memory. They are released after this many bytes. */
#define RESIDENT_MAX (16u << 20)

struct fr_store_reader *fr_store_reader_new(struct fr_store *store, struct fr_error *error)
{
    struct fr_store_reader *reader = fr_calloc(1, sizeof *reader);

    reader->store = store;
    pthread_mutex_lock(&store->readers_lock);
    reader->next = store->readers;
    store->readers = reader;
    pthread_mutex_unlock(&store->readers_lock);
    if (fr_store_read_begin(reader, error) == 0) {
        fr_store_read_end(reader);
        return reader;
    }
    fr_store_reader_free(reader);
    return NULL;
}

void fr_store_reader_free(struct fr_store_reader *reader)
{
    struct fr_store_reader **at;
    struct fr_store *store;

    if (reader == NULL)
        return;
    store = reader->store;
    pthread_rwlock_rdlock(&store->env_lock);
    pthread_mutex_lock(&store->readers_lock);
    for (at = &store->readers; *at != reader; at = &(*at)->next)
        ;
    *at = reader->next;
    pthread_mutex_unlock(&store->readers_lock);
    if (reader->txn != NULL)
        mdb_txn_abort(reader->txn);
    pthread_rwlock_unlock(&store->env_lock);
    free(reader);
}

/* Release the map's pages from resident memory; they stay in the page cache. */
static void store_release_pages(struct fr_store *store, size_t read)
{
    if (atomic_fetch_add_explicit(&store->read_bytes, read, memory_order_relaxed) + read <
        RESIDENT_MAX)
        return;
    atomic_store_explicit(&store->read_bytes, 0, memory_order_relaxed);
    if (store->map != NULL)
        madvise(store->map, store->map_size, MADV_DONTNEED);
}

/* ---- records --------------------------------------------------------------------- */

struct scan {
    struct fr_store_reader *reader;
    MDB_cursor *cursor;
    uint64_t seq; /* of the current record */
    MDB_val data; /* the current stored record */
};

/* Move to the first record from `from` on. False: there is none below `end`, or the page is
 * invalid. */
static bool store_scan_get(struct scan *scan, uint64_t from, uint64_t end, MDB_cursor_op op)
{
    MDB_val key = {sizeof from, &from};
    int code = mdb_cursor_get(scan->cursor, &key, &scan->data, op);

    if (code != 0 || key.mv_size != sizeof scan->seq)
        return false;
    memcpy(&scan->seq, key.mv_data, sizeof scan->seq);
    return scan->seq >= from && scan->seq < end;
}

/* Like store_scan_get(), in a new transaction: LMDB ends a transaction at a damaged page. */
static bool store_scan_probe(struct scan *scan, uint64_t from, uint64_t end)
{
    if (scan->cursor != NULL)
        mdb_cursor_close(scan->cursor);
    scan->cursor = NULL;
    mdb_txn_reset(scan->reader->txn);
    return mdb_txn_renew(scan->reader->txn) == 0 &&
           mdb_cursor_open(scan->reader->txn, scan->reader->store->records, &scan->cursor) == 0 &&
           store_scan_get(scan, from, end, MDB_SET_RANGE);
}

/* Find the first readable record after the unreadable record `from`: in steps that double, then by
 * bisection. False: there is none below `end`. */
static bool store_scan_skip(struct scan *scan, uint64_t from, uint64_t end)
{
    uint64_t step = 1, low, high;

    while (step < end - from && !store_scan_probe(scan, from + step, end))
        step = step > (end - from) / 2 ? end - from : step * 2;
    if (step >= end - from)
        return false;
    low = from + step / 2;
    high = from + step;
    while (low + 1 < high) {
        uint64_t middle = low + (high - low) / 2;

        if (store_scan_probe(scan, middle, end))
            high = middle;
        else
            low = middle;
    }
    return store_scan_probe(scan, high, end);
}

/* Count the numbers from span->next to `found` as deleted (before the oldest record) or missing. */
static void store_count_gap(struct scan *scan, struct fr_store_span *span, uint64_t found)
{
    uint64_t first = fr_store_edge(scan->reader->store, scan->reader->txn, MDB_FIRST, NULL);

    if (first > found)
        first = found;
    if (first > span->next) {
        span->deleted += first - span->next;
        span->next = first;
    }
    span->missing += found - span->next;
    span->next = found;
}

/* Move to the next record of the span. False: there is none. */
static bool store_scan_next(struct scan *scan, struct fr_store_span *span, bool first)
{
    bool found = store_scan_get(scan, span->next, span->end, first ? MDB_SET_RANGE : MDB_NEXT);

    if (!found && span->next < span->end)
        found = store_scan_skip(scan, span->next, span->end);
    if (span->next < span->end && (!found || scan->seq != span->next))
        store_count_gap(scan, span, found ? scan->seq : span->end);
    return found;
}

int fr_store_read(struct fr_store_reader *reader, struct fr_store_span *span, size_t max,
                  bool (*each)(void *ctx, uint64_t seq, const uint8_t *bytes, size_t len),
                  void *ctx, struct fr_error *error)
{
    struct scan scan = {.reader = reader};
    size_t bytes = 0;
    int code, count = 0;

    span->deleted = span->missing = 0;
    if (fr_store_read_begin(reader, error) != 0)
        return -1;
    code = mdb_cursor_open(reader->txn, reader->store->records, &scan.cursor);
    while (code == 0 && span->next < span->end && (size_t)count < max &&
           store_scan_next(&scan, span, count == 0) &&
           each(ctx, scan.seq, scan.data.mv_data, scan.data.mv_size)) {
        span->next = scan.seq + 1;
        bytes += scan.data.mv_size;
        count++;
    }
    if (scan.cursor != NULL)
        mdb_cursor_close(scan.cursor);
    store_release_pages(reader->store, bytes);
    fr_store_read_end(reader);
    return code == 0 ? count : fr_store_failed(reader->store, error, "read", code);
}

/* ---- positions ------------------------------------------------------------------- */

/* Read the append time of the first record from *seq on; *seq becomes its number. */
static int store_read_append_time(MDB_cursor *cursor, uint64_t *seq, int64_t *ms)
{
    MDB_val key = {sizeof *seq, seq}, data;
    struct fr_stored stored;
    int code = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);

    if (code != 0)
        return code;
    memcpy(seq, key.mv_data, sizeof *seq);
    *ms = fr_stored_parse_head(data.mv_data, data.mv_size, &stored) == 0 ? stored.appended_ms : 0;
    return 0;
}

int fr_store_seek(struct fr_store_reader *reader, int64_t ms, uint64_t *seq, struct fr_error *error)
{
    struct fr_store *store = reader->store;
    MDB_cursor *cursor;
    uint64_t low, high;
    int code;

    if (fr_store_read_begin(reader, error) != 0)
        return -1;
    low = fr_store_edge(store, reader->txn, MDB_FIRST, NULL);
    high = fr_store_edge(store, reader->txn, MDB_LAST, NULL) + 1;
    code = mdb_cursor_open(reader->txn, store->records, &cursor);
    while (code == 0 && low < high) {
        uint64_t middle = low + (high - low) / 2, found = middle;
        int64_t appended_ms;

        code = store_read_append_time(cursor, &found, &appended_ms);
        if (code == MDB_NOTFOUND || (code == 0 && appended_ms >= ms)) {
            code = 0;
            high = middle;
        } else
            low = found + 1;
    }
    if (code == 0)
        mdb_cursor_close(cursor);
    fr_store_read_end(reader);
    *seq = high;
    return code == 0 ? 0 : fr_store_failed(store, error, "search", code);
}

int fr_store_usage(struct fr_store *store, struct fr_store_usage *usage, struct fr_error *error)
{
    char *data = fr_asprintf("%s/data.mdb", store->path);
    struct stat st = {0};
    MDB_txn *txn;
    int code = MDB_PANIC;

    memset(usage, 0, sizeof *usage);
    if (stat(data, &st) == 0)
        usage->file_bytes = (uint64_t)st.st_blocks * 512;
    free(data);
    pthread_rwlock_rdlock(&store->env_lock);
    if (store->env != NULL)
        code = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    if (code == 0) {
        usage->record_bytes = fr_store_pages(store, txn);
        usage->next = fr_store_edge(store, txn, MDB_LAST, NULL) + 1;
        usage->first = fr_store_edge(store, txn, MDB_FIRST, &usage->first_ms);
        if (usage->first == 0)
            usage->first = usage->next;
        mdb_txn_abort(txn);
    }
    pthread_rwlock_unlock(&store->env_lock);
    return code == 0 ? 0 : fr_store_failed(store, error, "read", code);
}

int fr_store_position(const struct fr_store_usage *usage, uint64_t *seq, struct fr_error *error)
{
    if (*seq > usage->next)
        return fr_error_set(error,
                            "record %llu is beyond the end: the journal holds %llu to %llu (`now` "
                            "is one above the newest)",
                            (unsigned long long)*seq, (unsigned long long)usage->first,
                            (unsigned long long)(usage->next - 1));
    if (*seq < usage->first)
        *seq = usage->first;
    return 0;
}

enum fr_store_lookup fr_store_cursor(struct fr_store_reader *reader, const char *name,
                                     uint64_t *seq, int64_t *moved_ms, struct fr_error *error)
{
    MDB_val key = {strnlen(name, FR_STORE_NAME_MAX), (void *)(uintptr_t)name}, data;
    uint64_t numbers[2];
    int code;

    if (fr_store_read_begin(reader, error) != 0)
        return FR_STORE_LOOKUP_FAILED;
    code = mdb_get(reader->txn, reader->store->cursors, &key, &data);
    if (code == 0 && data.mv_size == sizeof numbers) {
        memcpy(numbers, data.mv_data, sizeof numbers);
        *seq = numbers[0];
        *moved_ms = (int64_t)numbers[1];
    }
    fr_store_read_end(reader);
    if (code == 0)
        return FR_STORE_FOUND;
    if (code == MDB_NOTFOUND)
        return FR_STORE_NOT_FOUND;
    fr_store_failed(reader->store, error, "read a cursor", code);
    return FR_STORE_LOOKUP_FAILED;
}

int fr_store_cursors(struct fr_store_reader *reader,
                     void (*each)(void *ctx, const char *name, uint64_t seq, int64_t moved_ms),
                     void *ctx, struct fr_error *error)
{
    MDB_cursor *cursor;
    MDB_val key, data;
    int code;

    if (fr_store_read_begin(reader, error) != 0)
        return -1;
    code = mdb_cursor_open(reader->txn, reader->store->cursors, &cursor);
    while (code == 0 && (code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == 0) {
        char name[FR_STORE_NAME_MAX + 1];
        uint64_t numbers[2];

        if (key.mv_size > FR_STORE_NAME_MAX || data.mv_size != sizeof numbers)
            continue;
        memcpy(name, key.mv_data, key.mv_size);
        name[key.mv_size] = '\0';
        memcpy(numbers, data.mv_data, sizeof numbers);
        each(ctx, name, numbers[0], (int64_t)numbers[1]);
    }
    if (code == MDB_NOTFOUND) {
        mdb_cursor_close(cursor);
        code = 0;
    }
    fr_store_read_end(reader);
    return code == 0 ? 0 : fr_store_failed(reader->store, error, "read its cursors", code);
}

int fr_store_number(struct fr_store_reader *reader, const char *name, uint64_t *number,
                    struct fr_error *error)
{
    MDB_val key = {strlen(name), (void *)(uintptr_t)name}, data;
    int code;

    *number = 0;
    if (fr_store_read_begin(reader, error) != 0)
        return -1;
    code = mdb_get(reader->txn, reader->store->about, &key, &data);
    if (code == 0 && data.mv_size == sizeof *number)
        memcpy(number, data.mv_data, sizeof *number);
    fr_store_read_end(reader);
    return code == 0 || code == MDB_NOTFOUND ? 0
                                             : fr_store_failed(reader->store, error, "read", code);
}

int fr_store_dropped(struct fr_store_reader *reader, const char *cursor, uint64_t *number,
                     struct fr_error *error)
{
    char name[FR_DROPPED_KEY_SIZE];

    fr_store_dropped_key(cursor, name);
    return fr_store_number(reader, name, number, error);
}
