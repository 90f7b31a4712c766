/*
 * Creates a new journal from the readable records of a broken one.
 *
 * The file is read page by page without LMDB. Each leaf page is searched for records, and a record
 * is accepted when its checksum is right, so damaged branch pages do not matter. Recently deleted
 * records may reappear. Of two records with the same number the one appended later is used.
 */
#ifndef FR_SALVAGE_H
#define FR_SALVAGE_H

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

struct fr_salvage {
    uint64_t records;     /* recovered */
    uint64_t first, last; /* sequence numbers */
    uint64_t missing;     /* numbers between first and last without a record */
    uint64_t cursors;     /* recovered */
    char *kept;           /* path of the broken file now; the caller frees it */
};

/* Salvage the journal in folder `path` while no daemon uses it (locks the folder). Each sink of
 * `names` without a readable cursor begins at the oldest record. Records that sinks may have
 * received are flagged as repeated. The broken file stays in the folder under another name. Returns
 * 0, or -1 with `error` set and the files unchanged. */
int fr_journal_salvage(const char *path, const char *const *names, size_t name_count,
                       struct fr_salvage *result, struct fr_error *error);

#endif
