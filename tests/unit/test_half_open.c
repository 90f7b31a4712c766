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

/* A connection of these tests is a char that holds its rank. */
static enum fr_half_open_rank rank_of(const void *connection, int64_t age_ms)
{
    ck_assert_int_ge(age_ms, FR_HALF_OPEN_MIN_AGE_MS);
    return (enum fr_half_open_rank) * (const char *)connection;
}

START_TEST(victim_is_the_oldest)
{
    struct fr_half_open pool = {0};
    uint64_t one = 1, seven = 7;
    char connections[300] = {0};

    ck_assert_ptr_null(fr_half_open_victim(&pool, NULL, 0, rank_of));
    for (int i = 0; i < 300; i++)
        fr_half_open_add(&pool, &connections[i], (uint64_t)(i % 3), i);
    ck_assert_ptr_null(fr_half_open_victim(&pool, NULL, FR_HALF_OPEN_MIN_AGE_MS - 1, rank_of));
    ck_assert_ptr_eq(fr_half_open_victim(&pool, NULL, FR_HALF_OPEN_MIN_AGE_MS, rank_of),
                     &connections[0]);
    ck_assert_ptr_null(fr_half_open_victim(&pool, &one, FR_HALF_OPEN_MIN_AGE_MS, rank_of));
    ck_assert_ptr_eq(fr_half_open_victim(&pool, &one, FR_HALF_OPEN_MIN_AGE_MS + 1, rank_of),
                     &connections[1]);
    ck_assert_uint_eq(fr_half_open_of_source(&pool, 1), 100);
    fr_half_open_remove(&pool, &connections[1]);
    fr_half_open_remove(&pool, &connections[0]);
    fr_half_open_remove(&pool, &connections[0]);
    ck_assert_uint_eq(pool.count, 298);
    ck_assert_uint_eq(fr_half_open_of_source(&pool, 1), 99);
    ck_assert_ptr_eq(fr_half_open_victim(&pool, &one, 5000, rank_of), &connections[4]);
    ck_assert_ptr_eq(fr_half_open_victim(&pool, NULL, 5000, rank_of), &connections[2]);
    ck_assert_uint_eq(fr_half_open_of_source(&pool, seven), 0);
    ck_assert_ptr_null(fr_half_open_victim(&pool, &seven, 5000, rank_of));
    fr_half_open_free(&pool);
    ck_assert_uint_eq(pool.count, 0);
}
END_TEST

/* Peers that have sent nothing are closed before handshakes that have begun, whatever their age. */
START_TEST(victim_has_the_lowest_rank)
{
    struct fr_half_open pool = {0};
    char connections[1 + FR_HALF_OPEN_SEARCH_MAX] = {0};

    memset(connections, FR_HALF_OPEN_KEEP, sizeof connections);
    for (size_t i = 0; i < sizeof connections; i++)
        fr_half_open_add(&pool, &connections[i], 1, 0);
    ck_assert_ptr_null(fr_half_open_victim(&pool, NULL, 5000, rank_of));
    connections[7] = connections[8] = FR_HALF_OPEN_BEGUN;
    ck_assert_ptr_eq(fr_half_open_victim(&pool, NULL, 5000, rank_of), &connections[7]);
    connections[20] = connections[21] = FR_HALF_OPEN_IDLE;
    ck_assert_ptr_eq(fr_half_open_victim(&pool, NULL, 5000, rank_of), &connections[20]);
    /* The search is bounded. */
    memset(connections, FR_HALF_OPEN_KEEP, sizeof connections);
    connections[FR_HALF_OPEN_SEARCH_MAX] = FR_HALF_OPEN_IDLE;
    ck_assert_ptr_null(fr_half_open_victim(&pool, NULL, 5000, rank_of));
    fr_half_open_free(&pool);
}
END_TEST

/* A connection that waits for the worker is never closed for another one, and this time is not its age. */
START_TEST(waiting_for_the_worker_is_no_silence)
{
    struct fr_connection c = {.state = FR_CONNECTION_HANDSHAKE};
    char ssl;

    ck_assert_int_eq(fr_limits_rank(&c, FR_HALF_OPEN_MIN_AGE_MS), FR_HALF_OPEN_IDLE);
    c.queued = true;
    ck_assert_int_eq(fr_limits_rank(&c, 60000), FR_HALF_OPEN_KEEP);
    c.queued = false;
    c.waited_ms = 59500;
    ck_assert_int_eq(fr_limits_rank(&c, 60000), FR_HALF_OPEN_KEEP);
    ck_assert_int_eq(fr_limits_rank(&c, 60500), FR_HALF_OPEN_IDLE);
    c.tls.ssl = (SSL *)(void *)&ssl;
    ck_assert_int_eq(fr_limits_rank(&c, 59500 + FR_HALF_OPEN_BEGUN_AGE_MS - 1), FR_HALF_OPEN_KEEP);
    ck_assert_int_eq(fr_limits_rank(&c, 59500 + FR_HALF_OPEN_BEGUN_AGE_MS), FR_HALF_OPEN_BEGUN);
    c.state = FR_CONNECTION_CLOSING;
    ck_assert_int_eq(fr_limits_rank(&c, 60500), FR_HALF_OPEN_IDLE);
}
END_TEST

START_TEST(open_websockets_of_a_source_are_counted)
{
    struct fr_source_counts *counts = fr_source_counts_new();

    ck_assert_uint_eq(fr_source_counts_of(counts, 5), 0);
    ck_assert(fr_source_counts_add(counts, 5, 2));
    ck_assert(fr_source_counts_add(counts, 5, 2));
    ck_assert(!fr_source_counts_add(counts, 5, 2));
    ck_assert_uint_eq(fr_source_counts_of(counts, 5), 2);
    ck_assert_uint_eq(fr_source_counts_of(counts, 6), 0);
    fr_source_counts_remove(counts, 5);
    fr_source_counts_remove(counts, 5);
    ck_assert_uint_eq(fr_source_counts_of(counts, 5), 0);
    fr_source_counts_free(counts);
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
    tcase_add_test(tests, victim_has_the_lowest_rank);
    tcase_add_test(tests, waiting_for_the_worker_is_no_silence);
    tcase_add_test(tests, open_websockets_of_a_source_are_counted);
    tcase_add_test(tests, descriptors_are_divided);
    tcase_add_test(tests, ipv6_source_is_the_network);
    suite_add_tcase(suite, tests);
    return suite;
}
