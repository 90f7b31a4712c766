/* Recording of pushes in the state: back-off, months. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "fleet_api/push.h"

#define NOW INT64_C(1790000000000)
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

static struct fr_state state;

/* Record a failure; returns the pause in ms. */
static int64_t pause_after(enum fr_api_cause cause, int64_t retry_after_s)
{
    struct fr_api_error error = {.cause = cause, .retry_after_s = retry_after_s};

    snprintf(error.error.text, sizeof error.error.text, "list vehicles: failed; wait");
    fr_push_record_failure(&state, &error, NOW);
    ck_assert_str_eq(state.blocked, fr_api_cause_name(cause));
    ck_assert_str_eq(state.failure, "list vehicles: failed; wait");
    return state.blocked_until_ms - NOW;
}

START_TEST(the_pause_doubles_up_to_a_limit)
{
    static const struct {
        enum fr_api_cause cause;
        int64_t first, longest;
    } rows[] = {
        {FR_API_LIMIT, HOUR, 24 * HOUR},         {FR_API_RATE, MINUTE, 6 * HOUR},
        {FR_API_SERVER, MINUTE, 6 * HOUR},       {FR_API_NETWORK, 5 * MINUTE, 6 * HOUR},
        {FR_API_REFUSED, 5 * MINUTE, 6 * HOUR},  {FR_API_LOGIN_REQUIRED, 5 * MINUTE, 6 * HOUR},
        {FR_API_MALFORMED, 5 * MINUTE, 6 * HOUR}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t expected = rows[i].first;

        state = (struct fr_state){0};
        for (int n = 0; n < 100; n++) {
            ck_assert_int_eq(pause_after(rows[i].cause, -1), expected);
            expected = expected * 2 < rows[i].longest ? expected * 2 : rows[i].longest;
        }
        ck_assert_uint_eq(state.failures, 100);
        ck_assert(state.login_required == (rows[i].cause == FR_API_LOGIN_REQUIRED));
        fr_push_record_success(&state);
        ck_assert(state.failures == 0 && state.blocked_until_ms == 0 && !state.login_required);
        ck_assert(state.blocked[0] == '\0' && state.failure[0] == '\0');
        ck_assert_int_eq(pause_after(rows[i].cause, -1), rows[i].first);
    }
    state.failures = (unsigned)-1;
    ck_assert_int_eq(pause_after(FR_API_RATE, -1), 6 * HOUR);
    ck_assert_uint_eq(state.failures, (unsigned)-1);
}
END_TEST

START_TEST(retry_after_is_kept_within_bounds)
{
    state = (struct fr_state){0};
    ck_assert_int_eq(pause_after(FR_API_RATE, 17), 17 * SECOND);
    ck_assert_int_eq(pause_after(FR_API_RATE, 0), SECOND);
    ck_assert_int_eq(pause_after(FR_API_SERVER, INT64_MAX), 6 * HOUR);
    ck_assert_int_eq(pause_after(FR_API_SERVER, 86400), 6 * HOUR);
    /* The billing limit has no Retry-After: one is not believed. */
    state = (struct fr_state){0};
    ck_assert_int_eq(pause_after(FR_API_LIMIT, 3), HOUR);
}
END_TEST

START_TEST(a_block_in_the_far_future_is_cut)
{
    state = (struct fr_state){0};
    ck_assert_int_eq(fr_push_blocked_until(&state, NOW), 0);
    state.blocked_until_ms = NOW;
    ck_assert_int_eq(fr_push_blocked_until(&state, NOW), 0);
    state.blocked_until_ms = NOW + 5;
    ck_assert_int_eq(fr_push_blocked_until(&state, NOW), NOW + 5);
    state.blocked_until_ms = NOW + 365 * 24 * HOUR;
    ck_assert_int_eq(fr_push_blocked_until(&state, NOW), NOW + 24 * HOUR);
}
END_TEST

START_TEST(requests_count_for_a_month)
{
    state = (struct fr_state){0};
    fr_push_count_requests(&state, 3, NOW); /* 2026-09-21 */
    ck_assert_int_eq(state.requests_month, 2026 * 12 + 8);
    fr_push_count_requests(&state, 4, NOW);
    ck_assert_uint_eq(state.requests, 7);
    fr_push_count_requests(&state, 2, NOW + 10 * 24 * HOUR);
    ck_assert_int_eq(state.requests_month, 2026 * 12 + 9);
    ck_assert_uint_eq(state.requests, 2);
}
END_TEST

Suite *suite_push(void)
{
    Suite *suite = suite_create("push");
    TCase *tests = tcase_create("push");

    tcase_add_test(tests, the_pause_doubles_up_to_a_limit);
    tcase_add_test(tests, retry_after_is_kept_within_bounds);
    tcase_add_test(tests, a_block_in_the_far_future_is_cut);
    tcase_add_test(tests, requests_count_for_a_month);
    suite_add_tcase(suite, tests);
    return suite;
}
