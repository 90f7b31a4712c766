/*
 * Checks a journal before it is used.
 *
 * The check reads the whole file in a child process: LMDB crashes or loops on some damaged pages,
 * and both are results of the check.
 */
#ifndef FR_CHECK_H
#define FR_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

struct fr_journal_check {
    uint64_t first, next; /* sequence numbers, as in struct fr_store_usage */
    uint64_t records;     /* readable records, damaged ones included */
    uint64_t missing;     /* numbers without a record */
    uint64_t damaged;     /* records with a wrong checksum */
    uint64_t cursors;
    uint64_t cursors_beyond; /* cursors beyond the end */
    uint64_t free_pages;
    bool complete; /* false: the check stopped after max_ms */
};

/* Check the journal in folder `path` for at most max_ms (0: no limit). `writable`: the caller holds
 * the folder's lock, so the check also tries a transaction and aborts it. Forks a child process.
 * Returns -1 with `error` set when the journal is broken and must not be opened. Returns 0 when it
 * can be used: `result` holds the counts, and `error` the reason when it is incomplete. */
int fr_journal_check(const char *path, bool writable, int64_t max_ms,
                     struct fr_journal_check *result, struct fr_error *error);

#endif
