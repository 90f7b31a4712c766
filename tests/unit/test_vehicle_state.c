/* The state of a vehicle by Tesla's answers: each row of the decision table. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "fleet_api/vehicle_state.h"

#define DOMAIN "telemetry.example.com"
#define MODEL_3 "5YJ3E1EA7KF000001"
#define MODEL_Y "5YJYE1EA7KF000001"
#define CYBERTRUCK "7G2CE1EA7KF000001"
#define MODEL_S "5YJSE1EA7KF000001"
#define MODEL_X "5YJXE1EA7KF000001"
#define SEMI "7G2TE1EA7KF000001"
#define NEW "2026.26.6"

static struct fr_vehicle_verdict verdict;

START_TEST(fleet_status_decides_what_the_owner_does)
{
    static const struct {
        const char *vin;
        bool known, paired;
        int required, toggle;
        const char *firmware, *telemetry;
        enum fr_vehicle_state state;
        const char *cause, *remedy;
    } rows[] = {
        {MODEL_3, true, true, 1, -1, NEW, "1.3.0", FR_VEHICLE_READY, "paired", ""},
        {MODEL_S, true, true, 1, -1, NEW, "", FR_VEHICLE_READY, "paired", ""},
        {MODEL_3, true, true, 1, -1, "", "", FR_VEHICLE_READY, "paired", ""},
        {MODEL_3, true, true, 1, -1, "Unknown", "", FR_VEHICLE_READY, "paired", ""},
        {MODEL_3, true, true, 1, -1, "2024.26", "", FR_VEHICLE_READY, "paired", ""},
        {MODEL_3, true, true, 1, -1, "2024.20.9 abc", "", FR_VEHICLE_OLD_FIRMWARE,
         "2024.20.9 abc; telemetry needs 2024.26", "update"},
        {MODEL_3, true, false, 1, -1, NEW, "1.3.0", FR_VEHICLE_PAIR, "not paired",
         "https://tesla.com/_ak/" DOMAIN "?vin=" MODEL_3},
        {MODEL_S, true, false, 1, -1, NEW, "1.3.0", FR_VEHICLE_PAIR, "not paired", "_ak"},
        {MODEL_S, true, false, 1, -1, NEW, "", FR_VEHICLE_PAIR, "not paired", "_ak"},
        /* The flag is wrong for these models. */
        {MODEL_3, true, false, 0, -1, NEW, "1.3.0", FR_VEHICLE_PAIR, "wrong for this model", "_ak"},
        {MODEL_Y, true, false, 0, 1, NEW, "1.3.0", FR_VEHICLE_PAIR, "wrong for this model", "_ak"},
        {CYBERTRUCK, true, false, 0, -1, NEW, "", FR_VEHICLE_PAIR, "wrong for this model", "_ak"},
        {MODEL_3, true, false, -1, -1, NEW, "1.3.0", FR_VEHICLE_PAIR, "not paired", "_ak"},
        /* Intel Atom. */
        {MODEL_S, true, false, 0, 0, NEW, "1.3.0", FR_VEHICLE_TOGGLE, "third-party", "Safety"},
        {MODEL_X, true, false, 0, 0, NEW, "", FR_VEHICLE_TOGGLE, "third-party", "Safety"},
        {MODEL_X, true, false, -1, 0, NEW, "", FR_VEHICLE_TOGGLE, "third-party", "Safety"},
        {MODEL_X, true, false, 0, 1, NEW, "1.3.0", FR_VEHICLE_READY, "needs no key", ""},
        {MODEL_X, true, false, 0, -1, NEW, "1.3.0", FR_VEHICLE_READY, "needs no key", ""},
        {MODEL_X, true, false, 0, 0, "2025.14.3", "1.1.0", FR_VEHICLE_OLD_FIRMWARE, "2025.20",
         "update"},
        {MODEL_X, true, false, -1, -1, NEW, "1.3.0", FR_VEHICLE_PAIR, "not paired", "_ak"},
        /* MCU1. */
        {MODEL_S, true, false, 0, -1, NEW, "", FR_VEHICLE_NO_HARDWARE, "MCU1", "vehicles:"},
        {MODEL_X, true, false, -1, -1, NEW, "", FR_VEHICLE_NO_HARDWARE, "MCU1", "vehicles:"},
        {SEMI, true, false, 0, -1, NEW, "", FR_VEHICLE_READY, "needs no key", ""},
        {SEMI, true, false, -1, -1, NEW, "", FR_VEHICLE_PAIR, "not paired", "_ak"},
        {"SHORT", true, false, -1, -1, NEW, "", FR_VEHICLE_PAIR, "not paired", "fleetroute pair"},
        {MODEL_3, false, false, -1, -1, "", "", FR_VEHICLE_NOT_FOUND, "not name", "sold"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fr_api_vehicle_status status = {.known = rows[i].known,
                                               .key_paired = rows[i].paired,
                                               .protocol_required = rows[i].required,
                                               .toggle = rows[i].toggle,
                                               .total_keys = -1};

        snprintf(status.vin, sizeof status.vin, "%s", rows[i].vin);
        snprintf(status.firmware, sizeof status.firmware, "%s", rows[i].firmware);
        snprintf(status.telemetry_version, sizeof status.telemetry_version, "%s",
                 rows[i].telemetry);
        fr_vehicle_verdict_status(&status, DOMAIN, &verdict);
        ck_assert_msg(verdict.state == rows[i].state, "row %zu: %s", i,
                      fr_vehicle_state_name(verdict.state));
        ck_assert_msg(strstr(verdict.cause, rows[i].cause) != NULL, "row %zu: %s", i,
                      verdict.cause);
        ck_assert_msg(strstr(verdict.remedy, rows[i].remedy) != NULL, "row %zu: %s", i,
                      verdict.remedy);
        ck_assert_msg((rows[i].remedy[0] == '\0') == (verdict.remedy[0] == '\0'), "row %zu: %s", i,
                      verdict.remedy);
    }
}
END_TEST

START_TEST(each_skip_reason_has_a_remedy)
{
    static const struct {
        enum fr_api_skip skip;
        const char *vin, *other;
        enum fr_vehicle_state state;
        const char *cause, *remedy;
    } rows[] = {
        {FR_API_SKIP_NONE, MODEL_3, "", FR_VEHICLE_READY, "accepted", ""},
        {FR_API_SKIP_MISSING_KEY, MODEL_3, "", FR_VEHICLE_PAIR, "missing_key", "?vin=" MODEL_3},
        {FR_API_SKIP_HARDWARE, MODEL_S, "", FR_VEHICLE_NO_HARDWARE, "MCU1", "vehicles:"},
        {FR_API_SKIP_FIRMWARE, MODEL_3, "", FR_VEHICLE_OLD_FIRMWARE, "2024.26", "update"},
        {FR_API_SKIP_FIRMWARE, MODEL_X, "", FR_VEHICLE_OLD_FIRMWARE, "Atom: 2025.20", "update"},
        {FR_API_SKIP_MAX_CONFIGS, MODEL_3, "", FR_VEHICLE_SLOTS_FULL, "max_configs",
         "Third-Party Apps"},
        {FR_API_SKIP_OTHER, MODEL_3, "moon\x1b[2Jphase", FR_VEHICLE_REFUSED, "moon [2Jphase",
         "doctor"},
        {FR_API_SKIP_OTHER, MODEL_3, NULL, FR_VEHICLE_REFUSED, "no reason", "doctor"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fr_vehicle_verdict_skip(rows[i].skip, rows[i].vin, rows[i].other, DOMAIN, &verdict);
        ck_assert_msg(verdict.state == rows[i].state, "row %zu: %s", i,
                      fr_vehicle_state_name(verdict.state));
        ck_assert_msg(strstr(verdict.cause, rows[i].cause) != NULL, "row %zu: %s", i,
                      verdict.cause);
        ck_assert_msg(strstr(verdict.remedy, rows[i].remedy) != NULL, "row %zu: %s", i,
                      verdict.remedy);
    }
    fr_vehicle_verdict_skip(FR_API_SKIP_MISSING_KEY, MODEL_3, "", NULL, &verdict);
    ck_assert_ptr_nonnull(strstr(verdict.remedy, "fleetroute pair"));
}
END_TEST

#define CONFIG                                                                                     \
    "{\"hostname\":\"h\",\"ca\":\"c\",\"delivery_policy\":\"latest\","                             \
    "\"fields\":{\"Soc\":{\"interval_seconds\":60}}"

START_TEST(the_stored_configuration_decides_whether_to_push)
{
    static const struct {
        bool synced, limit;
        const char *config;
        bool pushed;
        enum fr_vehicle_state state;
        const char *cause, *remedy;
    } rows[] = {
        {true, false, CONFIG "}", true, FR_VEHICLE_STREAMING_CONFIG, "of the routes", ""},
        {true, false, CONFIG "}", false, FR_VEHICLE_STREAMING_CONFIG, "of the routes", ""},
        {true, false, CONFIG ",\"iss\":\"ME\",\"exp\":5}", true, FR_VEHICLE_STREAMING_CONFIG,
         "of the routes", ""},
        {false, false, CONFIG "}", true, FR_VEHICLE_WAITING, "not taken", "awake"},
        {false, false, NULL, true, FR_VEHICLE_WAITING, "not taken", "awake"},
        {true, true, NULL, true, FR_VEHICLE_SLOTS_FULL, "limit_reached", "fleetroute push"},
        {true, true, NULL, false, FR_VEHICLE_SLOTS_FULL, "limit_reached", "fleetroute push"},
        {true, false, NULL, true, FR_VEHICLE_SLOTS_FULL, "refused", "fleetroute push"},
        {true, false, NULL, false, FR_VEHICLE_NO_CONFIG, "no configuration", "billing limit"},
        {true, false, CONFIG ",\"iss\":\"OTHER\"}", true, FR_VEHICLE_OTHER_CONFIG, "another key",
         "fleetroute push"},
        {true, false, CONFIG ",\"port\":8443}", true, FR_VEHICLE_OTHER_CONFIG, "port is 8443",
         "fleetroute push"},
        {false, false, "{}", true, FR_VEHICLE_OTHER_CONFIG, "hostname", "fleetroute push"},
        {true, false, "[", true, FR_VEHICLE_OTHER_CONFIG, "no JSON object", "fleetroute push"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fr_api_config_state state = {.synced = rows[i].synced,
                                            .limit_reached = rows[i].limit,
                                            .key_paired = -1,
                                            .config = (char *)rows[i].config};

        fr_vehicle_verdict_config(&state, CONFIG "}", "ME", rows[i].pushed, &verdict);
        ck_assert_msg(verdict.state == rows[i].state, "row %zu: %s", i,
                      fr_vehicle_state_name(verdict.state));
        ck_assert_msg(strstr(verdict.cause, rows[i].cause) != NULL, "row %zu: %s", i,
                      verdict.cause);
        ck_assert_msg(strstr(verdict.remedy, rows[i].remedy) != NULL, "row %zu: %s", i,
                      verdict.remedy);
    }
}
END_TEST

START_TEST(errors_of_a_vehicle_are_translated)
{
    static const struct {
        const char *name, *text;
        enum fr_vehicle_state state;
        const char *cause;
    } rows[] = {
        {"cloud_manager_error", "", FR_VEHICLE_UNREACHABLE, "could not connect"},
        {"", "cloud_manager_error: dial tcp: connection refused", FR_VEHICLE_UNREACHABLE,
         "nothing listens"},
        {"cloud_manager_error", "lookup t: no such host", FR_VEHICLE_UNREACHABLE, "resolve"},
        {"cloud_manager_error", "dial tcp: i/o timeout", FR_VEHICLE_UNREACHABLE, "answer"},
        {"handshake_error", "", FR_VEHICLE_UNREACHABLE, "TLS handshake"},
        {"handshake_error", "x509: certificate signed by unknown authority", FR_VEHICLE_UNREACHABLE,
         "does not trust"},
        {"handshake_error", "x509: certificate has expired or is not yet valid",
         FR_VEHICLE_UNREACHABLE, "expired"},
        {"handshake_error", "x509: certificate is valid for a, not b", FR_VEHICLE_UNREACHABLE,
         "another host name"},
        {"config_manager_error", "", FR_VEHICLE_REFUSED, "rejected"},
        {"config_manager_error", "crypto/ecdsa: verification error", FR_VEHICLE_REFUSED, "ES256"},
        {"", "only NIST-P256 ECDH keys permitted", FR_VEHICLE_REFUSED, "P-256"},
        {"moon_error", "x", FR_VEHICLE_UNREACHABLE, "\"moon_error\""},
        {"", "odd text", FR_VEHICLE_UNREACHABLE, "\"odd text\""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fr_api_vehicle_error entry = {0};

        snprintf(entry.error_name, sizeof entry.error_name, "%s", rows[i].name);
        snprintf(entry.error, sizeof entry.error, "%s", rows[i].text);
        fr_vehicle_verdict_error(&entry, &verdict);
        ck_assert_msg(verdict.state == rows[i].state, "row %zu: %s", i, verdict.cause);
        ck_assert_msg(strstr(verdict.cause, rows[i].cause) != NULL, "row %zu: %s", i,
                      verdict.cause);
        ck_assert_str_ne(verdict.remedy, "");
    }
}
END_TEST

Suite *suite_vehicle_state(void)
{
    Suite *suite = suite_create("vehicle_state");
    TCase *tests = tcase_create("vehicle_state");

    tcase_add_test(tests, fleet_status_decides_what_the_owner_does);
    tcase_add_test(tests, each_skip_reason_has_a_remedy);
    tcase_add_test(tests, the_stored_configuration_decides_whether_to_push);
    tcase_add_test(tests, errors_of_a_vehicle_are_translated);
    suite_add_tcase(suite, tests);
    return suite;
}
