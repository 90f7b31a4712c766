/* A vehicle's presence over its connections. Time is handed in. */
#include "unit.h"

#include <stdio.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/presence.h"

#define VIN "5YJ3E1EA7KF000001"

static char gone[FR_VIN_MAX + 1];
static struct fr_present *car;
static struct fr_presence_link link;
static bool told;

static void announced(void *ctx, const char *vin, bool here)
{
    (void)ctx;
    told = true;
    if (!here)
        strcpy(gone, vin);
}

/* Whether the vehicle came with the connection. */
static bool up(struct fr_presence *p, const char *vin, struct fr_presence_link *connection)
{
    told = false;
    car = fr_presence_up(p, vin, connection, announced, NULL);
    return told;
}

static bool is_gone(struct fr_presence *p, int64_t now_ms)
{
    told = false;
    return fr_presence_gone(p, now_ms, announced, NULL) && told;
}

START_TEST(first_up_and_last_down)
{
    struct fr_presence_link lte;
    struct fr_presence *p = fr_presence_new(100);

    ck_assert(up(p, VIN, &link));
    ck_assert(!up(p, VIN, &lte)); /* LTE beside Wi-Fi */
    fr_presence_down(p, car, &lte, 0);
    ck_assert(!is_gone(p, 1000));
    fr_presence_down(p, car, &link, 1000);
    ck_assert(!is_gone(p, 1099));
    ck_assert(is_gone(p, 1100));
    ck_assert_str_eq(gone, VIN);
    ck_assert(!is_gone(p, 9999));
    ck_assert(up(p, VIN, &link));
    fr_presence_free(p);
}
END_TEST

START_TEST(more_connections_than_allowed)
{
    struct fr_presence *p = fr_presence_new(100);
    struct fr_presence_link links[6], oldest;

    for (unsigned i = 0; i < 6; i++) {
        links[i] = (struct fr_presence_link){.owner = &links[i], .slot = i, .generation = 10 + i};
        up(p, VIN, &links[i]);
    }
    ck_assert(!fr_presence_excess(p, car, 6, &oldest));
    ck_assert(fr_presence_excess(p, car, 4, &oldest));
    ck_assert_ptr_eq(oldest.owner, &links[0]);
    ck_assert_uint_eq(oldest.generation, 10);
    /* One that was named and has not ended yet is neither named nor counted again. */
    ck_assert(fr_presence_excess(p, car, 4, &oldest));
    ck_assert_ptr_eq(oldest.owner, &links[1]);
    ck_assert(!fr_presence_excess(p, car, 4, &oldest));
    fr_presence_down(p, car, &links[1], 0);
    fr_presence_down(p, car, &links[3], 0); /* from the middle, by itself */
    ck_assert(!fr_presence_excess(p, car, 3, &oldest));
    ck_assert(fr_presence_excess(p, car, 2, &oldest));
    ck_assert_ptr_eq(oldest.owner, &links[2]);
    fr_presence_down(p, car, &links[0], 0);
    fr_presence_down(p, car, &links[2], 0);
    fr_presence_down(p, car, &links[5], 0);
    ck_assert(!is_gone(p, 1000));
    fr_presence_down(p, car, &links[4], 1000);
    ck_assert(is_gone(p, 1100));
    fr_presence_free(p);
}
END_TEST

START_TEST(back_within_the_grace)
{
    struct fr_presence *p = fr_presence_new(100);

    up(p, VIN, &link);
    fr_presence_down(p, car, &link, 0);
    ck_assert(!up(p, VIN, &link));
    ck_assert(!is_gone(p, 1000));
    fr_presence_free(p);
}
END_TEST

START_TEST(expected_after_a_restart)
{
    struct fr_presence *p = fr_presence_new(100);

    fr_presence_expect(p, VIN, 0);
    fr_presence_expect(p, "OTHER", 0);
    ck_assert(!up(p, VIN, &link));  /* it never was away */
    fr_presence_expect(p, VIN, 50); /* no longer needed */
    ck_assert(is_gone(p, 100));
    ck_assert_str_eq(gone, "OTHER");
    ck_assert(!is_gone(p, 1000));
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
        ck_assert(up(p, vin, &link));
        fr_presence_down(p, car, &link, i);
    }
    for (int i = 0; i < 1000; i += 2) {
        snprintf(vin, sizeof vin, "VIN%d", i);
        ck_assert(!up(p, vin, &link));
    }
    while (is_gone(p, 100000)) {
        snprintf(vin, sizeof vin, "VIN%d", 2 * count++ + 1); /* in the order of leaving */
        ck_assert_str_eq(gone, vin);
    }
    ck_assert_int_eq(count, 500);
    fr_presence_free(p);
}
END_TEST

START_TEST(remembered_for_people)
{
    struct fr_presence *p = fr_presence_new(100);
    struct fr_presence_status *list;
    size_t here, known;
    char vin[32];

    fr_presence_remember(p, "SLEEPS", 5000);
    up(p, VIN, &link);
    fr_presence_spoke(car, 7000);
    fr_presence_spoke(car, 7001);
    fr_presence_remember(p, VIN, 3); /* older than what is known */
    fr_presence_count(p, &here, &known);
    ck_assert_uint_eq(here, 1);
    ck_assert_uint_eq(known, 2);
    ck_assert_uint_eq(fr_presence_list(p, "", &list), 2);
    ck_assert_str_eq(list[0].vin, VIN);
    ck_assert(list[0].here);
    ck_assert_int_eq(list[0].last_ms, 7001);
    ck_assert_uint_eq(list[0].records, 2);
    ck_assert_str_eq(list[1].vin, "SLEEPS");
    ck_assert(!list[1].here);
    ck_assert_int_eq(list[1].last_ms, 5000);
    free(list);
    ck_assert_uint_eq(fr_presence_list(p, "LEEP", &list), 1);
    free(list);
    /* It leaves, and so many others that it is forgotten; who slept longest goes first. */
    fr_presence_down(p, car, &link, 0);
    ck_assert(is_gone(p, 100));
    for (int i = 0; i < FR_PRESENCE_GONE_MAX - 1; i++) {
        snprintf(vin, sizeof vin, "VIN%d", i);
        fr_presence_remember(p, vin, i);
    }
    ck_assert_uint_eq(fr_presence_list(p, "SLEEPS", &list), 0);
    free(list);
    ck_assert_uint_eq(fr_presence_list(p, VIN, &list), 1);
    free(list);
    fr_presence_count(p, &here, &known);
    ck_assert_uint_eq(here, 0);
    ck_assert_uint_eq(known, FR_PRESENCE_GONE_MAX);
    ck_assert(up(p, "VIN7", &link));
    fr_presence_free(p);
}
END_TEST

/* Two workers: the vehicle comes and goes on one, its grace ends on the other. */
#define ROUNDS 20000

static struct {
    atomic_int order; /* what was announced, up and down in turns */
    atomic_bool wrong, over;
} seen;

static void check_order(void *ctx, const char *vin, bool here)
{
    (void)ctx, (void)vin;
    if (atomic_load(&seen.order) != !here)
        atomic_store(&seen.wrong, true);
    for (volatile int i = 0; i < 200; i++)
        ; /* the time that a record takes to be made and handed over */
    atomic_store(&seen.order, here);
}

static void *end_graces(void *ctx)
{
    while (!atomic_load(&seen.over))
        fr_presence_gone(ctx, 1000, check_order, NULL);
    return NULL;
}

START_TEST(two_workers_keep_the_order)
{
    struct fr_presence *p = fr_presence_new(0);
    pthread_t other;

    memset(&seen, 0, sizeof seen);
    ck_assert_int_eq(pthread_create(&other, NULL, end_graces, p), 0);
    for (int i = 0; i < ROUNDS; i++) {
        car = fr_presence_up(p, VIN, &link, check_order, NULL);
        fr_presence_down(p, car, &link, 0);
    }
    atomic_store(&seen.over, true);
    pthread_join(other, NULL);
    ck_assert(!atomic_load(&seen.wrong));
    fr_presence_free(p);
}
END_TEST

Suite *suite_presence(void)
{
    Suite *suite = suite_create("presence");
    TCase *tests = tcase_create("presence");

    tcase_add_test(tests, first_up_and_last_down);
    tcase_add_test(tests, more_connections_than_allowed);
    tcase_add_test(tests, two_workers_keep_the_order);
    tcase_add_test(tests, back_within_the_grace);
    tcase_add_test(tests, expected_after_a_restart);
    tcase_add_test(tests, many_vehicles);
    tcase_add_test(tests, remembered_for_people);
    suite_add_tcase(suite, tests);
    return suite;
}
