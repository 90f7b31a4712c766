/*
 * The lowest functions of the journal: its lock, its wake-up and its settings.
 *
 * Internal to core/journal.
 */
#ifndef FR_JOURNAL_BASE_H
#define FR_JOURNAL_BASE_H

#include "journal/journal_state.h"

/* A copy of the current settings. Any thread. */
struct fr_journal_settings fr_journal_settings_now(struct fr_journal *journal);

/* Whether fr_journal_stop() was called. Any thread. */
bool fr_journal_stopping(struct fr_journal *journal);

/* Wait at most `ms`, until fr_journal_wake() (unless `ignore_wake`) or the stop. Journal's
 * thread. */
void fr_journal_wait(struct fr_journal *journal, int64_t ms, bool ignore_wake);

/* Wake the journal's thread. Any thread; the caller does not hold the lock. */
void fr_journal_wake(struct fr_journal *journal);

#endif
