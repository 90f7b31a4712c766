/*
 * Deleting the oldest records to make space for new ones, and counting undelivered ones.
 *
 * Internal to core/journal. Journal's thread only.
 */
#ifndef FR_PRUNE_H
#define FR_PRUNE_H

#include "journal/journal_state.h"

/* Free space in the open transaction for a group of `group` records. Undelivered records are
 * deleted only with FR_JOURNAL_DROP_OLDEST; the same transaction adds them to the number of dropped
 * records of each cursor concerned. Nothing is deleted before the cursors are registered. *count
 * becomes the number of deleted records. Returns 0, or -1 with `error` set: the journal is full and
 * nothing may be dropped (journal->full), or a write failed. */
int fr_journal_prune(struct fr_journal *journal, const struct fr_journal_settings *settings,
                     size_t group, size_t *count, struct fr_error *error);

/* Publish and log the drops that the last transaction counted. Called after its commit. */
void fr_journal_publish_dropped(struct fr_journal *journal);

/* Delete delivered records of any age in a separate transaction. Returns whether some were
 * deleted. */
bool fr_journal_reclaim(struct fr_journal *journal);

#endif
