#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/websocket.h"

#define MESSAGE_MAX 1000

static struct fr_ws_pool *pool;
static struct fr_ws ws;
static struct {
    int opcode;
    char text[2048];
    size_t len;
} received[16];
static size_t count;

static void set_up(void)
{
    pool = fr_ws_pool_new();
    memset(&ws, 0, sizeof ws);
    count = 0;
}

static void tear_down(void)
{
    fr_ws_end(&ws);
    fr_ws_pool_free(pool);
}

static int collect_message(void *ctx, enum fr_ws_opcode opcode, const uint8_t *bytes, size_t len)
{
    (void)ctx;
    ck_assert_uint_lt(count, 16);
    ck_assert_uint_lt(len, sizeof received[0].text);
    received[count].opcode = (int)opcode;
    received[count].len = len;
    if (len != 0)
        memcpy(received[count].text, bytes, len);
    received[count++].text[len] = '\0';
    return 0;
}

static int feed(const void *bytes, size_t len)
{
    return fr_ws_feed(&ws, pool, bytes, len, true, MESSAGE_MAX, collect_message, NULL);
}

static void append_masked(struct fr_buffer *out, int opcode, const char *text)
{
    fr_ws_write_masked(out, (enum fr_ws_opcode)opcode, text, strlen(text), 0x12345678);
}

START_TEST(messages_are_read_in_pieces_of_any_size)
{
    struct fr_buffer bytes = {0};

    append_masked(&bytes, FR_WS_BINARY, "first");
    append_masked(&bytes, FR_WS_PING, "are you there");
    append_masked(&bytes, FR_WS_BINARY, "");
    append_masked(&bytes, FR_WS_BINARY, "second");
    for (size_t step = 1; step <= bytes.len; step++) {
        count = 0;
        for (size_t at = 0; at < bytes.len; at += step)
            ck_assert_int_eq(feed(bytes.bytes + at, bytes.len - at < step ? bytes.len - at : step),
                             0);
        ck_assert_uint_eq(count, 4);
        ck_assert_str_eq(received[0].text, "first");
        ck_assert_int_eq(received[1].opcode, FR_WS_PING);
        ck_assert_str_eq(received[1].text, "are you there");
        ck_assert_uint_eq(received[2].len, 0);
        ck_assert_str_eq(received[3].text, "second");
        ck_assert(!fr_ws_in_message(&ws)); /* the parser is back in the pool */
    }
    fr_buffer_free(&bytes);
}
END_TEST

START_TEST(ping_between_fragments_is_read)
{
    struct fr_buffer bytes = {0};

    append_masked(&bytes, FR_WS_BINARY, "one ");
    bytes.bytes[0] = FR_WS_BINARY; /* not final */
    append_masked(&bytes, FR_WS_PING, "ping");
    append_masked(&bytes, FR_WS_CONTINUATION, "message");
    for (size_t at = 0; at < bytes.len; at++)
        ck_assert_int_eq(feed(bytes.bytes + at, 1), 0);
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(received[0].text, "ping");
    ck_assert_str_eq(received[1].text, "one message");
    ck_assert_int_eq(received[1].opcode, FR_WS_BINARY);
    fr_buffer_free(&bytes);
}
END_TEST

START_TEST(oversized_messages_are_skipped)
{
    char *text = calloc(1, MESSAGE_MAX + 2);
    struct fr_buffer bytes = {0};

    memset(text, 'x', MESSAGE_MAX);
    append_masked(&bytes, FR_WS_BINARY, text);
    text[MESSAGE_MAX] = 'x';
    append_masked(&bytes, FR_WS_BINARY, text);
    append_masked(&bytes, FR_WS_BINARY, "after");
    for (size_t at = 0; at < bytes.len; at += 7)
        ck_assert_int_eq(feed(bytes.bytes + at, bytes.len - at < 7 ? bytes.len - at : 7), 0);
    ck_assert_uint_eq(count, 3);
    ck_assert_uint_eq(received[0].len, MESSAGE_MAX);
    ck_assert_int_eq(received[1].opcode, FR_WS_OVERSIZED);
    ck_assert_str_eq(received[2].text, "after");
    fr_buffer_free(&bytes);
    free(text);
}
END_TEST

START_TEST(violations_have_a_close_code)
{
    static const struct {
        const char *bytes;
        size_t len;
        int code;
    } bad[] = {
        {"\x82\x01x", 3, 1002},                                  /* not masked */
        {"\xc2\x81\0\0\0\0x", 7, 1002},                          /* RSV1: compressed */
        {"\x80\x81\0\0\0\0x", 7, 1002},                          /* continuation of no message */
        {"\x83\x81\0\0\0\0x", 7, 1002},                          /* unknown opcode */
        {"\x09\x81\0\0\0\0x", 7, 1002},                          /* fragmented ping */
        {"\x82\xff\0\0\0\0\x7f\xff\xff\xff\0\0\0\0x", 15, 1009}, /* 2 GB */
        {"\x82\xfe\0\x01\0\0\0\0x", 9, 1002},                    /* length not in shortest form */
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tear_down();
        set_up();
        ck_assert_msg(feed(bad[i].bytes, bad[i].len) == bad[i].code, "case %zu", i);
    }
}
END_TEST

START_TEST(close_frames_are_checked)
{
    static const struct {
        unsigned first, last;
        int answer;
    } codes[] = {
        {0, 999, 1002},     {1000, 1003, 0}, {1004, 1006, 1002},  {1007, 1013, 0},
        {1014, 2999, 1002}, {3000, 4999, 0}, {5000, 65535, 1002},
    };
    static const struct {
        const char *reason;
        int answer;
    } reasons[] = {
        {"", 0},
        {"bye \xc3\xa9 \xf0\x9f\x9a\x97", 0},
        {"\xc3", FR_WS_INVALID_DATA},             /* cut short */
        {"bye \xff", FR_WS_INVALID_DATA},         /* no UTF-8 byte */
        {"\xc0\xaf", FR_WS_INVALID_DATA},         /* overlong */
        {"\xed\xa0\x80", FR_WS_INVALID_DATA},     /* surrogate */
        {"\xf4\x90\x80\x80", FR_WS_INVALID_DATA}, /* beyond U+10FFFF */
    };
    uint8_t payload[32] = {1000 >> 8, 1000 & 0xff};

    ck_assert_int_eq(fr_ws_check_close(payload, 0), 0);
    ck_assert_int_eq(fr_ws_check_close(payload, 1), FR_WS_PROTOCOL_ERROR);
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        memcpy(payload + 2, reasons[i].reason, strlen(reasons[i].reason));
        ck_assert_int_eq(fr_ws_check_close(payload, 2 + strlen(reasons[i].reason)),
                         reasons[i].answer);
    }
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        for (unsigned code = codes[i].first; code <= codes[i].last; code++) {
            payload[0] = (uint8_t)(code >> 8);
            payload[1] = (uint8_t)code;
            ck_assert_int_eq(fr_ws_check_close(payload, 2), codes[i].answer);
        }
}
END_TEST

START_TEST(frames_of_the_server_are_written)
{
    struct fr_buffer out = {0};
    char text[300] = "";

    fr_ws_write(&out, FR_WS_BINARY, "ack", 3);
    ck_assert_mem_eq(out.bytes,
                     "\x82\x03"
                     "ack",
                     5);
    fr_buffer_clear(&out);
    fr_ws_write(&out, FR_WS_BINARY, text, sizeof text);
    ck_assert_mem_eq(out.bytes, "\x82\x7e\x01\x2c", 4);
    fr_buffer_clear(&out);
    fr_ws_write_close(&out, FR_WS_UNACCEPTABLE);
    ck_assert_mem_eq(out.bytes, "\x88\x02\x03\xeb", 4);
    fr_buffer_free(&out);
}
END_TEST

Suite *suite_websocket(void)
{
    Suite *suite = suite_create("websocket");
    TCase *tests = tcase_create("websocket");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, messages_are_read_in_pieces_of_any_size);
    tcase_add_test(tests, ping_between_fragments_is_read);
    tcase_add_test(tests, oversized_messages_are_skipped);
    tcase_add_test(tests, violations_have_a_close_code);
    tcase_add_test(tests, close_frames_are_checked);
    tcase_add_test(tests, frames_of_the_server_are_written);
    suite_add_tcase(suite, tests);
    return suite;
}
