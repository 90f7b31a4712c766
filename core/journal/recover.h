/*
 * Recovery after a failed write: freeing reader slots and pages, reopening, and reports.
 *
 * Internal to core/journal. Journal's thread only.
 */
#ifndef FR_RECOVER_H
#define FR_RECOVER_H

#include "journal/journal_state.h"

/* After a failed write, try an immediate recovery. Returns whether the write may succeed now; else
 * `error` may be replaced by a more exact one. Sets journal->unrecoverable. */
bool fr_journal_recover(struct fr_journal *journal, struct fr_error *error);

/* Close the environment and open it with the current `size`. Returns false with `error` set:
 * fr_journal_recover() tries again after a pause. */
bool fr_journal_reopen(struct fr_journal *journal, struct fr_error *error);

/* Publish why writes fail, logged at most once a minute for each fault; NULL: writes succeed. */
void fr_journal_report(struct fr_journal *journal, const struct fr_error *error);

/* Free the reader slots of killed processes. Returns how many. */
int fr_journal_clear_readers(struct fr_journal *journal);

#endif
