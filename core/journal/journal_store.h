/*
 * journal_store.h - the journal on disk: an LMDB environment and what is in it.
 *
 *   records  sequence number -> stored record (stored_record.h)
 *   cursors  sink's name -> the first sequence number it has not finished, and when that moved
 *   about    "format" -> the number of this layout; "dropped/NAME" -> how many records
 *            were deleted before cursor NAME had passed them
 *
 * LMDB never overwrites a page that the last commit refers to, so what kill -9 or a power cut
 * leaves behind is the last commit, and opening it needs no repair. One thread at a time
 * writes (fr_store_begin to fr_store_commit); any number read, in this process and others.
 */
#ifndef FR_JOURNAL_STORE_H
#define FR_JOURNAL_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/record.h"
#include "util/error.h"

#define FR_STORE_NAME_MAX 255 /* bytes of a cursor's name */

struct fr_store;
struct fr_store_reader;

/* Open the journal in folder `path`, made if it is not there. At most `size` bytes of records
 * are kept, by who prunes; the file may be up to a quarter and 64 MB larger. A folder that holds
 * something else, or a file that is cut, is left as it is: NULL and why. */
struct fr_store *fr_store_open(const char *path, uint64_t size, struct fr_error *error);

/* Open it beside a daemon, to read (or, read_only false, to move a cursor while none runs). */
struct fr_store *fr_store_visit(const char *path, bool read_only, struct fr_error *error);

/* Open it to look whether it is whole; `writable`: the caller has its lock. */
struct fr_store *fr_store_inspect(const char *path, bool writable, struct fr_error *error);

/* Whether there is a journal in the folder, whatever its state. */
bool fr_store_exists(const char *path);

/* Lock the folder against daemons and tools that write. Returns a descriptor to be closed, or -1 and
 * why. */
int fr_store_lock(const char *path, struct fr_error *error);

void fr_store_close(struct fr_store *store);

struct fr_store_usage {
    uint64_t first, next;  /* sequence numbers; first == next: nothing is kept */
    int64_t first_ms;      /* when the first was appended; 0: there is none */
    uint64_t record_bytes; /* pages of records */
    uint64_t file_bytes;
};

/* -1 and why. */
int fr_store_usage(struct fr_store *store, struct fr_store_usage *usage, struct fr_error *error);

/* Close the environment and open it again, with space for `size` bytes of records; transactions of
 * readers end, and begin again with their next use. What a failed write has left in the page cache
 * is on disk afterwards. -1 and why: nothing can be read or written until it succeeds. */
int fr_store_reopen(struct fr_store *store, uint64_t size, struct fr_error *error);

/* The number of the next record in the open environment. The writer's. */
uint64_t fr_store_next(const struct fr_store *store);

/* Never give out a number below. The writer's, outside of a transaction. */
void fr_store_skip_to(struct fr_store *store, uint64_t next);

/* Whether a cursor may go to *seq. Before the oldest record: *seq becomes the oldest. Beyond the
 * end (one behind the newest is the end): -1 and why. */
int fr_store_place(const struct fr_store_usage *usage, uint64_t *seq, struct fr_error *error);

/* Free the slots of readers whose processes have ended; a slot may pin free pages. Returns how
 * many. */
int fr_store_clear_readers(struct fr_store *store);

/* The process that reads the oldest snapshot, and how many commits old that is; 0: there is
 * none. Pages that were freed since are not used again until it goes on or ends. */
long fr_store_oldest_reader(struct fr_store *store, uint64_t *commits);

/* ---- writing --------------------------------------------------------------------- */

/* Why the last write failed. */
enum fr_store_fault {
    FR_STORE_WELL,
    FR_STORE_MAP_FULL,  /* no free page within the limit of the file */
    FR_STORE_DISK_FULL, /* ENOSPC, EDQUOT */
    FR_STORE_IO_ERROR,
    FR_STORE_READ_ONLY, /* EROFS */
    FR_STORE_PANIC,   /* a meta page could not be written: LMDB refuses all until it is reopened */
    FR_STORE_DAMAGED, /* pages that make no sense: nothing but `journal salvage` helps */
    FR_STORE_GONE,    /* data.mdb is not at its path any more */
    FR_STORE_OTHER,
};
enum fr_store_fault fr_store_fault(const struct fr_store *store);

/* "disk full" */
const char *fr_store_fault_name(enum fr_store_fault fault);

/* Begin a transaction; waits for another to end. -1 and why, for these all; after a failure
 * nothing but fr_store_abort may follow. */
int fr_store_begin(struct fr_store *store, struct fr_error *error);
int fr_store_commit(struct fr_store *store, struct fr_error *error);
void fr_store_abort(struct fr_store *store);

/* Append a record: sets its seq. */
int fr_store_append(struct fr_store *store, struct fr_record *record, int64_t appended_ms,
                    struct fr_error *error);

int fr_store_set_cursor(struct fr_store *store, const char *name, uint64_t seq, int64_t now_ms,
                        struct fr_error *error);

/* Which of the oldest records may go: those appended before `before_ms`, and those with a seq
 * below `below`; never one from `needed` on, and never the newest one. */
struct fr_store_old {
    int64_t before_ms;
    uint64_t below, needed;
};

struct fr_store_pruned {
    size_t count;        /* records deleted */
    uint64_t first, end; /* the seq of the first of them, and one above the last; 0: none */
};

/* Delete up to `most` of them. */
int fr_store_prune(struct fr_store *store, const struct fr_store_old *old, size_t most,
                   struct fr_store_pruned *pruned, struct fr_error *error);

/* Pages of records within the present transaction, in bytes, and its first record's seq. */
uint64_t fr_store_record_bytes(struct fr_store *store);
uint64_t fr_store_first(struct fr_store *store);

/* A number that is kept by name. */
int fr_store_put_number(struct fr_store *store, const char *name, uint64_t number,
                        struct fr_error *error);

/* Count records that the present transaction deletes before a cursor has passed them. *total is
 * the cursor's number then, from the first record on. Nothing is written when `add` is 0. */
int fr_store_add_dropped(struct fr_store *store, const char *cursor, uint64_t add, uint64_t *total,
                         struct fr_error *error);

/* ---- reading --------------------------------------------------------------------- */

struct fr_store_reader *fr_store_reader_new(struct fr_store *store, struct fr_error *error);
void fr_store_reader_free(struct fr_store_reader *reader);

/* What is to be read, and what was found missing on the way. */
struct fr_store_span {
    uint64_t next;    /* in: where to begin; out: behind the last record that each() took */
    uint64_t end;     /* in: records from here on are not looked at */
    uint64_t deleted; /* out: numbers from `next` on that are older than the oldest record */
    uint64_t missing; /* out: numbers missing between records: pages are damaged or outdated */
};

/* Call each() with the stored records of the span, `most` at most, until it returns false. Pages
 * that make no sense are skipped and their records counted as missing. each() runs inside a read
 * transaction: it must be short. Returns how many, or -1 and why. */
int fr_store_read(struct fr_store_reader *reader, struct fr_store_span *span, size_t most,
                  bool (*each)(void *ctx, uint64_t seq, const uint8_t *bytes, size_t len),
                  void *ctx, struct fr_error *error);

/* The first seq appended at `ms` or later. */
int fr_store_seek(struct fr_store_reader *reader, int64_t ms, uint64_t *seq,
                  struct fr_error *error);

/* Where a cursor stands. Returns 1, 0 when there is none of that name, or -1 and why. */
int fr_store_cursor(struct fr_store_reader *reader, const char *name, uint64_t *seq,
                    int64_t *moved_ms, struct fr_error *error);

/* Call each() for every cursor. */
int fr_store_cursors(struct fr_store_reader *reader,
                     void (*each)(void *ctx, const char *name, uint64_t seq, int64_t moved_ms),
                     void *ctx, struct fr_error *error);

/* The cursor's number of fr_store_add_dropped. */
int fr_store_dropped(struct fr_store_reader *reader, const char *cursor, uint64_t *number,
                     struct fr_error *error);

/* A number kept by name; 0 when there is none. */
int fr_store_number(struct fr_store_reader *reader, const char *name, uint64_t *number,
                    struct fr_error *error);

#endif
