/* The stored result of `fleetroute doctor` is checked, and is written anew or not at all. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/stored_doctor.h"

#define LINK "\"id\":\"name\",\"title\":\"T\",\"text\":\"a \\\"b\\\" </script>\""

static struct fr_buffer out;
static struct fr_error error;
static int64_t run_ms;

static int put(const char *text)
{
    fr_buffer_clear(&out);
    fr_buffer_text(&out, "before");
    return fr_stored_doctor_put(text, strlen(text), &out, &run_ms, &error);
}

static void expect_refused(const char *text, const char *why)
{
    ck_assert_int_eq(put(text), -1);
    ck_assert_msg(strstr(error.text, why) != NULL, "%s", error.text);
    ck_assert_str_eq(fr_buffer_string(&out), "before");
}

START_TEST(known_members_are_written_anew)
{
    ck_assert_int_eq(
        put("{\"run_ms\":17,\"links\":[{\"level\":\"warning\"," LINK
            ",\"other\":[1]},{\"subject\":\"s\",\"remedy\":\"r\",\"level\":\"ok\"," LINK "}]}"),
        0);
    ck_assert_int_eq(run_ms, 17);
    ck_assert_str_eq(
        fr_buffer_string(&out),
        "before[{\"level\":\"warning\",\"id\":\"name\",\"title\":\"T\",\"subject\":null,"
        "\"text\":\"a \\\"b\\\" </script>\",\"remedy\":null},"
        "{\"level\":\"ok\",\"id\":\"name\",\"title\":\"T\",\"subject\":\"s\","
        "\"text\":\"a \\\"b\\\" </script>\",\"remedy\":\"r\"}]");
    ck_assert_int_eq(put("{\"run_ms\":1,\"links\":[]}"), 0);
    ck_assert_str_eq(fr_buffer_string(&out), "before[]");
    fr_buffer_free(&out);
}
END_TEST

START_TEST(other_content_is_refused)
{
    expect_refused("", "not JSON");
    expect_refused("{\"run_ms\":1,\"links\":[]", "not JSON");
    expect_refused("{\"run_ms\":1,\"run_ms\":1,\"links\":[]}", "not JSON");
    expect_refused("[]", "run_ms");
    expect_refused("{\"run_ms\":0,\"links\":[]}", "run_ms");
    expect_refused("{\"run_ms\":1.5,\"links\":[]}", "run_ms");
    expect_refused("{\"run_ms\":1}", "links");
    expect_refused("{\"run_ms\":1,\"links\":{}}", "links");
    expect_refused("{\"run_ms\":1,\"links\":[7]}", "link 1");
    expect_refused("{\"run_ms\":1,\"links\":[{" LINK "}]}", "link 1");
    expect_refused("{\"run_ms\":1,\"links\":[{\"level\":\"ok\"," LINK "},{\"level\":\"okay\"," LINK
                   "}]}",
                   "link 2");
    expect_refused("{\"run_ms\":1,\"links\":[{\"level\":\"ok\",\"subject\":1," LINK "}]}",
                   "link 1");
    expect_refused("{\"run_ms\":1,\"links\":[{\"level\":\"ok\",\"id\":\"\\u0000\"}]}", "not JSON");
    expect_refused("{\"run_ms\":1,\"links\":[{\"level\":\"ok\",\"id\":\"\xff\"}]}", "not JSON");
    fr_buffer_free(&out);
}
END_TEST

START_TEST(texts_and_links_are_bounded)
{
    struct fr_buffer text = {0};

    for (int extra = 0; extra <= 1; extra++) {
        fr_buffer_clear(&text);
        fr_buffer_text(&text, "{\"run_ms\":1,\"links\":[{\"level\":\"ok\",\"remedy\":\"");
        for (int i = 0; i < FR_STORED_DOCTOR_TEXT_MAX + extra; i++)
            fr_buffer_byte(&text, 'x');
        fr_buffer_text(&text, "\"," LINK "}]}");
        ck_assert_int_eq(put(fr_buffer_string(&text)), extra == 0 ? 0 : -1);
        fr_buffer_clear(&text);
        fr_buffer_text(&text, "{\"run_ms\":1,\"links\":[{\"level\":\"ok\"," LINK "}");
        for (int i = 1; i < FR_STORED_DOCTOR_LINKS_MAX + extra; i++)
            fr_buffer_text(&text, ",{\"level\":\"ok\"," LINK "}");
        fr_buffer_text(&text, "]}");
        ck_assert_int_eq(put(fr_buffer_string(&text)), extra == 0 ? 0 : -1);
    }
    fr_buffer_free(&text);
    fr_buffer_free(&out);
}
END_TEST

Suite *suite_stored_doctor(void)
{
    Suite *suite = suite_create("stored_doctor");
    TCase *tests = tcase_create("stored_doctor");

    tcase_add_test(tests, known_members_are_written_anew);
    tcase_add_test(tests, other_content_is_refused);
    tcase_add_test(tests, texts_and_links_are_bounded);
    suite_add_tcase(suite, tests);
    return suite;
}
