/* The values of a vehicle, what follows from them, and the numbers of vehicles. */
#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "car_state/car_derived.h"
#include "car_state/car_ids.h"
#include "record/field_catalogue.h"

#define NOW 1800000000000
#define VIN "5YJ3E1EA7KF000001"

static struct fr_cars *cars;
static struct fr_car *car;

static void setup(void)
{
    cars = fr_cars_new();
    car = NULL;
}

static void teardown(void)
{
    fr_cars_free(cars, NULL);
}

/* ---- deliveries ------------------------------------------------------------------ */

static void receive(enum fr_car_field field, struct fr_value value, const char *unit,
                    int64_t created_ms, uint32_t flags)
{
    struct fr_delivery d = {.size = sizeof d,
                            .kind = FR_DELIVERY_FIELD,
                            .vin = VIN,
                            .record_type = "V",
                            .created_ms = created_ms,
                            .received_ms = NOW,
                            .flags = flags,
                            .field = (uint32_t)field,
                            .unit = unit,
                            .value = value};

    car = fr_cars_receive(cars, &d, NOW);
    ck_assert_ptr_nonnull(car);
}

static void say(enum fr_car_field field, struct fr_value value)
{
    receive(field, value, "", NOW - 1000, 0);
}

static struct fr_value real(double number)
{
    return (struct fr_value){.kind = FR_VALUE_REAL, .real = number};
}

static struct fr_value flag(bool on)
{
    return (struct fr_value){.kind = FR_VALUE_BOOL, .boolean = on};
}

static struct fr_value choice(const char *name)
{
    return (struct fr_value){.kind = FR_VALUE_ENUM, .choice = {.name = name, .number = 9}};
}

static struct fr_value text(const char *bytes)
{
    return (struct fr_value){.kind = FR_VALUE_TEXT, .text = {bytes, strlen(bytes)}};
}

static void say_connection(const char *type, const char *status, int64_t at_ms)
{
    char json[64];
    struct fr_delivery d = {.size = sizeof d,
                            .vin = VIN,
                            .record_type = type,
                            .created_ms = at_ms,
                            .received_ms = at_ms,
                            .bytes = (const uint8_t *)json};

    d.len = (size_t)snprintf(json, sizeof json, "{\"status\":\"%s\"}", status);
    car = fr_cars_receive(cars, &d, NOW);
}

static void assert_number(enum fr_car_field field, double expected)
{
    double number;

    ck_assert(fr_car_number(car, field, &number));
    ck_assert_double_eq_tol(number, expected, 1e-6);
}

/* ---- fields ---------------------------------------------------------------------- */

static bool suits(const struct fr_field *field, const struct fr_car_field_info *info)
{
    switch (info->kind) {
    case FR_CAR_NUMBER:
        return field->kind == FR_FIELD_REAL || field->kind == FR_FIELD_INTEGER ||
               field->kind == FR_FIELD_TIME;
    case FR_CAR_BOOLEAN:
        return field->kind == FR_FIELD_BOOLEAN;
    case FR_CAR_TEXT:
        return field->kind == FR_FIELD_TEXT;
    case FR_CAR_CHOICE:
        return field->kind == FR_FIELD_ENUM;
    case FR_CAR_PLACE:
        return field->kind == FR_FIELD_LOCATION;
    case FR_CAR_DOORS:
        return field->kind == FR_FIELD_DOORS;
    case FR_CAR_TIRES:
    default:
        return field->kind == FR_FIELD_TIRES;
    }
}

START_TEST(fields_agree_with_the_catalogue)
{
    for (size_t i = 0; i < fr_car_field_count(); i++) {
        const struct fr_car_field_info *info = fr_car_field_at(i);
        const struct fr_field *field = fr_field_by_number((uint32_t)info->field);

        ck_assert_ptr_nonnull(field);
        ck_assert_msg(suits(field, info), "%s has another kind", field->name);
        ck_assert_int_eq(fr_car_field_index((uint32_t)info->field), (int)i);
        if (info->unit[0] != '\0' && field->kind != FR_FIELD_TIME)
            ck_assert_msg(strcmp(field->unit, info->wire_unit) == 0, "%s: %s instead of %s",
                          field->name, info->wire_unit, field->unit);
    }
    ck_assert_int_eq(fr_car_field_index(0), -1);
    ck_assert_int_eq(fr_car_field_index(UINT32_MAX), -1);
}
END_TEST

START_TEST(numbers_are_kept_in_metric_units)
{
    say(FR_CAR_ODOMETER, real(100));
    assert_number(FR_CAR_ODOMETER, 160.9344);
    receive(FR_CAR_ODOMETER, real(200), "km", NOW, 0);
    assert_number(FR_CAR_ODOMETER, 200);
    receive(FR_CAR_INSIDE_TEMP, real(68), "°F", NOW, 0);
    assert_number(FR_CAR_INSIDE_TEMP, 20);
    receive(FR_CAR_TPMS_PRESSURE_FL, real(42), "psi", NOW, 0);
    assert_number(FR_CAR_TPMS_PRESSURE_FL, 2.895798);
    receive(FR_CAR_INSIDE_TEMP, real(20), "kWh", NOW, 0); /* ignored */
    assert_number(FR_CAR_INSIDE_TEMP, 20);
}
END_TEST

START_TEST(values_that_are_impossible_are_ignored)
{
    double latitude, longitude;
    static const double bad[] = {-1, 101, 1e300, NAN, INFINITY, -INFINITY};

    say(FR_CAR_SOC, real(50));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        say(FR_CAR_SOC, real(bad[i]));
    say(FR_CAR_SOC, text("60"));
    assert_number(FR_CAR_SOC, 50);
    say(FR_CAR_LOCATION, (struct fr_value){.kind = FR_VALUE_LOCATION, .location = {NAN, 13}});
    ck_assert(!fr_car_place(car, FR_CAR_LOCATION, &latitude, &longitude));
    receive((enum fr_car_field)100000, real(1), "", NOW, 0);
}
END_TEST

START_TEST(the_order_is_the_time_of_the_measurement)
{
    receive(FR_CAR_SOC, real(50), "", NOW - 1000, 0);
    receive(FR_CAR_SOC, real(40), "", NOW - 2000, FR_FLAG_RESEND);
    receive(FR_CAR_SOC, real(41), "", NOW - 1500, FR_FLAG_RESTORED);
    assert_number(FR_CAR_SOC, 50);
    receive(FR_CAR_SOC, real(51), "", NOW - 1000, 0);
    assert_number(FR_CAR_SOC, 51);
    receive(FR_CAR_SOC, real(52), "", NOW + 1000000, 0); /* counts as received now */
    receive(FR_CAR_SOC, real(53), "", NOW, 0);
    assert_number(FR_CAR_SOC, 53);
}
END_TEST

START_TEST(an_invalid_value_makes_the_field_unknown)
{
    double number;

    say(FR_CAR_SOC, real(50));
    say(FR_CAR_VERSION, text("2026.32.1 5f3a"));
    say(FR_CAR_SOC, (struct fr_value){.kind = FR_VALUE_INVALID});
    say(FR_CAR_VERSION, (struct fr_value){.kind = FR_VALUE_NONE});
    ck_assert(!fr_car_number(car, FR_CAR_SOC, &number));
    ck_assert_ptr_null(fr_car_text(car, FR_CAR_VERSION));
    ck_assert_int_eq(fr_car_time(car, FR_CAR_SOC), NOW - 1000);
}
END_TEST

START_TEST(texts_are_bounded_and_valid)
{
    char longer[FR_CAR_TEXT_MAX * 2 + 1];

    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    say(FR_CAR_VEHICLE_NAME, text(longer));
    ck_assert_uint_eq(strlen(fr_car_text(car, FR_CAR_VEHICLE_NAME)), FR_CAR_TEXT_MAX);
    say(FR_CAR_VEHICLE_NAME, text("a\xff"));
    ck_assert_str_eq(fr_car_text(car, FR_CAR_VEHICLE_NAME), "a\xef\xbf\xbd");
    ck_assert_str_eq(fr_car_display_name(car), "a\xef\xbf\xbd");
    say(FR_CAR_VEHICLE_NAME, text(""));
    ck_assert_str_eq(fr_car_text(car, FR_CAR_VEHICLE_NAME), "");
    say(FR_CAR_GEAR, choice("SNA"));
    ck_assert_ptr_null(fr_car_choice(car, FR_CAR_GEAR));
    say(FR_CAR_GEAR, choice(NULL));
    ck_assert_ptr_null(fr_car_choice(car, FR_CAR_GEAR));
}
END_TEST

/* ---- state ----------------------------------------------------------------------- */

static void assert_state(enum fr_car_state expected)
{
    ck_assert_msg(car->state == expected, "%s instead of %s", fr_car_state_name(car->state),
                  fr_car_state_name(expected));
}

START_TEST(the_state_follows_from_gear_charge_and_connection)
{
    say_connection("presence", "CONNECTED", NOW - 5000);
    assert_state(FR_CAR_ONLINE);
    say(FR_CAR_GEAR, choice("R"));
    assert_state(FR_CAR_DRIVING);
    ck_assert_int_eq(car->state_since_ms, NOW - 1000);
    say_connection("presence", "DISCONNECTED", NOW);
    assert_state(FR_CAR_OFFLINE);
    say_connection("presence", "CONNECTED", NOW);
    say(FR_CAR_GEAR, choice("P"));
    say(FR_CAR_DETAILED_CHARGE_STATE, choice("Starting"));
    assert_state(FR_CAR_CHARGING);
    say(FR_CAR_DETAILED_CHARGE_STATE, choice("Complete"));
    assert_state(FR_CAR_ONLINE);
    say_connection("presence", "DISCONNECTED", NOW);
    assert_state(FR_CAR_ASLEEP);
    say_connection("connectivity", "CONNECTED", NOW); /* of one connection: ignored */
    assert_state(FR_CAR_ASLEEP);
    say_connection("presence", "CONNECTED", NOW - 100); /* late */
    assert_state(FR_CAR_ASLEEP);
}
END_TEST

START_TEST(a_value_after_a_disconnection_is_of_another_connection)
{
    say_connection("connectivity", "DISCONNECTED", NOW - 2000);
    assert_state(FR_CAR_ASLEEP);
    receive(FR_CAR_SOC, real(50), "", NOW - 3000, 0); /* sent before */
    assert_state(FR_CAR_ASLEEP);
    receive(FR_CAR_SOC, real(50), "", NOW - 1000, 0);
    assert_state(FR_CAR_ONLINE);
}
END_TEST

START_TEST(restored_values_say_nothing_about_the_connection)
{
    receive(FR_CAR_GEAR, choice("D"), "", NOW - 100000, FR_FLAG_RESTORED);
    assert_state(FR_CAR_STATE_UNKNOWN);
    ck_assert_ptr_null(fr_car_state_name(car->state));
    ck_assert(!fr_car_update(car, NOW, NOW + FR_CAR_SETTLE_MS - 1));
    ck_assert(fr_car_update(car, NOW, NOW + FR_CAR_SETTLE_MS));
    assert_state(FR_CAR_OFFLINE);
}
END_TEST

START_TEST(an_installation_is_limited)
{
    say_connection("presence", "CONNECTED", NOW - 5000);
    say(FR_CAR_VERSION, text("2026.32.1 5f3a"));
    say(FR_CAR_SOFTWARE_UPDATE_VERSION, text("2026.38.2"));
    say(FR_CAR_SOFTWARE_UPDATE_INSTALLATION_PERCENT_COMPLETE, real(3));
    assert_state(FR_CAR_ONLINE);
    say(FR_CAR_SOFTWARE_UPDATE_INSTALLATION_PERCENT_COMPLETE, real(40));
    assert_state(FR_CAR_UPDATING);
    say_connection("presence", "DISCONNECTED", NOW); /* it restarts */
    assert_state(FR_CAR_UPDATING);
    ck_assert(fr_car_update(car, NOW, NOW + 3 * 3600 * 1000));
    assert_state(FR_CAR_ASLEEP);
    say(FR_CAR_VERSION, text("2026.38.2 abcd"));
    ck_assert_ptr_null(fr_car_update_version(car));
}
END_TEST

/* ---- power and charging ---------------------------------------------------------- */

static void assert_power(double expected)
{
    double kw;

    ck_assert(fr_car_power(car, &kw));
    ck_assert_double_eq_tol(kw, expected, 1e-6);
}

START_TEST(power_is_positive_when_the_battery_is_discharged)
{
    double kw;

    say(FR_CAR_PACK_VOLTAGE, real(400));
    say(FR_CAR_PACK_CURRENT, real(-50));
    ck_assert(!fr_car_power(car, &kw)); /* perhaps it drives */
    say(FR_CAR_GEAR, choice("D"));
    assert_power(20);
    say(FR_CAR_PACK_CURRENT, real(25)); /* recuperation */
    assert_power(-10);
    say(FR_CAR_GEAR, choice("P"));
    assert_power(0);
    say(FR_CAR_DETAILED_CHARGE_STATE, choice("Charging"));
    assert_power(-10);
    say(FR_CAR_PACK_CURRENT, (struct fr_value){.kind = FR_VALUE_INVALID});
    ck_assert(!fr_car_power(car, &kw));
    say(FR_CAR_AC_CHARGING_POWER, real(11));
    assert_power(-11);
    say_connection("presence", "DISCONNECTED", NOW);
    ck_assert(!fr_car_power(car, &kw));
}
END_TEST

static void assert_charger(bool has_current, double current, double power)
{
    double got;

    ck_assert_int_eq(fr_car_charger_current(car, &got), has_current);
    if (has_current)
        ck_assert_double_eq_tol(got, current, 1e-6);
    ck_assert(fr_car_charger_power(car, &got));
    ck_assert_double_eq_tol(got, power, 1e-6);
}

START_TEST(ac_and_dc_chargers_differ)
{
    double number;

    say(FR_CAR_CHARGE_AMPS, real(16));
    say(FR_CAR_AC_CHARGING_POWER, real(11));
    say(FR_CAR_CHARGER_PHASES, real(3));
    say(FR_CAR_DETAILED_CHARGE_STATE, choice("Charging"));
    assert_charger(true, 16, 11);
    ck_assert(fr_car_charger_phases(car, &number) && number == 3);
    say(FR_CAR_DETAILED_CHARGE_STATE, choice("Stopped"));
    assert_charger(true, 0, 0);
    ck_assert(!fr_car_charger_phases(car, &number));
    say(FR_CAR_FAST_CHARGER_PRESENT, flag(true));
    say(FR_CAR_DC_CHARGING_POWER, real(120));
    say(FR_CAR_DETAILED_CHARGE_STATE, choice("Charging"));
    assert_charger(false, 0, 120);
    ck_assert(!fr_car_charger_phases(car, &number));
}
END_TEST

START_TEST(old_firmware_has_a_charging_state_too)
{
    bool plugged_in;

    say(FR_CAR_CHARGE_STATE, text("Enable"));
    ck_assert_str_eq(fr_car_charging_state(car), "Charging");
    say(FR_CAR_CHARGE_STATE, text("Idle"));
    ck_assert_ptr_null(fr_car_charging_state(car));
    ck_assert(!fr_car_plugged_in(car, &plugged_in));
    say(FR_CAR_CHARGE_PORT_LATCH, choice("Engaged"));
    say(FR_CAR_CHARGE_PORT_DOOR_OPEN, flag(true));
    ck_assert_str_eq(fr_car_charging_state(car), "Stopped");
    ck_assert(fr_car_plugged_in(car, &plugged_in) && plugged_in);
    say(FR_CAR_FAST_CHARGER_PRESENT, flag(true)); /* ChargeState stays Idle */
    say(FR_CAR_DC_CHARGING_POWER, real(80));
    ck_assert_str_eq(fr_car_charging_state(car), "Charging");
    say(FR_CAR_DETAILED_CHARGE_STATE, choice("Disconnected"));
    ck_assert_str_eq(fr_car_charging_state(car), "Disconnected");
    ck_assert(fr_car_plugged_in(car, &plugged_in) && !plugged_in);
}
END_TEST

START_TEST(energy_is_that_of_the_last_session)
{
    double kwh;

    receive(FR_CAR_DC_CHARGING_ENERGY_IN, real(40), "", NOW - 5000, 0);
    receive(FR_CAR_AC_CHARGING_ENERGY_IN, real(3), "", NOW - 1000, 0);
    ck_assert(fr_car_energy_added(car, &kwh));
    ck_assert_double_eq_tol(kwh, 3, 1e-9);
}
END_TEST

/* ---- numbers of vehicles --------------------------------------------------------- */

static struct fr_car_ids *load(const char *path, const char *vin, const char *number)
{
    struct fr_car_ids *ids = fr_car_ids_new();
    struct fr_text_buffer why = {0};

    ck_assert(vin == NULL || fr_car_ids_configure(ids, vin, number, &why));
    ck_assert(fr_car_ids_load(ids, path, &why));
    fr_text_buffer_free(&why);
    return ids;
}

static void save(struct fr_car_ids *ids)
{
    struct fr_text_buffer why = {0};

    ck_assert_msg(fr_car_ids_save(ids, &why), "%s", fr_text_buffer_string(&why));
    fr_text_buffer_free(&why);
    fr_car_ids_free(ids);
}

START_TEST(numbers_are_kept)
{
    char folder[] = "/tmp/fr-car-ids.XXXXXX", path[64];
    struct fr_car_ids *ids;

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/car-ids", folder);
    ids = load(path, "C", "2");
    ck_assert_uint_eq(fr_car_ids_get(ids, "A"), 1);
    ck_assert_uint_eq(fr_car_ids_get(ids, "B/\n"), 3);
    ck_assert_uint_eq(fr_car_ids_get(ids, "C"), 2);
    save(ids);
    ids = load(path, "A", "7"); /* a new number for A */
    ck_assert_uint_eq(fr_car_ids_get(ids, "B/\n"), 3);
    ck_assert_uint_eq(fr_car_ids_get(ids, "A"), 7);
    ck_assert_str_eq(fr_car_ids_vin(ids, 2), "C");
    ck_assert_ptr_null(fr_car_ids_vin(ids, 4));
    save(ids);
    unlink(path);
    rmdir(folder);
}
END_TEST

START_TEST(damaged_lines_are_ignored)
{
    struct fr_car_ids *ids = fr_car_ids_new();
    char content[] = "0 A\nx\n\n99999999999 B\n5 \n5C\n1000000001 D\n4 E\n4 F\n6 E\n9 last";

    fr_car_ids_adopt(ids, content);
    ck_assert_str_eq(fr_car_ids_vin(ids, 4), "E");
    ck_assert_str_eq(fr_car_ids_vin(ids, 9), "last");
    for (uint32_t id = 1; id <= 3; id++)
        ck_assert_ptr_null(fr_car_ids_vin(ids, id));
    ck_assert_uint_eq(fr_car_ids_get(ids, "F"), 1);
    fr_car_ids_free(ids);
}
END_TEST

START_TEST(numbers_of_the_configuration_are_checked)
{
    static const char *const bad[] = {"", "0", "-1", "1x", "1000000001", "99999999999999999999"};
    struct fr_car_ids *ids = fr_car_ids_new();
    struct fr_text_buffer why = {0};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert(!fr_car_ids_configure(ids, "A", bad[i], &why));
        ck_assert_ptr_nonnull(strstr(fr_text_buffer_string(&why), "1 to 1000000000"));
    }
    ck_assert(fr_car_ids_configure(ids, "A", "1000000000", &why));
    ck_assert(!fr_car_ids_configure(ids, "B", "1000000000", &why));
    ck_assert_ptr_nonnull(strstr(fr_text_buffer_string(&why), "is given to A too"));
    fr_text_buffer_free(&why);
    fr_car_ids_free(ids);
}
END_TEST

START_TEST(the_number_of_vehicles_is_limited)
{
    struct fr_car_ids *ids = fr_car_ids_new();
    char vin[32];

    for (uint32_t n = 1; n <= FR_CARS_MAX; n++) {
        snprintf(vin, sizeof vin, "V%u", (unsigned)n);
        ck_assert_uint_eq(fr_car_ids_get(ids, vin), n);
    }
    ck_assert_uint_eq(fr_car_ids_get(ids, "one more"), 0);
    ck_assert_uint_eq(fr_car_ids_get(ids, "V7"), 7);
    fr_car_ids_free(ids);
}
END_TEST

Suite *suite_car_state(void)
{
    Suite *suite = suite_create("car_state");
    TCase *values = tcase_create("values"), *ids = tcase_create("numbers");

    tcase_add_checked_fixture(values, setup, teardown);
    tcase_add_test(values, fields_agree_with_the_catalogue);
    tcase_add_test(values, numbers_are_kept_in_metric_units);
    tcase_add_test(values, values_that_are_impossible_are_ignored);
    tcase_add_test(values, the_order_is_the_time_of_the_measurement);
    tcase_add_test(values, an_invalid_value_makes_the_field_unknown);
    tcase_add_test(values, texts_are_bounded_and_valid);
    tcase_add_test(values, the_state_follows_from_gear_charge_and_connection);
    tcase_add_test(values, a_value_after_a_disconnection_is_of_another_connection);
    tcase_add_test(values, restored_values_say_nothing_about_the_connection);
    tcase_add_test(values, an_installation_is_limited);
    tcase_add_test(values, power_is_positive_when_the_battery_is_discharged);
    tcase_add_test(values, ac_and_dc_chargers_differ);
    tcase_add_test(values, old_firmware_has_a_charging_state_too);
    tcase_add_test(values, energy_is_that_of_the_last_session);
    suite_add_tcase(suite, values);
    tcase_add_test(ids, numbers_are_kept);
    tcase_add_test(ids, damaged_lines_are_ignored);
    tcase_add_test(ids, numbers_of_the_configuration_are_checked);
    tcase_add_test(ids, the_number_of_vehicles_is_limited);
    suite_add_tcase(suite, ids);
    return suite;
}
