/* unit.h - the suites of the unit tests. */
#ifndef FR_UNIT_H
#define FR_UNIT_H

#include <check.h>

Suite *suite_admission(void);
Suite *suite_api_error(void);
Suite *suite_command_key(void);
Suite *suite_config(void);
Suite *suite_config_compare(void);
Suite *suite_dispatch(void);
Suite *suite_gather(void);
Suite *suite_envelope(void);
Suite *suite_history(void);
Suite *suite_history_session(void);
Suite *suite_car_state(void);
Suite *suite_home_assistant(void);
Suite *suite_http(void);
Suite *suite_identity(void);
Suite *suite_journal(void);
Suite *suite_journal_run(void);
Suite *suite_json_payload(void);
Suite *suite_jws(void);
Suite *suite_half_open(void);
Suite *suite_load_delays(void);
Suite *suite_http_admin(void);
Suite *suite_http_query(void);
Suite *suite_dead_letter_file(void);
Suite *suite_jobs(void);
Suite *suite_http_sessions(void);
Suite *suite_http_clients(void);
Suite *suite_presence(void);
Suite *suite_presence_merge(void);
Suite *suite_keep_health(void);
Suite *suite_keep_plan(void);
Suite *suite_pairing_link(void);
Suite *suite_program(void);
Suite *suite_proxy_protocol(void);
Suite *suite_pushed_config(void);
Suite *suite_event_base(void);
Suite *suite_push(void);
Suite *suite_queue(void);
Suite *suite_record(void);
Suite *suite_postgres(void);
Suite *suite_redis(void);
Suite *suite_http_sink(void);
Suite *suite_teslamate(void);
Suite *suite_sink(void);
Suite *suite_routes(void);
Suite *suite_source_presence(void);
Suite *suite_state(void);
Suite *suite_submit(void);
Suite *suite_tesla_mqtt(void);
Suite *suite_tls_release(void);
Suite *suite_tokens(void);
Suite *suite_units(void);
Suite *suite_value_store(void);
Suite *suite_vectors(void);
Suite *suite_vehicle_ca(void);
Suite *suite_push_ca(void);
Suite *suite_vehicle_config(void);
Suite *suite_vehicle_state(void);
Suite *suite_payloads(void);
Suite *suite_web_libraries(void);
Suite *suite_activity(void);
Suite *suite_stored_doctor(void);
Suite *suite_health_sentence(void);
Suite *suite_websocket(void);
Suite *suite_yaml_edit(void);

/* Returns the path of a file of the source tree, in a static buffer. The environment variable
 * top_srcdir overrides the folder of the source tree. */
const char *source_file(const char *name);

#endif
