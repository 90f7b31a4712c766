#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/http_request.h"
#include "ingest/http_upgrade.h"
#include "ingest/websocket_key.h"

static const char good[] = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                           "Connection: keep-alive, Upgrade\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                           "Sec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Extensions: permessage-deflate\r\n"
                           "Version: 1.2.0\r\nX-Network-Interface: wifi\r\n"
                           "X-TXID: 11111111-2222-3333-4444-555555555555\r\n\r\n";

static char copy[2 * FR_HTTP_HEAD_MAX];

/* The texts of *request are in `copy`. */
static size_t read_request(const char *bytes, size_t len, struct fr_http_request *request)
{
    ck_assert_uint_le(len, sizeof copy);
    memcpy(copy, bytes, len);
    return fr_http_request_read(copy, len, request);
}

START_TEST(request_of_a_vehicle_is_read)
{
    struct fr_http_request r;

    ck_assert_uint_eq(read_request(good, sizeof good - 1, &r), sizeof good - 1);
    ck_assert_int_eq(r.status, 0);
    ck_assert(r.is_get && r.upgrade && r.version_13 && !r.is_status && !r.has_content);
    ck_assert_str_eq(r.key, "dGhlIHNhbXBsZSBub25jZQ==");
    ck_assert_str_eq(r.client_version, "1.2.0");
    ck_assert_str_eq(r.network_interface, "wifi");
    ck_assert_str_eq(r.connection_id, "11111111-2222-3333-4444-555555555555");
    for (size_t i = 0; i < sizeof good - 1; i++)
        ck_assert_uint_eq(read_request(good, i, &r), 0);
}
END_TEST

START_TEST(path_of_the_public_key_is_exact)
{
    static const char path[] = "/.well-known/appspecific/com.tesla.3p.public-key.pem";
    static const char *const others[] = {
        "/.well-known/appspecific/com.tesla.3p.public-key.pem?",
        "/.well-known/appspecific/com.tesla.3p.public-key.pem/",
        "//.well-known/appspecific/com.tesla.3p.public-key.pem",
        "/.well-known/appspecific/com.tesla.3p.public-key.pe",
        "/.well-known/appspecific/com.tesla.3p.public-key.pe%6d",
        "/.well-known/appspecific/com.tesla.3p.public-key.PEM",
        "https://x/.well-known/appspecific/com.tesla.3p.public-key.pem",
        "/",
    };
    struct fr_http_request r;
    char text[256];

    snprintf(text, sizeof text, "HEAD %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    ck_assert_uint_eq(read_request(text, strlen(text), &r), strlen(text));
    ck_assert(r.status == 0 && r.is_public_key && r.is_head && !r.is_status);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", others[i]);
        ck_assert_uint_eq(read_request(text, strlen(text), &r), strlen(text));
        ck_assert_msg(r.status == 0 && !r.is_public_key, "%s", others[i]);
    }
}
END_TEST

/* The texts are those that Go's net/http and Tesla's use of it give. */
START_TEST(texts_of_headers_are_kept)
{
    struct fr_http_request r;
    char text[FR_HTTP_HEAD_MAX], version[6000];

    memset(version, 'v', sizeof version);
    version[sizeof version - 1] = '\0';
    snprintf(text, sizeof text,
             "GET / HTTP/1.1\nHost:\nversion:%s\nVersion: 2\nX-Network-Interface:\n"
             "X-Network-Interface: wifi\nUser-Agent: a \t\r\n \tb\t c\xff\n  \n\n",
             version);
    ck_assert_uint_eq(read_request(text, strlen(text), &r), strlen(text));
    ck_assert_int_eq(r.status, 0);
    ck_assert_str_eq(r.client_version, version);
    ck_assert_str_eq(r.network_interface, "");
    ck_assert_str_eq(r.user_agent, "a b\t c\xff ");
}
END_TEST

START_TEST(forms_of_a_uuid_are_read)
{
    static const struct {
        const char *text, *id;
    } ids[] = {
        {"ABCDEFAB-2222-3333-4444-555555555555", "abcdefab-2222-3333-4444-555555555555"},
        {"Urn:uuid:11111111-2222-3333-4444-555555555555", "11111111-2222-3333-4444-555555555555"},
        {"{11111111-2222-3333-4444-555555555555}", "11111111-2222-3333-4444-555555555555"},
        {"11111111222233334444555555555555", "11111111-2222-3333-4444-555555555555"},
        {"111111112222333344445555555555555", ""},
        {"g1111111-2222-3333-4444-555555555555", ""},
        {"11111111-2222-3333-4444-55555555555-", ""},
        {"11111111 2222-3333-4444-555555555555", ""},
        {"", ""},
    };
    struct fr_http_request r;
    char text[256];

    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: x\r\nX-TXID: %s\r\n\r\n", ids[i].text);
        ck_assert_uint_eq(read_request(text, strlen(text), &r), strlen(text));
        ck_assert_str_eq(r.connection_id, ids[i].id);
    }
}
END_TEST

/* fr_http_head_may_end() is true for the piece with the end of the head, and false for each piece
 * before. */
START_TEST(end_of_a_split_head_is_found)
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

START_TEST(response_accepts_no_extension)
{
    struct fr_buffer out = {0};
    char key[32];

    fr_websocket_key_accept("dGhlIHNhbXBsZSBub25jZQ==", key);
    ck_assert_str_eq(key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); /* RFC 6455, 1.3 */
    fr_http_accept(&out, "dGhlIHNhbXBsZSBub25jZQ==");
    ck_assert_ptr_null(strstr(fr_buffer_string(&out), "Extensions"));
    fr_buffer_free(&out);
}
END_TEST

START_TEST(bad_requests_have_an_error_status)
{
    static const struct {
        const char *text;
        int status;
    } bad[] = {
        {"GET\r\n\r\n", 400},
        {"GET  HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400}, /* no Host */
        {"GET / HTTP/1.0\r\n\r\n", 0},
        {"GET / HTTP/2.0\r\n\r\n", 505},
        {"GET / HTTP/1.1\r\n folded\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400},
        {"\x16\x03\x01\n\n", 400},
    };
    struct fr_http_request r;
    char *large = malloc(FR_HTTP_HEAD_MAX + 2);

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_uint_ne(read_request(bad[i].text, strlen(bad[i].text), &r), 0);
        ck_assert_msg(r.status == bad[i].status, "%s", bad[i].text);
    }
    memset(large, 'a', FR_HTTP_HEAD_MAX + 1);
    ck_assert_uint_ne(read_request(large, FR_HTTP_HEAD_MAX + 1, &r), 0);
    ck_assert_int_eq(r.status, 431);
    free(large);
}
END_TEST

Suite *suite_http(void)
{
    Suite *suite = suite_create("http");
    TCase *tests = tcase_create("http");

    tcase_add_test(tests, path_of_the_public_key_is_exact);
    tcase_add_test(tests, request_of_a_vehicle_is_read);
    tcase_add_test(tests, texts_of_headers_are_kept);
    tcase_add_test(tests, forms_of_a_uuid_are_read);
    tcase_add_test(tests, end_of_a_split_head_is_found);
    tcase_add_test(tests, response_accepts_no_extension);
    tcase_add_test(tests, bad_requests_have_an_error_status);
    suite_add_tcase(suite, tests);
    return suite;
}
