/* The histogram of the load generator's delays. */
#include "unit.h"

#include "sim/load_delays.h"

START_TEST(an_empty_histogram_has_no_delay)
{
    struct fr_load_delays delays = {0};

    ck_assert_double_eq(fr_load_delays_ms(&delays, 0.5), 0);
    ck_assert_int_eq(delays.max_us, 0);
}
END_TEST

/* A step is at most a 64th of its value wide, and the result is the lower end of the step. */
START_TEST(a_percentile_is_exact_to_a_64th)
{
    struct fr_load_delays delays = {0};

    for (int64_t us = 1; us <= 100000; us++)
        fr_load_delays_add(&delays, us);
    for (int percent = 1; percent <= 99; percent++) {
        double exact = percent, found = fr_load_delays_ms(&delays, percent / 100.0);

        ck_assert_msg(found <= exact && found >= exact * 63 / 64, "%d %%: %g ms", percent, found);
    }
    ck_assert_int_eq(delays.max_us, 100000);
}
END_TEST

START_TEST(few_long_delays_are_in_the_last_percent)
{
    struct fr_load_delays delays = {0};

    for (int i = 0; i < 990; i++)
        fr_load_delays_add(&delays, 5);
    for (int i = 0; i < 10; i++)
        fr_load_delays_add(&delays, 3000000);
    ck_assert_double_eq(fr_load_delays_ms(&delays, 0.99), 0.005);
    ck_assert_double_ge(fr_load_delays_ms(&delays, 0.995), 2950);
    ck_assert_int_eq(delays.max_us, 3000000);
}
END_TEST

/* The clock of the generator may be read before a delay of 0 ends; a delay of days has no step. */
START_TEST(values_outside_the_steps)
{
    struct fr_load_delays delays = {0};

    fr_load_delays_add(&delays, -3);
    ck_assert_double_eq(fr_load_delays_ms(&delays, 1), 0);
    ck_assert_uint_eq(delays.counts[0][0], 1);
    fr_load_delays_add(&delays, INT64_MAX);
    ck_assert_int_eq(delays.max_us, INT64_MAX);
}
END_TEST

Suite *suite_load_delays(void)
{
    Suite *suite = suite_create("load_delays");
    TCase *tests = tcase_create("load_delays");

    tcase_add_test(tests, an_empty_histogram_has_no_delay);
    tcase_add_test(tests, a_percentile_is_exact_to_a_64th);
    tcase_add_test(tests, few_long_delays_are_in_the_last_percent);
    tcase_add_test(tests, values_outside_the_steps);
    suite_add_tcase(suite, tests);
    return suite;
}
