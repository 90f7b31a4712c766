#include "journal/recover.h"

#include <stdio.h>
#include <string.h>

#include "journal/journal_base.h"
#include "journal/prune.h"
#include "journal/store_fault.h"
#include "journal/store_open.h"
#include "journal/store_write.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"

#define READER_OLD_COMMITS 100 /* a full map is attributed to a reader whose snapshot is older */
#define REOPEN_PAUSE_MS 100    /* after a failed attempt to reopen; doubled each time */
#define REOPEN_PAUSE_MAX_MS 5000

int fr_journal_clear_readers(struct fr_journal *j)
{
    int cleared = fr_store_clear_readers(j->store);

    j->last_readers_ms = fr_monotonic_ms();
    if (cleared != 0)
        fr_log(FR_LOG_NOTICE, "journal: cleared %d reader slots of killed processes", cleared);
    return cleared;
}

/* Find free pages: in the snapshots of killed readers, or by deleting delivered records. */
static bool recover_map(struct fr_journal *j, struct fr_error *error)
{
    uint64_t commits;
    long pid;

    if (fr_journal_clear_readers(j) != 0)
        return true;
    pid = fr_store_oldest_reader(j->store, &commits);
    if (pid == 0 || commits <= READER_OLD_COMMITS)
        return fr_journal_reclaim(j);
    fr_error_set(
        error,
        "journal %s: map full: process %ld reads a snapshot that is %llu commits old, which "
        "pins freed pages (end that process)",
        j->path, pid, (unsigned long long)commits);
    return false;
}

/* Compare the end on disk with the end before the failed commit. Transactions are atomic: all
 * records of the commit are on disk or none. */
static void recover_end(struct fr_journal *j)
{
    uint64_t before = atomic_load(&j->next), on_disk = fr_store_next(j->store);

    j->confirm = true;
    if (on_disk > before)
        j->on_disk = (size_t)(on_disk - before);
    if (on_disk >= before)
        return;
    fr_count_add(FR_COUNT_JOURNAL_MISSING, before - on_disk);
    fr_log(FR_LOG_ERROR,
           "journal: the newest %llu acknowledged records are not in its file any more: the file "
           "was replaced, or the disk lost a write; check the disk",
           (unsigned long long)(before - on_disk));
    fr_store_skip_to(j->store, before); /* do not reuse numbers that cursors have passed */
}

bool fr_journal_reopen(struct fr_journal *j, struct fr_error *error)
{
    int64_t now = fr_monotonic_ms();

    if (fr_store_reopen(j->store, fr_journal_settings_now(j).size, error) == 0) {
        fr_log(FR_LOG_NOTICE, "journal: the file was closed and opened again");
        j->reopen_ms = now + REOPEN_PAUSE_MS;
        j->reopen_pause_ms = 0;
        recover_end(j);
        return true;
    }
    j->reopen_pause_ms = j->reopen_pause_ms == 0 ? REOPEN_PAUSE_MS : j->reopen_pause_ms * 2;
    if (j->reopen_pause_ms > REOPEN_PAUSE_MAX_MS)
        j->reopen_pause_ms = REOPEN_PAUSE_MAX_MS;
    j->reopen_ms = now + j->reopen_pause_ms;
    return false;
}

bool fr_journal_recover(struct fr_journal *j, struct fr_error *error)
{
    struct fr_error reopening;
    enum fr_store_fault fault = fr_store_fault(j->store);
    bool recovered = false;

    if (j->full)
        return false;
    if (fault == FR_STORE_MAP_FULL)
        recovered = recover_map(j, error);
    else if (fault == FR_STORE_PANIC) {
        recovered = fr_monotonic_ms() >= j->reopen_ms && fr_journal_reopen(j, &reopening);
        fault = fr_store_fault(j->store);
        /* Another fault: reopening was tried and failed for another reason. */
        if (!recovered && fault != FR_STORE_PANIC)
            *error = reopening;
    }
    atomic_store(&j->unrecoverable, !recovered && fault == FR_STORE_DAMAGED);
    return recovered;
}

static const char *recover_state_name(const struct fr_journal *j)
{
    return j->full ? "full" : fr_store_fault_name(fr_store_fault(j->store));
}

void fr_journal_report(struct fr_journal *j, const struct fr_error *error)
{
    /* One limit for each fault: a new fault is logged at once. */
    static struct fr_log_limit faults[FR_STORE_OTHER + 1], full, resumed;
    enum fr_store_fault fault = fr_store_fault(j->store);
    int64_t now = fr_monotonic_ms();

    if (error == NULL && !atomic_load(&j->stuck))
        return;
    pthread_mutex_lock(&j->lock);
    snprintf(j->why, sizeof j->why, "%s", error != NULL ? error->text : "");
    j->state = error != NULL ? recover_state_name(j) : fr_store_fault_name(FR_STORE_OK);
    pthread_mutex_unlock(&j->lock);
    if (error == NULL) {
        fr_log_limited(&resumed, FR_LOG_NOTICE,
                       "journal: can be written again after %.1f s; paused vehicles resume",
                       (double)(now - j->stuck_ms) / 1000);
        atomic_store(&j->stuck, false);
        atomic_store(&j->unrecoverable, false);
        return;
    }
    if (!atomic_exchange(&j->stuck, true))
        j->stuck_ms = now;
    fr_log_limited(j->full ? &full : &faults[fault], FR_LOG_ERROR,
                   "%s; no record is acknowledged: vehicles are paused and keep their records",
                   error->text);
}
