/*
 * journal.h - every record on disk before its vehicle is told, and each sink's place in it.
 *
 * Workers and sources offer records; one thread appends what has come together and commits it
 * with one fsync, then the vehicles are told and the sinks woken, who read from the disk. A
 * sink's cursor, the first record that it has not finished, is kept with the next commit, so
 * after a crash a sink begins a little before where it was: everything at least once.
 */
#ifndef FR_JOURNAL_H
#define FR_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal_store.h"
#include "sink/sink_queue.h"

enum fr_journal_full {
    FR_JOURNAL_BLOCK,       /* hold vehicles back until sinks have read more */
    FR_JOURNAL_DROP_OLDEST, /* the sinks that have not read them miss them */
};

struct fr_journal_settings {
    const char *path;
    uint64_t size;        /* bytes of records */
    int64_t retention_ms; /* older records are deleted; undelivered ones only if it may drop */
    enum fr_journal_full when_full;
    int64_t commit_every_ms; /* least time between two commits */
    size_t commit_records;   /* most records in one */
    size_t duplicates;       /* messages among which one sent again is recognised */
};

struct fr_journal;
struct fr_cursor;

/* Open it and start its thread. room(ctx) is called when fr_journal_full was true and is no
 * more. NULL and why. */
struct fr_journal *fr_journal_start(const struct fr_journal_settings *settings,
                                    void (*room)(void *ctx), void *ctx, struct fr_error *error);

/* Take over what can change while it runs: size, retention, policy, time between commits. */
void fr_journal_change(struct fr_journal *journal, const struct fr_journal_settings *settings);

/* Whether it holds more than `size` allows, as after `size` was lowered; what that means goes to
 * `note`. */
bool fr_journal_oversize(struct fr_journal *journal, struct fr_error *note);

/* Commit what was offered, if the disk lets it, and end the thread. `well`: no reader may have
 * got anything beyond its cursor. */
void fr_journal_stop(struct fr_journal *journal, bool well);

/* Free it when nobody reads any more. */
void fr_journal_free(struct fr_journal *journal);

/* Offer records; the references pass to the journal. Those with `ack` are confirmed when they
 * are on disk. Any thread. */
void fr_journal_offer(struct fr_journal *journal, const struct fr_sink_entry *entries,
                      size_t count);

/* Whether so much waits to be written that no more should be read from vehicles. */
bool fr_journal_full(struct fr_journal *journal);

/* Whether it is nearly full, so that who reads slowly should hurry. Any thread. */
bool fr_journal_filling(const struct fr_journal *journal);

/* Whether the last commit failed: the journal is full, or its disk refuses writes. Any thread. */
bool fr_journal_stuck(const struct fr_journal *journal);

/* Whether it cannot be written and neither waiting nor reopening mends that. Any thread. */
bool fr_journal_hopeless(const struct fr_journal *journal);

/* Wait until everything offered is on disk, for so long at most. */
bool fr_journal_flush(struct fr_journal *journal, int64_t most_ms);

/* Its folder. */
const char *fr_journal_path(const struct fr_journal *journal);

/* ---- cursors --------------------------------------------------------------------- */

struct fr_cursor_name {
    const char *name;
    bool from_oldest; /* where a new one begins */
};

/* Name the cursors of all configured sinks. Their records are kept from now on whether they are
 * open or not; those of other cursors only while these are open. Before the first call no record
 * is deleted. Call it at the start, and in a reload before the first sink ends. -1 and why. */
int fr_journal_register(struct fr_journal *journal, const struct fr_cursor_name *names,
                        size_t count, struct fr_error *error);

/* A sink's cursor: where it stood, or (for a new name) at the oldest record or behind the
 * newest. wake(ctx) is called on the journal's thread after each commit. NULL and why. */
struct fr_cursor *fr_cursor_open(struct fr_journal *journal, const char *name, bool from_oldest,
                                 void (*wake)(void *ctx), void *ctx, struct fr_error *error);

/* Its place is kept; wake() is not called again. */
void fr_cursor_close(struct fr_cursor *cursor);

/* The first record that is not finished. The setter is for the one who reads; a place beyond the
 * end is refused and logged. */
uint64_t fr_cursor_place(const struct fr_cursor *cursor);
void fr_cursor_move(struct fr_cursor *cursor, uint64_t seq);

/* Records below this number may have been delivered already: fr_journal_repeated_below, or more
 * where the cursor itself was damaged. */
uint64_t fr_cursor_repeated_below(const struct fr_cursor *cursor);

/* Records below `seq` may have been delivered, though the cursor is before them: the next sink of this
 * name marks them. Not while a sink runs. */
void fr_cursor_mark_repeated(struct fr_cursor *cursor, uint64_t seq);

/* Records deleted since the journal was made before this cursor had passed them, those that its
 * sink does not want and those that it had in its hands included. The journal keeps the number: it
 * is added to in the transaction that deletes. Any thread. */
uint64_t fr_cursor_dropped(const struct fr_cursor *cursor);

/* Give up (or take back) the claim on records that are not finished: they are deleted like
 * delivered ones when the journal needs the space. */
void fr_cursor_yield(struct fr_cursor *cursor, bool yields);

/* Read up to `most` records from *next on that wanted(ctx, type, topic) says yes to; *next is
 * moved behind what was looked at. Each record comes with one reference. Large records are fewer
 * at a time: reading ends with the record that makes 2 MB full. Records that are damaged or missing are counted, logged and left out. Returns how many, or -1 and why. */
int fr_cursor_read(struct fr_cursor *cursor, uint64_t *next, struct fr_record **records,
                   size_t most,
                   bool (*wanted)(void *ctx, enum fr_record_type type, const char *topic),
                   void *ctx, struct fr_error *error);

/* Records below this number may have been delivered already by whoever reads them now: the
 * daemon before this one ended without keeping its cursors. 0: it ended well. */
uint64_t fr_journal_repeated_below(const struct fr_journal *journal);

/* The number that the next record will get; everything below is committed. Any thread. */
uint64_t fr_journal_next(const struct fr_journal *journal);

/* ---- how it is ------------------------------------------------------------------- */

struct fr_journal_status {
    struct fr_store_usage usage;
    uint64_t size;
    size_t waiting; /* records */
    uint64_t commits;
    bool stuck;
    bool hopeless;                     /* no waiting mends it: a start would say what does */
    const char *state;                 /* "well", "full", "disk full" … */
    char why[sizeof(struct fr_error)]; /* why nothing can be written; "" when it can */
};

void fr_journal_status(struct fr_journal *journal, struct fr_journal_status *status);

#endif
