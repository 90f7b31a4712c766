/*
 * journal_check.h - is a journal whole, before anybody relies on it.
 *
 * The check reads everything in a process of its own, because LMDB crashes or hangs on some damaged
 * pages: that is an answer then.
 */
#ifndef FR_JOURNAL_CHECK_H
#define FR_JOURNAL_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

struct fr_journal_check {
    uint64_t first, next; /* the numbers of the records, as fr_store_usage */
    uint64_t records;     /* readable ones */
    uint64_t missing;     /* numbers without a record */
    uint64_t damaged;     /* records with a wrong checksum */
    uint64_t cursors, cursors_beyond;
    uint64_t free_pages;
    bool complete; /* false: max_ms was over */
};

/* Check the journal in folder `path`, for max_ms at most (0: without a limit); `writable`: no
 * daemon has it, so a transaction may be tried and taken back. -1 and why: it is broken, and must
 * not be opened. 0: it can be used; `result` says what is missing. */
int fr_journal_check(const char *path, bool writable, int64_t max_ms,
                     struct fr_journal_check *result, struct fr_error *error);

#endif
