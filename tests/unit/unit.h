/* unit.h - the suites of the unit tests; each returns a Check suite. */
#ifndef FR_UNIT_H
#define FR_UNIT_H

#include <check.h>

Suite *suite_config(void);
Suite *suite_envelope(void);
Suite *suite_home_assistant(void);
Suite *suite_http(void);
Suite *suite_identity(void);
Suite *suite_journal(void);
Suite *suite_journal_run(void);
Suite *suite_json_payload(void);
Suite *suite_half_open(void);
Suite *suite_http_clients(void);
Suite *suite_presence(void);
Suite *suite_program(void);
Suite *suite_event_base(void);
Suite *suite_queue(void);
Suite *suite_record(void);
Suite *suite_units(void);
Suite *suite_value_store(void);
Suite *suite_vectors(void);
Suite *suite_websocket(void);

/* Where the source tree is, for files that tests read. */
const char *source_file(const char *name);

#endif
