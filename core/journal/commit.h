/*
 * One commit: free space, append records, write cursors, acknowledge the records, wake the sinks.
 *
 * Internal to core/journal. Journal's thread only.
 */
#ifndef FR_COMMIT_H
#define FR_COMMIT_H

#include "journal/journal_state.h"

/* Commit the first `count` records of journal->group and the cursors, and (`clean`) the mark of a
 * clean shutdown. Retried until it succeeds. Returns false when the daemon stops before that. */
bool fr_journal_commit(struct fr_journal *journal, size_t count, bool clean);

/* Commit enqueued records: duplicates are skipped, and all records are completed or, when the
 * daemon stops, abandoned. Their references are released. */
void fr_journal_commit_group(struct fr_journal *journal, size_t count);

/* Whether a cursor has moved since it was written. */
bool fr_journal_cursors_moved(struct fr_journal *journal);

#endif
