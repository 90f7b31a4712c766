#include "unit.h"

#include <string.h>

#include "record/record_queue.h"

static struct fr_record *new_record(char name)
{
    struct fr_record_source source = {.vin = "V",
                                      .topic = (const uint8_t *)"canlogs",
                                      .topic_len = 7,
                                      .txid = (const uint8_t *)&name,
                                      .txid_len = 1,
                                      .client_version = ""};
    struct fr_error error;

    return fr_record_new(&source, &error);
}

static void put(struct fr_record_queue *queue, char name, bool ack, size_t dropped)
{
    struct fr_queue_entry entry = {new_record(name), ack};

    ck_assert_uint_eq(fr_record_queue_put(queue, &entry, 1), dropped);
}

START_TEST(full_queue_drops_the_oldest)
{
    struct fr_record_queue *queue = fr_record_queue_new(3, 1000000);
    struct fr_queue_entry entries[8];

    put(queue, 'a', false, 0);
    put(queue, 'b', false, 0);
    put(queue, 'c', false, 0);
    put(queue, 'd', false, 1);
    ck_assert_uint_eq(fr_record_queue_records(queue), 3);
    ck_assert_uint_eq(fr_record_queue_take(queue, entries, 8, SIZE_MAX), 3);
    ck_assert_int_eq(entries[0].record->txid[0], 'b');
    ck_assert_int_eq(entries[2].record->txid[0], 'd');
    /* Records that are taken but not finished still occupy the queue. */
    ck_assert(fr_record_queue_full(queue));
    put(queue, 'e', false, 1);
    for (int i = 0; i < 3; i++) {
        bool has_capacity =
            fr_record_queue_finish(queue, 1, fr_record_queue_size(entries[i].record));

        ck_assert_int_eq(has_capacity, i == 0);
        fr_record_unref(entries[i].record);
    }
    ck_assert(!fr_record_queue_full(queue));
    fr_record_queue_free(queue);
}
END_TEST

START_TEST(records_with_ack_are_not_dropped)
{
    struct fr_record_queue *queue = fr_record_queue_new(2, 1000000);

    put(queue, 'a', true, 0);
    put(queue, 'b', true, 0);
    ck_assert(fr_record_queue_full(queue));
    put(queue, 'c', true, 0);
    put(queue, 'd', false, 1);
    ck_assert_uint_eq(fr_record_queue_records(queue), 3);
    fr_record_queue_free(queue);
}
END_TEST

START_TEST(bytes_are_limited)
{
    struct fr_record_queue *queue = fr_record_queue_new(1000, 3000);

    put(queue, 'a', true, 0);
    put(queue, 'b', true, 0);
    ck_assert(!fr_record_queue_full(queue));
    put(queue, 'c', true, 0);
    ck_assert(fr_record_queue_full(queue));
    fr_record_queue_free(queue);
}
END_TEST

START_TEST(wrapped_ring_grows)
{
    struct fr_record_queue *queue = fr_record_queue_new(100000, 1000000000);
    struct fr_queue_entry entries[200];

    for (int i = 0; i < 200; i++)
        put(queue, (char)i, false, 0);
    ck_assert_uint_eq(fr_record_queue_take(queue, entries, 150, SIZE_MAX), 150);
    for (int i = 0; i < 150; i++)
        fr_record_unref(entries[i].record);
    for (int i = 200; i < 600; i++)
        put(queue, (char)i, false, 0);
    for (int i = 150; i < 600; i++) {
        ck_assert_uint_eq(fr_record_queue_take(queue, entries, 1, SIZE_MAX), 1);
        ck_assert_int_eq(entries[0].record->txid[0], (char)i);
        fr_record_unref(entries[0].record);
    }
    fr_record_queue_free(queue);
}
END_TEST

Suite *suite_queue(void)
{
    Suite *suite = suite_create("queue");
    TCase *tests = tcase_create("queue");

    tcase_add_test(tests, full_queue_drops_the_oldest);
    tcase_add_test(tests, records_with_ack_are_not_dropped);
    tcase_add_test(tests, bytes_are_limited);
    tcase_add_test(tests, wrapped_ring_grows);
    suite_add_tcase(suite, tests);
    return suite;
}
