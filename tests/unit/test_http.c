#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/http_upgrade.h"

static const char good[] = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                           "Connection: keep-alive, Upgrade\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                           "Sec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Extensions: permessage-deflate\r\n"
                           "Version: 1.2.0\r\nX-Network-Interface: wifi\r\n"
                           "X-TXID: 11111111-2222-3333-4444-555555555555\r\n\r\n";

START_TEST(a_cars_request)
{
    struct fr_http_request r;

    ck_assert_uint_eq(fr_http_request_read(good, sizeof good - 1, &r), sizeof good - 1);
    ck_assert_int_eq(r.status, 0);
    ck_assert(r.is_get && r.upgrade && r.version_13);
    ck_assert_str_eq(r.key, "dGhlIHNhbXBsZSBub25jZQ==");
    ck_assert_str_eq(r.client_version, "1.2.0");
    ck_assert_str_eq(r.network_interface, "wifi");
    ck_assert_str_eq(r.connection_id, "11111111-2222-3333-4444-555555555555");
    for (size_t i = 0; i < sizeof good - 1; i++)
        ck_assert_uint_eq(fr_http_request_read(good, i, &r), 0);
}
END_TEST

/* However a head is cut into pieces, its end is found with the piece that has it and not before. */
START_TEST(a_head_in_pieces)
{
    static const char short_lines[] = "GET / HTTP/1.1\nA: b\n\n";
    static char long_line[FR_HTTP_HEAD_MAX + 1];

    for (size_t cut = 0; cut < sizeof good - 1; cut++) {
        ck_assert(!fr_http_head_may_end(good, cut, 0));
        ck_assert(fr_http_head_may_end(good, sizeof good - 1, cut));
        ck_assert(!fr_http_head_may_end(good, cut, cut / 2));
    }
    for (size_t cut = 0; cut < sizeof short_lines - 1; cut++)
        ck_assert(fr_http_head_may_end(short_lines, sizeof short_lines - 1, cut));
    memset(long_line, 'a', sizeof long_line);
    ck_assert(!fr_http_head_may_end(long_line, FR_HTTP_HEAD_MAX, 0));
    ck_assert(fr_http_head_may_end(long_line, sizeof long_line, FR_HTTP_HEAD_MAX));
}
END_TEST

START_TEST(the_answer_accepts_no_extension)
{
    struct fr_buffer out = {0};
    char key[32];

    fr_http_accept_key("dGhlIHNhbXBsZSBub25jZQ==", key);
    ck_assert_str_eq(key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); /* RFC 6455, 1.3 */
    fr_http_accept(&out, "dGhlIHNhbXBsZSBub25jZQ==");
    ck_assert_ptr_null(strstr(fr_buffer_string(&out), "Extensions"));
    fr_buffer_free(&out);
}
END_TEST

START_TEST(bad_requests_get_a_status)
{
    static const struct {
        const char *text;
        int status;
    } bad[] = {
        {"GET\r\n\r\n", 400},
        {"GET  HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n folded\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400},
        {"\x16\x03\x01\n\n", 400},
    };
    struct fr_http_request r;
    char *large = malloc(FR_HTTP_HEAD_MAX + 2);

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_uint_ne(fr_http_request_read(bad[i].text, strlen(bad[i].text), &r), 0);
        ck_assert_msg(r.status == bad[i].status, "%s", bad[i].text);
    }
    memset(large, 'a', FR_HTTP_HEAD_MAX + 1);
    ck_assert_uint_ne(fr_http_request_read(large, FR_HTTP_HEAD_MAX + 1, &r), 0);
    ck_assert_int_eq(r.status, 431);
    free(large);
}
END_TEST

Suite *suite_http(void)
{
    Suite *suite = suite_create("http");
    TCase *tests = tcase_create("http");

    tcase_add_test(tests, a_cars_request);
    tcase_add_test(tests, a_head_in_pieces);
    tcase_add_test(tests, the_answer_accepts_no_extension);
    tcase_add_test(tests, bad_requests_get_a_status);
    suite_add_tcase(suite, tests);
    return suite;
}
