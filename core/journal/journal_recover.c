/* A journal that cannot be written: what can be mended at once, and what is reported. */
#include <stdio.h>
#include <string.h>

#include "journal/journal_state.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"

#define READER_OLD_COMMITS 100 /* a reader whose snapshot is older is named in a full map */
#define REOPEN_PAUSE_MS 100    /* between two attempts to reopen; doubled each time */
#define REOPEN_PAUSE_MAX_MS 5000

int fr_journal_clear_readers(struct fr_journal *j)
{
    int cleared = fr_store_clear_readers(j->store);

    j->last_readers_ms = fr_monotonic_ms();
    if (cleared != 0)
        fr_log(FR_LOG_NOTICE, "journal: %d readers of processes that were killed are cleared",
               cleared);
    return cleared;
}

static bool recover_map(struct fr_journal *j, struct fr_error *error)
{
    uint64_t commits;
    long pid;

    if (fr_journal_clear_readers(j) != 0)
        return true;
    pid = fr_store_oldest_reader(j->store, &commits);
    if (pid == 0 || commits <= READER_OLD_COMMITS)
        return fr_journal_squeeze(j);
    fr_error_set(error,
                 "journal %s: map full: process %ld reads a snapshot that is %llu commits old, and "
                 "freed pages cannot be used again (end that process)",
                 j->path, pid, (unsigned long long)commits);
    return false;
}

/* Compare what is on disk with what was there before the commit that failed: all of its records
 * or none, for a transaction is whole. */
static void recover_position(struct fr_journal *j)
{
    uint64_t before = atomic_load(&j->next), on_disk = fr_store_next(j->store);

    j->confirm = true;
    if (on_disk > before)
        j->landed = (size_t)(on_disk - before);
    if (on_disk >= before)
        return;
    fr_count_add(FR_COUNT_JOURNAL_MISSING, before - on_disk);
    fr_log(FR_LOG_ERROR,
           "journal: the newest %llu acknowledged records are not in its file any more: it was "
           "replaced, or the disk lost a write; look after the disk",
           (unsigned long long)(before - on_disk));
    fr_store_skip_to(j->store, before); /* numbers that sinks have passed are not given out again */
}

bool fr_journal_reopen(struct fr_journal *j, struct fr_error *error)
{
    int64_t now = fr_monotonic_ms();

    if (fr_store_reopen(j->store, fr_journal_settings_now(j).size, error) == 0) {
        fr_log(FR_LOG_NOTICE, "journal: its file was closed and opened again");
        j->reopen_ms = now + REOPEN_PAUSE_MS;
        j->reopen_pause_ms = 0;
        recover_position(j);
        return true;
    }
    j->reopen_pause_ms = j->reopen_pause_ms == 0 ? REOPEN_PAUSE_MS : j->reopen_pause_ms * 2;
    if (j->reopen_pause_ms > REOPEN_PAUSE_MAX_MS)
        j->reopen_pause_ms = REOPEN_PAUSE_MAX_MS;
    j->reopen_ms = now + j->reopen_pause_ms;
    return false;
}

bool fr_journal_mend(struct fr_journal *j, struct fr_error *error)
{
    struct fr_error reopening;
    enum fr_store_fault fault = fr_store_fault(j->store);
    bool mended = false;

    if (j->full)
        return false;
    if (fault == FR_STORE_MAP_FULL)
        mended = recover_map(j, error);
    else if (fault == FR_STORE_PANIC) {
        mended = fr_monotonic_ms() >= j->reopen_ms && fr_journal_reopen(j, &reopening);
        fault = fr_store_fault(j->store);
        if (!mended && fault != FR_STORE_PANIC) /* it was tried, and reopening fails otherwise */
            *error = reopening;
    }
    atomic_store(&j->hopeless, !mended && fault == FR_STORE_DAMAGED);
    return mended;
}

static const char *report_state(const struct fr_journal *j)
{
    return j->full ? "full" : fr_store_fault_name(fr_store_fault(j->store));
}

void fr_journal_report(struct fr_journal *j, const struct fr_error *error)
{
    /* A limit for each fault: the log names a new one at once. */
    static struct fr_log_limit trouble[FR_STORE_OTHER + 1], full, relief;
    enum fr_store_fault fault = fr_store_fault(j->store);
    int64_t now = fr_monotonic_ms();

    if (error == NULL && !atomic_load(&j->stuck))
        return;
    pthread_mutex_lock(&j->lock);
    snprintf(j->why, sizeof j->why, "%s", error != NULL ? error->text : "");
    j->state = error != NULL ? report_state(j) : fr_store_fault_name(FR_STORE_WELL);
    pthread_mutex_unlock(&j->lock);
    if (error == NULL) {
        fr_log_limited(&relief, FR_LOG_NOTICE,
                       "journal: it can be written again, after %.1f s; held records go on",
                       (double)(now - j->stuck_ms) / 1000);
        atomic_store(&j->stuck, false);
        atomic_store(&j->hopeless, false);
        return;
    }
    if (!atomic_exchange(&j->stuck, true))
        j->stuck_ms = now;
    fr_log_limited(j->full ? &full : &trouble[fault], FR_LOG_ERROR,
                   "%s; nothing is acknowledged: vehicles are held back and keep their records",
                   error->text);
}
