#include "unit.h"

#include <string.h>

#include "sink/sink_queue.h"

static struct fr_record *opaque(char name)
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

static void put(struct fr_sink_queue *queue, char name, bool ack, size_t dropped)
{
    struct fr_sink_entry entry = {opaque(name), ack};

    ck_assert_uint_eq(fr_sink_queue_put(queue, &entry, 1), dropped);
}

START_TEST(the_oldest_gives_way)
{
    struct fr_sink_queue *queue = fr_sink_queue_new(3, 1000000);
    struct fr_sink_entry entries[8];

    put(queue, 'a', false, 0);
    put(queue, 'b', false, 0);
    put(queue, 'c', false, 0);
    put(queue, 'd', false, 1);
    ck_assert_uint_eq(fr_sink_queue_records(queue), 3);
    ck_assert_uint_eq(fr_sink_queue_take(queue, entries, 8, SIZE_MAX), 3);
    ck_assert_int_eq(entries[0].record->txid[0], 'b');
    ck_assert_int_eq(entries[2].record->txid[0], 'd');
    /* Taken is not finished: there is no room yet. */
    ck_assert(fr_sink_queue_full(queue));
    put(queue, 'e', false, 1);
    for (int i = 0; i < 3; i++) {
        bool room = fr_sink_queue_finish(queue, 1, fr_sink_queue_size(entries[i].record));

        ck_assert_int_eq(room, i == 0);
        fr_record_unref(entries[i].record);
    }
    ck_assert(!fr_sink_queue_full(queue));
    fr_sink_queue_free(queue);
}
END_TEST

START_TEST(what_is_awaited_is_never_dropped)
{
    struct fr_sink_queue *queue = fr_sink_queue_new(2, 1000000);

    put(queue, 'a', true, 0);
    put(queue, 'b', true, 0);
    ck_assert(fr_sink_queue_full(queue));
    put(queue, 'c', true, 0);
    put(queue, 'd', false, 1);
    ck_assert_uint_eq(fr_sink_queue_records(queue), 3);
    fr_sink_queue_free(queue);
}
END_TEST

START_TEST(bytes_are_a_limit_too)
{
    struct fr_sink_queue *queue = fr_sink_queue_new(1000, 3000);

    put(queue, 'a', true, 0);
    put(queue, 'b', true, 0);
    ck_assert(!fr_sink_queue_full(queue));
    put(queue, 'c', true, 0);
    ck_assert(fr_sink_queue_full(queue));
    fr_sink_queue_free(queue);
}
END_TEST

START_TEST(the_ring_grows_around_its_end)
{
    struct fr_sink_queue *queue = fr_sink_queue_new(100000, 1000000000);
    struct fr_sink_entry entries[200];

    for (int i = 0; i < 200; i++)
        put(queue, (char)i, false, 0);
    ck_assert_uint_eq(fr_sink_queue_take(queue, entries, 150, SIZE_MAX), 150);
    for (int i = 0; i < 150; i++)
        fr_record_unref(entries[i].record);
    for (int i = 200; i < 600; i++)
        put(queue, (char)i, false, 0);
    for (int i = 150; i < 600; i++) {
        ck_assert_uint_eq(fr_sink_queue_take(queue, entries, 1, SIZE_MAX), 1);
        ck_assert_int_eq(entries[0].record->txid[0], (char)i);
        fr_record_unref(entries[0].record);
    }
    fr_sink_queue_free(queue);
}
END_TEST

Suite *suite_queue(void)
{
    Suite *suite = suite_create("queue");
    TCase *tests = tcase_create("queue");

    tcase_add_test(tests, the_oldest_gives_way);
    tcase_add_test(tests, what_is_awaited_is_never_dropped);
    tcase_add_test(tests, bytes_are_a_limit_too);
    tcase_add_test(tests, the_ring_grows_around_its_end);
    suite_add_tcase(suite, tests);
    return suite;
}
