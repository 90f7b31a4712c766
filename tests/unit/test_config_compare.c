/* Whether two telemetry configurations mean the same to a vehicle. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "fleet_api/config_compare.h"
#include "util/memory.h"

#define ROUTES                                                                                     \
    "{\"hostname\":\"t.example.com\",\"port\":443,\"ca\":\"-----BEGIN CERTIFICATE-----\\nAA\\n"    \
    "BB\\n\",\"delivery_policy\":\"latest\",\"prefer_typed\":true,\"alert_types\":[\"service\"],"  \
    "\"fields\":{\"Soc\":{\"interval_seconds\":60,\"minimum_delta\":0.2},"                         \
    "\"Gear\":{\"interval_seconds\":1}}}"

/* ROUTES with a piece replaced; the caller frees it. */
static char *replaced(const char *piece, const char *by)
{
    const char *at = strstr(ROUTES, piece);
    char *head, *text;

    ck_assert_msg(at != NULL, "%s is not in the configuration", piece);
    head = fr_strndup(ROUTES, (size_t)(at - ROUTES));
    text = fr_asprintf("%s%s%s", head, by, at + strlen(piece));
    free(head);
    return text;
}

static void check_equal(const char *piece, const char *by)
{
    char *vehicle = replaced(piece, by), difference[256], one[65], two[65];

    ck_assert_msg(fr_config_equal(vehicle, ROUTES, difference, sizeof difference), "%s: %s", by,
                  difference);
    ck_assert_str_eq(difference, "");
    ck_assert(fr_config_digest(vehicle, one) && fr_config_digest(ROUTES, two));
    ck_assert_str_eq(one, two);
    free(vehicle);
}

static void check_differs(const char *piece, const char *by, const char *words)
{
    char *vehicle = replaced(piece, by), difference[256], one[65] = "", two[65] = "";

    ck_assert_msg(!fr_config_equal(vehicle, ROUTES, difference, sizeof difference), "%s", by);
    ck_assert_msg(strcmp(difference, words) == 0, "%s: \"%s\"", by, difference);
    fr_config_digest(vehicle, one);
    fr_config_digest(ROUTES, two);
    ck_assert_str_ne(one, two);
    free(vehicle);
}

START_TEST(spelling_is_no_difference)
{
    check_equal("\"port\":443,", "");
    check_equal("\"port\":443,", "\"port\":null,");
    check_equal("\"port\":443,", "\"port\":443.0,\"exp\":1,\"iss\":\"a\",\"aud\":\"b\",");
    check_equal("\"port\":443,", "\"port\":443,\"new_key\":null,\"other\":{\"a\":[1]},");
    check_equal("\"port\":443,", "\"port\":443,\"new_key\":99999999999999999999999,");
    check_equal("\"prefer_typed\":true,", "");
    check_equal("t.example.com", "T.Example.COM");
    check_equal("AA\\nBB\\n", "AA\\r\\nBB");
    check_equal("\"interval_seconds\":60", "\"interval_seconds\":6e1");
    check_equal("0.2", "0.20000000298023224");
    check_equal("{\"interval_seconds\":1}",
                "{\"interval_seconds\":1,\"minimum_delta\":0,\"include_fields\":[],"
                "\"resend_interval_seconds\":null}");
    check_equal("[\"service\"]", "[\"service\",\"service\"]");
    check_equal("\"fields\"", "\"zz\":1,\"fields\"");
}
END_TEST

START_TEST(the_first_difference_is_named)
{
    check_differs("t.example.com", "other.example.com",
                  "hostname is \"other.example.com\" in the vehicle, \"t.example.com\" in the "
                  "routes");
    check_differs("443", "8443", "port is 8443 in the vehicle, 443 in the routes");
    check_differs("latest", "", "delivery_policy is \"\" in the vehicle, \"latest\" in the routes");
    check_differs("[\"service\"]", "[]",
                  "alert_types is [] in the vehicle, [\"service\"] in the routes");
    check_differs("60", "30", "Soc: interval_seconds is 30 in the vehicle, 60 in the routes");
    check_differs("0.2", "0.25", "Soc: minimum_delta is 0.25 in the vehicle, 0.2 in the routes");
    check_differs(",\"minimum_delta\":0.2", "",
                  "Soc: minimum_delta is not set in the vehicle, 0.2 in the routes");
    check_differs("{\"interval_seconds\":1}",
                  "{\"interval_seconds\":1,\"resend_interval_seconds\":60}",
                  "Gear: resend_interval_seconds is 60 in the vehicle, not set in the routes");
    check_differs(",\"Gear\":{\"interval_seconds\":1}", "",
                  "Gear is in the routes and not in the vehicle");
    check_differs("\"Gear\"", "\"Locked\":{\"interval_seconds\":1},\"Gear\"",
                  "Locked is in the vehicle and not in the routes");
    check_differs("{\"interval_seconds\":1}", "7",
                  "Gear is 7 in the vehicle, {\"interval_seconds\":1} in the routes");
}
END_TEST

/* Not in the digest: another list may verify the same server. */
START_TEST(another_ca_is_a_difference)
{
    char *vehicle = replaced("AA", "AC"), difference[256], one[65], two[65];

    ck_assert(!fr_config_equal(vehicle, ROUTES, difference, sizeof difference));
    ck_assert_str_eq(difference,
                     "ca: the vehicle has other CA certificates than this server needs");
    ck_assert(fr_config_digest(vehicle, one) && fr_config_digest(ROUTES, two));
    ck_assert_str_eq(one, two);
    free(vehicle);
}
END_TEST

START_TEST(hostile_texts_differ_and_stay_printable)
{
    static const char *const bad[] = {
        "", "null", "[]", "7", "{", "{\"fields\":{\"Soc\":{},\"Soc\":{}}}", "\xff", "{} {}"};
    char difference[256], digest[65], tiny[8];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert(!fr_config_equal(bad[i], ROUTES, difference, sizeof difference));
        ck_assert_ptr_nonnull(strstr(difference, "vehicle is no JSON object"));
        ck_assert(!fr_config_digest(bad[i], digest));
    }
    ck_assert(!fr_config_equal(NULL, ROUTES, difference, sizeof difference));
    ck_assert(!fr_config_equal(ROUTES, "{", difference, sizeof difference));
    ck_assert_ptr_nonnull(strstr(difference, "of the routes"));
    /* Wrong types and control characters. */
    check_differs("\"t.example.com\"", "\"\\u001b[2J\\u007f\\u00e4.example\"",
                  "hostname is \"\\u001B[2j?\\u00E4.example\" in the vehicle, \"t.example.com\" in "
                  "the routes");
    check_differs("\"Gear\"", "\"Ge\\u001b\"", "Gear is in the routes and not in the vehicle");
    check_differs("\"alert_types\":[\"service\"]", "\"alert_types\":7",
                  "alert_types is [] in the vehicle, [\"service\"] in the routes");
    ck_assert(
        !fr_config_equal("{\"fields\":[1],\"ca\":7,\"hostname\":{}}", ROUTES, tiny, sizeof tiny));
    ck_assert_str_eq(tiny, "hostnam");
}
END_TEST

START_TEST(claims_are_read)
{
    ck_assert_int_eq(fr_config_exp("{\"exp\":1790000000}"), 1790000000);
    ck_assert_int_eq(fr_config_exp("{\"exp\":1790000000.5}"), 1790000000);
    ck_assert_int_eq(fr_config_exp("{\"exp\":1e300}"), 0);
    ck_assert_int_eq(fr_config_exp("{\"exp\":-5}"), 0);
    ck_assert_int_eq(fr_config_exp("{\"exp\":\"1790000000\"}"), 0);
    ck_assert_int_eq(fr_config_exp("["), 0);
    ck_assert_int_eq(fr_config_exp(NULL), 0);
    ck_assert(fr_config_is_of_other_key("{\"iss\":\"a\"}", "b"));
    ck_assert(!fr_config_is_of_other_key("{\"iss\":\"a\"}", "a"));
    ck_assert(!fr_config_is_of_other_key("{\"iss\":\"a\"}", NULL));
    ck_assert(!fr_config_is_of_other_key("{}", "a"));
}
END_TEST

Suite *suite_config_compare(void)
{
    Suite *suite = suite_create("config_compare");
    TCase *tests = tcase_create("config_compare");

    tcase_add_test(tests, spelling_is_no_difference);
    tcase_add_test(tests, the_first_difference_is_named);
    tcase_add_test(tests, another_ca_is_a_difference);
    tcase_add_test(tests, hostile_texts_differ_and_stay_printable);
    tcase_add_test(tests, claims_are_read);
    suite_add_tcase(suite, tests);
    return suite;
}
