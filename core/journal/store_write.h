/*
 * Writing the journal's store. One transaction at a time: fr_store_begin() waits for the previous
 * one. Each function returns 0, or -1 with `error` set and fr_store_fault() set. After a failure
 * only fr_store_abort() may follow (nothing after a failed begin or commit).
 */
#ifndef FR_STORE_WRITE_H
#define FR_STORE_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "record/record.h"
#include "util/error.h"

struct fr_store;

/* A transaction belongs to the thread that began it, until its commit or abort. */
int fr_store_begin(struct fr_store *store, struct fr_error *error);
int fr_store_commit(struct fr_store *store, struct fr_error *error);
void fr_store_abort(struct fr_store *store);

/* Append a record and set record->seq. appended_ms: ms since 1970, not less than that of the
 * record before, for fr_store_seek(). The caller keeps its reference. */
int fr_store_append(struct fr_store *store, struct fr_record *record, int64_t appended_ms,
                    struct fr_error *error);

/* Write the position of a cursor, and when it moved (ms since 1970). */
int fr_store_set_cursor(struct fr_store *store, const char *name, uint64_t seq, int64_t now_ms,
                        struct fr_error *error);

/* Which of the oldest records may be deleted: those appended before `before_ms` and those with a
 * number below `below`. Never a record from `needed` on, and never the newest record. */
struct fr_store_old {
    int64_t before_ms;
    uint64_t below, needed;
};

struct fr_store_pruned {
    size_t count;   /* records deleted */
    uint64_t first; /* number of the first of them; 0: none */
    uint64_t end;   /* one above the last of them; 0: none */
};

/* Delete at most `max` of the oldest records. */
int fr_store_prune(struct fr_store *store, const struct fr_store_old *old, size_t max,
                   struct fr_store_pruned *pruned, struct fr_error *error);

/* Bytes in pages of records, and the number of the first record (0: none), as seen by the open
 * write transaction. */
uint64_t fr_store_record_bytes(struct fr_store *store);
uint64_t fr_store_first(struct fr_store *store);

/* Store a number under `name`. */
int fr_store_put_number(struct fr_store *store, const char *name, uint64_t number,
                        struct fr_error *error);

/* Add to the number of records that were deleted before `cursor` had passed them. *total is the
 * sum since the journal was created. Nothing is written when `add` is 0. */
int fr_store_add_dropped(struct fr_store *store, const char *cursor, uint64_t add, uint64_t *total,
                         struct fr_error *error);

/* The number of the next record in the open environment. Writing thread only. */
uint64_t fr_store_next(const struct fr_store *store);

/* Assign no number below `next` to new records. Writing thread only. Inside a transaction, an abort
 * undoes the call. */
void fr_store_skip_to(struct fr_store *store, uint64_t next);

#endif
