/* Dispatch without a journal: batches, acknowledgements and full queues, with stub sinks. */
#include "unit.h"

#include <string.h>

#include "route/dispatch.h"

struct fr_sink {
    struct fr_queue_entry entries[600];
    size_t count;
    size_t calls; /* of sink_enqueue() */
    bool full;
};

static const char *const names[] = {"s0", "s1", "s2"};
static struct fr_sink sinks[3];
static struct fr_routes *routes;
static struct fr_dispatch *dispatch;
static struct fr_record *record;
static size_t completed;

static void sink_enqueue(struct fr_sink *sink, const struct fr_queue_entry *entries, size_t count)
{
    sink->calls++;
    ck_assert_uint_le(sink->count + count, 600);
    memcpy(&sink->entries[sink->count], entries, count * sizeof *entries);
    sink->count += count;
}

static bool sink_full(struct fr_sink *sink)
{
    return sink->full;
}

static void on_completed(struct fr_completion *completion, struct fr_record *first,
                         struct fr_record *last)
{
    (void)completion;
    ck_assert_ptr_eq(first, last);
    fr_record_unref(first);
    completed++;
}

static struct fr_completion completion = {.completed = on_completed};

static void set_up(void)
{
    static const char text[] = "records: [{type: V, to: [s0, s1, s2], ack: [s0, s1]},\n"
                               "          {type: alerts, to: s2}]";
    struct fr_diagnostics diagnostics = {0};
    struct fr_sink *pointers[] = {&sinks[0], &sinks[1], &sinks[2]};
    struct fr_routing *routing = fr_routing_parse(text, strlen(text), "r", names, 3, &diagnostics);
    struct fr_record_source source = {.vin = "5YJ3E1EA7KF000001",
                                      .topic = (const uint8_t *)"V",
                                      .topic_len = 1,
                                      .client_version = "",
                                      .payload = (const uint8_t *)"",
                                      .received_ms = 1};
    struct fr_error error;

    ck_assert_ptr_nonnull(routing);
    fr_diagnostics_free(&diagnostics);
    memset(sinks, 0, sizeof sinks);
    completed = 0;
    routes = fr_routes_new(routing, pointers, 3, NULL);
    fr_routing_unref(routing);
    dispatch = fr_dispatch_new(routes, sink_enqueue, sink_full);
    record = fr_record_new(&source, &error);
    ck_assert_msg(record != NULL, "%s", error.text);
}

static void tear_down(void)
{
    fr_dispatch_flush(dispatch);
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < sinks[i].count; k++)
            fr_record_unref(sinks[i].entries[k].record);
    fr_dispatch_free(dispatch);
    fr_routes_free(routes);
    fr_record_unref(record);
}

START_TEST(records_are_enqueued_by_the_flush)
{
    ck_assert(fr_dispatch_record(dispatch, record, &completion));
    ck_assert_uint_eq(sinks[0].calls, 0);
    fr_dispatch_flush(dispatch);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(sinks[i].count, 1);
        ck_assert_ptr_eq(sinks[i].entries[0].record, record);
        ck_assert(sinks[i].entries[0].ack == (i != 2));
    }
    fr_dispatch_flush(dispatch); /* the batch is empty */
    ck_assert_uint_eq(sinks[0].calls, 1);
}
END_TEST

START_TEST(a_full_batch_is_enqueued_at_once)
{
    for (size_t i = 0; i < 256; i++)
        fr_dispatch_record(dispatch, record, NULL);
    ck_assert_uint_eq(sinks[0].calls, 1);
    ck_assert_uint_eq(sinks[0].count, 256);
    fr_dispatch_record(dispatch, record, NULL);
    ck_assert_uint_eq(sinks[0].count, 256);
}
END_TEST

START_TEST(completion_requires_all_ack_sinks)
{
    struct fr_ack_batch batch = {0};

    ck_assert(fr_dispatch_record(dispatch, record, &completion));
    fr_record_confirm(record, true, &batch);
    fr_ack_batch_flush(&batch);
    ck_assert_uint_eq(completed, 0);
    fr_record_confirm(record, true, &batch);
    fr_ack_batch_flush(&batch);
    ck_assert_uint_eq(completed, 1);
}
END_TEST

START_TEST(no_ack_is_requested_without_a_completion)
{
    ck_assert(!fr_dispatch_record(dispatch, record, NULL));
    fr_dispatch_flush(dispatch);
    ck_assert_uint_eq(sinks[0].count, 1);
    ck_assert(!sinks[0].entries[0].ack);
}
END_TEST

START_TEST(only_ack_sinks_pause_the_vehicles)
{
    ck_assert(!fr_dispatch_full(dispatch));
    sinks[2].full = true;
    ck_assert(!fr_dispatch_full(dispatch));
    sinks[1].full = true;
    ck_assert(fr_dispatch_full(dispatch));
}
END_TEST

Suite *suite_dispatch(void)
{
    Suite *suite = suite_create("dispatch");
    TCase *tests = tcase_create("dispatch");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, records_are_enqueued_by_the_flush);
    tcase_add_test(tests, a_full_batch_is_enqueued_at_once);
    tcase_add_test(tests, completion_requires_all_ack_sinks);
    tcase_add_test(tests, no_ack_is_requested_without_a_completion);
    tcase_add_test(tests, only_ack_sinks_pause_the_vehicles);
    suite_add_tcase(suite, tests);
    return suite;
}
