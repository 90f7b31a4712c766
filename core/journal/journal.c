#include "journal/journal.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "journal/duplicates.h"
#include "journal/stored_record.h"
#include "record/acknowledge.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/memory.h"

#define WAITING_RECORDS 20000 /* offered and not yet on disk, at most */
#define WAITING_BYTES (24u << 20)
#define CURSORS_EVERY_MS 1000   /* cursors are kept at least so often */
#define RETRY_MS 50             /* pause after a write that failed */
#define ENDED_WELL "ended_well" /* a number in the store: all cursors were kept at the end */
#define PRUNE_LEAST 256         /* records deleted in one commit, at least if there are so many */

struct fr_cursor {
    struct fr_journal *journal;
    char *name;
    struct fr_store_reader *reader;
    void (*wake)(void *ctx); /* NULL: closed; its place is kept until the name is opened again */
    void *ctx;
    _Atomic uint64_t place;
    uint64_t kept; /* the place on disk; the writer's */
    struct fr_cursor *next;
};

struct fr_journal {
    struct fr_journal_settings settings;
    char *path;
    struct fr_store *store;
    struct fr_sink_queue *queue;
    struct fr_duplicates *duplicates;
    void (*room)(void *ctx);
    void *ctx;

    pthread_t thread;
    pthread_mutex_t lock; /* of what follows, and of settings */
    pthread_cond_t changed;
    bool stop;
    struct fr_cursor *cursors;
    char why[sizeof(struct fr_error)];

    _Atomic bool woken;
    _Atomic bool new_cursor; /* to be kept at once */
    _Atomic bool stuck;
    _Atomic bool filling;  /* more than three quarters full */
    _Atomic uint64_t next; /* committed up to here */
    _Atomic uint64_t commits;
    uint64_t repeated_below;
    _Atomic size_t unsettled; /* records offered and not yet settled */
    int64_t last_appended_ms;
    int64_t last_commit_ms, last_cursors_ms; /* monotonic */
    struct fr_sink_entry *group;
    bool *repeated; /* of the group: a duplicate, not to be appended */
};

/* ---- pruning --------------------------------------------------------------------- */

static uint64_t least_place(struct fr_journal *j)
{
    uint64_t least = UINT64_MAX;

    pthread_mutex_lock(&j->lock);
    for (struct fr_cursor *c = j->cursors; c != NULL; c = c->next) {
        uint64_t place = atomic_load(&c->place);

        if (c->wake != NULL && place < least)
            least = place;
    }
    pthread_mutex_unlock(&j->lock);
    return least;
}

static void count_lost(struct fr_journal *j, uint64_t first, size_t pruned, uint64_t unread_from)
{
    static struct fr_log_limit limit;
    uint64_t end = first + pruned;

    (void)j;
    if (end <= unread_from)
        return;
    fr_count_add(FR_COUNT_JOURNAL_DROPPED, end - (unread_from > first ? unread_from : first));
    fr_log_limited(&limit, FR_LOG_WARNING,
                   "journal: its limit (retention or size) is reached: records that a sink has "
                   "not delivered yet are deleted; see `fleetroute journal status`");
}

/* Make room in the present transaction. -1 and why: it is full and must not drop. */
static int prune(struct fr_journal *j, const struct fr_journal_settings *s, size_t group,
                 struct fr_error *error)
{
    uint64_t first = fr_store_first(j->store), least = least_place(j), below = 0;
    uint64_t used = fr_store_record_bytes(j->store);
    size_t most = group * 2 > PRUNE_LEAST ? group * 2 : PRUNE_LEAST, pruned;

    atomic_store(&j->filling, used > s->size / 4 * 3);
    if (used > s->size) {
        below = s->when_full == FR_JOURNAL_DROP_OLDEST ? UINT64_MAX : least;
        if (below <= first || below - first < group)
            return fr_error_set(error,
                                "journal %s: full: %llu MB, and its oldest record is not delivered "
                                "by every sink (mend the sink, or raise `size:`)",
                                j->path, (unsigned long long)(s->size / 1000000));
    }
    if (fr_store_prune(j->store, fr_wall_ms() - s->retention_ms, below, most, &pruned, error) != 0)
        return -1;
    if (pruned != 0)
        count_lost(j, first, pruned, least);
    return 0;
}

/* ---- one group ------------------------------------------------------------------- */

/* Wall time that never goes back, so that times can be searched for. */
static int64_t append_time(struct fr_journal *j)
{
    int64_t now = fr_wall_ms();

    if (now > j->last_appended_ms)
        j->last_appended_ms = now;
    return j->last_appended_ms;
}

static int write_cursors(struct fr_journal *j, bool *full, struct fr_error *error)
{
    int64_t now = fr_wall_ms();
    int status = 0;

    pthread_mutex_lock(&j->lock);
    for (struct fr_cursor *c = j->cursors; c != NULL && status == 0; c = c->next) {
        uint64_t place = atomic_load(&c->place);

        if (place != c->kept)
            status = fr_store_set_cursor(j->store, c->name, place, now, full, error);
        c->kept = place;
    }
    pthread_mutex_unlock(&j->lock);
    return status;
}

/* After a transaction that came to nothing. */
static void forget_cursors(struct fr_journal *j)
{
    pthread_mutex_lock(&j->lock);
    for (struct fr_cursor *c = j->cursors; c != NULL; c = c->next)
        c->kept = UINT64_MAX;
    pthread_mutex_unlock(&j->lock);
}

static bool cursors_moved(struct fr_journal *j)
{
    bool moved = false;

    pthread_mutex_lock(&j->lock);
    for (struct fr_cursor *c = j->cursors; c != NULL; c = c->next)
        moved = moved || atomic_load(&c->place) != c->kept;
    pthread_mutex_unlock(&j->lock);
    return moved;
}

/* `ended`: the last words of a daemon that ends well. */
static int write_group(struct fr_journal *j, const struct fr_journal_settings *s, size_t count,
                       bool ended, uint64_t *appended, struct fr_error *error)
{
    bool full = false;
    int64_t now = append_time(j);
    int status;

    *appended = 0;
    if (fr_store_begin(j->store, error) != 0)
        return -1;
    status = prune(j, s, count, error);
    for (size_t i = 0; i < count && status == 0; i++)
        if (!j->repeated[i]) {
            status = fr_store_append(j->store, j->group[i].record, now, &full, error);
            ++*appended;
        }
    if (status == 0)
        status = write_cursors(j, &full, error);
    if (status == 0 && ended)
        status = fr_store_put_number(j->store, ENDED_WELL, 1, &full, error);
    if (status == 0)
        status = fr_store_commit(j->store, &full, error);
    else
        fr_store_abort(j->store);
    if (status != 0)
        forget_cursors(j);
    return status;
}

static void settle(struct fr_journal *j, size_t count)
{
    struct fr_ack_batch acks = {.lanes = 0};
    size_t bytes = 0;
    bool room;

    for (size_t i = 0; i < count; i++) {
        struct fr_record *record = j->group[i].record;

        if (j->group[i].ack)
            fr_record_confirm(record, true, &acks);
        bytes += fr_sink_queue_size(record);
        fr_record_unref(record);
    }
    fr_ack_batch_flush(&acks);
    room = fr_sink_queue_finish(j->queue, count, bytes);
    atomic_fetch_sub(&j->unsettled, count);
    if (room)
        j->room(j->ctx);
}

static void wake_sinks(struct fr_journal *j)
{
    pthread_mutex_lock(&j->lock);
    for (struct fr_cursor *c = j->cursors; c != NULL; c = c->next)
        if (c->wake != NULL)
            c->wake(c->ctx);
    pthread_mutex_unlock(&j->lock);
}

/* Say why nothing can be written, or (NULL) that it can again. */
static void tell(struct fr_journal *j, const struct fr_error *error)
{
    static struct fr_log_limit trouble, relief;
    bool was = atomic_load(&j->stuck);

    pthread_mutex_lock(&j->lock);
    snprintf(j->why, sizeof j->why, "%s", error != NULL ? error->text : "");
    pthread_mutex_unlock(&j->lock);
    atomic_store(&j->stuck, error != NULL);
    if (error != NULL && !was)
        fr_log_limited(&trouble, FR_LOG_ERROR, "%s; vehicles are held back and keep their records",
                       error->text);
    if (error == NULL && was)
        fr_log_limited(&relief, FR_LOG_NOTICE, "journal: it can be written again");
}

/* ---- the thread ------------------------------------------------------------------ */

/* Sleep until somebody wakes us (unless `deaf`) or the time is over. */
static void wait_for(struct fr_journal *j, int64_t ms, bool deaf)
{
    struct timespec until = fr_monotonic_after(ms);

    pthread_mutex_lock(&j->lock);
    while (!j->stop && (deaf || !atomic_load(&j->woken)) &&
           pthread_cond_timedwait(&j->changed, &j->lock, &until) != ETIMEDOUT)
        ;
    pthread_mutex_unlock(&j->lock);
}

static bool stopping(struct fr_journal *j)
{
    bool stop;

    pthread_mutex_lock(&j->lock);
    stop = j->stop;
    pthread_mutex_unlock(&j->lock);
    return stop;
}

static struct fr_journal_settings settings_now(struct fr_journal *j)
{
    struct fr_journal_settings settings;

    pthread_mutex_lock(&j->lock);
    settings = j->settings;
    pthread_mutex_unlock(&j->lock);
    return settings;
}

/* Commit a group, and try again until it is done; a daemon that stops gives up, and what is
 * not acknowledged the vehicles keep. */
static bool commit(struct fr_journal *j, size_t count, bool ended)
{
    struct fr_journal_settings s;
    struct fr_error error;
    uint64_t appended;

    while (s = settings_now(j), write_group(j, &s, count, ended, &appended, &error) != 0) {
        tell(j, &error);
        if (stopping(j))
            return false;
        wake_sinks(j); /* they may have something to finish that makes room */
        wait_for(j, RETRY_MS, true);
    }
    tell(j, NULL);
    atomic_store(&j->next, atomic_load(&j->next) + appended);
    atomic_fetch_add(&j->commits, 1);
    j->last_cursors_ms = fr_monotonic_ms();
    return true;
}

/* Whether a vehicle, or a source, sends it again because it did not hear that we have it. */
static bool is_repeated(struct fr_journal *j, const struct fr_record *record)
{
    return record->owner != NULL && !record->owner->repeats &&
           fr_duplicates_seen(j->duplicates, record);
}

static void commit_group(struct fr_journal *j, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        j->repeated[i] = is_repeated(j, j->group[i].record);
        fr_count_add(FR_COUNT_DUPLICATES, j->repeated[i]);
    }
    if (commit(j, count, false))
        settle(j, count);
    else
        for (size_t i = 0; i < count; i++)
            fr_record_unref(j->group[i].record);
    wake_sinks(j);
}

static void *run(void *ctx)
{
    struct fr_journal *j = ctx;

    for (;;) {
        struct fr_journal_settings s = settings_now(j);
        int64_t since = fr_monotonic_ms() - j->last_commit_ms;
        bool stop = stopping(j);
        size_t count;

        if (!stop && since < s.commit_every_ms &&
            fr_sink_queue_waiting(j->queue) < s.commit_records)
            wait_for(j, s.commit_every_ms - since, true);
        atomic_store(&j->woken, false);
        count = fr_sink_queue_take(j->queue, j->group, s.commit_records);
        if (count != 0) {
            j->last_commit_ms = fr_monotonic_ms();
            commit_group(j, count);
            continue;
        }
        if (stop) {
            commit(j, 0, true);
            return NULL;
        }
        if ((atomic_exchange(&j->new_cursor, false) ||
             fr_monotonic_ms() - j->last_cursors_ms >= CURSORS_EVERY_MS) &&
            cursors_moved(j))
            commit(j, 0, false);
        wait_for(j, CURSORS_EVERY_MS, false);
    }
}

/* ---- life ------------------------------------------------------------------------ */

static bool remember(void *ctx, uint64_t seq, const uint8_t *bytes, size_t len)
{
    struct fr_journal *j = ctx;
    struct fr_stored stored;
    struct fr_record *record;

    (void)seq;
    if (fr_stored_look(bytes, len, &stored) != 0)
        return true;
    j->last_appended_ms = stored.appended_ms;
    record = fr_stored_record(&stored);
    if (record == NULL)
        return true;
    fr_duplicates_seen(j->duplicates, record);
    fr_record_unref(record);
    return true;
}

/* Until this daemon ends well it is one that crashed. */
static int begin_unended(struct fr_journal *j, struct fr_store_reader *reader,
                         struct fr_error *error)
{
    uint64_t ended_well;
    bool full;

    if (fr_store_number(reader, ENDED_WELL, &ended_well, error) != 0)
        return -1;
    j->repeated_below = ended_well ? 0 : fr_journal_next(j);
    if (!ended_well)
        return 0;
    if (fr_store_begin(j->store, error) != 0)
        return -1;
    if (fr_store_put_number(j->store, ENDED_WELL, 0, &full, error) == 0)
        return fr_store_commit(j->store, &full, error);
    fr_store_abort(j->store);
    return -1;
}

static int read_tail(struct fr_journal *j, struct fr_error *error)
{
    struct fr_store_reader *reader = fr_store_reader_new(j->store, error);
    struct fr_store_usage usage;
    uint64_t from, gap;
    int status = -1;

    if (reader != NULL && fr_store_usage(j->store, &usage, error) == 0) {
        from = usage.next > j->settings.duplicates ? usage.next - j->settings.duplicates : 1;
        atomic_store(&j->next, usage.next);
        if (fr_store_read(reader, &from, SIZE_MAX, &gap, remember, j, error) >= 0)
            status = begin_unended(j, reader, error);
    }
    fr_store_reader_free(reader);
    return status;
}

struct fr_journal *fr_journal_start(const struct fr_journal_settings *settings,
                                    void (*room)(void *ctx), void *ctx, struct fr_error *error)
{
    struct fr_journal *j = fr_calloc(1, sizeof *j);
    pthread_condattr_t monotonic;

    j->settings = *settings;
    j->path = fr_strdup(settings->path);
    j->room = room;
    j->ctx = ctx;
    j->queue = fr_sink_queue_new(WAITING_RECORDS, WAITING_BYTES);
    j->duplicates = fr_duplicates_new(settings->duplicates);
    j->group = fr_calloc(settings->commit_records, sizeof *j->group);
    j->repeated = fr_calloc(settings->commit_records, sizeof *j->repeated);
    pthread_mutex_init(&j->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&j->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    j->store = fr_store_open(settings->path, settings->size, error);
    if (j->store == NULL || read_tail(j, error) != 0) {
        fr_journal_free(j);
        return NULL;
    }
    if (pthread_create(&j->thread, NULL, run, j) != 0) {
        fr_error_set(error, "journal: cannot start its thread: %s", strerror(errno));
        fr_journal_free(j);
        return NULL;
    }
    return j;
}

void fr_journal_change(struct fr_journal *j, const struct fr_journal_settings *settings)
{
    pthread_mutex_lock(&j->lock);
    j->settings.retention_ms = settings->retention_ms;
    j->settings.when_full = settings->when_full;
    j->settings.commit_every_ms = settings->commit_every_ms;
    pthread_mutex_unlock(&j->lock);
}

static void wake(struct fr_journal *j)
{
    if (atomic_exchange(&j->woken, true))
        return;
    pthread_mutex_lock(&j->lock);
    pthread_cond_signal(&j->changed);
    pthread_mutex_unlock(&j->lock);
}

void fr_journal_stop(struct fr_journal *j)
{
    pthread_mutex_lock(&j->lock);
    j->stop = true;
    pthread_cond_signal(&j->changed);
    pthread_mutex_unlock(&j->lock);
    pthread_join(j->thread, NULL);
}

static void free_cursor(struct fr_cursor *c)
{
    fr_store_reader_free(c->reader);
    free(c->name);
    free(c);
}

void fr_journal_free(struct fr_journal *j)
{
    if (j == NULL)
        return;
    while (j->cursors != NULL) {
        struct fr_cursor *next = j->cursors->next;

        free_cursor(j->cursors);
        j->cursors = next;
    }
    fr_sink_queue_free(j->queue);
    fr_duplicates_free(j->duplicates);
    fr_store_close(j->store);
    pthread_cond_destroy(&j->changed);
    pthread_mutex_destroy(&j->lock);
    free(j->group);
    free(j->repeated);
    free(j->path);
    free(j);
}

void fr_journal_offer(struct fr_journal *j, const struct fr_sink_entry *entries, size_t count)
{
    atomic_fetch_add(&j->unsettled, count);
    fr_sink_queue_put(j->queue, entries, count);
    wake(j);
}

bool fr_journal_full(struct fr_journal *j)
{
    return fr_sink_queue_full(j->queue);
}

bool fr_journal_filling(const struct fr_journal *j)
{
    return atomic_load(&j->filling);
}

bool fr_journal_flush(struct fr_journal *j, int64_t most_ms)
{
    int64_t until = fr_monotonic_ms() + most_ms;

    while (atomic_load(&j->unsettled) != 0) {
        struct timespec step = {0, 1000000};

        if (fr_monotonic_ms() >= until)
            return false;
        nanosleep(&step, NULL);
    }
    return true;
}

struct fr_store *fr_journal_store(struct fr_journal *j)
{
    return j->store;
}

uint64_t fr_journal_repeated_below(const struct fr_journal *j)
{
    return j->repeated_below;
}

uint64_t fr_journal_next(const struct fr_journal *j)
{
    return atomic_load(&j->next);
}

/* ---- cursors --------------------------------------------------------------------- */

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
        free_cursor(c);
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
    wake(j);
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

/* ---- how it is ------------------------------------------------------------------- */

void fr_journal_status(struct fr_journal *j, struct fr_journal_status *status)
{
    struct fr_error error;

    memset(status, 0, sizeof *status);
    if (fr_store_usage(j->store, &status->usage, &error) != 0)
        snprintf(status->why, sizeof status->why, "%s", error.text);
    status->waiting = fr_sink_queue_records(j->queue);
    status->commits = atomic_load(&j->commits);
    status->stuck = atomic_load(&j->stuck);
    pthread_mutex_lock(&j->lock);
    status->size = j->settings.size;
    if (j->why[0] != '\0')
        snprintf(status->why, sizeof status->why, "%s", j->why);
    pthread_mutex_unlock(&j->lock);
}
