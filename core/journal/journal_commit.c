/* One commit: room made, records appended, cursors kept, vehicles told, sinks woken. */
#include <stdio.h>
#include <string.h>

#include "journal/journal_state.h"
#include "record/acknowledge.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"

#define RETRY_MS 50 /* pause after a write that failed */

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

/* Append what is no duplicate; nothing where a failed commit turned out to be on disk. */
static int append_group(struct fr_journal *j, size_t count, struct fr_error *error)
{
    int64_t now = append_time(j);
    int status = 0;

    j->attempted = j->landed;
    for (size_t i = 0; j->landed == 0 && i < count && status == 0; i++)
        if (!j->repeated[i]) {
            status = fr_store_append(j->store, j->group[i].record, now, error);
            j->attempted++;
        }
    return status;
}

/* What else belongs into the transaction. `ended`: the daemon ends well. */
static int write_state(struct fr_journal *j, bool ended, struct fr_error *error)
{
    int status = write_cursors(j, error);

    if (status == 0 && ended)
        status = fr_store_put_number(j->store, FR_JOURNAL_ENDED_WELL, 1, error);
    if (status == 0 && j->confirm)
        status = fr_store_put_number(j->store, "reopened", (uint64_t)fr_wall_ms(), error);
    return status;
}

static int write_group(struct fr_journal *j, const struct fr_journal_settings *s, size_t count,
                       bool ended, struct fr_error *error)
{
    size_t pruned;
    int status;

    j->full = false;
    if (fr_store_begin(j->store, error) != 0)
        return -1;
    status = fr_journal_prune(j, s, count, &pruned, error);
    if (status == 0)
        status = append_group(j, count, error);
    if (status == 0)
        status = write_state(j, ended, error);
    if (status == 0)
        status = fr_store_commit(j->store, error);
    else
        fr_store_abort(j->store);
    if (status == 0)
        fr_journal_publish_dropped(j);
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

bool fr_journal_squeeze(struct fr_journal *j)
{
    struct fr_journal_settings s = fr_journal_settings_now(j);
    size_t pruned = 0;
    struct fr_error error;
    int status = fr_store_begin(j->store, &error);

    if (status != 0)
        return false;
    j->squeeze = true;
    status = fr_journal_prune(j, &s, 0, &pruned, &error);
    j->squeeze = false;
    if (status == 0 && pruned != 0)
        status = fr_store_commit(j->store, &error);
    else {
        fr_store_abort(j->store);
        return false;
    }
    if (status == 0)
        fr_journal_publish_dropped(j);
    return status == 0;
}

/* Commit a group, and try again until it is done; a daemon that stops gives up, and what is
 * not acknowledged the vehicles keep. */
bool fr_journal_commit(struct fr_journal *j, size_t count, bool ended)
{
    struct fr_journal_settings s;
    struct fr_error error;

    j->attempted = j->landed = 0;
    while (s = fr_journal_settings_now(j), write_group(j, &s, count, ended, &error) != 0) {
        if (fr_journal_mend(j, &error))
            continue;
        fr_journal_report(j, &error);
        if (fr_journal_stopping(j))
            return false;
        wake_sinks(j); /* they may have something to finish that makes room */
        fr_journal_wait(j, RETRY_MS, true);
    }
    fr_journal_report(j, NULL);
    j->confirm = false;
    j->landed = 0;
    atomic_store(&j->next, fr_store_next(j->store));
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

/* The daemon stops and the group could not be written. */
static void commit_abandon(struct fr_journal *j, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct fr_record *record = j->group[i].record;

        if (record->owner != NULL && record->owner->abandoned != NULL)
            record->owner->abandoned(record->owner);
        fr_record_unref(record);
    }
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
        commit_abandon(j, count);
    wake_sinks(j);
}
