/* The table of half-open connections. The tests pass the time as an argument. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "ingest/half_open.h"
#include "ingest/limits.h"
#include "util/address.h"

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = 77};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        memcpy(&storage, &v4, sizeof v4);
    else {
        ck_assert_int_eq(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
        memcpy(&storage, &v6, sizeof v6);
    }
    return storage;
}

static uint64_t source(const char *text)
{
    struct sockaddr_storage storage = address(text);

    return fr_address_source(&storage);
}

START_TEST(victim_is_the_oldest)
{
    struct fr_half_open pool = {0};
    struct fr_half_open_entry oldest;
    char connections[300];

    ck_assert_ptr_null(fr_half_open_victim(&pool, 0));
    for (int i = 0; i < 300; i++)
        fr_half_open_add(&pool, &connections[i], (uint64_t)(i % 3), i);
    ck_assert_ptr_null(fr_half_open_victim(&pool, FR_HALF_OPEN_MIN_AGE_MS - 1));
    ck_assert_ptr_eq(fr_half_open_victim(&pool, FR_HALF_OPEN_MIN_AGE_MS), &connections[0]);
    ck_assert_uint_eq(fr_half_open_of_source(&pool, 1, &oldest), 100);
    ck_assert_ptr_eq(oldest.connection, &connections[1]);
    fr_half_open_remove(&pool, &connections[1]);
    fr_half_open_remove(&pool, &connections[0]);
    fr_half_open_remove(&pool, &connections[0]);
    ck_assert_uint_eq(pool.count, 298);
    ck_assert_uint_eq(fr_half_open_of_source(&pool, 1, &oldest), 99);
    ck_assert_ptr_eq(oldest.connection, &connections[4]);
    ck_assert_ptr_eq(fr_half_open_victim(&pool, 5000), &connections[2]);
    ck_assert_uint_eq(fr_half_open_of_source(&pool, 7, &oldest), 0);
    fr_half_open_free(&pool);
    ck_assert_uint_eq(pool.count, 0);
}
END_TEST

/* Each worker has its part of the descriptors that vehicles leave, so one worker cannot hold them all. */
START_TEST(descriptors_are_divided)
{
    struct fr_ingest ingest = {.worker_count = 4};
    struct fr_worker worker = {.ingest = &ingest, .settings = {.half_open = 1000, .sockets = 100}};

    ck_assert_uint_eq(fr_limits_half_open_max(&worker), 25);
    worker.half_open.count = 24;
    ck_assert(!fr_limits_half_open_full(&worker));
    worker.half_open.count = 25;
    ck_assert(fr_limits_half_open_full(&worker));
    atomic_store(&ingest.connections, 60);
    ck_assert_uint_eq(fr_limits_half_open_max(&worker), 10);
    atomic_store(&ingest.connections, 100);
    ck_assert_uint_eq(fr_limits_half_open_max(&worker), 1);
    atomic_store(&ingest.connections, 101);
    ck_assert_uint_eq(fr_limits_half_open_max(&worker), 1);
    worker.settings.sockets = 100000;
    ck_assert_uint_eq(fr_limits_half_open_max(&worker), 250);
}
END_TEST

START_TEST(ipv6_source_is_the_network)
{
    ck_assert(source("127.0.0.1") == source("::ffff:127.0.0.1"));
    ck_assert(source("127.0.0.1") != source("127.0.0.2"));
    ck_assert(source("2001:db8:1:2::1") == source("2001:db8:1:2:ffff::9"));
    ck_assert(source("2001:db8:1:2::1") != source("2001:db8:1:3::1"));
}
END_TEST

Suite *suite_half_open(void)
{
    Suite *suite = suite_create("half_open");
    TCase *tests = tcase_create("half_open");

    tcase_add_test(tests, victim_is_the_oldest);
    tcase_add_test(tests, descriptors_are_divided);
    tcase_add_test(tests, ipv6_source_is_the_network);
    suite_add_tcase(suite, tests);
    return suite;
}
