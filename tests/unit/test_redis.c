/* The pure parts of redis.so: requests, answers under bounds, errors, the queue. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "redis/redis_command.h"
#include "redis/redis_errors.h"
#include "redis/redis_reply.h"
#include "redis/requests.h"

static struct fr_delivery delivery_of(const char *txid)
{
    return (struct fr_delivery){.size = sizeof(struct fr_delivery),
                                .vin = "5YJ3E1EA7KF000001",
                                .record_type = "V",
                                .txid = txid,
                                .txid_len = strlen(txid),
                                .received_ms = 1700000000123};
}

static void assert_bytes(struct fr_text_buffer *out, const char *expected, size_t len)
{
    ck_assert(!out->failed);
    ck_assert_uint_eq(out->len, len);
    ck_assert_mem_eq(out->bytes, expected, len);
    fr_text_buffer_free(out);
}

#define ASSERT_BYTES(out, text) assert_bytes(out, text, sizeof(text) - 1)

START_TEST(publish_has_lengths)
{
    struct fr_text_buffer out = {0};

    redis_command_publish(&out, "tesla_V_{X}", "a\0\r\n", 4);
    ASSERT_BYTES(&out, "*3\r\n$7\r\nPUBLISH\r\n$11\r\ntesla_V_{X}\r\n$4\r\na\0\r\n\r\n");
}
END_TEST

START_TEST(xadd_has_the_fields_of_a_record)
{
    struct fr_delivery d = delivery_of("t-1");
    struct fr_text_buffer out = {0};

    redis_command_xadd(&out, "s", 100, &d, "", 0);
    ASSERT_BYTES(
        &out, "*16\r\n$4\r\nXADD\r\n$1\r\ns\r\n$6\r\nMAXLEN\r\n$1\r\n~\r\n$3\r\n100\r\n$1\r\n*\r\n"
              "$3\r\nvin\r\n$17\r\n5YJ3E1EA7KF000001\r\n$4\r\ntype\r\n$1\r\nV\r\n"
              "$4\r\ntxid\r\n$3\r\nt-1\r\n$11\r\nreceived_at\r\n$13\r\n1700000000123\r\n"
              "$7\r\npayload\r\n$0\r\n\r\n");
}
END_TEST

START_TEST(xadd_has_the_fields_of_a_value)
{
    struct fr_delivery d = delivery_of("");
    struct fr_text_buffer out = {0};

    d.kind = FR_DELIVERY_FIELD;
    d.name = "speed";
    d.created_ms = 5;
    d.flags = FR_FLAG_RESEND | FR_FLAG_REPEATED;
    redis_command_xadd(&out, "s", 0, &d, "1", 1);
    ASSERT_BYTES(&out, "*21\r\n$4\r\nXADD\r\n$1\r\ns\r\n$1\r\n*\r\n"
                       "$3\r\nvin\r\n$17\r\n5YJ3E1EA7KF000001\r\n$4\r\ntype\r\n$1\r\nV\r\n"
                       "$4\r\ntxid\r\n$0\r\n\r\n$11\r\nreceived_at\r\n$13\r\n1700000000123\r\n"
                       "$10\r\ncreated_at\r\n$1\r\n5\r\n$6\r\nresend\r\n$1\r\n1\r\n"
                       "$8\r\nrepeated\r\n$1\r\n1\r\n$4\r\nname\r\n$5\r\nspeed\r\n"
                       "$7\r\npayload\r\n$1\r\n1\r\n");
}
END_TEST

/* ---- answers --------------------------------------------------------------------- */

START_TEST(answers_in_any_pieces)
{
    static const char bytes[] = "+PONG\r\n:17\r\n-OOM full\x01\r\n$-1\r\n$5\r\na\r\nbc\r\n";
    static const struct redis_reply expected[] = {{REPLY_TEXT, "PONG"},
                                                  {REPLY_INTEGER, ""},
                                                  {REPLY_ERROR, "OOM full?"},
                                                  {REPLY_NIL, ""},
                                                  {REPLY_TEXT, "a??bc"}};

    for (size_t piece = 1; piece < sizeof bytes; piece++) {
        struct redis_reader *reader = redis_reader_new();
        const struct redis_reply *reply;
        size_t n = 0;

        for (size_t at = 0; at < sizeof bytes - 1; at += piece) {
            size_t rest = sizeof bytes - 1 - at;

            ck_assert(redis_reader_feed(reader, bytes + at, piece < rest ? piece : rest));
            for (enum redis_reply_status status;
                 (status = redis_reader_next(reader, &reply)) != REPLY_INCOMPLETE; n++) {
                ck_assert_int_eq(status, REPLY_COMPLETE);
                ck_assert_uint_lt(n, 5);
                ck_assert_int_eq(reply->kind, expected[n].kind);
                ck_assert_str_eq(reply->text, expected[n].text);
            }
        }
        ck_assert_uint_eq(n, 5);
        redis_reader_free(reader);
    }
}
END_TEST

/* The status after these bytes, repeated up to `limit` bytes or until the reader does not want more. */
static enum redis_reply_status status_after(const char *begin, const char *more, size_t limit)
{
    struct redis_reader *reader = redis_reader_new();
    const struct redis_reply *reply;
    enum redis_reply_status status;
    size_t len = strlen(begin);

    ck_assert(redis_reader_feed(reader, begin, len));
    while ((status = redis_reader_next(reader, &reply)) == REPLY_INCOMPLETE && len < limit) {
        ck_assert(redis_reader_feed(reader, more, strlen(more)));
        len += strlen(more);
    }
    redis_reader_free(reader);
    return status;
}

START_TEST(answers_beyond_bounds_are_invalid)
{
    static const char *const invalid[] = {
        "*1\r\n:1\r\n", "*0\r\n",  "*2147483647\r\n",           "HTTP/1.1 400\r\n",
        "\r\n",         "$-2\r\n", "$99999999999999999999\r\n", ":12a\r\n",
        "?\r\n"};

    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++)
        ck_assert_msg(status_after(invalid[i], "", 0) == REPLY_INVALID, "%s", invalid[i]);
    ck_assert_int_eq(status_after("+", "aaaaaaaaaaaaaaaa", REDIS_REPLY_MAX - 16), REPLY_INCOMPLETE);
    ck_assert_int_eq(status_after("+", "aaaaaaaaaaaaaaaa", 2 * REDIS_REPLY_MAX), REPLY_INVALID);
    ck_assert_int_eq(status_after("$536870912\r\n", "aaaaaaaaaaaaaaaa", 2 * REDIS_REPLY_MAX),
                     REPLY_INVALID);
}
END_TEST

START_TEST(a_long_text_is_shortened)
{
    char bytes[1003];
    struct redis_reader *reader = redis_reader_new();
    const struct redis_reply *reply;

    memset(bytes, 'e', sizeof bytes);
    bytes[0] = '-';
    memcpy(bytes + 1001, "\r\n", 2);
    ck_assert(redis_reader_feed(reader, bytes, sizeof bytes));
    ck_assert_int_eq(redis_reader_next(reader, &reply), REPLY_COMPLETE);
    ck_assert_uint_eq(strlen(reply->text), REDIS_REPLY_TEXT);
    redis_reader_free(reader);
}
END_TEST

/* ---- errors ---------------------------------------------------------------------- */

START_TEST(errors_have_a_cause)
{
    static const struct {
        const char *text;
        enum redis_fault fault;
        const char *remedy;
    } rows[] = {
        {"OOM command not allowed when used memory > 'maxmemory'.", FAULT_SERVER, "maxmemory"},
        {"READONLY You can't write against a read only replica.", FAULT_RENEW, "primary"},
        {"LOADING Redis is loading the dataset in memory", FAULT_SERVER, "wait"},
        {"NOAUTH Authentication required.", FAULT_RENEW, "password_file"},
        {"NOPERM this user has no permissions to run the 'xadd' command", FAULT_SERVER, "+xadd"},
        {"NOPERM User fleet has no permissions to run the 'xadd' command", FAULT_SERVER, "+xadd"},
        {"NOPERM this user has no permissions to access one of the keys used as arguments",
         FAULT_DELIVERY, "~tesla_*"},
        {"NOPERM No permissions to access a channel", FAULT_DELIVERY, "&tesla_*"},
        {"WRONGTYPE Operation against a key holding the wrong kind of value", FAULT_DELIVERY,
         "topic:"},
        {"ERR unknown command 'XADD'", FAULT_SERVER, "publish"},
        {"ERR max number of clients reached", FAULT_RENEW, "maxclients"},
        {"ERR something else", FAULT_DELIVERY, ""},
        {"OOMPH", FAULT_DELIVERY, ""},
        {"", FAULT_DELIVERY, ""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct redis_error error = redis_error_of(rows[i].text);

        ck_assert_msg(error.fault == rows[i].fault, "%s", rows[i].text);
        ck_assert_msg(strstr(error.remedy, rows[i].remedy) != NULL, "%s", rows[i].text);
    }
}
END_TEST

START_TEST(errors_of_the_login)
{
    ck_assert(redis_error_ends_login("NOAUTH Authentication required."));
    ck_assert(redis_error_ends_login("LOADING Redis is loading the dataset in memory"));
    ck_assert(redis_error_ends_login("MASTERDOWN Link with MASTER is down"));
    ck_assert(
        !redis_error_ends_login("NOPERM this user has no permissions to run the 'ping' command"));
    ck_assert(!redis_error_ends_login("MISCONF Redis is configured to save RDB snapshots"));
    ck_assert_ptr_nonnull(
        strstr(redis_error_login_remedy("ERR DB index is out of range"), "database"));
    ck_assert_ptr_nonnull(strstr(
        redis_error_login_remedy("ERR AUTH <password> called without any password configured"),
        "remove `password_file:`"));
    ck_assert_ptr_nonnull(strstr(redis_error_login_remedy("WRONGPASS invalid"), "username"));
}
END_TEST

/* ---- the queue ------------------------------------------------------------------- */

START_TEST(the_queue_keeps_the_order)
{
    struct requests r = {0};
    size_t added = 0, taken = 0;

    ck_assert_ptr_null(requests_first(&r));
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 37; i++, added++)
            ck_assert(requests_add(&r, (struct request){NULL, (int64_t)added, 3}));
        for (int i = 0; i < 30; i++, taken++) {
            ck_assert_int_eq(requests_first(&r)->sent_ms, (int64_t)taken);
            ck_assert_int_eq(requests_take(&r).sent_ms, (int64_t)taken);
        }
        ck_assert_uint_eq(r.count, added - taken);
        ck_assert_uint_eq(r.size, 3 * (added - taken));
    }
    requests_free(&r);
}
END_TEST

Suite *suite_redis(void)
{
    Suite *suite = suite_create("redis");
    TCase *tests = tcase_create("redis");

    tcase_add_test(tests, publish_has_lengths);
    tcase_add_test(tests, xadd_has_the_fields_of_a_record);
    tcase_add_test(tests, xadd_has_the_fields_of_a_value);
    tcase_add_test(tests, answers_in_any_pieces);
    tcase_add_test(tests, answers_beyond_bounds_are_invalid);
    tcase_add_test(tests, a_long_text_is_shortened);
    tcase_add_test(tests, errors_have_a_cause);
    tcase_add_test(tests, errors_of_the_login);
    tcase_add_test(tests, the_queue_keeps_the_order);
    suite_add_tcase(suite, tests);
    return suite;
}
