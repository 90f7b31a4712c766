#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fleet_api/api_error.h"
#include "fleet_api/clean_text.h"
#include "util/redact.h"

#define VIN "5YJ3E1EA7KF000001"
#define NOW_MS INT64_C(1800000000000)

/* ---- errors of the API ----------------------------------------------------------- */

/* The cause of an answer; the message has `part`. */
static void check_cause(int status, const char *body, enum fr_api_cause cause, const char *part)
{
    struct fr_http_response response = {.status = status,
                                        .body = (char *)(uintptr_t)body,
                                        .len = body != NULL ? strlen(body) : 0,
                                        .retry_after_s = 7};
    struct fr_api_error error;

    ck_assert_int_eq(fr_api_error_from(&error, "list vehicles", &response), -1);
    ck_assert_msg(error.cause == cause, "%d %s: %s, not %s", status, body,
                  fr_api_cause_name(error.cause), fr_api_cause_name(cause));
    ck_assert_int_eq(error.status, status);
    ck_assert_int_eq(error.retry_after_s, 7);
    ck_assert_msg(strstr(error.error.text, part) != NULL, "%s: %s", part, error.error.text);
    ck_assert_msg(strncmp(error.error.text, "list vehicles: ", 15) == 0 &&
                      strstr(error.error.text, "; ") != NULL && strlen(error.error.text) < 1000,
                  "%s", error.error.text);
    for (const char *at = error.error.text; *at != '\0'; at++)
        ck_assert_msg((unsigned char)*at >= 0x20 && *at != 0x7f, "%s", error.error.text);
}

START_TEST(each_answer_has_a_cause_and_a_remedy)
{
    static const struct {
        int status;
        const char *body;
        enum fr_api_cause cause;
        const char *part;
    } rows[] = {
        {401, "{\"error\":\"invalid bearer token\"}", FR_API_TOKEN_EXPIRED, "log in again"},
        {401, "{\"error\":\"login_required\"}", FR_API_LOGIN_REQUIRED, "fleetroute setup"},
        {400, "{\"error\":\"invalid_grant\"}", FR_API_LOGIN_REQUIRED, "fleetroute setup"},
        {400, "{\"error\":\"invalid_auth_code\"}", FR_API_LOGIN_REQUIRED, "ten minutes"},
        {401, "{\"error\":\"invalid_client\"}", FR_API_CLIENT, "client_id"},
        {400, "{\"error\":\"unauthorized_client\"}", FR_API_CLIENT, "client_id"},
        {400, "{\"error\":\"unsupported_grant_type\"}", FR_API_CLIENT, "Machine-to-Machine"},
        {400, "{\"error\":\"invalid_redirect_url\"}", FR_API_CLIENT, "redirect_uri"},
        {403, "{\"response\":null,\"error\":\"Unauthorized missing scopes\"}", FR_API_SCOPE,
         "tick"},
        {403, "{\"error\":\"account disabled: EXCEEDED_LIMIT\"}", FR_API_LIMIT, "raise the limit"},
        {429, "{\"error\":\"account disabled: EXCEEDED_LIMIT\"}", FR_API_LIMIT, "raise the limit"},
        {403, "{\"error\":\"x\",\"error_description\":\"exceeded_limit\"}", FR_API_LIMIT,
         "removed"},
        {403, "{\"error\":\"account disabled\"}", FR_API_LIMIT, "billing"},
        {403, "account disabled: EXCEEDED_LIMIT", FR_API_LIMIT, "raise the limit"},
        {403, "{}", FR_API_SCOPE, "developer.tesla.com"},
        {403, "<html>denied</html>", FR_API_REFUSED, "web page"},
        {404, "{\"error\":\"not_found\"}", FR_API_NOT_FOUND, "sold"},
        {404, "", FR_API_REFUSED, "base_url"},
        {408, "{\"error\":\"vehicle unavailable\"}", FR_API_ASLEEP, "awake"},
        {412, "{\"error\":\"Account must be registered\"}", FR_API_UNREGISTERED, "origin"},
        {421, "{\"error\":\"Misdirected\"}", FR_API_WRONG_REGION, "region"},
        {424, "{\"error\":\"Failed Dependency\"}", FR_API_KEY_NOT_SERVED, "public-key.pem"},
        {422, "{\"error\":\"Public key hash has already been taken\"}", FR_API_KEY_TAKEN,
         "another"},
        {429, "{\"error\":\"Other update in progress\"}", FR_API_RATE, "earlier update"},
        {429, "", FR_API_RATE, "later"},
        {500, "{\"error\":\"login_required\"}", FR_API_SERVER, "later"},
        {503, "\x1b[2J\xff\xfe", FR_API_SERVER, "HTTP 503"},
        {418, "[1]", FR_API_REFUSED, "418"},
        {400, "{\"error\":{\"code\":5,\"message\":\"unknown user\"}}", FR_API_REFUSED, "phone"},
        {302, "", FR_API_MALFORMED, "not followed"},
        {101, "", FR_API_MALFORMED, "101"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_cause(rows[i].status, rows[i].body, rows[i].cause, rows[i].part);
    check_cause(502, NULL, FR_API_SERVER, "502");
    ck_assert_str_eq(fr_api_cause_name(FR_API_LIMIT), "exceeded_limit");
    for (unsigned cause = FR_API_OK; cause <= FR_API_MALFORMED; cause++)
        ck_assert_int_gt((int)strlen(fr_api_cause_name((enum fr_api_cause)cause)), 1);
    ck_assert_str_eq(fr_api_cause_name((enum fr_api_cause)99), "?");
    ck_assert(fr_api_cause_is_temporary(FR_API_RATE));
    ck_assert(!fr_api_cause_is_temporary(FR_API_LIMIT));
    ck_assert(!fr_api_cause_is_temporary(FR_API_LOGIN_REQUIRED));
}
END_TEST

/* ---- text of strangers ----------------------------------------------------------- */

static void check_clean(const char *given, size_t len, size_t size, const char *wanted)
{
    char text[2048];

    memset(text, 'x', sizeof text);
    fr_clean_text(text, size, given, len);
    ck_assert_str_eq(text, wanted);
}

START_TEST(text_is_fit_for_a_terminal)
{
#define CLEAN(given, size, wanted) check_clean(given, sizeof(given) - 1, size, wanted)
    CLEAN("", 10, "");
    CLEAN("plain text", 100, "plain text");
    CLEAN("a\x1b[31m\r\n\tb\0c\x7f", 100, "a [31m b c");
    CLEAN("\n\n  a  \n", 100, "a");
    CLEAN("\xc2\x9b"
          "31m\xc2\xa0x",
          100, "31m x"); /* C1, no-break space */
    CLEAN("a\xe2\x80\xae"
          "b\xe2\x80\x8b"
          "c\xef\xbb\xbf",
          100, "abc"); /* directions, no width */
    CLEAN("a\xd8\x9c"
          "b\xe1\xa0\x8e"
          "c\xf3\xa0\x81\xa1"
          "d",
          100, "abcd"); /* Arabic letter mark, Mongolian vowel separator, tag */
    CLEAN("a\xe2\x80\xa8"
          "b",
          100, "a b"); /* line separator */
    CLEAN("\xff\xc3", 100, "??");
    CLEAN("\xc3\xa4\xc3\xb6\xf0\x9f\x9a\x97", 100, "\xc3\xa4\xc3\xb6\xf0\x9f\x9a\x97");
    CLEAN("\xc3\xa4\xc3\xb6", 4, "\xc3\xa4"); /* a character is not split */
    CLEAN("abcdef", 4, "abc");
    CLEAN("abcdef", 1, "");
#undef CLEAN
}
END_TEST

static void check_message(const char *given, size_t size, const char *wanted)
{
    char text[2048];

    memset(text, 'x', sizeof text);
    fr_clean_message(text, size, given, strlen(given));
    ck_assert_str_eq(text, wanted);
}

START_TEST(messages_have_no_secrets)
{
    char tag[FR_REDACTED_VIN_SIZE], wanted[200];

    check_message("use https://fleet-api.prd.eu.vn.cloud.tesla.com please", 200,
                  "use https://fleet-api.prd.eu.vn.cloud.tesla.com please");
    check_message("token eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiIx.c2lnbmF0 refused", 200,
                  "token [removed] refused");
    check_message("ta-secret.%abcdefghijklmn1", 200, "[removed]");
    check_message("EU_0123456789abcdef0123456789", 200, "[removed]");
    check_message("vehicle " VIN ".", 200, "vehicle " VIN "."); /* the full stop ends the word */
    check_message("\xc3\xa4 b", 3, "\xc3\xa4");
    check_message("\xc3\xa4\xc3\xa4", 4, "\xc3\xa4");
    check_message("abcdef", 4, "abc");
    fr_redact_set(true);
    fr_redacted_vin(VIN, tag);
    snprintf(wanted, sizeof wanted, "vehicle %s gone", tag);
    check_message("vehicle " VIN " gone", 200, wanted);
    snprintf(wanted, sizeof wanted, "(%s). %s/", tag, tag);
    check_message("(" VIN "). " VIN "/", 200, wanted);
    check_message("x" VIN, 200, "x" VIN);
    fr_redact_set(false);
}
END_TEST

START_TEST(a_vin_has_17_letters_and_digits)
{
    static const char *const wrong[] = {"",
                                        "5YJ3E1EA7KF00000",
                                        VIN "2",
                                        "5yJ3E1EA7KF000001",
                                        "5YJ3E1EA7KF00000O",
                                        "5YJ3E1EA7KF00000/"};

    ck_assert(fr_is_vin(VIN));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(!fr_is_vin(wrong[i]), "%s", wrong[i]);
}
END_TEST

/* ---- header fields --------------------------------------------------------------- */

static void read_line(struct fr_http_response *response, const char *line)
{
    fr_http_response_read(response, line, strlen(line), NOW_MS);
}

START_TEST(header_fields_are_read)
{
    static const struct {
        const char *line;
        int64_t seconds;
    } retries[] = {{"Retry-After: 30\r\n", 30},
                   {"retry-after:30", 30},
                   {"Retry-After:   0  \r\n", 0},
                   {"Retry-After: 1.5", 1},
                   {"Retry-After: -1", -1},
                   {"Retry-After: 1x", -1},
                   {"Retry-After: ", -1},
                   {"Retry-After", -1},
                   {"Retry-After: 999999999999999999999999", -1},
                   {"Retry-After: 999999999", INT64_C(366) * 86400},
                   {"RateLimit-Reset: 1800000060", 60},
                   {"RateLimit-Reset: 1700000000", 0},
                   {"Retry-After: Fri, 15 Jan 2027 08:01:00 GMT", 60},
                   {"Retry-After: Fri, 15 Jan 2021 08:01:00 GMT", 0},
                   {"X-Retry-After: 5", -1}};
    struct fr_http_response response;

    for (size_t i = 0; i < sizeof retries / sizeof *retries; i++) {
        fr_http_response_reset(&response);
        read_line(&response, retries[i].line);
        ck_assert_msg(response.retry_after_s == retries[i].seconds, "%s: %lld", retries[i].line,
                      (long long)response.retry_after_s);
    }
    fr_http_response_reset(&response);
    read_line(&response, "HTTP/1.1 429 Too Many Requests\r\n");
    read_line(&response, "RateLimit-Reset: 99\r\n");
    read_line(&response, "Retry-After: 5\r\n");
    read_line(&response, "RateLimit-Reset: 98\r\n");
    read_line(&response, "Date: Fri, 15 Jan 2027 08:00:00 GMT\r\n");
    ck_assert_int_eq(response.retry_after_s, 5);
    ck_assert_int_eq(response.date_ms, NOW_MS);
    read_line(&response, "Date: yesterday\r\n");
    ck_assert_int_eq(response.date_ms, -1);
    /* A second status line begins another header. */
    read_line(&response, "HTTP/1.1 200 OK\r\n");
    ck_assert_int_eq(response.retry_after_s, -1);
}
END_TEST

START_TEST(other_hosts_are_read)
{
    static const struct {
        const char *line, *alternative, *redirect;
    } rows[] = {
        {"Alt-Svc: h2=https://fleet-api.prd.eu.vn.cloud.tesla.com",
         "fleet-api.prd.eu.vn.cloud.tesla.com", ""},
        {"alt-svc: h2=https://Host.Example:8443; ma=60", "host.example:8443", ""},
        {"Alt-Svc: h2=\"host.example:443\"; ma=60", "host.example:443", ""},
        {"Alt-Svc: h3=\":443\", h2=\":443\"", "", ""},
        {"Alt-Svc: clear", "", ""},
        {"Alt-Svc: h2=", "", ""},
        {"Alt-Svc: h2=http://host.example", "http", ""},
        {"Alt-Svc: h2=https://user:pass@host.example", "user", ""},
        {"Alt-Svc: h2=https://host.example.", "host.example", ""},
        {"Location: https://other.example/path", "", "other.example"},
        {"Location: /path", "", "another address"},
        {"Location: http://other.example", "", "another address"},
        {"Location: https:///", "", "another address"},
    };
    struct fr_http_response response;
    char line[1200], host[FR_HTTP_HOST_SIZE];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fr_http_response_reset(&response);
        read_line(&response, rows[i].line);
        ck_assert_msg(strcmp(response.alternative, rows[i].alternative) == 0, "%s: %s",
                      rows[i].line, response.alternative);
        ck_assert_msg(strcmp(response.redirect, rows[i].redirect) == 0, "%s: %s", rows[i].line,
                      response.redirect);
    }
    snprintf(line, sizeof line, "Alt-Svc: h2=https://%0400d", 1);
    fr_http_response_reset(&response);
    read_line(&response, line);
    ck_assert_str_eq(response.alternative, "");
    fr_http_host("https://host.example:1/x?y", host);
    ck_assert_str_eq(host, "host.example:1");
    fr_http_host("https://host.example?x", host);
    ck_assert_str_eq(host, "host.example");
}
END_TEST

/* What the client fetches has the host that was checked. */
START_TEST(a_url_has_one_host)
{
    static const char *const rows[] = {
        "https://",
        "/",
        "",
        "https:///x",
        "https://fleet-api.tesla.com_x.example",
        "https://fleet-api.tesla.com~x.example",
        "https://fleet-api.tesla.com@x.example",
        "https://fleet-api.tesla.com:443@x.example/",
        "https://fleet-api.tesla.com:443.x.example/",
        "https://fleet-api.tesla.com\\@x.example",
        "https://fleet-api.tesla.com%2ex.example",
        "https://fleet-api.tesla.com x",
        "http://fleet-api.tesla.com",
    };
    char host[FR_HTTP_HOST_SIZE];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fr_http_host(rows[i], host);
        ck_assert_msg(strcmp(host, "?") == 0, "%s: %s", rows[i], host);
    }
}
END_TEST

/* libcurl reads dates of the year 2,147,480,000, which is no number of milliseconds. */
START_TEST(a_date_of_the_far_future_is_none)
{
    struct fr_http_response response = {.status = 200};

    fr_http_response_reset(&response);
    read_line(&response, "Date: Mon, 01 Jan 2147480000 00:00:00 GMT\r\n");
    ck_assert_int_eq(response.date_ms, -1);
    read_line(&response, "Retry-After: Mon, 01 Jan 2147480000 00:00:00 GMT\r\n");
    ck_assert_int_eq(response.retry_after_s, -1);
    read_line(&response, "Date: Fri, 31 Dec 9999 00:00:00 GMT\r\n");
    ck_assert_int_eq(response.date_ms, INT64_C(253402214400000));
}
END_TEST

Suite *suite_api_error(void)
{
    Suite *suite = suite_create("api_error");
    TCase *tests = tcase_create("api_error");

    tcase_add_test(tests, each_answer_has_a_cause_and_a_remedy);
    tcase_add_test(tests, text_is_fit_for_a_terminal);
    tcase_add_test(tests, messages_have_no_secrets);
    tcase_add_test(tests, a_vin_has_17_letters_and_digits);
    tcase_add_test(tests, header_fields_are_read);
    tcase_add_test(tests, other_hosts_are_read);
    tcase_add_test(tests, a_url_has_one_host);
    tcase_add_test(tests, a_date_of_the_far_future_is_none);
    suite_add_tcase(suite, tests);
    return suite;
}
