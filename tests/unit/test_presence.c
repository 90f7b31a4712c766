/* A vehicle's presence over its connections. Time is handed in. */
#include "unit.h"

#include <stdio.h>

#include "ingest/presence.h"

#define VIN "5YJ3E1EA7KF000001"

static char gone[FR_VIN_MAX + 1];

START_TEST(first_up_and_last_down)
{
    struct fr_presence *p = fr_presence_new(100);

    ck_assert(fr_presence_up(p, VIN));
    ck_assert(!fr_presence_up(p, VIN)); /* LTE beside Wi-Fi */
    fr_presence_down(p, VIN, 0);
    ck_assert(!fr_presence_gone(p, 1000, gone));
    fr_presence_down(p, VIN, 1000);
    ck_assert(!fr_presence_gone(p, 1099, gone));
    ck_assert(fr_presence_gone(p, 1100, gone));
    ck_assert_str_eq(gone, VIN);
    ck_assert(!fr_presence_gone(p, 9999, gone));
    ck_assert(fr_presence_up(p, VIN));
    fr_presence_free(p);
}
END_TEST

START_TEST(back_within_the_grace)
{
    struct fr_presence *p = fr_presence_new(100);

    fr_presence_up(p, VIN);
    fr_presence_down(p, VIN, 0);
    ck_assert(!fr_presence_up(p, VIN));
    ck_assert(!fr_presence_gone(p, 1000, gone));
    fr_presence_free(p);
}
END_TEST

START_TEST(expected_after_a_restart)
{
    struct fr_presence *p = fr_presence_new(100);

    fr_presence_expect(p, VIN, 0);
    fr_presence_expect(p, "OTHER", 0);
    ck_assert(!fr_presence_up(p, VIN)); /* it never was away */
    fr_presence_expect(p, VIN, 50);     /* no longer needed */
    ck_assert(fr_presence_gone(p, 100, gone));
    ck_assert_str_eq(gone, "OTHER");
    ck_assert(!fr_presence_gone(p, 1000, gone));
    fr_presence_free(p);
}
END_TEST

START_TEST(many_vehicles)
{
    struct fr_presence *p = fr_presence_new(100);
    char vin[32];
    int count = 0;

    for (int i = 0; i < 1000; i++) {
        snprintf(vin, sizeof vin, "VIN%d", i);
        ck_assert(fr_presence_up(p, vin));
        fr_presence_down(p, vin, i);
    }
    for (int i = 0; i < 1000; i += 2) {
        snprintf(vin, sizeof vin, "VIN%d", i);
        ck_assert(!fr_presence_up(p, vin));
    }
    while (fr_presence_gone(p, 100000, gone)) {
        snprintf(vin, sizeof vin, "VIN%d", 2 * count++ + 1); /* in the order of leaving */
        ck_assert_str_eq(gone, vin);
    }
    ck_assert_int_eq(count, 500);
    fr_presence_free(p);
}
END_TEST

Suite *suite_presence(void)
{
    Suite *suite = suite_create("presence");
    TCase *tests = tcase_create("presence");

    tcase_add_test(tests, first_up_and_last_down);
    tcase_add_test(tests, back_within_the_grace);
    tcase_add_test(tests, expected_after_a_restart);
    tcase_add_test(tests, many_vehicles);
    suite_add_tcase(suite, tests);
    return suite;
}
