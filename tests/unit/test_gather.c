/* How long a worker waits between two passes, at different rates of messages. */
#include "unit.h"

#include "ingest/gather.h"

/* The wait after `ms` milliseconds with `rate` messages a second. */
static int wait_at_rate(struct fr_gather *gather, int64_t *now_ms, int rate, int64_t ms)
{
    int wait_ms = 0;

    for (int64_t i = 0; i < ms; i++) {
        gather->messages += (unsigned)((i + 1) * rate / 1000 - i * rate / 1000);
        wait_ms = fr_gather_wait_ms(gather, ++*now_ms);
    }
    return wait_ms;
}

START_TEST(single_messages_do_not_wait)
{
    struct fr_gather gather = {0};
    int64_t now_ms = 100000;

    for (int i = 0; i < 20; i++) {
        gather.messages++;
        ck_assert_int_eq(fr_gather_wait_ms(&gather, now_ms += 100), 0);
    }
}
END_TEST

START_TEST(sparse_steady_messages_are_gathered)
{
    struct fr_gather gather = {0};
    int64_t now_ms = 100000;

    ck_assert_int_eq(wait_at_rate(&gather, &now_ms, 500, 1000), FR_GATHER_MAX_MS);
    ck_assert_int_eq(wait_at_rate(&gather, &now_ms, 1000, 1000), 8);
    ck_assert_int_eq(wait_at_rate(&gather, &now_ms, 2500, 1000), 3);
}
END_TEST

START_TEST(full_passes_do_not_wait)
{
    struct fr_gather gather = {0};
    int64_t now_ms = 100000;

    ck_assert_int_eq(wait_at_rate(&gather, &now_ms, 5000, 1000), 0);
}
END_TEST

START_TEST(a_message_after_a_pause_does_not_wait)
{
    struct fr_gather gather = {0};
    int64_t now_ms = 100000;

    ck_assert_int_ne(wait_at_rate(&gather, &now_ms, 500, 1000), 0);
    gather.messages++;
    ck_assert_int_eq(fr_gather_wait_ms(&gather, now_ms + 2000), 0);
}
END_TEST

START_TEST(a_day_without_messages_does_not_overflow)
{
    struct fr_gather gather = {.messages = UINT32_MAX};

    ck_assert_int_eq(fr_gather_wait_ms(&gather, INT64_C(1000) * 86400 * 3650), 0);
    gather.messages = 1;
    ck_assert_int_eq(fr_gather_wait_ms(&gather, INT64_C(2000) * 86400 * 3650), 0);
}
END_TEST

Suite *suite_gather(void)
{
    Suite *suite = suite_create("gather");
    TCase *tests = tcase_create("gather");

    tcase_add_test(tests, single_messages_do_not_wait);
    tcase_add_test(tests, sparse_steady_messages_are_gathered);
    tcase_add_test(tests, full_passes_do_not_wait);
    tcase_add_test(tests, a_message_after_a_pause_does_not_wait);
    tcase_add_test(tests, a_day_without_messages_does_not_overflow);
    suite_add_tcase(suite, tests);
    return suite;
}
