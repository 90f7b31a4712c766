#include "journal/cursor.h"

#include <stdlib.h>
#include <string.h>

#include "journal/journal_base.h"
#include "journal/stored_record.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/memory.h"

void fr_cursor_free(struct fr_cursor *c)
{
    fr_store_reader_free(c->reader);
    free(c->name);
    free(c);
}

/* NULL: there is no cursor of that name. The caller holds j->lock. */
static struct fr_cursor *cursor_find(struct fr_journal *j, const char *name)
{
    struct fr_cursor *c = j->cursors;

    while (c != NULL && strcmp(c->name, name) != 0)
        c = c->next;
    return c;
}

static struct fr_cursor *cursor_new(struct fr_journal *j, const struct fr_cursor_name *name,
                                    struct fr_error *error)
{
    struct fr_cursor *c = fr_calloc(1, sizeof *c);
    uint64_t position = 0, dropped, end = atomic_load(&j->next);
    int64_t moved;
    enum fr_store_lookup found = FR_STORE_LOOKUP_FAILED;

    c->journal = j;
    c->name = fr_strdup(name->name);
    c->reader = fr_store_reader_new(j->store, error);
    if (c->reader != NULL)
        found = fr_store_cursor(c->reader, c->name, &position, &moved, error);
    if (found == FR_STORE_LOOKUP_FAILED ||
        fr_store_dropped(c->reader, c->name, &dropped, error) != 0) {
        fr_cursor_free(c);
        return NULL;
    }
    atomic_init(&c->dropped, dropped);
    c->dropped_in_txn = dropped;
    /* UINT64_MAX: a new cursor is written with the next commit. */
    c->stored_position = found == FR_STORE_FOUND ? position : UINT64_MAX;
    if (found == FR_STORE_NOT_FOUND)
        position = name->from_oldest ? 1 : end;
    if (position > end) {
        fr_log(FR_LOG_ERROR,
               "journal: the cursor of sink %s is at record %llu, beyond the end (%llu): it is "
               "damaged. The sink restarts at the oldest record; its records are flagged as "
               "repeated",
               name->name, (unsigned long long)position, (unsigned long long)end);
        position = 1;
        c->repeated_below = end;
    }
    atomic_init(&c->position, position);
    atomic_init(&c->yields, false);
    pthread_mutex_lock(&j->lock);
    c->next = j->cursors;
    j->cursors = c;
    pthread_mutex_unlock(&j->lock);
    return c;
}

/* The cursor of that name, or a new one. A closed cursor is reused: its position may be newer than
 * the one on disk. One thread at a time creates cursors. */
static struct fr_cursor *cursor_get(struct fr_journal *j, const struct fr_cursor_name *name,
                                    struct fr_error *error)
{
    struct fr_cursor *c;

    pthread_mutex_lock(&j->lock);
    c = cursor_find(j, name->name);
    pthread_mutex_unlock(&j->lock);
    return c != NULL ? c : cursor_new(j, name, error);
}

int fr_journal_register(struct fr_journal *j, const struct fr_cursor_name *names, size_t count,
                        struct fr_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (cursor_get(j, &names[i], error) == NULL)
            return fr_error_wrap(error, "sink %s", names[i].name);
    pthread_mutex_lock(&j->lock);
    for (struct fr_cursor *c = j->cursors; c != NULL; c = c->next) {
        c->configured = false;
        for (size_t i = 0; i < count && !c->configured; i++)
            c->configured = strcmp(c->name, names[i].name) == 0;
    }
    pthread_mutex_unlock(&j->lock);
    atomic_store(&j->registered, true);
    atomic_store(&j->prune_more, true);
    atomic_store(&j->new_cursor, true);
    fr_journal_wake(j);
    return 0;
}

struct fr_cursor *fr_cursor_open(struct fr_journal *j, const char *name, bool from_oldest,
                                 void (*wake)(void *ctx), void *ctx, struct fr_error *error)
{
    struct fr_cursor_name named = {name, from_oldest};
    struct fr_cursor *c = cursor_get(j, &named, error);

    if (c == NULL)
        return NULL;
    if (c->wake != NULL) {
        fr_error_set(error, "journal %s: cursor %s is already open", j->path, name);
        return NULL;
    }
    pthread_mutex_lock(&j->lock);
    c->ctx = ctx;
    c->wake = wake;
    pthread_mutex_unlock(&j->lock);
    atomic_store(&j->new_cursor, true);
    fr_journal_wake(j);
    return c;
}

void fr_cursor_close(struct fr_cursor *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->journal->lock);
    c->wake = NULL;
    pthread_mutex_unlock(&c->journal->lock);
}

uint64_t fr_cursor_position(const struct fr_cursor *c)
{
    return atomic_load_explicit(&c->position, memory_order_relaxed);
}

void fr_cursor_move(struct fr_cursor *c, uint64_t seq)
{
    uint64_t end = atomic_load(&c->journal->next);

    if (seq > end) {
        fr_log(FR_LOG_ERROR, "journal: sink %s cannot move to record %llu: the end is %llu",
               c->name, (unsigned long long)seq, (unsigned long long)end);
        return;
    }
    atomic_store_explicit(&c->position, seq, memory_order_relaxed);
}

void fr_cursor_mark_repeated(struct fr_cursor *c, uint64_t seq)
{
    if (seq > fr_cursor_position(c) && seq > c->repeated_below)
        c->repeated_below = seq;
}

uint64_t fr_cursor_repeated_below(const struct fr_cursor *c)
{
    uint64_t journal = c->journal->repeated_below;

    return c->repeated_below > journal ? c->repeated_below : journal;
}

uint64_t fr_cursor_dropped(const struct fr_cursor *c)
{
    return atomic_load(&c->dropped);
}

void fr_cursor_yield(struct fr_cursor *c, bool yields)
{
    atomic_store(&c->yields, yields);
}

/* ---- reading --------------------------------------------------------------------- */

#define READ_BYTES 2000000 /* max bytes of records in one read; see cursor.h */

struct reading {
    struct fr_record **records;
    size_t count, max, bytes;
    bool (*wanted)(void *ctx, enum fr_record_type type, const char *topic);
    void *ctx;
    bool no_memory;
};

/* Add a stored record to the result. False: the result is full. */
static bool cursor_add_record(void *ctx, uint64_t seq, const uint8_t *bytes, size_t len)
{
    static struct fr_log_limit limit;
    struct reading *r = ctx;
    struct fr_stored stored;
    struct fr_record *record;
    char topic[FR_TOPIC_MAX + 1];

    if (r->count == r->max || r->bytes >= READ_BYTES)
        return false;
    if (fr_stored_read(bytes, len, &stored) != 0) {
        fr_count(FR_COUNT_JOURNAL_DAMAGED);
        fr_log_limited(&limit, FR_LOG_ERROR,
                       "journal: record %llu is damaged (its checksum is wrong) and is skipped; "
                       "check the disk",
                       (unsigned long long)seq);
        return true;
    }
    memcpy(topic, stored.topic, stored.topic_len);
    topic[stored.topic_len] = '\0';
    if (!r->wanted(r->ctx, fr_record_type_of(stored.topic, stored.topic_len), topic))
        return true;
    record = fr_stored_record(&stored);
    if (record == NULL) {
        r->no_memory = true;
        return false;
    }
    record->seq = seq;
    r->bytes += record->size;
    r->records[r->count++] = record;
    return true;
}

/* Count and log missing records, once for all cursors that read the span. */
static void cursor_count_missing(struct fr_cursor *c, const struct fr_store_span *span)
{
    static struct fr_log_limit limit;
    struct fr_journal *j = c->journal;
    uint64_t missing = span->missing;

    if (missing == 0)
        return;
    pthread_mutex_lock(&j->lock);
    if (span->next <= j->missing_below)
        missing = 0;
    else
        j->missing_below = span->next;
    pthread_mutex_unlock(&j->lock);
    fr_count_add(FR_COUNT_JOURNAL_MISSING, missing);
    if (missing != 0)
        fr_log_limited(&limit, FR_LOG_ERROR,
                       "journal: %llu records before record %llu are missing: a page of data.mdb "
                       "is damaged or outdated; check the disk, and run `fleetroute journal "
                       "check` (%llu records so far)",
                       (unsigned long long)missing, (unsigned long long)span->next,
                       (unsigned long long)fr_count_read(FR_COUNT_JOURNAL_MISSING));
}

int fr_cursor_read(struct fr_cursor *c, uint64_t *next, struct fr_record **records, size_t max,
                   bool (*wanted)(void *ctx, enum fr_record_type type, const char *topic),
                   void *ctx, struct fr_error *error)
{
    struct reading r = {.records = records, .max = max, .wanted = wanted, .ctx = ctx};
    struct fr_store_span span = {.next = *next, .end = atomic_load(&c->journal->next)};

    if (span.next > span.end) {
        fr_log(FR_LOG_ERROR, "journal: sink %s is beyond the end; it continues at record %llu",
               c->name, (unsigned long long)span.end);
        span.next = span.end;
    }
    if (fr_store_read(c->reader, &span, max, cursor_add_record, &r, error) < 0)
        return -1;
    *next = span.next;
    cursor_count_missing(c, &span);
    if (r.no_memory && r.count == 0) /* otherwise the next read tries the record again */
        return fr_error_set(error, "out of memory for a record");
    return (int)r.count;
}
