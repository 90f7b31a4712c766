#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/keep_plan.h"
#include "util/memory.h"

#define HOUR FR_KEEP_HOUR_MS
#define DAY FR_KEEP_DAY_MS
#define NOW (INT64_C(1796083200) * 1000) /* 2026-12-01 00:00 UTC */

#define A "5YJ3E1EA7KF000001"
#define B "5YJ3E1EA7KF000002"
#define C "5YJ3E1EA7KF000003"

static struct fr_state state;
static struct fr_keep_input input;
static const char *vins[3];
static char accepted[2][65] = {"ca", "with the root before"};

/* Vehicles A and B with an accepted, synced configuration; nothing is due. */
static void set_up(void)
{
    static const char *const names[] = {A, B};

    vins[0] = A;
    vins[1] = B;
    state = (struct fr_state){.vehicles = fr_calloc(4, sizeof *state.vehicles)};
    state.vehicle_count = 2;
    state.refresh_ms = NOW - DAY;
    for (size_t i = 0; i < 2; i++) {
        struct fr_state_vehicle *v = &state.vehicles[i];

        strcpy(v->vin, names[i]);
        strcpy(v->config, "config");
        strcpy(v->ca, "ca");
        strcpy(v->key, "key");
        v->pushed_ms = v->tried_ms = NOW - 5 * DAY;
        v->synced_ms = NOW - 4 * DAY;
        v->checked_ms = NOW - HOUR;
        v->exp_s = (NOW + 25 * DAY) / 1000;
    }
    input = (struct fr_keep_input){
        .state = &state,
        .now_ms = NOW,
        .has_tokens = true,
        .refresh_issued_ms = NOW - DAY,
        .expires_ms = 30 * DAY,
        .push_every_ms = HOUR,
        .budget_usd = 10,
        .config = "config",
        .ca_file = "",
        .accepted = accepted,
        .accepted_count = 2,
        .key = "key",
        .vins = vins,
        .vin_count = 2,
    };
}

static void tear_down(void)
{
    free(state.vehicles);
}

static const char *const kinds[] = {"refresh", "check", "remove", "push"};

/* The plan as text: "refresh 0; check 1 …", a vehicle as the last digit of its VIN, and its reason. */
static const char *planned(void)
{
    static char text[400];
    struct fr_keep_plan plan;
    size_t len = 0;

    fr_keep_plan_make(&plan, &input);
    text[0] = '\0';
    for (size_t i = 0; i < plan.count; i++) {
        const struct fr_keep_action *action = &plan.actions[i];

        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s%s%s: %s", i == 0 ? "" : "; ",
                                kinds[action->kind], action->vin[0] != '\0' ? " " : "",
                                action->vin[0] != '\0' ? action->vin + 16 : "",
                                fr_keep_reason_text(action->reason));
    }
    fr_keep_plan_free(&plan);
    return text;
}

static enum fr_keep_hold held(int64_t *until_ms)
{
    struct fr_keep_plan plan;
    enum fr_keep_hold hold;

    fr_keep_plan_make(&plan, &input);
    hold = plan.hold;
    *until_ms = plan.until_ms;
    if (hold != FR_KEEP_FREE && hold != FR_KEEP_NEVER_PUSHED)
        ck_assert_uint_eq(plan.count, 0);
    fr_keep_plan_free(&plan);
    return hold;
}

START_TEST(nothing_is_due)
{
    ck_assert_str_eq(planned(), "");
    state.vehicles[0].checked_ms = NOW - DAY + 1;
    state.vehicles[1].exp_s = (NOW + 10 * DAY) / 1000;
    input.refresh_issued_ms = state.refresh_ms = NOW - 30 * DAY + 1;
    ck_assert_str_eq(planned(), "");
}
END_TEST

START_TEST(tokens_are_refreshed_after_30_days)
{
    input.refresh_issued_ms = state.refresh_ms = NOW - 30 * DAY;
    ck_assert_str_eq(planned(), "refresh: the refresh token is 30 days old");
    input.refresh_issued_ms = 0;
    ck_assert_str_eq(planned(), "refresh: the refresh token is 30 days old");
    input.refresh_issued_ms = state.refresh_ms = NOW + 29 * DAY;
    ck_assert_str_eq(planned(), "");
    input.refresh_issued_ms = state.refresh_ms = NOW + 31 * DAY;
    ck_assert_str_eq(planned(), "refresh: the refresh token is 30 days old");
}
END_TEST

START_TEST(each_change_is_pushed)
{
    state.vehicles[0].exp_s = (NOW + 10 * DAY) / 1000 - 1;
    ck_assert_str_eq(planned(), "push 1: the configuration expires soon");
    input.config = "other";
    ck_assert_str_eq(planned(), "push 1: routing.yaml changed; push 2: routing.yaml changed");
    strcpy(state.vehicles[0].ca, "with the root before");
    strcpy(state.vehicles[1].ca, "of the CA before");
    ck_assert_str_eq(planned(),
                     "push 1: routing.yaml changed; push 2: the CA of the server changed");
    input.ca_file = "another file";
    ck_assert_str_eq(planned(),
                     "push 1: the CA of the server changed; push 2: the CA of the server changed");
    input.key = "other";
    ck_assert_str_eq(planned(), "push 1: the command key changed; push 2: the command key changed");
    input.config = NULL;
    ck_assert_str_eq(planned(), "");
}
END_TEST

START_TEST(another_ca_that_verifies_the_server_is_not_replaced)
{
    strcpy(state.vehicles[0].ca, "with the root before");
    ck_assert_str_eq(planned(), "");
    input.accepted_count = 1;
    ck_assert_str_eq(planned(), "push 1: the CA of the server changed");
    input.accepted_count = 0;
    ck_assert_str_eq(planned(),
                     "push 1: the CA of the server changed; push 2: the CA of the server changed");
}
END_TEST

START_TEST(expiry_is_near_in_the_second_half_but_at_most_10_days_before)
{
    static const struct {
        int days, at_hours;
    } rows[] = {{1, 12}, {2, 24}, {10, 120}, {20, 240}, {30, 240}, {366, 240}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        input.expires_ms = rows[i].days * DAY;
        state.vehicles[0].exp_s = (NOW + rows[i].at_hours * HOUR) / 1000;
        ck_assert_str_eq(planned(), "");
        state.vehicles[0].exp_s--;
        ck_assert_str_eq(planned(), "push 1: the configuration expires soon");
    }
    state.vehicles[0].exp_s = 0;
    ck_assert_str_eq(planned(), "push 1: the configuration expires soon");
}
END_TEST

START_TEST(a_push_is_not_repeated_within_push_every)
{
    struct fr_state_vehicle *v = &state.vehicles[0];

    input.config = "other";
    v->tried_ms = NOW - HOUR + 1;
    ck_assert_str_eq(planned(), "push 2: routing.yaml changed");
    v->tried_ms = 0;
    v->pushed_ms = v->checked_ms = NOW - HOUR + 1;
    ck_assert_str_eq(planned(), "push 2: routing.yaml changed");
    v->pushed_ms = NOW - HOUR;
    v->checked_ms = NOW - HOUR + 1;
    ck_assert_str_eq(planned(), "push 1: routing.yaml changed; push 2: routing.yaml changed");
    input.push_every_ms = DAY;
    ck_assert_str_eq(planned(), "push 2: routing.yaml changed");
    fr_keep_set_problem(v, FR_KEEP_PROBLEM_REMOVED, "");
    ck_assert_str_eq(planned(), "push 2: routing.yaml changed");
}
END_TEST

START_TEST(a_configuration_is_read_back_daily_and_after_a_push)
{
    struct fr_state_vehicle *v = &state.vehicles[0];

    v->checked_ms = NOW - DAY;
    ck_assert_str_eq(planned(), "check 1: daily check");
    v->pushed_ms = v->tried_ms = NOW - HOUR;
    v->checked_ms = NOW - HOUR - 1;
    ck_assert_str_eq(planned(), "check 1: check after the push");
    v->pushed_ms++;
    ck_assert_str_eq(planned(), "");
    v->checked_ms = v->pushed_ms + 1;
    ck_assert_str_eq(planned(), "");
}
END_TEST

START_TEST(a_run_reads_back_a_bounded_number_the_oldest_first)
{
    enum { COUNT = 120 };
    const char **many = fr_calloc(COUNT, sizeof *many);
    struct fr_keep_plan plan;

    free(state.vehicles);
    state.vehicles = fr_calloc(COUNT, sizeof *state.vehicles);
    state.vehicle_count = input.vin_count = COUNT;
    input.vins = many;
    for (size_t i = 0; i < COUNT; i++) {
        struct fr_state_vehicle *v = &state.vehicles[i];

        snprintf(v->vin, sizeof v->vin, "5YJ3E1EA7KF%06zu", i);
        strcpy(v->config, "config");
        strcpy(v->ca, "ca");
        strcpy(v->key, "key");
        v->pushed_ms = v->tried_ms = NOW - 5 * DAY;
        v->exp_s = (NOW + 25 * DAY) / 1000;
        v->checked_ms = NOW - 2 * DAY - (int64_t)i;
        many[i] = v->vin;
    }
    fr_keep_plan_make(&plan, &input);
    ck_assert_uint_eq(plan.count, FR_KEEP_CHECKS_MAX);
    for (size_t i = 0; i < plan.count; i++)
        ck_assert_str_eq(plan.actions[i].vin, many[COUNT - 1 - i]);
    fr_keep_plan_free(&plan);
    free(many);
}
END_TEST

START_TEST(a_removed_configuration_is_pushed_at_once)
{
    fr_keep_set_problem(&state.vehicles[1], FR_KEEP_PROBLEM_REMOVED, "");
    ck_assert_str_eq(planned(), "push 2: Tesla removed the configuration");
    state.vehicles[1].checked_ms = NOW - 9 * DAY;
    ck_assert_str_eq(planned(), "push 2: Tesla removed the configuration");
}
END_TEST

START_TEST(a_vehicle_that_the_owner_removed_is_left_alone)
{
    state.vehicles[1].pushed_ms = 0;
    state.vehicles[1].checked_ms = 0;
    fr_keep_set_problem(&state.vehicles[1], FR_KEEP_PROBLEM_BY_OWNER, "");
    input.config = "other";
    ck_assert_str_eq(planned(), "push 1: routing.yaml changed");
    state.vehicles[0] = state.vehicles[1];
    strcpy(state.vehicles[0].vin, A);
    ck_assert_str_eq(planned(), "");
}
END_TEST

START_TEST(a_refused_vehicle_is_tried_daily)
{
    static const char *const words[] = {"missing_key", "max_configs", "limit_reached", "x"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct fr_state_vehicle *v = &state.vehicles[0];

        fr_keep_set_problem(v, words[i], "");
        v->tried_ms = NOW - DAY + 1;
        v->pushed_ms = 0;
        ck_assert_str_eq(planned(), "");
        v->tried_ms--;
        ck_assert_str_eq(planned(), "push 1: the last configuration was refused");
        v->waiting = true;
        ck_assert_str_eq(planned(), "");
        v->waiting = false;
        v->pushed_ms = v->tried_ms + 1;
        ck_assert_str_eq(planned(), "");
    }
}
END_TEST

START_TEST(a_sold_vehicle_is_looked_for_daily_and_the_others_go_on)
{
    input.config = "other";
    fr_keep_set_problem(&state.vehicles[0], FR_KEEP_PROBLEM_NOT_FOUND, "");
    ck_assert_str_eq(planned(), "push 2: routing.yaml changed");
    state.vehicles[0].checked_ms = NOW - DAY;
    ck_assert_str_eq(planned(), "check 1: daily check; push 2: routing.yaml changed");
}
END_TEST

START_TEST(a_new_vehicle_is_pushed_if_others_were)
{
    int64_t until;

    vins[2] = C;
    input.vin_count = 3;
    ck_assert_str_eq(planned(), "push 3: the vehicle has no configuration");
    state.vehicles[0].pushed_ms = state.vehicles[1].pushed_ms = 0;
    ck_assert_int_eq(held(&until), FR_KEEP_NEVER_PUSHED);
    ck_assert_str_eq(planned(), "check 3: daily check");
    state.vehicle_count = 0;
    ck_assert_str_eq(planned(), "check 1: daily check; check 2: daily check; check 3: daily check");
    state.vehicle_count = 2;
    fr_keep_set_problem(&state.vehicles[0], FR_KEEP_PROBLEM_UNKNOWN, "");
    fr_keep_set_problem(&state.vehicles[1], FR_KEEP_PROBLEM_UNKNOWN, "");
    vins[2] = A;
    input.vin_count = 2;
    ck_assert_str_eq(planned(), "push 1: the vehicle has a configuration that is unknown here; "
                                "push 2: the vehicle has a configuration that is unknown here");
}
END_TEST

START_TEST(no_request_while_blocked)
{
    int64_t until;

    input.config = "other";
    state.blocked_until_ms = NOW + 1;
    ck_assert_int_eq(held(&until), FR_KEEP_BLOCKED);
    ck_assert_int_eq(until, NOW + 1);
    state.blocked_until_ms = NOW;
    ck_assert_int_eq(held(&until), FR_KEEP_FREE);
    /* From a clock that was years ahead. */
    state.blocked_until_ms = NOW + DAY + 1;
    ck_assert_int_eq(held(&until), FR_KEEP_FREE);
    input.has_tokens = false;
    ck_assert_int_eq(held(&until), FR_KEEP_NO_TOKENS);
}
END_TEST

START_TEST(revoked_consent_is_tried_daily_with_one_token_request)
{
    int64_t until;

    input.config = "other";
    state.login_required = true;
    state.tried_ms = NOW - DAY + 1;
    ck_assert_int_eq(held(&until), FR_KEEP_NEEDS_LOGIN);
    ck_assert_int_eq(until, NOW + 1);
    state.tried_ms--;
    ck_assert_str_eq(planned(), "refresh: consent may have been granted again");
    /* `setup` received new tokens; the back-off of the old ones does not count. */
    state.tried_ms = NOW - 1;
    state.blocked_until_ms = NOW + HOUR;
    input.refresh_issued_ms = NOW - 1;
    ck_assert_str_eq(planned(), "push 1: routing.yaml changed; push 2: routing.yaml changed");
}
END_TEST

START_TEST(over_the_budget_configurations_are_removed_until_the_next_month)
{
    state.requests_month = 2026 * 12 + 11;
    fr_keep_month_begin(&state, NOW + DAY);
    state.month_signals = 10 * 150000;
    ck_assert_str_eq(planned(), "");
    state.requests = 1;
    ck_assert_str_eq(planned(), "remove 1: the signals of this month cost more than the budget; "
                                "remove 2: the signals of this month cost more than the budget");
    fr_keep_set_problem(&state.vehicles[0], FR_KEEP_PROBLEM_NOT_FOUND, "");
    fr_keep_set_problem(&state.vehicles[1], FR_KEEP_PROBLEM_OVER_BUDGET, "");
    state.vehicles[1].pushed_ms = 0;
    input.config = "other";
    ck_assert_str_eq(planned(), "");
    input.budget_usd = 11;
    ck_assert_str_eq(planned(), "push 2: the vehicle has no configuration");
    input.budget_usd = 10;
    fr_keep_month_begin(&state, NOW + 31 * DAY - 1);
    ck_assert_str_eq(planned(), "");
    fr_keep_month_begin(&state, NOW + 31 * DAY);
    ck_assert_str_eq(planned(), "push 2: the vehicle has no configuration");
}
END_TEST

START_TEST(the_month_is_projected_from_what_was_counted)
{
    state.projected_usd = -1;
    ck_assert(fr_keep_count_due(&state, NOW));
    fr_keep_count_enter(&state, 0, 100, NOW);
    ck_assert_uint_eq(state.counted_next, 100);
    ck_assert(!fr_keep_count_due(&state, NOW + 6 * HOUR - 1));
    ck_assert(fr_keep_count_due(&state, NOW + 6 * HOUR));
    fr_keep_count_enter(&state, 15000, 200, NOW + 12 * HOUR);
    ck_assert(!state.measured);
    fr_keep_count_enter(&state, 15000, 300, NOW + 3 * DAY);
    ck_assert(state.measured);
    ck_assert_double_eq_tol(state.projected_usd, 2.0, 1e-9);
    ck_assert_double_eq_tol(fr_keep_month_usd(&state), 0.2, 1e-9);
    fr_keep_measure_again(&state, NOW + 3 * DAY);
    fr_keep_count_enter(&state, 15000, 301, NOW + 4 * DAY);
    ck_assert(!state.measured);
    fr_keep_count_enter(&state, 0, 301, NOW + 13 * DAY);
    ck_assert(state.measured);
    ck_assert_double_eq_tol(state.projected_usd, 0.3, 1e-9);
    fr_keep_count_enter(&state, 150, 400, NOW + 31 * DAY);
    ck_assert_double_eq_tol(fr_keep_month_usd(&state), 0.001, 1e-9);
    ck_assert_uint_eq(state.requests, 0);
    /* The clock went back by a month: no negative time. */
    fr_keep_count_enter(&state, 150, 500, NOW);
    ck_assert_double_eq_tol(fr_keep_month_usd(&state), 0.001, 1e-9);
    ck_assert(state.projected_usd >= 0);
}
END_TEST

START_TEST(a_month_over_the_budget_is_not_pushed)
{
    struct fr_keep_plan plan;

    input.config = "other";
    state.vehicles[0].checked_ms = NOW - DAY;
    input.expected_usd = fr_keep_expected_usd(&state, input.config, 10.01);
    ck_assert_str_eq(planned(), "check 1: daily check");
    fr_keep_plan_make(&plan, &input);
    ck_assert(plan.over_budget);
    fr_keep_plan_free(&plan);
    /* Measured with the present configuration: the estimate does not count. */
    state.projected_usd = 9;
    ck_assert_double_eq(fr_keep_expected_usd(&state, "config", 20), 20);
    state.measured = true;
    ck_assert_double_eq(fr_keep_expected_usd(&state, "config", 20), 9);
    ck_assert_double_eq(fr_keep_expected_usd(&state, "other", 20), 20);
    input.expected_usd = 9;
    ck_assert_str_eq(
        planned(),
        "check 1: daily check; push 1: routing.yaml changed; push 2: routing.yaml changed");
}
END_TEST

START_TEST(all_configurations_are_marked_as_removed)
{
    fr_keep_set_problem(&state.vehicles[0], FR_KEEP_PROBLEM_NOT_FOUND, "sold");
    fr_keep_mark_removed(&state, "raise the limit");
    ck_assert_str_eq(state.vehicles[0].problem, FR_KEEP_PROBLEM_NOT_FOUND);
    ck_assert_str_eq(state.vehicles[1].problem, FR_KEEP_PROBLEM_REMOVED);
    ck_assert_str_eq(state.vehicles[1].remedy, "raise the limit");
    fr_keep_set_problem(&state.vehicles[1], NULL, NULL);
    state.vehicles[1].pushed_ms = 0;
    fr_keep_mark_removed(&state, "raise the limit");
    ck_assert_str_eq(state.vehicles[1].problem, "");
}
END_TEST

START_TEST(vehicles_that_are_not_listed_are_marked)
{
    fr_keep_mark_unlisted(&state, vins, 1);
    ck_assert_str_eq(state.vehicles[0].problem, "");
    ck_assert_str_eq(state.vehicles[1].problem, FR_KEEP_PROBLEM_UNLISTED);
    input.vin_count = 1;
    input.config = "other";
    ck_assert_str_eq(planned(), "push 1: routing.yaml changed");
    fr_keep_mark_unlisted(&state, vins, 2);
    ck_assert_str_eq(state.vehicles[1].problem, "");
    fr_keep_set_problem(&state.vehicles[0], FR_KEEP_PROBLEM_NOT_FOUND, "sold");
    fr_keep_mark_unlisted(&state, NULL, 0);
    ck_assert_uint_eq(state.vehicle_count, 1);
    ck_assert_str_eq(state.vehicles[0].vin, B);
    ck_assert_str_eq(state.vehicles[0].problem, FR_KEEP_PROBLEM_UNLISTED);
    state.vehicles[0].pushed_ms = 0;
    fr_keep_mark_unlisted(&state, NULL, 0);
    ck_assert_uint_eq(state.vehicle_count, 0);
}
END_TEST

Suite *suite_keep_plan(void)
{
    Suite *suite = suite_create("keep_plan");
    TCase *tests = tcase_create("keep_plan");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, nothing_is_due);
    tcase_add_test(tests, tokens_are_refreshed_after_30_days);
    tcase_add_test(tests, each_change_is_pushed);
    tcase_add_test(tests, another_ca_that_verifies_the_server_is_not_replaced);
    tcase_add_test(tests, expiry_is_near_in_the_second_half_but_at_most_10_days_before);
    tcase_add_test(tests, a_push_is_not_repeated_within_push_every);
    tcase_add_test(tests, a_configuration_is_read_back_daily_and_after_a_push);
    tcase_add_test(tests, a_run_reads_back_a_bounded_number_the_oldest_first);
    tcase_add_test(tests, a_removed_configuration_is_pushed_at_once);
    tcase_add_test(tests, a_vehicle_that_the_owner_removed_is_left_alone);
    tcase_add_test(tests, a_refused_vehicle_is_tried_daily);
    tcase_add_test(tests, a_sold_vehicle_is_looked_for_daily_and_the_others_go_on);
    tcase_add_test(tests, a_new_vehicle_is_pushed_if_others_were);
    tcase_add_test(tests, no_request_while_blocked);
    tcase_add_test(tests, revoked_consent_is_tried_daily_with_one_token_request);
    tcase_add_test(tests, over_the_budget_configurations_are_removed_until_the_next_month);
    tcase_add_test(tests, the_month_is_projected_from_what_was_counted);
    tcase_add_test(tests, a_month_over_the_budget_is_not_pushed);
    tcase_add_test(tests, all_configurations_are_marked_as_removed);
    tcase_add_test(tests, vehicles_that_are_not_listed_are_marked);
    suite_add_tcase(suite, tests);
    return suite;
}
