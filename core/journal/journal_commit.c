/* One commit: room made, records appended, cursors kept, vehicles told, sinks woken. */
#include <stdio.h>
#include <string.h>

#include "journal/journal_state.h"
#include "record/acknowledge.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"

#define RETRY_MS 50            /* pause after a write that failed */
#define READER_OLD_COMMITS 100 /* a reader whose snapshot is older is named in a full map */

/* ---- one group ------------------------------------------------------------------- */

/* Wall time that never goes back, so that times can be searched for. */
static int64_t append_time(struct fr_journal *j)
{
    int64_t now = fr_wall_ms();

    if (now > j->last_appended_ms)
        j->last_appended_ms = now;
    return j->last_appended_ms;
}

static int write_cursors(struct fr_journal *j, struct fr_error *error)
{
    int64_t now = fr_wall_ms();
    int status = 0;

    pthread_mutex_lock(&j->lock);
    for (struct fr_cursor *c = j->cursors; c != NULL && status == 0; c = c->next) {
        uint64_t place = atomic_load(&c->place);

        if (place != c->kept)
            status = fr_store_set_cursor(j->store, c->name, place, now, error);
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

bool fr_journal_cursors_moved(struct fr_journal *j)
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
    int64_t now = append_time(j);
    struct fr_pruned pruned;
    int status;

    *appended = 0;
    if (fr_store_begin(j->store, error) != 0)
        return -1;
    status = fr_journal_prune(j, s, count, &pruned, error);
    for (size_t i = 0; i < count && status == 0; i++)
        if (!j->repeated[i]) {
            status = fr_store_append(j->store, j->group[i].record, now, error);
            ++*appended;
        }
    if (status == 0)
        status = write_cursors(j, error);
    if (status == 0 && ended)
        status = fr_store_put_number(j->store, FR_JOURNAL_ENDED_WELL, 1, error);
    if (status == 0)
        status = fr_store_commit(j->store, error);
    else
        fr_store_abort(j->store);
    if (status == 0)
        fr_journal_count_pruned(&pruned);
    else
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

/* After a failed write: mend what can be mended at once. True: the write may succeed now. */
static bool journal_mend(struct fr_journal *j, struct fr_error *error)
{
    uint64_t commits;
    long pid;

    if (fr_store_fault(j->store) != FR_STORE_MAP_FULL)
        return false;
    if (fr_journal_clear_readers(j) != 0)
        return true;
    pid = fr_store_oldest_reader(j->store, &commits);
    if (pid != 0 && commits > READER_OLD_COMMITS)
        fr_error_set(error,
                     "journal %s: map full: process %ld reads a snapshot that is %llu commits old, "
                     "and freed pages cannot be used again (end that process)",
                     j->path, pid, (unsigned long long)commits);
    return false;
}

int fr_journal_clear_readers(struct fr_journal *j)
{
    int cleared = fr_store_clear_readers(j->store);

    j->last_readers_ms = fr_monotonic_ms();
    if (cleared != 0)
        fr_log(FR_LOG_NOTICE, "journal: %d readers of processes that were killed are cleared",
               cleared);
    return cleared;
}

/* Commit a group, and try again until it is done; a daemon that stops gives up, and what is
 * not acknowledged the vehicles keep. */
bool fr_journal_commit(struct fr_journal *j, size_t count, bool ended)
{
    struct fr_journal_settings s;
    struct fr_error error;
    uint64_t appended;

    while (s = fr_journal_settings_now(j),
           write_group(j, &s, count, ended, &appended, &error) != 0) {
        if (journal_mend(j, &error))
            continue;
        tell(j, &error);
        if (fr_journal_stopping(j))
            return false;
        wake_sinks(j); /* they may have something to finish that makes room */
        fr_journal_wait(j, RETRY_MS, true);
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

void fr_journal_commit_group(struct fr_journal *j, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        j->repeated[i] = is_repeated(j, j->group[i].record);
        fr_count_add(FR_COUNT_DUPLICATES, j->repeated[i]);
    }
    if (fr_journal_commit(j, count, false))
        settle(j, count);
    else
        for (size_t i = 0; i < count; i++)
            fr_record_unref(j->group[i].record);
    wake_sinks(j);
}
