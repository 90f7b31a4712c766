/*
 * journal_salvage.h - make a new journal of what can be read of a broken one.
 *
 * The file is read page by page, without LMDB: each leaf page is searched for records, and a record
 * counts when its checksum is right. So it does not matter which pages lead there. Records that were
 * deleted not long ago may come back; of two with one number the one that was appended later stays.
 */
#ifndef FR_JOURNAL_SALVAGE_H
#define FR_JOURNAL_SALVAGE_H

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

struct fr_salvage {
    uint64_t records, first, last;
    uint64_t missing; /* numbers between first and last without a record */
    uint64_t cursors; /* found */
    char *kept;       /* where the broken file is now; the caller frees it */
};

/* Salvage the journal in folder `path`, which no daemon has. Each sink of `names` without a readable
 * cursor begins at the oldest record. What sinks may have had comes again marked as repeated. The
 * broken file is kept beside the new one. -1 and why: everything is as it was. */
int fr_journal_salvage(const char *path, const char *const *names, size_t name_count,
                       struct fr_salvage *result, struct fr_error *error);

#endif
