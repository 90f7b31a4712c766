/*
 * The journal: every record is on disk before its vehicle gets an acknowledgement.
 *
 * Workers and sources enqueue records. The journal's thread appends the enqueued records, commits
 * them with one fsync, acknowledges them and wakes the sinks. Sinks read from the disk through
 * cursors (cursor.h).
 */
#ifndef FR_JOURNAL_H
#define FR_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/cursor.h"
#include "journal/journal_settings.h"
#include "journal/store_read.h"
#include "record/record_queue.h"

struct fr_journal;

/* Check and open the journal, and start its thread. on_writable(ctx) is called on that thread when
 * fr_journal_full() changes from true to false. The caller stops and frees the journal. Returns
 * NULL with `error` set. */
struct fr_journal *fr_journal_start(const struct fr_journal_settings *settings,
                                    void (*on_writable)(void *ctx), void *ctx,
                                    struct fr_error *error);

/* Apply the settings that can change at run time: size, retention, when_full, time between commits.
 * Main thread. */
void fr_journal_change(struct fr_journal *journal, const struct fr_journal_settings *settings);

/* Whether the journal holds more than `size` allows, as after `size` was lowered; then `note`
 * describes the consequences. Any thread. */
bool fr_journal_oversize(struct fr_journal *journal, struct fr_error *note);

/* Commit the enqueued records if the disk permits it, and end the thread. `clean`: no reader has
 * received a record beyond its cursor; the next start then flags no record as repeated. */
void fr_journal_stop(struct fr_journal *journal, bool clean);

/* Free a stopped journal and its cursors, after the last reader; NULL is allowed. */
void fr_journal_free(struct fr_journal *journal);

/* Enqueue records. The journal takes over the references. Entries with `ack` are acknowledged when
 * they are on disk. Any thread. */
void fr_journal_enqueue(struct fr_journal *journal, const struct fr_queue_entry *entries,
                        size_t count);

/* Whether the queue is full: the caller must stop reading from vehicles until on_writable(). Any
 * thread. */
bool fr_journal_full(struct fr_journal *journal);

/* Whether more than three quarters of `size` are used. Any thread. */
bool fr_journal_filling(const struct fr_journal *journal);

/* Whether the last commit failed: the journal is full, or its disk refuses writes. Any thread. */
bool fr_journal_stuck(const struct fr_journal *journal);

/* Whether writes fail and neither waiting nor reopening can help. Any thread. */
bool fr_journal_unrecoverable(const struct fr_journal *journal);

/* Wait at most max_ms until all enqueued records are on disk. Returns whether they are. Any thread
 * but the journal's. */
bool fr_journal_flush(struct fr_journal *journal, int64_t max_ms);

/* The journal's folder. Valid until fr_journal_free(). Any thread. */
const char *fr_journal_path(const struct fr_journal *journal);

/* Records below this number may have been delivered already: the previous daemon ended without
 * writing its cursors. 0: it shut down cleanly. Any thread. */
uint64_t fr_journal_repeated_below(const struct fr_journal *journal);

/* The sequence number of the next record; all records below are committed. Any thread. */
uint64_t fr_journal_next(const struct fr_journal *journal);

/* ---- status ---------------------------------------------------------------------- */

struct fr_journal_status {
    struct fr_store_usage usage;
    uint64_t size;  /* the setting, bytes */
    size_t waiting; /* records in the queue */
    uint64_t commits;
    bool stuck;
    bool unrecoverable;
    const char *state;                 /* "well", "full", "disk full" ... A static string. */
    char why[sizeof(struct fr_error)]; /* why writes fail; "": they succeed */
};

/* Read the status. Any thread. */
void fr_journal_status(struct fr_journal *journal, struct fr_journal_status *status);

#endif
