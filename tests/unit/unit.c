#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

const char *source_file(const char *name)
{
    static char path[1024];
    const char *top = getenv("top_srcdir");

    snprintf(path, sizeof path, "%s/%s", top != NULL ? top : TOP_SRCDIR, name);
    return path;
}

int main(void)
{
    SRunner *runner;
    int failed;

    /* Check's own limit of 4 s for a test is too short on a machine that runs other tests. */
    setenv("CK_DEFAULT_TIMEOUT", "60", 0);
    runner = srunner_create(suite_units());
    srunner_add_suite(runner, suite_envelope());
    srunner_add_suite(runner, suite_vectors());
    srunner_add_suite(runner, suite_payloads());
    srunner_add_suite(runner, suite_record());
    srunner_add_suite(runner, suite_sink());
    srunner_add_suite(runner, suite_http());
    srunner_add_suite(runner, suite_web_libraries());
    srunner_add_suite(runner, suite_activity());
    srunner_add_suite(runner, suite_stored_doctor());
    srunner_add_suite(runner, suite_health_sentence());
    srunner_add_suite(runner, suite_websocket());
    srunner_add_suite(runner, suite_yaml_edit());
    srunner_add_suite(runner, suite_identity());
    srunner_add_suite(runner, suite_tls_release());
    srunner_add_suite(runner, suite_config());
    srunner_add_suite(runner, suite_command_key());
    srunner_add_suite(runner, suite_keep_health());
    srunner_add_suite(runner, suite_keep_plan());
    srunner_add_suite(runner, suite_state());
    srunner_add_suite(runner, suite_api_error());
    srunner_add_suite(runner, suite_jws());
    srunner_add_suite(runner, suite_tokens());
    srunner_add_suite(runner, suite_pairing_link());
    srunner_add_suite(runner, suite_journal());
    srunner_add_suite(runner, suite_journal_run());
    srunner_add_suite(runner, suite_value_store());
    srunner_add_suite(runner, suite_history());
    srunner_add_suite(runner, suite_history_session());
    srunner_add_suite(runner, suite_json_payload());
    srunner_add_suite(runner, suite_presence());
    srunner_add_suite(runner, suite_presence_merge());
    srunner_add_suite(runner, suite_source_presence());
    srunner_add_suite(runner, suite_half_open());
    srunner_add_suite(runner, suite_admission());
    srunner_add_suite(runner, suite_gather());
    srunner_add_suite(runner, suite_load_delays());
    srunner_add_suite(runner, suite_http_admin());
    srunner_add_suite(runner, suite_http_clients());
    srunner_add_suite(runner, suite_http_query());
    srunner_add_suite(runner, suite_dead_letter_file());
    srunner_add_suite(runner, suite_jobs());
    srunner_add_suite(runner, suite_http_sessions());
    srunner_add_suite(runner, suite_program());
    srunner_add_suite(runner, suite_proxy_protocol());
    srunner_add_suite(runner, suite_routes());
    srunner_add_suite(runner, suite_dispatch());
    srunner_add_suite(runner, suite_submit());
    srunner_add_suite(runner, suite_event_base());
    srunner_add_suite(runner, suite_queue());
    srunner_add_suite(runner, suite_tesla_mqtt());
    srunner_add_suite(runner, suite_postgres());
    srunner_add_suite(runner, suite_redis());
    srunner_add_suite(runner, suite_http_sink());
    srunner_add_suite(runner, suite_car_state());
    srunner_add_suite(runner, suite_teslamate());
    srunner_add_suite(runner, suite_home_assistant());
    srunner_add_suite(runner, suite_vehicle_config());
    srunner_add_suite(runner, suite_config_compare());
    srunner_add_suite(runner, suite_vehicle_state());
    srunner_add_suite(runner, suite_vehicle_ca());
    srunner_add_suite(runner, suite_push_ca());
    srunner_add_suite(runner, suite_push());
    srunner_add_suite(runner, suite_pushed_config());
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
