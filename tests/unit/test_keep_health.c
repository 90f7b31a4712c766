#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/keep_health.h"
#include "util/memory.h"

#define DAY (INT64_C(24) * 3600 * 1000)
#define NOW (INT64_C(1796083200) * 1000)
#define VEHICLES 40

static struct fr_state state;
static struct fr_keep_health health;

static void set_up(void)
{
    state = (struct fr_state){.vehicles = fr_calloc(VEHICLES, sizeof *state.vehicles)};
    state.vehicle_count = 2;
    state.run_ms = state.success_ms = NOW - 1;
    for (size_t i = 0; i < 2; i++) {
        state.vehicles[i].pushed_ms = NOW - (int64_t)(i + 1) * DAY;
        state.vehicles[i].exp_s = (NOW + (int64_t)(i + 1) * DAY) / 1000;
    }
    state.vehicles[0].synced_ms = NOW - 1;
}

static void tear_down(void)
{
    free(state.vehicles);
}

static void check_why(const char *start)
{
    fr_keep_health(&state, NOW, &health);
    ck_assert_int_eq(health.warning, start[0] != '\0');
    ck_assert_msg(strncmp(health.why, start, strlen(start)) == 0, "%s", health.why);
}

START_TEST(a_healthy_state_is_summarised)
{
    check_why("");
    ck_assert_uint_eq(health.vehicles, 2);
    ck_assert_uint_eq(health.valid, 2);
    ck_assert_uint_eq(health.waiting, 1);
    ck_assert_int_eq(health.oldest_push_ms, NOW - 2 * DAY);
    ck_assert_int_eq(health.first_exp_s, (NOW + DAY) / 1000);
    ck_assert_uint_eq(health.problem_words, 0);
    state.vehicle_count = 0;
    state.run_ms = 0;
    check_why("");
}
END_TEST

START_TEST(what_needs_the_owner_is_a_warning)
{
    strcpy(state.vehicles[1].problem, "max_configs");
    strcpy(state.vehicles[1].remedy, "free a slot");
    check_why("1 of 2 vehicles: max_configs: free a slot");
    ck_assert_uint_eq(health.valid, 1);
    state.vehicles[0].exp_s = NOW / 1000;
    check_why("the configuration of a vehicle has expired");
    strcpy(state.failure, "no route to host");
    check_why("`fleetroute keep` failed: no route to host");
    state.over_budget = true;
    check_why("the signals of vehicles cost more");
    state.run_ms = NOW - 2 * DAY - 1;
    check_why("`fleetroute keep` has not run for two days");
    state.login_required = true;
    check_why("the owner's consent");
}
END_TEST

START_TEST(keep_that_never_ran_is_missing_two_days_after_the_first_push)
{
    state.run_ms = 0;
    check_why("");
    state.vehicles[1].pushed_ms--;
    check_why("`fleetroute keep` has not run");
}
END_TEST

START_TEST(problems_are_counted_by_word_up_to_a_bound)
{
    state.vehicle_count = VEHICLES;
    for (size_t i = 0; i < VEHICLES; i++)
        snprintf(state.vehicles[i].problem, sizeof state.vehicles[i].problem, "p%zu", i / 2);
    fr_keep_health(&state, NOW, &health);
    ck_assert_uint_eq(health.problem_words, FR_KEEP_HEALTH_WORDS + 1);
    ck_assert_str_eq(health.problems[15].word, "p15");
    ck_assert_uint_eq(health.problems[15].vehicles, 2);
    ck_assert_str_eq(health.problems[16].word, "other");
    ck_assert_uint_eq(health.problems[16].vehicles, VEHICLES - 32);
    ck_assert_uint_eq(health.valid, 0);
}
END_TEST

Suite *suite_keep_health(void)
{
    Suite *suite = suite_create("keep_health");
    TCase *tests = tcase_create("keep_health");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_healthy_state_is_summarised);
    tcase_add_test(tests, what_needs_the_owner_is_a_warning);
    tcase_add_test(tests, keep_that_never_ran_is_missing_two_days_after_the_first_push);
    tcase_add_test(tests, problems_are_counted_by_word_up_to_a_bound);
    suite_add_tcase(suite, tests);
    return suite;
}
