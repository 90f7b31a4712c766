/* Sessions of browsers, and the bound on wrong tokens. The time is an argument. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "admin/http_sessions.h"

#define TOKEN "0123456789abcdef"
#define MINUTE FR_HTTP_TRIES_WINDOW_MS

static struct fr_http_sessions *sessions;
static char id[FR_HTTP_SESSION_ID_SIZE];

static void begin(void)
{
    sessions = fr_http_sessions_new(TOKEN);
}

static void end(void)
{
    fr_http_sessions_free(sessions);
}

static unsigned find(const char *text, int64_t now_ms)
{
    char cookie[512];

    snprintf(cookie, sizeof cookie, text, id);
    return fr_http_sessions_find(sessions, cookie, "fr", now_ms);
}

START_TEST(cookie_names_the_session)
{
    unsigned number = fr_http_sessions_begin(sessions, 0, id);

    ck_assert_uint_eq(strlen(id), 64);
    ck_assert_uint_ne(number, 0);
    ck_assert_uint_eq(find("fr=%s", 1), number);
    ck_assert_uint_eq(find("a=b; fr=%s; c=d", 1), number);
    ck_assert_uint_eq(find("fr=x; fr=%s", 1), number);
    ck_assert_uint_eq(find("xfr=%s", 1), 0);
    ck_assert_uint_eq(find("fr=%sx", 1), 0);
    ck_assert_uint_eq(find("fr=%.63s", 1), 0);
    ck_assert_uint_eq(find("fr=%.63sz", 1), 0);
    ck_assert_uint_eq(fr_http_sessions_find(sessions, NULL, "fr", 1), 0);
    fr_http_sessions_end(sessions, number);
    ck_assert_uint_eq(find("fr=%s", 1), 0);
    ck_assert(!fr_http_sessions_valid(sessions, number, 1));
}
END_TEST

START_TEST(sessions_expire)
{
    unsigned number = fr_http_sessions_begin(sessions, 0, id);
    int64_t now_ms = 0;

    ck_assert_uint_eq(find("fr=%s", FR_HTTP_SESSION_IDLE_MS), 0);
    for (; now_ms < FR_HTTP_SESSION_MAX_MS; now_ms += FR_HTTP_SESSION_IDLE_MS / 2) {
        ck_assert_uint_eq(find("fr=%s", now_ms), number);
        ck_assert(fr_http_sessions_valid(sessions, number, now_ms));
    }
    ck_assert_uint_eq(find("fr=%s", now_ms), 0);
    ck_assert(!fr_http_sessions_valid(sessions, number, now_ms));
}
END_TEST

START_TEST(the_session_used_longest_ago_is_replaced)
{
    char first[FR_HTTP_SESSION_ID_SIZE], second[FR_HTTP_SESSION_ID_SIZE];

    fr_http_sessions_begin(sessions, 0, first);
    fr_http_sessions_begin(sessions, 1, second);
    for (int i = 2; i < FR_HTTP_SESSIONS_MAX; i++)
        fr_http_sessions_begin(sessions, i, id);
    memcpy(id, first, sizeof id);
    ck_assert_uint_ne(find("fr=%s", 1000), 0);
    fr_http_sessions_begin(sessions, 1001, id);
    ck_assert_uint_ne(find("fr=%s", 1002), 0);
    memcpy(id, second, sizeof id);
    ck_assert_uint_eq(find("fr=%s", 1002), 0);
    memcpy(id, first, sizeof id);
    ck_assert_uint_ne(find("fr=%s", 1002), 0);
}
END_TEST

static enum fr_http_token try(const char *text, uint64_t source, int64_t now_ms)
{
    return fr_http_sessions_try(sessions, text, source, now_ms);
}

START_TEST(wrong_tokens_are_bounded_for_each_source)
{
    ck_assert_int_eq(try(TOKEN, 1, 0), FR_HTTP_TOKEN_RIGHT);
    for (int i = 0; i < FR_HTTP_TRIES_MAX; i++)
        ck_assert_int_eq(try("0123456789abcdeF", 1, i), FR_HTTP_TOKEN_WRONG);
    ck_assert_int_eq(try(TOKEN, 1, 100), FR_HTTP_TOKEN_REFUSED);
    ck_assert_int_eq(try(TOKEN, 2, 100), FR_HTTP_TOKEN_RIGHT);
    ck_assert_int_eq(try(TOKEN, 1, MINUTE - 1), FR_HTTP_TOKEN_REFUSED);
    ck_assert_int_eq(try(TOKEN, 1, MINUTE), FR_HTTP_TOKEN_RIGHT);
    ck_assert_int_eq(try("", 1, MINUTE), FR_HTTP_TOKEN_WRONG);
}
END_TEST

START_TEST(other_sources_do_not_release_a_source)
{
    for (int i = 0; i < FR_HTTP_TRIES_MAX; i++)
        ck_assert_int_eq(try("x", 1, 0), FR_HTTP_TOKEN_WRONG);
    for (uint64_t source = 2; source < 3 * FR_HTTP_TRIES_SOURCES; source++)
        ck_assert_int_eq(try("x", source, 1), FR_HTTP_TOKEN_WRONG);
    ck_assert_int_eq(try(TOKEN, 1, 2), FR_HTTP_TOKEN_REFUSED);
}
END_TEST

START_TEST(without_a_token_no_text_is_right)
{
    end();
    sessions = fr_http_sessions_new(NULL);
    ck_assert_int_eq(try("", 1, 0), FR_HTTP_TOKEN_WRONG);
    ck_assert_int_eq(try(TOKEN, 1, 0), FR_HTTP_TOKEN_WRONG);
}
END_TEST

Suite *suite_http_sessions(void)
{
    Suite *suite = suite_create("http_sessions");
    TCase *tests = tcase_create("http_sessions");

    tcase_add_checked_fixture(tests, begin, end);
    tcase_add_test(tests, cookie_names_the_session);
    tcase_add_test(tests, sessions_expire);
    tcase_add_test(tests, the_session_used_longest_ago_is_replaced);
    tcase_add_test(tests, wrong_tokens_are_bounded_for_each_source);
    tcase_add_test(tests, other_sources_do_not_release_a_source);
    tcase_add_test(tests, without_a_token_no_text_is_right);
    suite_add_tcase(suite, tests);
    return suite;
}
