/* The texts of a request: parameters, parts of the path, hosts, origins. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "admin/http_guard.h"
#include "admin/http_query.h"

static char value[16], segment[FR_HTTP_SEGMENT_SIZE];

static enum fr_http_found find(const char *query, const char *key)
{
    return fr_http_query_text(query, key, value, sizeof value);
}

START_TEST(parameters_are_decoded)
{
    ck_assert_int_eq(find("a=1&b=%41+b%2B&c=", "b"), FR_HTTP_FOUND);
    ck_assert_str_eq(value, "A b+");
    ck_assert_int_eq(find("a=1&b=2&a=3", "a"), FR_HTTP_FOUND);
    ck_assert_str_eq(value, "1");
    ck_assert_int_eq(find("c=", "c"), FR_HTTP_FOUND);
    ck_assert_str_eq(value, "");
    ck_assert_int_eq(find("ab=1&xa=2&&=&a", "a"), FR_HTTP_ABSENT);
    ck_assert_int_eq(find("", "a"), FR_HTTP_ABSENT);
    ck_assert_int_eq(find("a=%c3%a4", "a"), FR_HTTP_FOUND);
    ck_assert_str_eq(value, "\xc3\xa4");
    ck_assert_int_eq(find("a=123456789012345", "a"), FR_HTTP_FOUND);
}
END_TEST

START_TEST(malformed_parameters_are_empty)
{
    static const char *const queries[] = {
        "a=%",         "a=%4",    "a=%4g", "a=%00",    "a=x%00y", "a=%ff",
        "a=%c3",       "a=%0a",   "a=%7f", "a=%c2%85", "a=\x01",  "a=1234567890123456",
        "a=%ed%a0%80", "a=%41%4",
    };

    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        ck_assert_msg(find(queries[i], "a") == FR_HTTP_MALFORMED, "%s", queries[i]);
        ck_assert_str_eq(value, "");
    }
}
END_TEST

START_TEST(numbers_have_a_range)
{
    int64_t number;

    ck_assert(fr_http_query_number("n=12", "n", 0, 12, 5, &number) && number == 12);
    ck_assert(fr_http_query_number("n=-3", "n", -3, 12, 5, &number) && number == -3);
    ck_assert(fr_http_query_number("", "n", 0, 12, 5, &number) && number == 5);
    ck_assert(fr_http_query_number("n=", "n", 0, 12, 5, &number) && number == 5);
    ck_assert(!fr_http_query_number("n=13", "n", 0, 12, 5, &number) && number == 5);
    ck_assert(!fr_http_query_number("n=-", "n", -5, 12, 5, &number));
    ck_assert(!fr_http_query_number("n=1x", "n", 0, 12, 5, &number));
    ck_assert(!fr_http_query_number("n=+1", "n", 0, 12, 5, &number));
    ck_assert(!fr_http_query_number("n=99999999999999999999", "n", 0, INT64_MAX, 5, &number));
    ck_assert(!fr_http_query_number("n=9223372036854775808", "n", 0, INT64_MAX, 5, &number));
}
END_TEST

static enum fr_http_match match(const char *pattern, const char *path)
{
    return fr_http_path_match(pattern, path, segment);
}

START_TEST(paths_match_patterns)
{
    ck_assert_int_eq(match("/status", "/status"), FR_HTTP_MATCH);
    ck_assert_int_eq(match("/status", "/status/"), FR_HTTP_NO_MATCH);
    ck_assert_int_eq(match("/v/{vin}", "/v/5YJ%203"), FR_HTTP_MATCH);
    ck_assert_str_eq(segment, "5YJ 3");
    ck_assert_int_eq(match("/v/{vin}", "/v/"), FR_HTTP_NO_MATCH);
    ck_assert_int_eq(match("/v/{vin}", "/v/a/b"), FR_HTTP_NO_MATCH);
    ck_assert_int_eq(match("/v/{vin}", "/v/a/"), FR_HTTP_NO_MATCH);
    ck_assert_int_eq(match("/v/{vin}/history", "/v/a/history"), FR_HTTP_MATCH);
    ck_assert_str_eq(segment, "a");
    ck_assert_int_eq(match("/v/{vin}/history", "/v/a/historyx"), FR_HTTP_NO_MATCH);
    ck_assert_int_eq(match("/web/*", "/web/a/b.js"), FR_HTTP_MATCH);
    ck_assert_str_eq(segment, "a/b.js");
    ck_assert_int_eq(match("/web/*", "/web/"), FR_HTTP_NO_MATCH);
    ck_assert_int_eq(match("/v/{vin}", "/v/a+b"), FR_HTTP_MATCH);
    ck_assert_str_eq(segment, "a+b");
}
END_TEST

START_TEST(parts_of_a_path_stay_inside)
{
    static const char *const parts[] = {"%2e%2e", "..",  ".", "a%2fb",   "a%5cb", "%00",
                                        "a%00b",  "%ff", "%", "a%0d%0a", "%c2%80"};
    static const char *const paths[] = {"../x",       "a/../b",     "a//b", "a/",  "./a",
                                        "a/%2e%2e/b", "%2e%2e%2fx", "a\\b", "/etc"};
    char path[300];

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(path, sizeof path, "/v/%s", parts[i]);
        ck_assert_msg(match("/v/{vin}", path) == FR_HTTP_BAD_SEGMENT, "%s", path);
        ck_assert_str_eq(segment, "");
    }
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        snprintf(path, sizeof path, "/web/%s", paths[i]);
        ck_assert_msg(match("/web/*", path) == FR_HTTP_BAD_SEGMENT, "%s", path);
    }
    memset(path, 'x', sizeof path);
    memcpy(path, "/v/", 3);
    path[3 + FR_HTTP_SEGMENT_SIZE] = '\0';
    ck_assert_int_eq(match("/v/{vin}", path), FR_HTTP_BAD_SEGMENT);
    path[3 + FR_HTTP_SEGMENT_SIZE - 1] = '\0';
    ck_assert_int_eq(match("/v/{vin}", path), FR_HTTP_MATCH);
}
END_TEST

START_TEST(hosts_are_names_of_this_server)
{
    static const char *const allowed[] = {
        "localhost",  "LOCALHOST:8080", "localhost.",  "127.0.0.1:1", "192.0.2.7",
        "[::1]:8080", "[2001:db8::1]",  "cars.lan:80", "Cars.LAN",
    };
    static const char *const refused[] = {
        "example.com",
        "localhost.example.com",
        "127.0.0.1.example.com:80",
        "",
        ":80",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "localhost:80:80",
        "localhost:x",
        "[::1",
        "[localhost]",
        "::1",
        "localhost@example.com",
        "localhost/x",
        "cars.lan.example.com",
        "local host",
        "localhost,example.com",
    };
    char *hosts[] = {(char *)"cars.lan"};
    struct fr_http_names *names = fr_http_names_new(hosts, 1);

    ck_assert(fr_http_host_allowed(names, NULL, NULL));
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        ck_assert_msg(fr_http_host_allowed(names, allowed[i], NULL), "%s", allowed[i]);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        ck_assert_msg(!fr_http_host_allowed(names, refused[i], NULL), "%s", refused[i]);
    fr_http_names_free(names);
}
END_TEST

static bool origin(const char *host, const char *from, bool tls)
{
    struct fr_http_origin headers = {.host = host, .origin = from};

    return fr_http_origin_allowed(&headers, tls, true);
}

START_TEST(origins_are_this_server)
{
    ck_assert(origin("a:8480", NULL, false));
    ck_assert(origin("a:8480", "http://a:8480", false));
    ck_assert(origin("a:8480", "HTTP://A:8480", false));
    ck_assert(origin("a", "http://a:80", false));
    ck_assert(origin("a:443", "https://a", true));
    ck_assert(origin("a", "https://a", false)); /* behind a proxy with TLS */
    ck_assert(origin("[::1]:8480", "http://[::1]:8480", false));
    ck_assert(!origin("a:8480", "http://a:8480", true));
    ck_assert(!origin("a:8480", "http://a", false));
    ck_assert(!origin("a:8480", "http://b:8480", false));
    ck_assert(!origin("a:8480", "http://a:8481", false));
    ck_assert(!origin("a:8480", "null", false));
    ck_assert(!origin("a:8480", "", false));
    ck_assert(!origin("a:8480", "http://a:8480/", false));
    ck_assert(!origin("a:8480", "http://a:8480.b", false));
    ck_assert(!origin("a:8480", "file://a:8480", false));
    ck_assert(!origin(NULL, "http://a:8480", false));
}
END_TEST

static bool fetch(const char *site, const char *mode, const char *dest, bool may_navigate)
{
    struct fr_http_origin headers = {
        .host = "a", .fetch_site = site, .fetch_mode = mode, .fetch_dest = dest};

    return fr_http_origin_allowed(&headers, false, may_navigate);
}

START_TEST(other_sites_may_only_link)
{
    ck_assert(fetch("same-origin", "cors", "empty", false));
    ck_assert(fetch("none", "navigate", "document", false));
    ck_assert(!fetch("cross-site", "no-cors", "image", true));
    ck_assert(!fetch("same-site", "cors", "empty", true));
    ck_assert(!fetch("cross-site", "navigate", "iframe", true));
    ck_assert(!fetch("cross-site", "navigate", "document", false));
    ck_assert(fetch("cross-site", "navigate", "document", true));
    ck_assert(!fetch("", "navigate", "", true));
}
END_TEST

Suite *suite_http_query(void)
{
    Suite *suite = suite_create("http_query");
    TCase *tests = tcase_create("http_query");

    tcase_add_test(tests, parameters_are_decoded);
    tcase_add_test(tests, malformed_parameters_are_empty);
    tcase_add_test(tests, numbers_have_a_range);
    tcase_add_test(tests, paths_match_patterns);
    tcase_add_test(tests, parts_of_a_path_stay_inside);
    tcase_add_test(tests, hosts_are_names_of_this_server);
    tcase_add_test(tests, origins_are_this_server);
    tcase_add_test(tests, other_sites_may_only_link);
    suite_add_tcase(suite, tests);
    return suite;
}
