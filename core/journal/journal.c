#include "journal/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "journal/check.h"
#include "journal/commit.h"
#include "journal/journal_base.h"
#include "journal/recover.h"
#include "journal/store_fault.h"
#include "journal/store_open.h"
#include "journal/store_write.h"
#include "journal/stored_record.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/memory.h"

#define QUEUE_RECORDS 20000 /* max records that are enqueued and not yet on disk */
#define QUEUE_BYTES (24u << 20)
#define GATHER_RECORDS 32  /* that a commit waits for at the present rate, within the next bound */
#define GATHER_MAX 3       /* times `commit_every`: max time between two commits under load */
#define CHECK_MAX_MS 20000 /* limit of the check at the start */
#define CURSORS_EVERY_MS 1000  /* max time until a moved cursor is written */
#define READERS_EVERY_MS 10000 /* interval of clearing reader slots of killed processes */

/* ---- the thread ------------------------------------------------------------------ */

/* The time from the last commit to the next one: GATHER_RECORDS arrive in it at the rate of the last
 * interval. A commit costs as much CPU time as some 20 records. */
static int64_t journal_interval_ms(const struct fr_journal *j, const struct fr_journal_settings *s)
{
    int64_t min_ms = s->commit_every_ms, max_ms = GATHER_MAX * min_ms, ms = max_ms;

    if (j->last_count != 0)
        ms = GATHER_RECORDS * j->last_interval_ms / (int64_t)j->last_count;
    return ms < min_ms ? min_ms : ms > max_ms ? max_ms : ms;
}

/* Wait after the last commit, so that the next one has many records. The first record after a pause
 * does not wait. */
static void journal_gather(struct fr_journal *j, const struct fr_journal_settings *s)
{
    int64_t since_ms = fr_monotonic_ms() - j->last_commit_ms;
    int64_t every_ms = journal_interval_ms(j, s);

    if (since_ms >= every_ms || fr_record_queue_waiting(j->queue) >= s->commit_records)
        return;
    atomic_store(&j->woken, true); /* fr_journal_wake() need not signal meanwhile */
    fr_journal_wait(j, every_ms - since_ms, true);
}

static void *journal_run(void *ctx)
{
    struct fr_journal *j = ctx;
    struct fr_error error;

    for (;;) {
        struct fr_journal_settings s = fr_journal_settings_now(j);
        bool stop = fr_journal_stopping(j);
        size_t count;

        if (!stop)
            journal_gather(j, &s);
        if (fr_monotonic_ms() - j->last_readers_ms >= READERS_EVERY_MS)
            fr_journal_clear_readers(j);
        if (atomic_exchange(&j->resized, false) && !fr_journal_reopen(j, &error))
            fr_journal_report(j, &error);
        atomic_store(&j->woken, false);
        count = fr_record_queue_take(j->queue, j->group, s.commit_records, SIZE_MAX);
        if (count != 0) {
            int64_t now = fr_monotonic_ms();

            j->last_interval_ms = now - j->last_commit_ms;
            j->last_commit_ms = now;
            j->last_count = count;
            fr_journal_commit_group(j, count);
            continue;
        }
        if (stop) {
            fr_journal_commit(j, 0, j->clean);
            return NULL;
        }
        if (atomic_exchange(&j->prune_more, false)) {
            fr_journal_commit(j, 0, false);
            continue;
        }
        if ((atomic_exchange(&j->new_cursor, false) ||
             fr_monotonic_ms() - j->last_cursors_ms >= CURSORS_EVERY_MS) &&
            fr_journal_cursors_moved(j))
            fr_journal_commit(j, 0, false);
        fr_journal_wait(j, CURSORS_EVERY_MS, false);
    }
}

/* ---- start and stop -------------------------------------------------------------- */

/* Remember a record of the previous run for deduplication. */
static bool journal_remember(void *ctx, uint64_t seq, const uint8_t *bytes, size_t len)
{
    struct fr_journal *j = ctx;
    struct fr_stored stored;
    struct fr_record *record;

    (void)seq;
    if (fr_stored_parse_head(bytes, len, &stored) != 0)
        return true;
    j->last_appended_ms = stored.appended_ms;
    record = fr_stored_record(&stored);
    if (record == NULL)
        return true;
    fr_dedup_seen(j->dedup, record);
    fr_record_unref(record);
    return true;
}

/* Set repeated_below, and store that no clean shutdown took place until fr_journal_stop(). */
static int journal_mark_unclean(struct fr_journal *j, struct fr_store_reader *reader,
                                struct fr_error *error)
{
    uint64_t clean_shutdown;

    if (fr_store_number(reader, FR_JOURNAL_CLEAN_SHUTDOWN, &clean_shutdown, error) != 0)
        return -1;
    j->repeated_below = clean_shutdown ? 0 : fr_journal_next(j);
    if (!clean_shutdown)
        return 0;
    if (fr_store_begin(j->store, error) != 0)
        return -1;
    if (fr_store_put_number(j->store, FR_JOURNAL_CLEAN_SHUTDOWN, 0, error) == 0)
        return fr_store_commit(j->store, error);
    fr_store_abort(j->store);
    return -1;
}

static int journal_read_tail(struct fr_journal *j, struct fr_error *error)
{
    struct fr_store_reader *reader = fr_store_reader_new(j->store, error);
    struct fr_store_usage usage;
    struct fr_store_span span;
    int status = -1;

    if (reader != NULL && fr_store_usage(j->store, &usage, error) == 0) {
        span = (struct fr_store_span){.next = 1, .end = usage.next};
        if (usage.next > j->settings.duplicates)
            span.next = usage.next - j->settings.duplicates;
        atomic_store(&j->next, usage.next);
        if (fr_store_read(reader, &span, SIZE_MAX, journal_remember, j, error) >= 0)
            status = journal_mark_unclean(j, reader, error);
    }
    fr_store_reader_free(reader);
    return status;
}

/* Refuse a broken journal, on which LMDB may crash; count missing records. */
static int journal_check_file(struct fr_journal *j, struct fr_error *error)
{
    struct fr_journal_check result;
    int lock, status;

    if (!fr_store_exists(j->path))
        return 0;
    lock = fr_store_lock(j->path, error);
    if (lock < 0)
        return -1;
    status = fr_journal_check(j->path, true, CHECK_MAX_MS, &result, error);
    close(lock);
    if (status != 0)
        return -1;
    if (!result.complete)
        fr_log(FR_LOG_NOTICE,
               "journal: the check stopped early (%s): %llu records are readable; run `fleetroute "
               "journal check` for a complete check",
               error->text, (unsigned long long)result.records);
    fr_count_add(FR_COUNT_JOURNAL_MISSING, result.missing);
    j->missing_below = result.missing != 0 ? result.next : 0;
    if (result.missing + result.damaged != 0)
        fr_log(FR_LOG_ERROR,
               "journal: %llu records are missing and %llu are damaged: pages of data.mdb are "
               "damaged or outdated; check the disk. `fleetroute journal salvage` searches the "
               "file for them while fleetrouted does not run",
               (unsigned long long)result.missing, (unsigned long long)result.damaged);
    return 0;
}

struct fr_journal *fr_journal_start(const struct fr_journal_settings *settings,
                                    void (*on_writable)(void *ctx), void *ctx,
                                    struct fr_error *error)
{
    struct fr_journal *j = fr_calloc(1, sizeof *j);
    pthread_condattr_t monotonic;
    int code;

    j->settings = *settings;
    j->started_ms = fr_monotonic_ms();
    j->started_wall_ms = fr_wall_ms();
    j->path = fr_strdup(settings->path);
    j->on_writable = on_writable;
    j->ctx = ctx;
    j->state = fr_store_fault_name(FR_STORE_OK);
    j->queue = fr_record_queue_new(QUEUE_RECORDS, QUEUE_BYTES);
    j->dedup = fr_dedup_new(settings->duplicates);
    j->group = fr_calloc(settings->commit_records, sizeof *j->group);
    j->repeated = fr_calloc(settings->commit_records, sizeof *j->repeated);
    pthread_mutex_init(&j->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&j->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (journal_check_file(j, error) == 0)
        j->store = fr_store_open(settings->path, settings->size, error);
    if (j->store == NULL || journal_read_tail(j, error) != 0) {
        fr_journal_free(j);
        return NULL;
    }
    code = pthread_create(&j->thread, NULL, journal_run, j);
    if (code != 0) {
        fr_error_set(error, "journal: cannot start its thread: %s", strerror(code));
        fr_journal_free(j);
        return NULL;
    }
    return j;
}

void fr_journal_change(struct fr_journal *j, const struct fr_journal_settings *settings)
{
    pthread_mutex_lock(&j->lock);
    if (j->settings.size != settings->size)
        atomic_store(&j->resized, true);
    j->settings.size = settings->size;
    j->settings.retention_ms = settings->retention_ms;
    j->settings.when_full = settings->when_full;
    j->settings.commit_every_ms = settings->commit_every_ms;
    pthread_mutex_unlock(&j->lock);
    atomic_store(&j->prune_more, true);
    fr_journal_wake(j);
}

void fr_journal_stop(struct fr_journal *j, bool clean)
{
    pthread_mutex_lock(&j->lock);
    j->stop = true;
    j->clean = clean;
    pthread_cond_signal(&j->changed);
    pthread_mutex_unlock(&j->lock);
    pthread_join(j->thread, NULL);
}

void fr_journal_free(struct fr_journal *j)
{
    if (j == NULL)
        return;
    while (j->cursors != NULL) {
        struct fr_cursor *next = j->cursors->next;

        fr_cursor_free(j->cursors);
        j->cursors = next;
    }
    fr_record_queue_free(j->queue);
    fr_dedup_free(j->dedup);
    fr_store_close(j->store);
    pthread_cond_destroy(&j->changed);
    pthread_mutex_destroy(&j->lock);
    free(j->group);
    free(j->repeated);
    free(j->path);
    free(j);
}

void fr_journal_enqueue(struct fr_journal *j, const struct fr_queue_entry *entries, size_t count)
{
    atomic_fetch_add(&j->pending, count);
    fr_record_queue_put(j->queue, entries, count);
    fr_journal_wake(j);
}

bool fr_journal_full(struct fr_journal *j)
{
    return fr_record_queue_full(j->queue);
}

bool fr_journal_filling(const struct fr_journal *j)
{
    return atomic_load(&j->filling);
}

bool fr_journal_stuck(const struct fr_journal *j)
{
    return atomic_load(&j->stuck);
}

bool fr_journal_unrecoverable(const struct fr_journal *j)
{
    return atomic_load(&j->unrecoverable);
}

bool fr_journal_flush(struct fr_journal *j, int64_t max_ms)
{
    int64_t until = fr_monotonic_ms() + max_ms;

    while (atomic_load(&j->pending) != 0) {
        struct timespec step = {0, 1000000};

        if (fr_monotonic_ms() >= until)
            return false;
        nanosleep(&step, NULL);
    }
    return true;
}

const char *fr_journal_path(const struct fr_journal *j)
{
    return j->path;
}

uint64_t fr_journal_repeated_below(const struct fr_journal *j)
{
    return j->repeated_below;
}

uint64_t fr_journal_next(const struct fr_journal *j)
{
    return atomic_load(&j->next);
}

/* ---- status ---------------------------------------------------------------------- */

void fr_journal_status(struct fr_journal *j, struct fr_journal_status *status)
{
    struct fr_error error;

    memset(status, 0, sizeof *status);
    if (fr_store_usage(j->store, &status->usage, &error) != 0)
        snprintf(status->why, sizeof status->why, "%s", error.text);
    status->waiting = fr_record_queue_records(j->queue);
    status->commits = atomic_load(&j->commits);
    status->stuck = atomic_load(&j->stuck);
    status->unrecoverable = atomic_load(&j->unrecoverable);
    pthread_mutex_lock(&j->lock);
    status->size = j->settings.size;
    status->state = j->state;
    if (j->why[0] != '\0')
        snprintf(status->why, sizeof status->why, "%s", j->why);
    pthread_mutex_unlock(&j->lock);
}

bool fr_journal_oversize(struct fr_journal *j, struct fr_error *note)
{
    struct fr_journal_status s;

    fr_journal_status(j, &s);
    if (s.usage.record_bytes <= s.size)
        return false;
    fr_error_set(
        note,
        "journal: holds %.1f MB, more than `size:` (%.1f MB): delivered records are deleted "
        "until it fits, and vehicles are paused while undelivered records do not fit; the file "
        "keeps its %.1f MB, which are reused",
        (double)s.usage.record_bytes / 1e6, (double)s.size / 1e6, (double)s.usage.file_bytes / 1e6);
    return true;
}
