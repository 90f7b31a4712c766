/*
 * Reading the journal's store: records, cursors and numbers. Any number of threads and processes
 * read at the same time; a reader is used by one thread at a time.
 */
#ifndef FR_STORE_READ_H
#define FR_STORE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

struct fr_store;
struct fr_store_reader;

struct fr_store_usage {
    uint64_t first, next;  /* sequence numbers; first == next: the store is empty */
    int64_t first_ms;      /* append time of the first record, ms since 1970; 0: no record */
    uint64_t record_bytes; /* in pages of records */
    uint64_t file_bytes;   /* disk space of data.mdb */
};

/* Read the extent of the store. Any thread. Returns 0, or -1 with `error` set. */
int fr_store_usage(struct fr_store *store, struct fr_store_usage *usage, struct fr_error *error);

/* Check that a cursor may move to *seq. A number before the oldest record becomes that of the
 * oldest. A number beyond the end (newest + 1) is refused: -1 with `error` set. */
int fr_store_position(const struct fr_store_usage *usage, uint64_t *seq, struct fr_error *error);

/* A reader of the store; the caller frees it before the store is closed. Any thread. Returns NULL
 * with `error` set. */
struct fr_store_reader *fr_store_reader_new(struct fr_store *store, struct fr_error *error);
void fr_store_reader_free(struct fr_store_reader *reader);

/* The range to read, and the gaps that were found in it. */
struct fr_store_span {
    uint64_t next;    /* in: first number; out: one above the last record that each() accepted */
    uint64_t end;     /* in: one above the last number */
    uint64_t deleted; /* out: numbers from `next` on that are older than the oldest record */
    uint64_t missing; /* out: numbers missing between records: pages are damaged or outdated */
};

/* Call each() with the stored records of the span, at most `max`, until each() returns false. The
 * record for which each() returns false is read again by the next call. Unreadable pages are
 * skipped and their records counted as missing. each() runs inside a read transaction: it must not
 * block; `bytes` is valid during the call. Returns the number of records, or -1 with `error` set.
 */
int fr_store_read(struct fr_store_reader *reader, struct fr_store_span *span, size_t max,
                  bool (*each)(void *ctx, uint64_t seq, const uint8_t *bytes, size_t len),
                  void *ctx, struct fr_error *error);

/* Find the first record appended at `ms` (since 1970) or later; *seq is one above the newest if
 * there is none. Returns 0, or -1 with `error` set. */
int fr_store_seek(struct fr_store_reader *reader, int64_t ms, uint64_t *seq,
                  struct fr_error *error);

enum fr_store_lookup {
    FR_STORE_LOOKUP_FAILED = -1, /* `error` is set */
    FR_STORE_NOT_FOUND = 0,
    FR_STORE_FOUND = 1,
};

/* Read the position of cursor `name` and the time it moved, ms since 1970. */
enum fr_store_lookup fr_store_cursor(struct fr_store_reader *reader, const char *name,
                                     uint64_t *seq, int64_t *moved_ms, struct fr_error *error);

/* Call each() for every cursor, inside a read transaction. Returns 0, or -1 with `error` set. */
int fr_store_cursors(struct fr_store_reader *reader,
                     void (*each)(void *ctx, const char *name, uint64_t seq, int64_t moved_ms),
                     void *ctx, struct fr_error *error);

/* Read the number that fr_store_add_dropped() keeps for a cursor. Returns 0, or -1 with `error`
 * set. */
int fr_store_dropped(struct fr_store_reader *reader, const char *cursor, uint64_t *number,
                     struct fr_error *error);

/* Read a number stored under `name`; 0 when there is none. Returns 0, or -1 with `error` set. */
int fr_store_number(struct fr_store_reader *reader, const char *name, uint64_t *number,
                    struct fr_error *error);

#endif
