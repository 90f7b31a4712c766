/* Cursors: each sink's place in the journal, and reading on from there. */
#include <stdlib.h>
#include <string.h>

#include "journal/journal_state.h"
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

/* A cursor that was closed knows better than the disk where it stood. */
static struct fr_cursor *find_closed(struct fr_journal *j, const char *name)
{
    struct fr_cursor *c;

    pthread_mutex_lock(&j->lock);
    for (c = j->cursors; c != NULL; c = c->next)
        if (c->wake == NULL && strcmp(c->name, name) == 0)
            break;
    pthread_mutex_unlock(&j->lock);
    return c;
}

static struct fr_cursor *new_cursor(struct fr_journal *j, const char *name, bool from_oldest,
                                    struct fr_error *error)
{
    struct fr_cursor *c = fr_calloc(1, sizeof *c);
    uint64_t place = 0;
    int64_t moved;
    int found;

    c->journal = j;
    c->name = fr_strdup(name);
    c->reader = fr_store_reader_new(j->store, error);
    found = c->reader != NULL ? fr_store_cursor(c->reader, name, &place, &moved, error) : -1;
    if (found < 0) {
        fr_cursor_free(c);
        return NULL;
    }
    c->kept = found ? place : UINT64_MAX; /* a new one is written with the next commit */
    if (!found)
        place = from_oldest ? 1 : fr_journal_next(j);
    atomic_init(&c->place, place);
    pthread_mutex_lock(&j->lock);
    c->next = j->cursors;
    j->cursors = c;
    pthread_mutex_unlock(&j->lock);
    return c;
}

struct fr_cursor *fr_cursor_open(struct fr_journal *j, const char *name, bool from_oldest,
                                 void (*wake_sink)(void *ctx), void *ctx, struct fr_error *error)
{
    struct fr_cursor *c = find_closed(j, name);

    if (c == NULL)
        c = new_cursor(j, name, from_oldest, error);
    if (c == NULL)
        return NULL;
    pthread_mutex_lock(&j->lock);
    c->ctx = ctx;
    c->wake = wake_sink;
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

uint64_t fr_cursor_place(const struct fr_cursor *c)
{
    return atomic_load_explicit(&c->place, memory_order_relaxed);
}

void fr_cursor_move(struct fr_cursor *c, uint64_t seq)
{
    atomic_store_explicit(&c->place, seq, memory_order_relaxed);
}

struct reading {
    struct fr_record **records;
    size_t count, most;
    bool (*wanted)(void *ctx, enum fr_record_type type, const char *topic);
    void *ctx;
    bool no_memory;
};

static bool take(void *ctx, uint64_t seq, const uint8_t *bytes, size_t len)
{
    static struct fr_log_limit limit;
    struct reading *r = ctx;
    struct fr_stored stored;
    struct fr_record *record;
    char topic[FR_TOPIC_MAX + 1];

    if (r->count == r->most)
        return false;
    if (fr_stored_read(bytes, len, &stored) != 0) {
        fr_count(FR_COUNT_JOURNAL_DAMAGED);
        fr_log_limited(&limit, FR_LOG_ERROR,
                       "journal: record %llu is damaged (its checksum is wrong) and is left out; "
                       "look after the disk",
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
    r->records[r->count++] = record;
    return true;
}

int fr_cursor_read(struct fr_cursor *c, uint64_t *next, struct fr_record **records, size_t most,
                   bool (*wanted)(void *ctx, enum fr_record_type type, const char *topic),
                   void *ctx, struct fr_error *error)
{
    struct reading r = {.records = records, .most = most, .wanted = wanted, .ctx = ctx};
    uint64_t gap;

    if (fr_store_read(c->reader, next, most, &gap, take, &r, error) < 0)
        return -1;
    if (r.no_memory)
        return fr_error_set(error, "out of memory for a record");
    return (int)r.count;
}
