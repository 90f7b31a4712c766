/* The configuration that a simulated vehicle behaves by: its limits, and when a field is sent. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "record/value.h"
#include "sim/pushed_sampler.h"

#define HEAD "{\"hostname\":\"t.example.com\",\"ca\":\"PEM\",\"fields\":{"
enum { SPEED = 4, GEAR = 10, LOCATION = 21, LIMIT = 38, NAME = 64, MEMBER_SHIFT_STATE = 9 };

static struct fr_pushed_config *parse(const char *text)
{
    struct fr_error error = {{0}};
    struct fr_pushed_config *config = fr_pushed_config_parse(text, strlen(text), &error);

    ck_assert_msg(config != NULL, "%s", error.text);
    return config;
}

static void refuse(const char *text, const char *cause)
{
    struct fr_error error = {{0}};

    ck_assert_ptr_null(fr_pushed_config_parse(text, strlen(text), &error));
    ck_assert_msg(strstr(error.text, cause) != NULL, "%s: %s", text, error.text);
}

START_TEST(whole_configuration)
{
    struct fr_pushed_config *config =
        parse("{\"vins\":[\"X\"],\"config\":" HEAD
              "\"VehicleSpeed\":{\"interval_seconds\":10,\"minimum_delta\":0.5,"
              "\"resend_interval_seconds\":3600},\"Gear\":{\"interval_seconds\":1},\"NoSuch\":7},"
              "\"port\":8443,\"exp\":4102444800,\"alert_types\":[\"service\"],\"iss\":\"k\"}}");

    ck_assert_str_eq(config->hostname, "t.example.com");
    ck_assert_uint_eq(config->port, 8443);
    ck_assert_int_eq(config->expires_s, 4102444800);
    ck_assert_uint_eq(config->count, 2);
    ck_assert_uint_eq(config->unknown, 1);
    ck_assert_uint_eq(config->fields[0].field->number, SPEED);
    ck_assert_int_eq(config->fields[0].interval_ms, 10000);
    ck_assert_double_eq(config->fields[0].minimum_delta, 0.5);
    ck_assert_int_eq(config->fields[0].resend_ms, 3600000);
    ck_assert_int_eq(config->fields[1].resend_ms, 0);
    fr_pushed_config_free(config);
    config = parse(HEAD "}}");
    ck_assert_uint_eq(config->port, 443);
    ck_assert_int_eq(config->expires_s, 0);
    ck_assert_uint_eq(config->count, 0);
    fr_pushed_config_free(config);
}
END_TEST

START_TEST(refused_configurations)
{
    static const char *const intervals[] = {"0", "-1", "2147483648", "1.5", "\"10\"", "null"};
    static const char *const hosts[] = {"7",       "\"\"", "\"a b\"", "\"a\\u001b[2J\"",
                                        "\"a/b\"", "null"};
    static const char *const ports[] = {"0", "65536", "\"443\"", "-1", "443.5"};
    char text[512];

    refuse("", "not valid JSON");
    refuse("[]", "must be an object");
    refuse("{\"synced\":true,\"config\":null}", "no configuration");
    refuse("{\"hostname\":\"a\",\"hostname\":\"b\"}", "not valid JSON");
    refuse("{\"hostname\":\"a\",\"fields\":{}}", "ca must be");
    refuse("{\"hostname\":\"a\",\"ca\":\"PEM\"}", "fields must be");
    refuse(HEAD "\"Gear\":{}}}", "Gear: interval_seconds is missing");
    refuse(HEAD "\"Gear\":10}}", "Gear: must be an object");
    refuse(HEAD "\"Gear\":{\"interval_seconds\":1,\"minimum_delta\":-1}}}", "minimum_delta");
    refuse(HEAD "\"Gear\":{\"interval_seconds\":1,\"minimum_delta\":1e13}}}", "minimum_delta");
    refuse(HEAD "},\"exp\":\"soon\"}", "exp must be");
    for (size_t i = 0; i < sizeof intervals / sizeof *intervals; i++) {
        snprintf(text, sizeof text, HEAD "\"Gear\":{\"interval_seconds\":%s}}}", intervals[i]);
        refuse(text, "Gear: interval_seconds must be");
        snprintf(text, sizeof text,
                 HEAD "\"Gear\":{\"interval_seconds\":1,\"resend_interval_seconds\":%s}}}",
                 i == 0 ? "-2" : intervals[i]);
        refuse(text, "Gear: resend_interval_seconds must be");
    }
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        snprintf(text, sizeof text, "{\"hostname\":%s,\"ca\":\"PEM\",\"fields\":{}}", hosts[i]);
        refuse(text, "hostname must be");
    }
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
        snprintf(text, sizeof text, HEAD "},\"port\":%s}", ports[i]);
        refuse(text, "port must be");
    }
}
END_TEST

START_TEST(limits_of_size)
{
    char *text = calloc(1, FR_PUSHED_CONFIG_MAX + 2);
    struct fr_error error = {{0}};
    size_t len;

    memset(text, ' ', FR_PUSHED_CONFIG_MAX + 1);
    memcpy(text, HEAD "}}", strlen(HEAD "}}"));
    ck_assert_ptr_null(fr_pushed_config_parse(text, FR_PUSHED_CONFIG_MAX + 1, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "longer than"));
    fr_pushed_config_free(parse((text[FR_PUSHED_CONFIG_MAX] = '\0', text)));
    len = (size_t)sprintf(text, HEAD "\"f\":0");
    for (int i = 1; i < FR_PUSHED_FIELDS_MAX; i++)
        len += (size_t)sprintf(text + len, ",\"f%d\":0", i);
    sprintf(text + len, "}}");
    fr_pushed_config_free(parse(text));
    sprintf(text + len, ",\"more\":0}}");
    refuse(text, "fields must be an object with up to");
    free(text);
}
END_TEST

START_TEST(damaged_ca_is_refused)
{
    static const char encrypted[] = "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n"
                                    "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
                                    "AAAA\n-----END CERTIFICATE-----\n";
    static const char *const texts[] = {
        "PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", encrypted};
    struct fr_pushed_config *config = parse(HEAD "}}");
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    struct fr_error error = {{0}};

    for (size_t i = 0; i < 3; i++) {
        free(config->ca);
        config->ca = strdup(texts[i]);
        ck_assert_int_eq(fr_pushed_config_trust(config, context, &error), -1);
        ck_assert_ptr_nonnull(strstr(error.text, i == 0 ? "no certificate" : "damaged"));
    }
    SSL_CTX_free(context);
    fr_pushed_config_free(config);
}
END_TEST

/* ---- the sampler ----------------------------------------------------------------- */

static struct fr_pushed_config *config;
static struct fr_pushed_sampler *sampler;

static void begin(const char *text)
{
    config = parse(text);
    sampler = fr_pushed_sampler_new(config);
}

static void finish(void)
{
    fr_pushed_sampler_free(sampler);
    fr_pushed_config_free(config);
}

static size_t offer(int64_t ms, struct fr_sim_datum value)
{
    struct fr_sim_datum due;
    size_t n = fr_pushed_sampler_select(sampler, ms, &value, 1, &due);

    ck_assert(n == 0 || due.field == value.field);
    return n;
}

static size_t offer_speed(int64_t ms, double speed)
{
    return offer(ms,
                 (struct fr_sim_datum){.field = SPEED, .member = FR_MEMBER_DOUBLE, .real = speed});
}

START_TEST(interval_and_delta)
{
    begin(HEAD "\"VehicleSpeed\":{\"interval_seconds\":2,\"minimum_delta\":1.5}}}");
    ck_assert_uint_eq(offer_speed(0, 10), 1);
    ck_assert_uint_eq(offer_speed(500, 20), 0);
    ck_assert_uint_eq(offer_speed(1500, 30), 0);
    ck_assert_uint_eq(offer_speed(2000, 40), 1); /* the newest value, at the end of the interval */
    ck_assert_uint_eq(offer_speed(4000, 41.4375), 0);
    ck_assert_uint_eq(offer_speed(4500, 41.5), 1);
    ck_assert_uint_eq(offer_speed(60000, 40.5), 0);
    ck_assert_uint_eq(offer_speed(60500, 40), 1);
    ck_assert_uint_eq(offer_speed(100000, 40), 0);
    finish();
}
END_TEST

START_TEST(resend_of_an_unchanged_value)
{
    begin(HEAD "\"VehicleSpeed\":{\"interval_seconds\":10,\"resend_interval_seconds\":5},"
               "\"VehicleName\":{\"interval_seconds\":1,\"resend_interval_seconds\":60}}}");
    ck_assert_uint_eq(offer_speed(0, 10), 1);
    ck_assert_uint_eq(offer_speed(5000, 10), 0); /* the interval has not passed */
    ck_assert_uint_eq(offer_speed(10000, 10), 1);
    for (int64_t ms = 0; ms < 180000; ms += 500)
        ck_assert_uint_eq(
            offer(ms,
                  (struct fr_sim_datum){.field = NAME, .member = FR_MEMBER_STRING, .text = "a"}),
            ms % 60000 == 0);
    finish();
}
END_TEST

START_TEST(kinds_of_values)
{
    struct fr_sim_datum at = {
        .field = LOCATION, .member = FR_MEMBER_LOCATION, .real = 60, .real2 = 8};
    struct fr_sim_datum gear = {.field = GEAR, .member = MEMBER_SHIFT_STATE, .integer = 2};
    struct fr_sim_datum limit = {.field = LIMIT, .member = FR_MEMBER_INT, .integer = 80};

    begin(HEAD "\"Location\":{\"interval_seconds\":1,\"minimum_delta\":25},"
               "\"ChargeLimitSoc\":{\"interval_seconds\":1,\"minimum_delta\":5},"
               "\"Gear\":{\"interval_seconds\":1,\"minimum_delta\":100}}}");
    ck_assert_uint_eq(offer(0, at), 1);
    at.real2 += 24 / (111194.9 / 2); /* a degree of longitude is half as long at 60 degrees */
    ck_assert_uint_eq(offer(1000, at), 0);
    at.real2 += 2 / (111194.9 / 2);
    ck_assert_uint_eq(offer(2000, at), 1);
    ck_assert_uint_eq(offer(0, gear), 1);
    gear.integer = 5;
    ck_assert_uint_eq(offer(1000, gear), 1);
    ck_assert_uint_eq(offer(0, limit), 1);
    limit.integer = 84;
    ck_assert_uint_eq(offer(1000, limit), 0);
    limit.integer = 85;
    ck_assert_uint_eq(offer(2000, limit), 1);
    ck_assert_uint_eq(offer_speed(0, 1), 0); /* not configured */
    ck_assert(fr_pushed_sampler_has(sampler, GEAR));
    ck_assert(!fr_pushed_sampler_has(sampler, SPEED));
    ck_assert(!fr_pushed_sampler_has(sampler, UINT32_MAX));
    finish();
}
END_TEST

Suite *suite_pushed_config(void)
{
    Suite *suite = suite_create("pushed_config");
    TCase *reading = tcase_create("reading");
    TCase *sampling = tcase_create("sampling");

    tcase_add_test(reading, whole_configuration);
    tcase_add_test(reading, refused_configurations);
    tcase_add_test(reading, limits_of_size);
    tcase_add_test(reading, damaged_ca_is_refused);
    tcase_add_test(sampling, interval_and_delta);
    tcase_add_test(sampling, resend_of_an_unchanged_value);
    tcase_add_test(sampling, kinds_of_values);
    suite_add_tcase(suite, reading);
    suite_add_tcase(suite, sampling);
    return suite;
}
