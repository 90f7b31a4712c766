/*
 * The shared structs of the journal: the journal itself and its cursors.
 *
 * Internal to core/journal, for journal.c, journal_base.c, commit.c, prune.c, recover.c and
 * cursor.c. Members without a comment on threads belong to the journal's thread.
 */
#ifndef FR_JOURNAL_STATE_H
#define FR_JOURNAL_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "journal/dedup.h"
#include "journal/journal_settings.h"
#include "journal/store_read.h"
#include "record/record_queue.h"
#include "util/log.h"

/* A number in the store: 1 while no daemon runs and all cursors were written. */
#define FR_JOURNAL_CLEAN_SHUTDOWN "ended_well" /* the key on disk keeps its first name */

struct fr_store;

struct fr_cursor {
    struct fr_journal *journal;
    char *name;
    struct fr_store_reader *reader; /* the sink's thread */
    void (*wake)(void *ctx);        /* under lock; NULL: closed, the position is retained */
    void *ctx;                      /* under lock */
    _Atomic uint64_t position;      /* first record that is not completed */
    uint64_t stored_position;       /* the position on disk; UINT64_MAX: unknown */
    uint64_t repeated_below;        /* records below may have been delivered before; 0: none */
    _Atomic uint64_t dropped;       /* fr_cursor_dropped() */
    uint64_t dropped_in_txn;        /* value of `dropped` after the open transaction's commit */
    struct fr_log_limit dropped_log;
    bool configured;     /* under lock; records are retained whether the cursor is open or not */
    _Atomic bool yields; /* fr_cursor_yield() */
    struct fr_cursor *next;
};

struct fr_journal {
    struct fr_journal_settings settings; /* under lock */
    char *path;
    struct fr_store *store;
    struct fr_record_queue *queue; /* has a lock of its own */
    struct fr_dedup *dedup;
    void (*on_writable)(void *ctx);
    void *ctx;

    pthread_t thread;
    pthread_mutex_t lock; /* protects the members up to `state`, and `settings` */
    pthread_cond_t changed;
    bool stop, clean;          /* fr_journal_stop() was called; its argument */
    struct fr_cursor *cursors; /* cursors are only added, at the head */
    uint64_t missing_below;    /* missing records below this number were counted */
    char why[sizeof(struct fr_error)];
    const char *state; /* of fr_journal_status */

    _Atomic bool woken;
    _Atomic bool new_cursor; /* a cursor's position must be written at once */
    _Atomic bool resized;    /* `size` has changed: reopen with a new limit of the file */
    _Atomic bool prune_more; /* more can be deleted without waiting for records */
    _Atomic bool registered; /* all configured cursors are known: records may be deleted */
    _Atomic bool stuck;
    _Atomic bool unrecoverable;
    _Atomic bool filling;  /* more than three quarters of `size` are used */
    _Atomic uint64_t next; /* records below are committed */
    _Atomic uint64_t commits;
    _Atomic size_t pending; /* records enqueued and not yet completed */

    uint64_t repeated_below; /* constant after fr_journal_start() */
    bool reclaim;            /* delete delivered records of any age: the map has no free page */
    bool full;               /* the last transaction failed because `size` is reached */
    bool confirm;            /* after reopening: the next transaction must write */
    size_t on_disk;          /* records of the current group that a failed commit left on disk */
    int64_t reopen_ms;       /* monotonic: next attempt to reopen; 0: at once */
    int64_t reopen_pause_ms; /* pause after the next failed attempt is twice this */
    int64_t stuck_ms;        /* monotonic: when writes began to fail */
    int64_t started_ms, started_wall_ms;
    int64_t last_appended_ms;                                 /* wall */
    int64_t last_commit_ms, last_cursors_ms, last_readers_ms; /* monotonic */
    int64_t last_interval_ms;     /* from the commit before the last one to the last one */
    size_t last_count;            /* records of the last commit */
    struct fr_queue_entry *group; /* the records being committed */
    bool *repeated;               /* of the group: a duplicate, not appended */
};

#endif
