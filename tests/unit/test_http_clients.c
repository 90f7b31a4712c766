/* The choice of the connection that the admin listener closes in favour of a new one. */
#include "unit.h"

#include <string.h>

#include "admin/http_clients.h"

static struct fr_http_clients clients;

static void add(size_t count, uint64_t first_source, uint64_t step, bool local)
{
    for (size_t i = 0; i < count; i++)
        clients.list[clients.count++] =
            (struct fr_http_client){.source = first_source + step * i, .local = local};
}

START_TEST(connections_of_a_source_are_limited)
{
    memset(&clients, 0, sizeof clients);
    ck_assert_int_eq(fr_http_clients_victim(&clients), -1);
    add(3, 100, 1, false);
    add(FR_HTTP_CLIENTS_SOURCE_MAX, 7, 0, false);
    ck_assert_int_eq(fr_http_clients_victim(&clients), -1);
    add(1, 7, 0, true); /* a local client with the same number is another source */
    ck_assert_int_eq(fr_http_clients_victim(&clients), -1);
    add(1, 7, 0, false);
    ck_assert_int_eq(fr_http_clients_victim(&clients), 3);
}
END_TEST

START_TEST(connections_are_reserved_for_local_clients)
{
    memset(&clients, 0, sizeof clients);
    add(2, 1, 1, true);
    add(FR_HTTP_CLIENTS_REMOTE_MAX, 100, 1, false);
    ck_assert_int_eq(fr_http_clients_victim(&clients), -1);
    add(1, 5000, 1, false);
    ck_assert_int_eq(fr_http_clients_victim(&clients), 2);
    clients.count--;
    add(FR_HTTP_CLIENTS_MAX - FR_HTTP_CLIENTS_REMOTE_MAX - 2, 10, 1, true);
    ck_assert_int_eq(fr_http_clients_victim(&clients), -1);
    add(1, 99, 1, true);
    ck_assert_int_eq(fr_http_clients_victim(&clients), 0);
}
END_TEST

Suite *suite_http_clients(void)
{
    Suite *suite = suite_create("http_clients");
    TCase *tests = tcase_create("http_clients");

    tcase_add_test(tests, connections_of_a_source_are_limited);
    tcase_add_test(tests, connections_are_reserved_for_local_clients);
    suite_add_tcase(suite, tests);
    return suite;
}
