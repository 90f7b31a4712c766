#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/websocket.h"

#define MOST 1000

static struct fr_ws_pool *pool;
static struct fr_ws ws;
static struct {
    int opcode;
    char text[2048];
    size_t len;
} got[16];
static size_t count;

static void set_up(void)
{
    pool = fr_ws_pool_new();
    memset(&ws, 0, sizeof ws);
    count = 0;
}

static void tear_down(void)
{
    fr_ws_end(&ws, pool);
    fr_ws_pool_free(pool);
}

static int take(void *ctx, enum fr_ws_opcode opcode, const uint8_t *bytes, size_t len)
{
    (void)ctx;
    ck_assert_uint_lt(count, 16);
    ck_assert_uint_lt(len, sizeof got[0].text);
    got[count].opcode = (int)opcode;
    got[count].len = len;
    if (len != 0)
        memcpy(got[count].text, bytes, len);
    got[count++].text[len] = '\0';
    return 0;
}

static int feed(const void *bytes, size_t len)
{
    return fr_ws_feed(&ws, pool, bytes, len, true, MOST, take, NULL);
}

static void masked(struct fr_buffer *out, int opcode, const char *text)
{
    fr_ws_write_masked(out, (enum fr_ws_opcode)opcode, text, strlen(text), 0x12345678);
}

START_TEST(messages_in_any_pieces)
{
    struct fr_buffer bytes = {0};

    masked(&bytes, FR_WS_BINARY, "first");
    masked(&bytes, FR_WS_PING, "are you there");
    masked(&bytes, FR_WS_BINARY, "");
    masked(&bytes, FR_WS_BINARY, "second");
    for (size_t step = 1; step <= bytes.len; step++) {
        count = 0;
        for (size_t at = 0; at < bytes.len; at += step)
            ck_assert_int_eq(feed(bytes.bytes + at, bytes.len - at < step ? bytes.len - at : step),
                             0);
        ck_assert_uint_eq(count, 4);
        ck_assert_str_eq(got[0].text, "first");
        ck_assert_int_eq(got[1].opcode, FR_WS_PING);
        ck_assert_str_eq(got[1].text, "are you there");
        ck_assert_uint_eq(got[2].len, 0);
        ck_assert_str_eq(got[3].text, "second");
        ck_assert(!fr_ws_in_message(&ws)); /* and the parser is given back */
    }
    fr_buffer_free(&bytes);
}
END_TEST

START_TEST(fragments_with_a_ping_between)
{
    struct fr_buffer bytes = {0};

    masked(&bytes, FR_WS_BINARY, "one ");
    bytes.bytes[0] = FR_WS_BINARY; /* not final */
    masked(&bytes, FR_WS_PING, "ping");
    masked(&bytes, FR_WS_CONTINUATION, "message");
    for (size_t at = 0; at < bytes.len; at++)
        ck_assert_int_eq(feed(bytes.bytes + at, 1), 0);
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(got[0].text, "ping");
    ck_assert_str_eq(got[1].text, "one message");
    ck_assert_int_eq(got[1].opcode, FR_WS_BINARY);
    fr_buffer_free(&bytes);
}
END_TEST

START_TEST(long_messages_are_read_over)
{
    char *text = calloc(1, MOST + 2);
    struct fr_buffer bytes = {0};

    memset(text, 'x', MOST);
    masked(&bytes, FR_WS_BINARY, text);
    text[MOST] = 'x';
    masked(&bytes, FR_WS_BINARY, text);
    masked(&bytes, FR_WS_BINARY, "after");
    for (size_t at = 0; at < bytes.len; at += 7)
        ck_assert_int_eq(feed(bytes.bytes + at, bytes.len - at < 7 ? bytes.len - at : 7), 0);
    ck_assert_uint_eq(count, 3);
    ck_assert_uint_eq(got[0].len, MOST);
    ck_assert_int_eq(got[1].opcode, FR_WS_OVERSIZED);
    ck_assert_str_eq(got[2].text, "after");
    fr_buffer_free(&bytes);
    free(text);
}
END_TEST

START_TEST(violations_get_their_code)
{
    static const struct {
        const char *bytes;
        size_t len;
        int code;
    } bad[] = {
        {"\x82\x01x", 3, 1002},                                  /* not masked */
        {"\xc2\x81\0\0\0\0x", 7, 1002},                          /* RSV1: compressed */
        {"\x80\x81\0\0\0\0x", 7, 1002},                          /* nothing to continue */
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

START_TEST(servers_frames)
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
    tcase_add_test(tests, messages_in_any_pieces);
    tcase_add_test(tests, fragments_with_a_ping_between);
    tcase_add_test(tests, long_messages_are_read_over);
    tcase_add_test(tests, violations_get_their_code);
    tcase_add_test(tests, servers_frames);
    suite_add_tcase(suite, tests);
    return suite;
}
