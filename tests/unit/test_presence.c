/* The presence of a vehicle with several connections. The tests pass the time as an argument. */
#include "unit.h"

#include <stdio.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/presence.h"
#include "ingest/presence_status.h"

#define VIN "5YJ3E1EA7KF000001"

static char expired_vin[FR_VIN_MAX + 1];
static struct fr_presence_vehicle *vehicle;
static struct fr_presence_link link;
static bool reported;

static void on_presence(void *ctx, const char *vin, bool connected)
{
    (void)ctx;
    reported = true;
    if (!connected)
        strcpy(expired_vin, vin);
}

/* Add a connection. Returns whether a change of presence is reported. */
static bool add_connection(struct fr_presence *p, const char *vin,
                           struct fr_presence_link *connection)
{
    reported = false;
    connection->peer = "192.0.2.7:50000";
    vehicle = fr_presence_up(p, vin, connection, 0, on_presence, NULL);
    return reported;
}

/* Expire one vehicle whose grace period is over. Returns whether the change is reported. */
static bool expires(struct fr_presence *p, int64_t now_ms)
{
    reported = false;
    return fr_presence_disconnect(p, now_ms, on_presence, NULL) && reported;
}

START_TEST(first_connection_and_last_disconnection)
{
    struct fr_presence_link lte;
    struct fr_presence *p = fr_presence_new(100);

    ck_assert(add_connection(p, VIN, &link));
    ck_assert(!add_connection(p, VIN, &lte)); /* LTE beside Wi-Fi */
    fr_presence_down(p, vehicle, &lte, 0);
    ck_assert(!expires(p, 1000));
    fr_presence_down(p, vehicle, &link, 1000);
    ck_assert(!expires(p, 1099));
    ck_assert(expires(p, 1100));
    ck_assert_str_eq(expired_vin, VIN);
    ck_assert(!expires(p, 9999));
    ck_assert(add_connection(p, VIN, &link));
    fr_presence_free(p);
}
END_TEST

START_TEST(excess_connections_are_returned_once)
{
    struct fr_presence *p = fr_presence_new(100);
    struct fr_presence_link links[6], oldest;

    for (unsigned i = 0; i < 6; i++) {
        links[i] = (struct fr_presence_link){.owner = &links[i], .slot = i, .generation = 10 + i};
        add_connection(p, VIN, &links[i]);
    }
    ck_assert(!fr_presence_excess(p, vehicle, 6, &oldest));
    ck_assert(fr_presence_excess(p, vehicle, 4, &oldest));
    ck_assert_ptr_eq(oldest.owner, &links[0]);
    ck_assert_uint_eq(oldest.generation, 10);
    /* A connection that was returned and has not ended is neither returned nor counted again. */
    ck_assert(fr_presence_excess(p, vehicle, 4, &oldest));
    ck_assert_ptr_eq(oldest.owner, &links[1]);
    ck_assert(!fr_presence_excess(p, vehicle, 4, &oldest));
    fr_presence_down(p, vehicle, &links[1], 0);
    fr_presence_down(p, vehicle, &links[3], 0); /* from the middle of the list */
    ck_assert(!fr_presence_excess(p, vehicle, 3, &oldest));
    ck_assert(fr_presence_excess(p, vehicle, 2, &oldest));
    ck_assert_ptr_eq(oldest.owner, &links[2]);
    fr_presence_down(p, vehicle, &links[0], 0);
    fr_presence_down(p, vehicle, &links[2], 0);
    fr_presence_down(p, vehicle, &links[5], 0);
    ck_assert(!expires(p, 1000));
    fr_presence_down(p, vehicle, &links[4], 1000);
    ck_assert(expires(p, 1100));
    fr_presence_free(p);
}
END_TEST

START_TEST(reconnection_within_the_grace_period)
{
    struct fr_presence *p = fr_presence_new(100);

    add_connection(p, VIN, &link);
    fr_presence_down(p, vehicle, &link, 0);
    ck_assert(!add_connection(p, VIN, &link));
    ck_assert(!expires(p, 1000));
    fr_presence_free(p);
}
END_TEST

START_TEST(expected_vehicle_is_not_reported_again)
{
    struct fr_presence *p = fr_presence_new(100);

    fr_presence_expect(p, VIN, 0);
    fr_presence_expect(p, "OTHER", 0);
    ck_assert(!add_connection(p, VIN, &link)); /* connected before the restart */
    fr_presence_expect(p, VIN, 50);            /* no effect: the vehicle is connected */
    ck_assert(expires(p, 100));
    ck_assert_str_eq(expired_vin, "OTHER");
    ck_assert(!expires(p, 1000));
    fr_presence_free(p);
}
END_TEST

START_TEST(expiry_can_be_delayed)
{
    struct fr_presence *p = fr_presence_new(100);

    fr_presence_expect(p, VIN, 0);
    fr_presence_delay_expiry(p, 60);
    ck_assert(!expires(p, 159));
    fr_presence_delay_expiry(p, 40);
    ck_assert(!expires(p, 199));
    fr_presence_expect(p, "LATER", 199); /* the delay before does not count for it */
    ck_assert(expires(p, 200));
    ck_assert_str_eq(expired_vin, VIN);
    ck_assert(!expires(p, 298));
    ck_assert(expires(p, 299));
    ck_assert_str_eq(expired_vin, "LATER");
    fr_presence_free(p);
}
END_TEST

/* State one vehicle again. Returns whether it is reported. */
static bool states(struct fr_presence *p, int64_t now_ms)
{
    reported = false;
    return fr_presence_restate(p, now_ms, on_presence, NULL) && reported;
}

START_TEST(connected_vehicles_are_stated_again)
{
    struct fr_presence *p = fr_presence_new(100);
    struct fr_presence_vehicle *first;
    struct fr_presence_link other, wifi;

    ck_assert(add_connection(p, VIN, &link));
    ck_assert(!states(p, 1000000)); /* not one of several front-ends */
    fr_presence_set_restate(p, 1000);
    first = vehicle;
    ck_assert(!states(p, 999));
    ck_assert(states(p, 1000));
    ck_assert(!states(p, 1000));
    ck_assert(!add_connection(p, VIN, &wifi)); /* it has a connection already */
    fr_presence_down(p, first, &wifi, 1000);
    ck_assert(add_connection(p, "OTHER", &other));
    ck_assert(states(p, 2000)); /* OTHER, of the time 0 */
    ck_assert(states(p, 2000));
    ck_assert(!states(p, 2999));
    fr_presence_down(p, first, &link, 2000);
    ck_assert(states(p, 3000)); /* OTHER; a vehicle in its grace period is not stated */
    ck_assert(!states(p, 3000));
    ck_assert(add_connection(p, VIN, &link)); /* its last statement may be old */
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
        ck_assert(add_connection(p, vin, &link));
        fr_presence_down(p, vehicle, &link, i);
    }
    for (int i = 0; i < 1000; i += 2) {
        snprintf(vin, sizeof vin, "VIN%d", i);
        ck_assert(!add_connection(p, vin, &link));
    }
    while (expires(p, 100000)) {
        snprintf(vin, sizeof vin, "VIN%d", 2 * count++ + 1); /* in the order of disconnection */
        ck_assert_str_eq(expired_vin, vin);
    }
    ck_assert_int_eq(count, 500);
    fr_presence_free(p);
}
END_TEST

static int64_t connected_ms(struct fr_presence *p)
{
    struct fr_presence_status *list;
    int64_t ms;

    ck_assert_uint_eq(fr_presence_list(p, VIN, &list), 1);
    ms = list[0].connected_ms;
    free(list);
    return ms;
}

START_TEST(time_of_the_connection)
{
    struct fr_presence *p = fr_presence_new(100);
    struct fr_presence_link lte = {.peer = ""};

    fr_presence_expect(p, VIN, 3);
    ck_assert_int_eq(connected_ms(p), 3);
    vehicle = fr_presence_up(p, VIN, &lte, 50, on_presence, NULL);
    fr_presence_down(p, vehicle, &lte, 60);
    ck_assert_int_eq(connected_ms(p), 3); /* it did not expire */
    ck_assert(expires(p, 160));
    vehicle = fr_presence_up(p, VIN, &lte, 500, on_presence, NULL);
    ck_assert_int_eq(connected_ms(p), 500);
    fr_presence_free(p);
}
END_TEST

START_TEST(status_lists_expired_vehicles)
{
    struct fr_presence *p = fr_presence_new(100);
    struct fr_presence_status *list;
    size_t connected, known;
    char vin[32];

    fr_presence_restore_last_seen(p, "SLEEPS", 5000);
    add_connection(p, VIN, &link);
    fr_presence_touch(vehicle, 7000);
    fr_presence_touch(vehicle, 7001);
    fr_presence_restore_last_seen(p, VIN, 3); /* older than the known time */
    fr_presence_count(p, &connected, &known);
    ck_assert_uint_eq(connected, 1);
    ck_assert_uint_eq(known, 2);
    ck_assert_uint_eq(fr_presence_list(p, "", &list), 2);
    ck_assert_str_eq(list[0].vin, VIN);
    ck_assert(list[0].connected);
    ck_assert_int_eq(list[0].last_seen_ms, 7001);
    ck_assert_uint_eq(list[0].records, 2);
    ck_assert_str_eq(list[0].peer, "192.0.2.7:50000");
    ck_assert_str_eq(list[1].vin, "SLEEPS");
    ck_assert(!list[1].connected);
    ck_assert_int_eq(list[1].last_seen_ms, 5000);
    ck_assert_str_eq(list[1].peer, "");
    free(list);
    ck_assert_uint_eq(fr_presence_list(p, "LEEP", &list), 1);
    free(list);
    /* The table of expired vehicles overflows: the vehicle with the oldest last_seen is removed. */
    fr_presence_down(p, vehicle, &link, 0);
    ck_assert(expires(p, 100));
    for (int i = 0; i < FR_PRESENCE_EXPIRED_MAX - 1; i++) {
        snprintf(vin, sizeof vin, "VIN%d", i);
        fr_presence_restore_last_seen(p, vin, i);
    }
    ck_assert_uint_eq(fr_presence_list(p, "SLEEPS", &list), 0);
    free(list);
    ck_assert_uint_eq(fr_presence_list(p, VIN, &list), 1);
    free(list);
    fr_presence_count(p, &connected, &known);
    ck_assert_uint_eq(connected, 0);
    ck_assert_uint_eq(known, FR_PRESENCE_EXPIRED_MAX);
    ck_assert(add_connection(p, "VIN7", &link));
    fr_presence_free(p);
}
END_TEST

/* Two workers: the vehicle connects and disconnects on one, its grace period ends on the other. */
#define ROUNDS 20000

static struct {
    atomic_int order; /* the last report: 1 connected, 0 expired; the reports alternate */
    atomic_bool out_of_order, stop;
} seen;

static void check_order(void *ctx, const char *vin, bool connected)
{
    (void)ctx, (void)vin;
    if (atomic_load(&seen.order) != !connected)
        atomic_store(&seen.out_of_order, true);
    for (volatile int i = 0; i < 200; i++)
        ; /* simulates the time to create and enqueue a record */
    atomic_store(&seen.order, connected);
}

static void *expire_vehicles(void *ctx)
{
    while (!atomic_load(&seen.stop))
        fr_presence_disconnect(ctx, 1000, check_order, NULL);
    return NULL;
}

START_TEST(reports_of_two_workers_are_ordered)
{
    struct fr_presence *p = fr_presence_new(0);
    pthread_t other;

    memset(&seen, 0, sizeof seen);
    ck_assert_int_eq(pthread_create(&other, NULL, expire_vehicles, p), 0);
    for (int i = 0; i < ROUNDS; i++) {
        vehicle = fr_presence_up(p, VIN, &link, 0, check_order, NULL);
        fr_presence_down(p, vehicle, &link, 0);
    }
    atomic_store(&seen.stop, true);
    pthread_join(other, NULL);
    ck_assert(!atomic_load(&seen.out_of_order));
    fr_presence_free(p);
}
END_TEST

START_TEST(all_vehicles_are_listed_in_slices)
{
    enum { VEHICLES = 5000 };
    struct fr_presence *p = fr_presence_new(1000);
    struct fr_presence_link *links = calloc(VEHICLES, sizeof *links);
    struct fr_presence_status *list, status;
    char vin[FR_VIN_MAX + 1];
    size_t sum = 0;

    ck_assert_uint_eq(fr_presence_list_all(p, &list), 0);
    ck_assert_ptr_nonnull(list);
    free(list);
    for (int i = 0; i < VEHICLES; i++) {
        snprintf(vin, sizeof vin, "VIN%05d", i);
        add_connection(p, vin, &links[i]);
        fr_presence_touch(vehicle, i + 1);
    }
    fr_presence_fault(vehicle, 77);
    fr_presence_fault(vehicle, 78);
    ck_assert_uint_eq(fr_presence_list_all(p, &list), VEHICLES);
    for (int i = 0; i < VEHICLES; i++)
        sum += (size_t)list[i].last_seen_ms;
    ck_assert_uint_eq(sum, (size_t)VEHICLES * (VEHICLES + 1) / 2); /* each one once */
    free(list);
    ck_assert(fr_presence_find(p, vin, &status));
    ck_assert_str_eq(status.vin, vin);
    ck_assert(status.connected);
    ck_assert_uint_eq(status.faults, 2);
    ck_assert_int_eq(status.last_fault_ms, 78);
    ck_assert(!fr_presence_find(p, "VIN", &status));
    fr_presence_free(p);
    free(links);
}
END_TEST

static _Atomic bool adding;

static void *add_vehicles(void *ctx)
{
    enum { VEHICLES = 3000 };
    struct fr_presence *p = ctx;
    struct fr_presence_link *links = calloc(VEHICLES, sizeof *links);
    char vin[FR_VIN_MAX + 1];

    for (int i = 0; i < VEHICLES; i++) {
        struct fr_presence_vehicle *v;

        snprintf(vin, sizeof vin, "NEW%05d", i);
        v = fr_presence_up(p, vin, &links[i], 0, on_presence, NULL);
        fr_presence_down(p, v, &links[i], 0);
    }
    free(links);
    adding = false;
    return NULL;
}

/* The table grows while it is listed. */
START_TEST(a_list_survives_new_vehicles)
{
    struct fr_presence *p = fr_presence_new(1000);
    struct fr_presence_status *list;
    pthread_t thread;
    size_t count, before = 0;

    adding = true;
    ck_assert_int_eq(pthread_create(&thread, NULL, add_vehicles, p), 0);
    while (adding) {
        count = fr_presence_list_all(p, &list);
        ck_assert_ptr_nonnull(list);
        ck_assert_uint_ge(count, before);
        before = count;
        free(list);
    }
    pthread_join(thread, NULL);
    ck_assert_uint_eq(fr_presence_list_all(p, &list), 3000);
    free(list);
    fr_presence_free(p);
}
END_TEST

Suite *suite_presence(void)
{
    Suite *suite = suite_create("presence");
    TCase *tests = tcase_create("presence");

    tcase_add_test(tests, first_connection_and_last_disconnection);
    tcase_add_test(tests, excess_connections_are_returned_once);
    tcase_add_test(tests, reports_of_two_workers_are_ordered);
    tcase_add_test(tests, reconnection_within_the_grace_period);
    tcase_add_test(tests, expected_vehicle_is_not_reported_again);
    tcase_add_test(tests, expiry_can_be_delayed);
    tcase_add_test(tests, connected_vehicles_are_stated_again);
    tcase_add_test(tests, many_vehicles);
    tcase_add_test(tests, time_of_the_connection);
    tcase_add_test(tests, status_lists_expired_vehicles);
    tcase_add_test(tests, all_vehicles_are_listed_in_slices);
    tcase_add_test(tests, a_list_survives_new_vehicles);
    suite_add_tcase(suite, tests);
    return suite;
}
