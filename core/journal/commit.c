#include "journal/commit.h"

#include <string.h>

#include "journal/journal_base.h"
#include "journal/prune.h"
#include "journal/recover.h"
#include "journal/store_extend.h"
#include "journal/store_write.h"
#include "record/acknowledge.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"

#define RETRY_MS 50          /* pause after a failed write */
#define CURSORS_PAUSE_MS 100 /* minimum time between two writes of cursors with records */

/* The wall time, but never earlier than before: fr_store_seek() needs increasing append times. */
static int64_t commit_append_time(struct fr_journal *j)
{
    int64_t now = fr_wall_ms();

    if (now > j->last_appended_ms)
        j->last_appended_ms = now;
    return j->last_appended_ms;
}

static int commit_write_cursors(struct fr_journal *j, struct fr_error *error)
{
    int64_t now = fr_wall_ms();
    int status = 0;

    pthread_mutex_lock(&j->lock);
    for (struct fr_cursor *c = j->cursors; c != NULL && status == 0; c = c->next) {
        uint64_t position = atomic_load(&c->position);

        if (position != c->stored_position)
            status = fr_store_set_cursor(j->store, c->name, position, now, error);
        c->stored_position = position;
    }
    pthread_mutex_unlock(&j->lock);
    return status;
}

/* After a failed transaction: write all cursors with the next one. */
static void commit_reset_cursors(struct fr_journal *j)
{
    pthread_mutex_lock(&j->lock);
    for (struct fr_cursor *c = j->cursors; c != NULL; c = c->next)
        c->stored_position = UINT64_MAX;
    pthread_mutex_unlock(&j->lock);
}

bool fr_journal_cursors_moved(struct fr_journal *j)
{
    bool moved = false;

    pthread_mutex_lock(&j->lock);
    for (struct fr_cursor *c = j->cursors; c != NULL; c = c->next)
        moved = moved || atomic_load(&c->position) != c->stored_position;
    pthread_mutex_unlock(&j->lock);
    return moved;
}

/* Append the records of the group without duplicates; none if a failed commit is already on
 * disk. */
static int commit_append_group(struct fr_journal *j, size_t count, struct fr_error *error)
{
    int64_t now = commit_append_time(j);
    int status = 0;

    for (size_t i = 0; j->on_disk == 0 && i < count && status == 0; i++)
        if (!j->repeated[i])
            status = fr_store_append(j->store, j->group[i].record, now, error);
    return status;
}

/* Write cursors and numbers. After reopening a number is always written: a transaction without a
 * change would succeed without writing. */
static int commit_write_state(struct fr_journal *j, bool cursors, bool clean,
                              struct fr_error *error)
{
    int status = cursors ? commit_write_cursors(j, error) : 0;

    if (status == 0 && clean)
        status = fr_store_put_number(j->store, FR_JOURNAL_CLEAN_SHUTDOWN, 1, error);
    if (status == 0 && j->confirm)
        status = fr_store_put_number(j->store, "reopened", (uint64_t)fr_wall_ms(), error);
    return status;
}

/* Whether this commit writes the cursors: not each one, because that changes two pages more. A
 * record is deleted only together with the cursors that have passed it. */
static bool commit_cursors_due(const struct fr_journal *j, size_t count, size_t pruned, bool clean)
{
    return clean || count == 0 || pruned != 0 || j->confirm ||
           fr_monotonic_ms() - j->last_cursors_ms >= CURSORS_PAUSE_MS;
}

static int commit_write_group(struct fr_journal *j, const struct fr_journal_settings *s,
                              size_t count, bool clean, struct fr_error *error)
{
    bool cursors = false;
    size_t pruned;
    int status;

    j->full = false;
    fr_store_extend(j->store);
    if (fr_store_begin(j->store, error) != 0)
        return -1;
    status = fr_journal_prune(j, s, count, &pruned, error);
    if (status == 0)
        status = commit_append_group(j, count, error);
    if (status == 0) {
        cursors = commit_cursors_due(j, count, pruned, clean);
        status = commit_write_state(j, cursors, clean, error);
    }
    if (status == 0)
        status = fr_store_commit(j->store, error);
    else
        fr_store_abort(j->store);
    if (status == 0)
        fr_journal_publish_dropped(j);
    else
        commit_reset_cursors(j);
    if (status == 0 && cursors)
        j->last_cursors_ms = fr_monotonic_ms();
    return status;
}

/* Acknowledge and release the records of the group, which are on disk. */
static void commit_complete(struct fr_journal *j, size_t count)
{
    struct fr_ack_batch acks = {.lanes = 0};
    size_t bytes = 0;
    bool writable;

    for (size_t i = 0; i < count; i++) {
        struct fr_record *record = j->group[i].record;

        if (j->group[i].ack)
            fr_record_confirm(record, true, &acks);
        bytes += fr_record_queue_size(record);
        fr_record_unref(record);
    }
    fr_ack_batch_flush(&acks);
    writable = fr_record_queue_finish(j->queue, count, bytes);
    atomic_fetch_sub(&j->pending, count);
    if (writable)
        j->on_writable(j->ctx);
}

static void commit_wake_sinks(struct fr_journal *j)
{
    pthread_mutex_lock(&j->lock);
    for (struct fr_cursor *c = j->cursors; c != NULL; c = c->next)
        if (c->wake != NULL)
            c->wake(c->ctx);
    pthread_mutex_unlock(&j->lock);
}

bool fr_journal_commit(struct fr_journal *j, size_t count, bool clean)
{
    struct fr_journal_settings s;
    struct fr_error error;

    j->on_disk = 0;
    while (s = fr_journal_settings_now(j), commit_write_group(j, &s, count, clean, &error) != 0) {
        if (fr_journal_recover(j, &error))
            continue;
        fr_journal_report(j, &error);
        if (fr_journal_stopping(j))
            return false;
        commit_wake_sinks(j); /* a sink that completes records frees space */
        fr_journal_wait(j, RETRY_MS, true);
    }
    fr_journal_report(j, NULL);
    j->confirm = false;
    j->on_disk = 0;
    atomic_store(&j->next, fr_store_next(j->store));
    atomic_fetch_add(&j->commits, 1);
    return true;
}

/* Whether the record repeats one whose acknowledgement was lost. */
static bool commit_is_repeated(struct fr_journal *j, const struct fr_record *record)
{
    return record->completion != NULL && !record->completion->repeats &&
           fr_dedup_seen(j->dedup, record);
}

/* Release the records of the group unacknowledged: the daemon stops before they could be
 * written, so paused senders stay paused. */
static void commit_abandon(struct fr_journal *j, size_t count)
{
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++) {
        struct fr_record *record = j->group[i].record;

        if (record->completion != NULL && record->completion->abandoned != NULL)
            record->completion->abandoned(record->completion);
        bytes += fr_record_queue_size(record);
        fr_record_unref(record);
    }
    fr_record_queue_finish(j->queue, count, bytes);
    atomic_fetch_sub(&j->pending, count);
}

void fr_journal_commit_group(struct fr_journal *j, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        j->repeated[i] = commit_is_repeated(j, j->group[i].record);
        fr_count_add(FR_COUNT_DUPLICATES, j->repeated[i]);
    }
    if (fr_journal_commit(j, count, false))
        commit_complete(j, count);
    else
        commit_abandon(j, count);
    commit_wake_sinks(j);
}
