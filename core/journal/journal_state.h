/* journal_state.h - the journal's insides; for journal.c, journal_commit.c, journal_cursor.c. */
#ifndef FR_JOURNAL_STATE_H
#define FR_JOURNAL_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "journal/duplicates.h"
#include "journal/journal.h"
#include "util/log.h"

#define FR_JOURNAL_ENDED_WELL "ended_well" /* a number in the store: all cursors were kept */

struct fr_cursor {
    struct fr_journal *journal;
    char *name;
    struct fr_store_reader *reader;
    void (*wake)(void *ctx); /* NULL: closed; its place is kept until the name is opened again */
    void *ctx;
    _Atomic uint64_t place;
    uint64_t kept;            /* the place on disk; the writer's */
    uint64_t repeated_below;  /* records below may have been delivered before; 0: none */
    _Atomic uint64_t dropped; /* fr_cursor_dropped() */
    uint64_t dropping;        /* the same once the present transaction is committed; the writer's */
    struct fr_log_limit dropped_log;
    bool configured;     /* its records are kept, whether somebody reads or not */
    _Atomic bool yields; /* records are deleted although it has not finished them */
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
    bool stop, ends_well;
    struct fr_cursor *cursors;
    char why[sizeof(struct fr_error)];
    const char *state; /* in a word or two */

    _Atomic bool woken;
    _Atomic bool new_cursor; /* to be kept at once */
    _Atomic bool resized;    /* `size` has changed: the file's limit is to follow */
    _Atomic bool prune_more; /* more can be deleted without waiting for records */
    _Atomic bool registered; /* all configured cursors are known: records may be deleted */
    _Atomic bool stuck;
    _Atomic bool filling;  /* more than three quarters full */
    _Atomic uint64_t next; /* committed up to here */
    _Atomic uint64_t commits;
    uint64_t repeated_below;
    bool squeeze;     /* delete what is delivered, whatever its age: no page is free */
    bool full;        /* the last transaction failed because `size` is reached */
    bool confirm;     /* after reopening: the next transaction must write */
    size_t landed;    /* records of the group at hand that a failed commit has left on disk */
    size_t attempted; /* records that the last transaction appended, committed or not */
    int64_t reopen_ms, reopen_pause_ms; /* monotonic: not before; 0: at once */
    int64_t stuck_ms;                   /* monotonic: since when nothing can be written */
    _Atomic bool hopeless;              /* no waiting and no reopening mends it */
    uint64_t missing_below;             /* missing records up to here are counted */
    _Atomic size_t unsettled;           /* records offered and not yet settled */
    int64_t started_ms, started_wall_ms;
    int64_t last_appended_ms;
    int64_t last_commit_ms, last_cursors_ms, last_readers_ms; /* monotonic */
    struct fr_sink_entry *group;
    bool *repeated; /* of the group: a duplicate, not to be appended */
};

/* journal_commit.c: write the first `count` records of j->group, cursors, and (`ended`) that all
 * is well at the end; again and again until it is done. False: the daemon stops before that. */
bool fr_journal_commit(struct fr_journal *journal, size_t count, bool ended);

/* The same for records that were offered: duplicates are left out, and all are settled. */
void fr_journal_commit_group(struct fr_journal *journal, size_t count);

/* journal_recover.c: after a failed write, mend what can be mended at once. True: the write may
 * succeed now. */
bool fr_journal_mend(struct fr_journal *journal, struct fr_error *error);

/* journal_commit.c: delete delivered records of any age in a transaction of their own. Returns
 * whether some were deleted. */
bool fr_journal_squeeze(struct fr_journal *journal);

/* Publish why nothing can be written (logged once a minute as long as it lasts), or (NULL) that it
 * can again. */
void fr_journal_report(struct fr_journal *journal, const struct fr_error *error);

/* Free the reader slots of processes that were killed. Returns how many. */
int fr_journal_clear_readers(struct fr_journal *journal);

/* Whether some cursor has moved since it was kept. */
bool fr_journal_cursors_moved(struct fr_journal *journal);

/* journal_prune.c: make room in the present transaction for a group of so many records. What a
 * sink has not delivered goes only where dropping is allowed, and the same transaction adds it to
 * the number of each cursor concerned; nothing goes before the cursors are registered. *count is
 * how many records are deleted. -1 and why: it is full and must not drop. */
int fr_journal_prune(struct fr_journal *journal, const struct fr_journal_settings *settings,
                     size_t group, size_t *count, struct fr_error *error);

/* Publish and log what the last transaction added to the numbers of cursors. After its commit. */
void fr_journal_publish_dropped(struct fr_journal *journal);

/* journal_recover.c: close the environment and open it with the present `size`. False, and why:
 * fr_journal_mend tries it again. */
bool fr_journal_reopen(struct fr_journal *journal, struct fr_error *error);

/* journal.c: the settings as they are now; whether the end has come; sleep until somebody wakes
 * the thread (unless `deaf`) or the time is over. */
struct fr_journal_settings fr_journal_settings_now(struct fr_journal *journal);
bool fr_journal_stopping(struct fr_journal *journal);
void fr_journal_wait(struct fr_journal *journal, int64_t ms, bool deaf);

/* Wake the thread. */
void fr_journal_wake(struct fr_journal *journal);

/* journal_cursor.c */
void fr_cursor_free(struct fr_cursor *cursor);

#endif
