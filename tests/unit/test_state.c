#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fleet_api/state.h"

#define A "5YJ3E1EA7KF000001"
#define B "5YJ3E1EA7KF000002"

static char folder[64], path[128];
static struct fr_error error;

static void set_up(void)
{
    strcpy(folder, "/tmp/fr-state-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/state.json", folder);
}

static void tear_down(void)
{
    unlink(path);
    rmdir(folder);
}

static void put_file(const char *text)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(a_state_is_read_as_written)
{
    struct fr_state state, other;
    struct fr_state_vehicle *vehicle;
    struct stat st;

    ck_assert_int_eq(fr_state_read(folder, &state, &error), 0);
    ck_assert_uint_eq(state.vehicle_count, 0);
    ck_assert_double_eq(state.projected_usd, -1);
    for (int i = 9; i > 0; i--) {
        char vin[32];

        snprintf(vin, sizeof vin, "5YJ3E1EA7KF00000%d", i);
        fr_state_vehicle(&state, vin, true)->pushed_ms = i;
    }
    vehicle = fr_state_vehicle(&state, B, true);
    memset(vehicle->config, 'a', 64);
    strcpy(vehicle->problem, "not_found");
    strcpy(vehicle->remedy, "say \"h\xc3\xa9\"");
    state.login_required = true;
    state.projected_usd = 1.25;
    state.failures = 3;
    state.requests = 77;
    state.requests_month = 2026 * 12;
    state.counted_next = 1ull << 50;
    ck_assert_int_eq(fr_state_write(folder, &state, 1796083200123, -1, &error), 0);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0640);
    ck_assert_int_eq(fr_state_read(folder, &other, &error), 0);
    ck_assert_uint_eq(other.vehicle_count, 9);
    for (size_t i = 0; i < 9; i++)
        ck_assert_mem_eq(&other.vehicles[i], &state.vehicles[i], sizeof *other.vehicles);
    ck_assert_int_eq(other.updated_ms, 1796083200123);
    free(state.vehicles);
    free(other.vehicles);
    state.vehicles = other.vehicles = NULL;
    ck_assert_mem_eq(&state, &other, offsetof(struct fr_state, vehicles));
}
END_TEST

START_TEST(hostile_members_are_not_taken)
{
    struct fr_state state;

    put_file("{\"run_ms\":-1,\"success_ms\":1e300,\"refresh_ms\":\"1\",\"failures\":99999999,"
             "\"projected_usd\":-5,\"blocked\":\"a\\u001b[2J\\u009b\\u007f\",\"unknown\":[{}],"
             "\"requests_month\":1.5,\"login_required\":1,\"vehicles\":{"
             "\"" B "\":{\"config\":\"../../etc\",\"pushed_ms\":5,"
             "\"problem\":\"0123456789012345678901234567890123456789\"},"
             "\"short\":{},\"5YJ3E1EA7KF00000\\n\":{},\"5YJ3E1EA7KF00000O\":{},\"" A "\":{},"
             "\"5YJ3E1EA7KF000003\":7}}");
    ck_assert_int_eq(fr_state_read(folder, &state, &error), 0);
    ck_assert_int_eq(state.run_ms, 0);
    ck_assert_int_eq(state.success_ms, 0);
    ck_assert_int_eq(state.refresh_ms, 0);
    ck_assert_uint_eq(state.failures, 0);
    ck_assert_double_eq(state.projected_usd, -1);
    ck_assert_str_eq(state.blocked, "a [2J");
    ck_assert(!state.login_required);
    ck_assert_uint_eq(state.vehicle_count, 2);
    ck_assert_str_eq(state.vehicles[0].vin, A);
    ck_assert_str_eq(state.vehicles[1].config, "");
    ck_assert_int_eq(state.vehicles[1].pushed_ms, 5);
    ck_assert_uint_eq(strlen(state.vehicles[1].problem), 31);
    fr_state_free(&state);
}
END_TEST

START_TEST(what_is_no_state_is_refused)
{
    static const char *const texts[] = {"", "[]", "{\"run_ms\":", "null", "{} x", "\xff\xfe"};
    struct fr_state state;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put_file(texts[i]);
        ck_assert_int_eq(fr_state_read(folder, &state, &error), -1);
        ck_assert_ptr_nonnull(strstr(error.text, "state.json is damaged"));
        fr_state_free(&state);
    }
    unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0); /* is not waited for */
    ck_assert_int_eq(fr_state_read(folder, &state, &error), -1);
    fr_state_free(&state);
}
END_TEST

START_TEST(a_failed_write_leaves_the_old_state)
{
    struct fr_state state = {.run_ms = 7};

    ck_assert_int_eq(fr_state_write(folder, &state, 1, -1, &error), 0);
    ck_assert_int_eq(fr_state_write("/proc/none", &state, 1, -1, &error), -1);
    ck_assert_ptr_nonnull(strstr(error.text, "/proc/none/state.json"));
    ck_assert_int_eq(fr_state_read(folder, &state, &error), 0);
    ck_assert_int_eq(state.run_ms, 7);
}
END_TEST

Suite *suite_state(void)
{
    Suite *suite = suite_create("state");
    TCase *tests = tcase_create("state");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_state_is_read_as_written);
    tcase_add_test(tests, hostile_members_are_not_taken);
    tcase_add_test(tests, what_is_no_state_is_refused);
    tcase_add_test(tests, a_failed_write_leaves_the_old_state);
    suite_add_tcase(suite, tests);
    return suite;
}
