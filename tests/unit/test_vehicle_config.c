/* The telemetry configuration derived from routes, its checks, and its price. */
#include "unit.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "config/routing_config.h"
#include "fleet_api/vehicle_config.h"
#include "fleet_api/vehicle_config_lint.h"
#include "fleet_api/vehicle_cost.h"

static const char *const sinks[] = {"home", "archive"};
static struct fr_diagnostics diagnostics;
static struct fr_routing *routing;
static struct fr_vehicle_config config;

static void derive(const char *text)
{
    fr_diagnostics_free(&diagnostics);
    routing = fr_routing_parse(text, strlen(text), "r.yaml", sinks, 2, &diagnostics);
    fr_diagnostics_print(&diagnostics, stderr);
    ck_assert_ptr_nonnull(routing);
    fr_diagnostics_free(&diagnostics);
    fr_vehicle_config_derive(&config, routing);
    fr_vehicle_config_lint(&config, routing, "r.yaml", &diagnostics);
}

static void finish(void)
{
    fr_vehicle_config_free(&config);
    fr_routing_unref(routing);
    fr_diagnostics_free(&diagnostics);
}

static const struct fr_vehicle_config_field *find(const char *name)
{
    for (size_t i = 0; i < config.count; i++)
        if (strcmp(config.fields[i].field->name, name) == 0)
            return &config.fields[i];
    return NULL;
}

static const struct fr_vehicle_config_field *need(const char *name)
{
    ck_assert_msg(find(name) != NULL, "%s is not in the configuration", name);
    return find(name);
}

static bool reported(int line, int column, const char *words)
{
    for (size_t i = 0; i < diagnostics.count; i++)
        if (diagnostics.list[i].line == line && diagnostics.list[i].column == column &&
            strstr(diagnostics.list[i].text, words) != NULL)
            return true;
    return false;
}

#define VEHICLE "vehicles: [5YJ3E1EA7KF000001]\n"

START_TEST(interval_is_that_of_the_fastest_route)
{
    derive(VEHICLE "fields:\n"
                   "  - {field: [VehicleSpeed, Gear], to: archive, every: 10 s}\n"
                   "  - {field: VehicleSpeed, to: home, every: 2 s}\n"
                   "  - {field: Location, to: home, every: 500 ms}\n"
                   "  - {field: Soc, to: home, every: 1999 ms}\n"
                   "  - {field: Locked, to: home}\n"
                   "  - {field: Odometer, to: home, every: 2 h}\n"
                   "  - {field: OutsideTemp, to: home, every: 100000 w}\n");
    ck_assert_uint_eq(config.count, 7);
    ck_assert_int_eq(need("VehicleSpeed")->interval_s, 2);
    ck_assert_int_eq(need("VehicleSpeed")->line, 4);
    ck_assert_int_eq(need("Gear")->interval_s, 10);
    ck_assert_int_eq(need("Location")->interval_s, 1);
    ck_assert_int_eq(need("Soc")->interval_s, 1);
    ck_assert_int_eq(need("Locked")->interval_s, 1);
    ck_assert_int_eq(need("Locked")->resend_s, 0);
    ck_assert_int_eq(need("Odometer")->interval_s, 7200);
    ck_assert_int_eq(need("Odometer")->resend_s, 7200);
    ck_assert_int_eq(need("OutsideTemp")->interval_s, INT32_MAX);
    ck_assert_uint_eq(diagnostics.count, 0);
    finish();
}
END_TEST

START_TEST(resend_is_for_slow_fields)
{
    derive(VEHICLE "fields:\n"
                   "  - {field: Soc, to: home, every: 59 s}\n"
                   "  - {field: Odometer, to: home, every: 60 s}\n");
    ck_assert_int_eq(need("Soc")->resend_s, 0);
    ck_assert_int_eq(need("Odometer")->resend_s, 3600);
    finish();
}
END_TEST

START_TEST(minimum_delta_is_in_the_unit_of_the_vehicle)
{
    derive(VEHICLE "fields:\n"
                   "  - {field: VehicleSpeed, to: home, min_change: 1.609344, unit: km/h}\n"
                   "  - {field: InsideTemp, to: home, min_change: 0.9, unit: imperial}\n"
                   "  - {field: OutsideTemp, to: home, min_change: 0.2, unit: metric}\n"
                   "  - {field: Location, to: home, min_change: 25}\n"
                   "  - {field: [Gear, Soc], to: home, min_change: 3}\n"
                   "  - {field: Soc, to: archive, min_change: 2}\n"
                   "  - {field: [Odometer, PackVoltage], to: home, min_change: 3}\n"
                   "  - {field: Odometer, to: archive}\n");
    ck_assert_double_eq_tol(need("VehicleSpeed")->minimum_delta, 1, 1e-9);
    ck_assert_double_eq_tol(need("InsideTemp")->minimum_delta, 0.5, 1e-9);
    ck_assert_double_eq(need("OutsideTemp")->minimum_delta, 0.2);
    ck_assert_double_eq(need("Location")->minimum_delta, 25);
    ck_assert_str_eq(need("Location")->firmware, "2025.2.6");
    ck_assert_str_eq(need("Soc")->firmware, "2024.44.32");
    ck_assert_double_eq(need("Gear")->minimum_delta, 0);
    ck_assert_double_eq(need("Soc")->minimum_delta, 2);
    ck_assert_double_eq(need("PackVoltage")->minimum_delta, 3);
    ck_assert_double_eq(need("Odometer")->minimum_delta, 0);
    finish();
}
END_TEST

START_TEST(globs_do_not_ask_for_fields_without_data)
{
    derive(VEHICLE "fields:\n"
                   "  - {field: \"*\", to: archive, every: 60 s}\n"
                   "  - {field: VehicleSpeed, to: home}\n");
    ck_assert_uint_gt(config.count, 200);
    ck_assert_int_eq(need("VehicleSpeed")->interval_s, 1);
    ck_assert_int_eq(need("Soc")->interval_s, 60);
    ck_assert(!need("Soc")->by_name);
    for (size_t i = 0; i < config.count; i++) {
        ck_assert_str_ne(config.fields[i].field->models, "Semi");
        ck_assert_int_ne(config.fields[i].field->kind, FR_FIELD_NONE);
    }
    ck_assert_ptr_null(find("ChargeState"));
    ck_assert_ptr_null(find("RouteLastUpdated"));
    ck_assert_double_eq(need("SelfDrivingMilesSinceReset")->minimum_delta, 1);
    ck_assert_uint_eq(diagnostics.count, 0);
    finish();
    derive(VEHICLE
           "fields: [{field: [\"*\", ChargeState, Cabin12vPortKeepOn], to: home, every: 9 s}]\n");
    ck_assert(need("ChargeState")->by_name && need("Cabin12vPortKeepOn")->by_name);
    ck_assert(reported(2, 37, "sent by Semi vehicles only"));
    finish();
    derive(VEHICLE "fields: [{field: \"category:service\", to: home, every: 9 s}]\n");
    ck_assert_ptr_nonnull(find("TpmsPressureFl"));
    ck_assert_ptr_null(find("SemitruckTpmsPressureRe1L0"));
    finish();
}
END_TEST

START_TEST(record_routes_alone_ask_for_all_fields)
{
    derive(VEHICLE "records: [{type: \"*\", to: archive}]\n");
    ck_assert(config.from_records && config.alerts);
    ck_assert_uint_gt(config.count, 200);
    ck_assert_int_eq(need("Soc")->interval_s, 60);
    ck_assert_int_eq(need("Soc")->resend_s, 3600);
    ck_assert(reported(0, 0, "each field is asked for every 60 s"));
    finish();
    derive(VEHICLE "records: [{type: V, to: archive}]\nfields: [{field: Soc, to: home}]\n");
    ck_assert(!config.from_records && !config.alerts);
    ck_assert_uint_eq(config.count, 1);
    ck_assert_uint_eq(diagnostics.count, 0);
    finish();
    derive(VEHICLE "records: [{type: [alerts, errors], to: archive}]\n");
    ck_assert(config.alerts);
    ck_assert_uint_eq(config.count, 0);
    ck_assert_uint_eq(diagnostics.errors, 1);
    ck_assert(reported(0, 0, "stops the stream"));
    finish();
}
END_TEST

START_TEST(firmware_of_vehicles_limits_the_keys)
{
    derive("vehicles:\n"
           "  - {vin: 5YJ3E1EA7KF000001, firmware: 2024.26.3}\n"
           "  - {vin: 5YJ3E1EA7KF000002, name: Old, firmware: 2024.20}\n"
           "fields:\n"
           "  - {field: Odometer, to: home, every: 60 s, min_change: 1}\n"
           "  - {field: \"*\", to: home, every: 9 s}\n");
    ck_assert_double_eq(need("Odometer")->minimum_delta, 0);
    ck_assert_int_eq(need("Odometer")->resend_s, 0);
    ck_assert_ptr_null(find("ChargerVoltage"));
    ck_assert(reported(3, 5, "Old has firmware 2024.20; a signed configuration needs 2024.26"));
    finish();
    derive("vehicles:\n"
           "  - {vin: 5YJ3E1EA7KF000001, firmware: 2024.44.32}\n"
           "fields:\n"
           "  - {field: Odometer, to: home, every: 60 s, min_change: 1}\n"
           "  - {field: Location, to: home, min_change: 10}\n");
    ck_assert_double_eq(need("Odometer")->minimum_delta, 1);
    ck_assert_int_eq(need("Odometer")->resend_s, 3600);
    ck_assert_double_eq(need("Location")->minimum_delta, 0);
    ck_assert(reported(5, 13, "minimum_delta of Location is not set"));
    ck_assert_uint_eq(diagnostics.count, 1);
    finish();
}
END_TEST

START_TEST(mistakes_are_reported_at_their_position)
{
    derive("fields:\n"
           "  - {field: [field_9999, Deprecated_1, SemitruckTpmsPressureRe1L0], to: home}\n"
           "  - {field: TonneauPosition, to: home}\n"
           "  - {field: \"category:charging\", to: home}\n"
           "  - {field: SelfDrivingMilesSinceReset, to: home, min_change: 0.5}\n");
    ck_assert(reported(2, 14, "field_9999 has no known name"));
    ck_assert(reported(2, 26, "Deprecated_1 never carries a value"));
    ck_assert(reported(2, 40, "sent by Semi vehicles only"));
    ck_assert(reported(3, 13, "sent by Cybertruck vehicles only"));
    ck_assert(reported(4, 5, "once a second"));
    ck_assert(reported(5, 13, "minimum_delta of SelfDrivingMilesSinceReset is 1"));
    ck_assert(reported(0, 0, "`vins` is empty"));
    ck_assert(reported(5, 13, "sent by HW4 vehicles only"));
    ck_assert_uint_eq(diagnostics.count, 8);
    ck_assert_ptr_nonnull(find("SemitruckTpmsPressureRe1L0"));
    ck_assert_ptr_null(find("Deprecated_1"));
    finish();
    derive(VEHICLE "fields: [{field: SelfDrivingMilesSinceReset, to: home, min_change: 2}]\n");
    ck_assert_double_eq(need("SelfDrivingMilesSinceReset")->minimum_delta, 2);
    ck_assert(!reported(2, 18, "minimum_delta"));
    finish();
}
END_TEST

START_TEST(scopes_and_models_are_in_the_catalogue)
{
    static const char *const located[] = {
        "Location",  "OriginLocation", "DestinationLocation", "DestinationName",
        "RouteLine", "GpsState",       "GpsHeading"};
    size_t scoped = 0;

    for (uint32_t i = 0; i < fr_field_count(); i++)
        scoped += fr_field_by_number(i)->scope[0] != '\0';
    ck_assert_uint_eq(scoped, 7);
    for (size_t i = 0; i < 7; i++)
        ck_assert_str_eq(fr_field_by_name(located[i])->scope, "vehicle_location");
    ck_assert_str_eq(fr_field_by_name("Cabin12vPortKeepOn")->models, "Semi");
    ck_assert_str_eq(fr_field_by_name("MilesSinceReset")->models, "HW4");
    ck_assert_int_lt(fr_firmware_compare("2024.44.32", "2025.2.6"), 0);
    ck_assert_int_gt(fr_firmware_compare("2025.10", "2025.2.6"), 0);
    ck_assert_int_eq(fr_firmware_compare("2025.2", "2025.2.0"), 0);
}
END_TEST

START_TEST(json_is_the_body_of_the_request)
{
    static const struct fr_vehicle_config_server server = {"t.example.com", 4443, "PEM\n"};
    struct fr_error error;
    char *text, *again;

    derive("vehicles: [5YJ3E1EA7KF000002, 5YJ3E1EA7KF000001]\n"
           "records: [{type: alerts, to: home}]\n"
           "fields:\n"
           "  - {field: VehicleSpeed, to: home}\n"
           "  - {field: ChargerVoltage, to: home, every: 60 s, min_change: 0.3}\n");
    text = fr_vehicle_config_json(&config, routing, &server, &error);
    again = fr_vehicle_config_json(&config, routing, &server, &error);
    ck_assert_str_eq(text, again);
    ck_assert_str_eq(text, "{\n"
                           "  \"config\": {\n"
                           "    \"alert_types\": [\n"
                           "      \"service\"\n"
                           "    ],\n"
                           "    \"ca\": \"PEM\\n\",\n"
                           "    \"delivery_policy\": \"latest\",\n"
                           "    \"fields\": {\n"
                           "      \"ChargerVoltage\": {\n"
                           "        \"interval_seconds\": 60,\n"
                           "        \"minimum_delta\": 0.3,\n"
                           "        \"resend_interval_seconds\": 3600\n"
                           "      },\n"
                           "      \"VehicleSpeed\": {\n"
                           "        \"interval_seconds\": 1\n"
                           "      }\n"
                           "    },\n"
                           "    \"hostname\": \"t.example.com\",\n"
                           "    \"port\": 4443,\n"
                           "    \"prefer_typed\": true\n"
                           "  },\n"
                           "  \"vins\": [\n"
                           "    \"5YJ3E1EA7KF000002\",\n"
                           "    \"5YJ3E1EA7KF000001\"\n"
                           "  ]\n"
                           "}\n");
    free(text);
    free(again);
    finish();
}
END_TEST

START_TEST(price_is_that_of_the_signals)
{
    derive(VEHICLE "fields:\n"
                   "  - {field: VehicleSpeed, to: home, every: 4 s}\n"
                   "  - {field: Gear, to: home}\n"
                   "  - {field: Locked, to: home, every: 10 min}\n");
    ck_assert_double_eq(fr_vehicle_cost_signals(need("VehicleSpeed"), 10), 9000);
    ck_assert_double_eq(fr_vehicle_cost_signals(need("Gear"), 10), 120);
    ck_assert_double_eq(fr_vehicle_cost_signals(need("Locked"), 10), 60);
    ck_assert_double_eq(fr_vehicle_cost_total(&config, 10), 9180);
    /* Tesla's example: 15 signals a minute for an hour. */
    ck_assert_double_eq_tol(fr_vehicle_cost_usd(15 * 60), 0.006, 1e-12);
    ck_assert_double_eq(fr_vehicle_cost_usd(150000), 1);
    finish();
}
END_TEST

Suite *suite_vehicle_config(void)
{
    Suite *suite = suite_create("vehicle_config");
    TCase *tests = tcase_create("vehicle_config");

    tcase_add_test(tests, interval_is_that_of_the_fastest_route);
    tcase_add_test(tests, resend_is_for_slow_fields);
    tcase_add_test(tests, minimum_delta_is_in_the_unit_of_the_vehicle);
    tcase_add_test(tests, globs_do_not_ask_for_fields_without_data);
    tcase_add_test(tests, record_routes_alone_ask_for_all_fields);
    tcase_add_test(tests, firmware_of_vehicles_limits_the_keys);
    tcase_add_test(tests, mistakes_are_reported_at_their_position);
    tcase_add_test(tests, scopes_and_models_are_in_the_catalogue);
    tcase_add_test(tests, json_is_the_body_of_the_request);
    tcase_add_test(tests, price_is_that_of_the_signals);
    suite_add_tcase(suite, tests);
    return suite;
}
