/*
 * settings.h - the settings of the ingest and the journal, taken from the server configuration.
 *
 * The results borrow strings and lists from the configuration. Main thread.
 */
#ifndef FR_SETTINGS_H
#define FR_SETTINGS_H

#include "config/server_config.h"
#include "daemon/setup.h"
#include "history/history_settings.h"
#include "ingest/ingest.h"
#include "journal/journal.h"
#include "util/error.h"

/* The public key is borrowed, too. */
struct fr_ingest_settings fr_settings_ingest(const struct fr_setup *setup);
struct fr_journal_settings fr_settings_journal(const struct fr_server_config *config);

/* The settings of the history, whose folder is `folder`. They refer to the configuration. */
struct fr_history_settings fr_settings_history(const struct fr_server_config *config,
                                               const char *folder);

/* Register one cursor for each configured sink at the journal, which deletes no record before these
 * cursors. Returns 0, or -1 with `error` set. */
int fr_settings_register_cursors(struct fr_journal *journal, const struct fr_server_config *config,
                                 struct fr_error *error);

#endif
