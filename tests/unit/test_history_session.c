/* Sessions of a vehicle: when drives and charges begin and end, their distance and energy. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "history/packing.h"
#include "history/session_row.h"

#define MINUTE INT64_C(60000)
#define START INT64_C(1767225600000)

static struct fr_session_state state;
static struct fr_session ended[64];
static bool kept[64];
static size_t ended_count;
static int64_t now;

static void collect(void *ctx, const struct fr_session *session, bool keep)
{
    (void)ctx;
    ck_assert_uint_lt(ended_count, 64);
    kept[ended_count] = keep;
    ended[ended_count++] = *session;
}

static void set_up(void)
{
    fr_session_reset(&state);
    ended_count = 0;
    now = START;
}

static void feed(uint32_t field, const struct fr_value *value)
{
    ck_assert(fr_session_wants(field));
    fr_session_feed(&state, field, value, now, now + 100, collect, NULL);
}

static void real(uint32_t field, double number)
{
    feed(field, &(struct fr_value){.kind = FR_VALUE_REAL, .real = number});
}

static void word(uint32_t field, const char *name)
{
    struct fr_value value = {.kind = FR_VALUE_ENUM};

    value.choice.name = name;
    feed(field, &value);
}

static void text(uint32_t field, const char *name)
{
    struct fr_value value = {.kind = FR_VALUE_TEXT};

    value.text.bytes = name;
    value.text.len = strlen(name);
    feed(field, &value);
}

static void gear(const char *name)
{
    word(FR_SESSION_GEAR, name);
}

/* Drive for some minutes; one mile and 0.3 kWh a minute. */
static void drive(int minutes)
{
    for (int i = 1; i <= minutes; i++) {
        now += MINUTE;
        real(FR_SESSION_ODOMETER, state.odometer.number + 1);
        real(FR_SESSION_LIFETIME_ENERGY, state.lifetime.number + 0.3);
        real(FR_SESSION_SPEED, 60 + i);
    }
}

static void park_at(double miles)
{
    gear("P");
    real(FR_SESSION_ODOMETER, miles);
    real(FR_SESSION_LIFETIME_ENERGY, 1000);
    real(FR_SESSION_SOC, 80);
}

START_TEST(drive_ends_when_the_vehicle_stays_parked)
{
    park_at(100);
    now += MINUTE;
    gear("D");
    drive(10);
    real(FR_SESSION_SOC, 70);
    gear("P");
    now += 2 * MINUTE; /* a slow field arrives after the end */
    real(FR_SESSION_ODOMETER, 110.5);
    ck_assert_uint_eq(ended_count, 0);
    now += 3 * MINUTE;
    gear("P");
    ck_assert_uint_eq(ended_count, 1);
    ck_assert(kept[0] && !ended[0].open);
    ck_assert_int_eq(ended[0].kind, FR_SESSION_DRIVE);
    ck_assert_int_eq(ended[0].begin_ms, START + MINUTE);
    ck_assert_int_eq(ended[0].end_ms, START + 11 * MINUTE);
    ck_assert_double_eq_tol(fr_session_distance(&ended[0]), 10.5, 1e-9);
    ck_assert_double_eq_tol(fr_session_energy(&ended[0]), 3, 1e-9);
    ck_assert_double_eq(ended[0].max_speed, 70);
    ck_assert_double_eq(ended[0].soc[0], 80);
    ck_assert_double_eq(ended[0].soc[1], 70);
}
END_TEST

START_TEST(charge_ends_a_drive_that_is_parked)
{
    park_at(100);
    gear("D");
    drive(10);
    real(FR_SESSION_SOC, 62);
    gear("P");
    now += MINUTE;
    word(FR_SESSION_DETAILED_CHARGE, "Charging");
    ck_assert_uint_eq(ended_count, 1);
    ck_assert_int_eq(ended[0].kind, FR_SESSION_DRIVE);
    ck_assert_int_eq(ended[0].end_ms, START + 10 * MINUTE);
    real(FR_SESSION_SOC, 80);
    ck_assert_double_eq(ended[0].soc[1], 62);
    ck_assert_double_eq(state.charge.soc[0], 62);
}
END_TEST

START_TEST(short_stop_does_not_divide_a_drive)
{
    park_at(100);
    gear("D");
    drive(5);
    gear("P");
    now += 4 * MINUTE;
    gear("R");
    gear("D");
    drive(5);
    gear("N"); /* a car wash */
    now += 10 * MINUTE;
    gear("D");
    gear("P");
    now += 6 * MINUTE;
    gear("P");
    ck_assert_uint_eq(ended_count, 1);
    ck_assert_double_eq_tol(fr_session_distance(&ended[0]), 10, 1e-9);
}
END_TEST

START_TEST(silence_ends_a_drive_at_the_last_value)
{
    park_at(100);
    gear("D");
    drive(5);
    fr_session_tick(&state, now + 100 + 14 * MINUTE, collect, NULL); /* a tunnel */
    ck_assert_uint_eq(ended_count, 0);
    fr_session_tick(&state, now + 100 + 16 * MINUTE, collect, NULL);
    ck_assert_uint_eq(ended_count, 1);
    ck_assert_int_eq(ended[0].end_ms, START + 5 * MINUTE);
    now += 20 * MINUTE;
    gear("D");
    drive(2);
    now += 20 * MINUTE; /* seen in the data alone, as after a restart */
    gear("P");
    ck_assert_uint_eq(ended_count, 2);
    ck_assert_int_eq(ended[1].end_ms - ended[1].begin_ms, 2 * MINUTE);
}
END_TEST

/* The vehicle sleeps: Gear becomes invalid. A change of the parking space is no drive. */
START_TEST(unknown_gear_is_parked_and_short_moves_are_discarded)
{
    park_at(100);
    gear("R");
    now += 20000;
    feed(FR_SESSION_GEAR, &(struct fr_value){.kind = FR_VALUE_INVALID});
    now += 6 * MINUTE;
    real(FR_SESSION_SOC, 79);
    ck_assert_uint_eq(ended_count, 1);
    ck_assert(!kept[0]);
}
END_TEST

START_TEST(impossible_counters_are_unknown)
{
    park_at(100);
    gear("D");
    drive(5);
    real(FR_SESSION_ODOMETER, 9000);
    real(FR_SESSION_LIFETIME_ENERGY, 1e9);
    now += MINUTE;
    gear("P");
    now += 6 * MINUTE;
    gear("P");
    ck_assert(isnan(fr_session_distance(&ended[0])));
    ck_assert(isnan(fr_session_energy(&ended[0])));
    real(FR_SESSION_ODOMETER, NAN);
    real(FR_SESSION_ODOMETER, INFINITY);
    ck_assert_double_eq(state.odometer.number, 9000);
}
END_TEST

START_TEST(values_out_of_order_are_ignored)
{
    park_at(100);
    gear("D");
    drive(5);
    now -= 3 * MINUTE;
    gear("P");
    now += 3 * MINUTE;
    ck_assert_int_eq(state.parked_ms, 0);
}
END_TEST

/* ---- charges --------------------------------------------------------------------- */

START_TEST(charge_has_the_energy_since_its_begin)
{
    real(FR_SESSION_DC_ENERGY, 25); /* of the session before */
    real(FR_SESSION_AC_ENERGY, 28);
    now += 600 * MINUTE;
    real(FR_SESSION_SOC, 50);
    word(FR_SESSION_DETAILED_CHARGE, "Starting");
    word(FR_SESSION_DETAILED_CHARGE, "Charging");
    for (int i = 0; i <= 10; i++) {
        now += MINUTE;
        real(FR_SESSION_DC_ENERGY, i * 0.9); /* restarts at 0 */
        real(FR_SESSION_AC_ENERGY, i);
        real(FR_SESSION_AC_POWER, 11);
    }
    real(FR_SESSION_SOC, 60);
    word(FR_SESSION_DETAILED_CHARGE, "Complete");
    ck_assert_uint_eq(ended_count, 0);
    now += 3 * MINUTE;
    word(FR_SESSION_DETAILED_CHARGE, "Disconnected");
    ck_assert_uint_eq(ended_count, 1);
    ck_assert_int_eq(ended[0].kind, FR_SESSION_CHARGE);
    ck_assert_int_eq(ended[0].end_ms - ended[0].begin_ms, 11 * MINUTE);
    ck_assert_double_eq_tol(fr_session_energy(&ended[0]), 9, 1e-9);
    ck_assert_double_eq_tol(fr_session_charger_energy(&ended[0]), 10, 1e-9);
    ck_assert_double_eq(ended[0].max_power, 11);
    ck_assert_double_eq(ended[0].soc[0], 50);
    ck_assert_double_eq(ended[0].soc[1], 60);
}
END_TEST

START_TEST(interrupted_charge_continues_with_its_counter)
{
    word(FR_SESSION_DETAILED_CHARGE, "Charging");
    real(FR_SESSION_DC_ENERGY, 0);
    real(FR_SESSION_DC_POWER, 120);
    now += 5 * MINUTE;
    real(FR_SESSION_DC_ENERGY, 10);
    word(FR_SESSION_DETAILED_CHARGE, "Stopped");
    now += 5 * MINUTE;
    word(FR_SESSION_DETAILED_CHARGE, "Charging");
    now += 5 * MINUTE;
    real(FR_SESSION_DC_ENERGY, 20);
    real(FR_SESSION_AC_ENERGY, 5); /* ignored with DC */
    gear("D");
    ck_assert_uint_eq(ended_count, 1);
    ck_assert(ended[0].dc);
    ck_assert_double_eq_tol(fr_session_energy(&ended[0]), 20, 1e-9);
    ck_assert(isnan(fr_session_charger_energy(&ended[0])));
}
END_TEST

START_TEST(stopped_charge_ends_and_silence_of_hours_ends_it)
{
    word(FR_SESSION_DETAILED_CHARGE, "Charging");
    real(FR_SESSION_ENERGY_REMAINING, 40);
    now += 30 * MINUTE;
    real(FR_SESSION_ENERGY_REMAINING, 45);
    word(FR_SESSION_DETAILED_CHARGE, "Stopped");
    now += 11 * MINUTE;
    real(FR_SESSION_SOC, 70);
    ck_assert_uint_eq(ended_count, 1);
    ck_assert_int_eq(ended[0].end_ms - ended[0].begin_ms, 30 * MINUTE);
    ck_assert_double_eq_tol(fr_session_energy(&ended[0]), 5, 1e-9);
    word(FR_SESSION_DETAILED_CHARGE, "Charging");
    now += 110 * MINUTE; /* the car sends little while it charges slowly */
    real(FR_SESSION_SOC, 75);
    ck_assert_uint_eq(ended_count, 1);
    fr_session_tick(&state, now + 100 + 121 * MINUTE, collect, NULL);
    ck_assert_uint_eq(ended_count, 2);
}
END_TEST

/* Firmware before 2024.38 sends ChargeState alone. */
START_TEST(old_firmware_charges_with_charge_state)
{
    text(FR_SESSION_CHARGE_STATE, "Idle");
    text(FR_SESSION_CHARGE_STATE, "Enable");
    ck_assert(state.charge.open);
    text(FR_SESSION_CHARGE_STATE, "Idle");
    now += 11 * MINUTE;
    text(FR_SESSION_CHARGE_STATE, "Idle");
    ck_assert_uint_eq(ended_count, 1);
    word(FR_SESSION_DETAILED_CHARGE, "Disconnected");
    text(FR_SESSION_CHARGE_STATE, "Enable"); /* no longer read */
    ck_assert(!state.charge.open);
}
END_TEST

/* ---- on disk --------------------------------------------------------------------- */

START_TEST(rows_read_back_and_damaged_ones_do_not)
{
    struct fr_buffer row = {0};
    struct fr_session read_back;
    struct fr_session_state other;
    struct fr_unpack in;

    park_at(100);
    gear("D");
    drive(3);
    fr_session_encode(&state.drive, &row);
    ck_assert(fr_session_decode(&read_back, row.bytes, row.len));
    ck_assert(read_back.open && read_back.begin_ms == state.drive.begin_ms);
    ck_assert_double_eq(fr_session_distance(&read_back), fr_session_distance(&state.drive));
    ck_assert(isnan(read_back.dc_energy[0]));
    for (size_t i = 0; i < row.len; i++) {
        row.bytes[i] ^= 4;
        ck_assert(!fr_session_decode(&read_back, row.bytes, row.len));
        row.bytes[i] ^= 4;
        ck_assert(!fr_session_decode(&read_back, row.bytes, i));
    }
    fr_pack_begin(&row, 'x');
    fr_session_state_pack(&state, &row);
    fr_pack_end(&row);
    ck_assert(fr_unpack_begin(&in, row.bytes, row.len, 'x'));
    fr_session_state_unpack(&other, &in);
    ck_assert(fr_unpack_end(&in));
    ck_assert(other.drive.open && other.last_ms == state.last_ms);
    ck_assert_double_eq(other.odometer.number, state.odometer.number);
    fr_buffer_free(&row);
}
END_TEST

Suite *suite_history_session(void)
{
    Suite *suite = suite_create("history_session");
    TCase *tests = tcase_create("sessions");

    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, drive_ends_when_the_vehicle_stays_parked);
    tcase_add_test(tests, charge_ends_a_drive_that_is_parked);
    tcase_add_test(tests, short_stop_does_not_divide_a_drive);
    tcase_add_test(tests, silence_ends_a_drive_at_the_last_value);
    tcase_add_test(tests, unknown_gear_is_parked_and_short_moves_are_discarded);
    tcase_add_test(tests, impossible_counters_are_unknown);
    tcase_add_test(tests, values_out_of_order_are_ignored);
    tcase_add_test(tests, charge_has_the_energy_since_its_begin);
    tcase_add_test(tests, interrupted_charge_continues_with_its_counter);
    tcase_add_test(tests, stopped_charge_ends_and_silence_of_hours_ends_it);
    tcase_add_test(tests, old_firmware_charges_with_charge_state);
    tcase_add_test(tests, rows_read_back_and_damaged_ones_do_not);
    suite_add_tcase(suite, tests);
    return suite;
}
