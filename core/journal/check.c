#include "journal/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "journal/store_base.h"
#include "journal/store_open.h"
#include "journal/store_read.h"
#include "journal/store_write.h"
#include "journal/stored_record.h"
#include "util/clock.h"
#include "util/guarded.h"
#include "util/memory.h"

#define RECORDS_PER_READ 1000
#define PROGRESS_MS 5000 /* a check without progress for this long counts as hanging */
#define REMEDY                                                                                     \
    "it is left unchanged (`fleetroute journal salvage` creates a new journal from its readable "  \
    "records)"

struct check {
    const char *path;
    bool writable;
    struct fr_store *store;
    struct fr_journal_check *result; /* shared with the parent process */
    _Atomic int64_t *progress_ms;    /* shared; monotonic time of the last progress */
};

static bool check_record(void *ctx, uint64_t seq, const uint8_t *bytes, size_t len)
{
    struct check *c = ctx;
    struct fr_stored stored;

    (void)seq;
    if (fr_stored_read(bytes, len, &stored) != 0)
        c->result->damaged++;
    c->result->records++;
    return true;
}

static int check_records(struct check *c, struct fr_error *error)
{
    struct fr_store_reader *reader = fr_store_reader_new(c->store, error);
    struct fr_store_usage usage;
    struct fr_store_span span;
    int n = -1;

    if (reader == NULL || fr_store_usage(c->store, &usage, error) != 0)
        return -1;
    c->result->first = usage.first;
    c->result->next = usage.next;
    span = (struct fr_store_span){.next = usage.first, .end = usage.next};
    while (span.next < span.end) {
        n = fr_store_read(reader, &span, RECORDS_PER_READ, check_record, c, error);
        if (n < 0)
            return -1;
        c->result->missing += span.missing;
        atomic_store(c->progress_ms, fr_monotonic_ms());
    }
    fr_store_reader_free(reader);
    return 0;
}

static void check_cursor(void *ctx, const char *name, uint64_t seq, int64_t moved_ms)
{
    struct check *c = ctx;

    (void)name, (void)moved_ms;
    c->result->cursors++;
    c->result->cursors_beyond += seq > c->result->next;
}

/* Check an entry of the free list: a count, then that many page numbers. No page is free twice. */
static int check_free_entry(struct check *c, const MDB_val *data, uint8_t *seen, uint64_t last)
{
    const uint8_t *at = data->mv_data;
    uint64_t count, page;

    if (data->mv_size < 8)
        return -1;
    memcpy(&count, at, 8);
    if (count > (data->mv_size - 8) / 8)
        return -1;
    for (uint64_t i = 0; i < count; i++) {
        memcpy(&page, at + 8 + i * 8, 8);
        if (page < 2 || page > last || (seen[page / 8] & (1u << page % 8)))
            return -1;
        seen[page / 8] |= (uint8_t)(1u << page % 8);
        c->result->free_pages++;
    }
    return 0;
}

static int check_free_pages(struct check *c, struct fr_error *error)
{
    MDB_envinfo info;
    MDB_cursor *cursor;
    MDB_txn *txn;
    MDB_val key, data;
    uint8_t *seen;
    int code, status = 0;

    mdb_env_info(c->store->env, &info);
    seen = fr_calloc(info.me_last_pgno / 8 + 1, 1);
    code = mdb_txn_begin(c->store->env, NULL, MDB_RDONLY, &txn);
    if (code == 0)
        code = mdb_cursor_open(txn, 0, &cursor);
    while (code == 0 && status == 0 && (code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == 0)
        status = check_free_entry(c, &data, seen, info.me_last_pgno);
    free(seen);
    if (status != 0)
        return fr_error_set(error, "its list of free pages is invalid");
    return code == MDB_NOTFOUND ? 0 : fr_store_failed(c->store, error, "read its free pages", code);
}

/* Do what the daemon does first, then abort: delete from the front, append at the end. */
static int check_writing(struct check *c, struct fr_error *error)
{
    struct fr_store_old old = {.below = UINT64_MAX, .needed = UINT64_MAX};
    struct fr_record_source source = {.vin = "check",
                                      .topic = (const uint8_t *)"V",
                                      .topic_len = 1,
                                      .txid = (const uint8_t *)"",
                                      .client_version = "",
                                      .payload = (const uint8_t *)""};
    struct fr_record *record = fr_record_known(&source, 1, false);
    struct fr_store_pruned pruned;
    int status;

    if (record == NULL)
        return fr_error_set(error, "out of memory");
    if (fr_store_begin(c->store, error) != 0)
        return -1;
    status = fr_store_prune(c->store, &old, RECORDS_PER_READ, &pruned, error);
    for (int i = 0; i < 100 && status == 0; i++)
        status = fr_store_append(c->store, record, 1, error);
    fr_store_abort(c->store);
    fr_record_unref(record);
    return status;
}

static int check_all(void *ctx, struct fr_error *error)
{
    struct check *c = ctx;
    struct fr_store_reader *reader;

    c->store = fr_store_inspect(c->path, c->writable, error);
    if (c->store == NULL || check_free_pages(c, error) != 0 || check_records(c, error) != 0)
        return -1;
    reader = fr_store_reader_new(c->store, error);
    if (reader == NULL || fr_store_cursors(reader, check_cursor, c, error) != 0)
        return -1;
    return c->writable ? check_writing(c, error) : 0;
}

static int check_verdict(const struct check *c, enum fr_guarded end, struct fr_error *error)
{
    struct fr_error why = *error;

    c->result->complete = end == FR_GUARDED_WELL;
    switch (end) {
    case FR_GUARDED_WELL:
    case FR_GUARDED_NOT_RUN: /* the check is optional */
        return 0;
    case FR_GUARDED_LATE:
        if (fr_monotonic_ms() - atomic_load(c->progress_ms) < PROGRESS_MS)
            return 0;
        return fr_error_set(error, "journal %s: broken: reading it does not end; " REMEDY, c->path);
    case FR_GUARDED_CRASHED:
        return fr_error_set(error, "journal %s: broken: reading it crashes: %s; " REMEDY, c->path,
                            why.text);
    case FR_GUARDED_FAILED:
        if (strncmp(why.text, "journal ", strlen("journal ")) == 0)
            return -1; /* the text names the path and the remedy */
        return fr_error_set(error, "journal %s: broken: %s; " REMEDY, c->path, why.text);
    }
    return 0;
}

int fr_journal_check(const char *path, bool writable, int64_t max_ms,
                     struct fr_journal_check *result, struct fr_error *error)
{
    struct {
        struct fr_journal_check result;
        _Atomic int64_t progress_ms;
    } * shared;
    struct check c = {.path = path, .writable = writable};
    int status;

    memset(result, 0, sizeof *result);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return fr_error_set(error, "journal: cannot map memory: %s", strerror(errno));
    c.result = &shared->result;
    c.progress_ms = &shared->progress_ms;
    atomic_store(&shared->progress_ms, fr_monotonic_ms());
    status = check_verdict(&c, fr_guarded_run(check_all, &c, max_ms, error), error);
    *result = shared->result;
    munmap(shared, sizeof *shared);
    return status;
}
