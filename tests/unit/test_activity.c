/* The last hour in memory: rates, sinks that come and go, the bound, and delays of acknowledgements. */
#include "unit.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/activity.h"

static struct fr_activity *activity;
static struct fr_activity_sample sample;

static void begin(void)
{
    activity = fr_activity_new(1000);
    sample = (struct fr_activity_sample){.monotonic_ms = 1000};
}

static void end(void)
{
    fr_activity_free(activity);
}

static void add_after(int64_t ms)
{
    sample.monotonic_ms += ms;
    sample.wall_ms = sample.monotonic_ms + 1700000000000;
    fr_activity_add(activity, &sample);
}

static json_t *put(size_t steps)
{
    struct fr_buffer out = {0};
    json_t *root;

    fr_buffer_byte(&out, '{');
    fr_activity_put(activity, steps, &out);
    fr_buffer_byte(&out, '}');
    root = json_loadb((const char *)out.bytes, out.len, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(root);
    fr_buffer_free(&out);
    return root;
}

static json_t *series(json_t *root, const char *name)
{
    json_t *array = json_object_get(json_object_get(root, "series"), name);

    ck_assert(json_is_array(array));
    return array;
}

static double number(json_t *array, size_t index)
{
    ck_assert(json_is_number(json_array_get(array, index)));
    return json_number_value(json_array_get(array, index));
}

START_TEST(rates_are_per_second_of_the_real_step)
{
    json_t *root = put(360);

    ck_assert_uint_eq(json_array_size(series(root, "records")), 0);
    json_decref(root);
    sample.records = 1000;
    sample.acknowledged = 500;
    sample.connected = 3;
    add_after(10000);
    add_after(0); /* no time has passed: no step, no division by zero */
    sample.records = 1300;
    add_after(20000); /* the main thread was late */
    root = put(360);
    ck_assert_uint_eq(json_array_size(series(root, "records")), 2);
    ck_assert_double_eq(number(series(root, "records"), 0), 100);
    ck_assert_double_eq(number(series(root, "acknowledged"), 0), 50);
    ck_assert_double_eq(number(series(root, "records"), 1), 15);
    ck_assert_double_eq(number(series(root, "acknowledged"), 1), 0);
    ck_assert_double_eq(number(series(root, "connected"), 1), 3);
    ck_assert_double_eq(number(series(root, "at_ms"), 1), 1700000031000);
    json_decref(root);
    root = put(1);
    ck_assert_uint_eq(json_array_size(series(root, "records")), 1);
    ck_assert_double_eq(number(series(root, "records"), 0), 15);
    json_decref(root);
}
END_TEST

START_TEST(sinks_come_go_and_restart)
{
    struct fr_activity_sink sinks[2] = {{"a\"<b>", 100, 5}, {"late", 0, 1}};
    json_t *root, *sink;

    sample.sinks = sinks;
    sample.sink_count = 1;
    add_after(10000);
    sample.sink_count = 2;
    sinks[0].delivered = 20; /* it was restarted by a reload */
    sinks[1].delivered = 50;
    add_after(10000);
    root = put(360);
    sink = json_object_get(json_object_get(root, "sinks"), "a\"<b>");
    ck_assert_double_eq(number(json_object_get(sink, "delivered"), 0), 10);
    ck_assert_double_eq(number(json_object_get(sink, "delivered"), 1), 2);
    ck_assert_double_eq(number(json_object_get(sink, "lag"), 1), 5);
    sink = json_object_get(json_object_get(root, "sinks"), "late");
    ck_assert(json_is_null(json_array_get(json_object_get(sink, "delivered"), 0)));
    ck_assert(json_is_null(json_array_get(json_object_get(sink, "lag"), 0)));
    ck_assert_double_eq(number(json_object_get(sink, "delivered"), 1), 5);
    json_decref(root);
    sample.sinks = &sinks[1];
    sample.sink_count = 1;
    add_after(10000);
    root = put(360);
    ck_assert_uint_eq(json_object_size(json_object_get(root, "sinks")), 1);
    json_decref(root);
}
END_TEST

START_TEST(the_ring_keeps_an_hour)
{
    json_t *root;

    for (int i = 1; i <= FR_ACTIVITY_STEPS + 7; i++) {
        sample.records += (uint64_t)i * 10;
        add_after(10000);
    }
    root = put(100000);
    ck_assert_uint_eq(json_array_size(series(root, "records")), FR_ACTIVITY_STEPS);
    ck_assert_double_eq(number(series(root, "records"), 0), 8);
    ck_assert_double_eq(number(series(root, "records"), FR_ACTIVITY_STEPS - 1),
                        FR_ACTIVITY_STEPS + 7);
    json_decref(root);
}
END_TEST

START_TEST(delays_are_those_of_the_step)
{
    struct fr_ack_delays delays = {0};
    json_t *root;

    for (int i = 0; i < 98; i++)
        fr_ack_delays_add(&delays, 3);
    fr_ack_delays_add(&delays, 40);
    fr_ack_delays_add(&delays, 5000);
    memcpy(sample.delays, &delays, sizeof sample.delays);
    add_after(10000);
    add_after(10000); /* none */
    fr_ack_delays_add(&delays, 7);
    memcpy(sample.delays, &delays, sizeof sample.delays);
    add_after(10000);
    root = put(360);
    ck_assert_double_eq(number(series(root, "ack_p50_ms"), 0), 3);
    ck_assert_double_ge(number(series(root, "ack_p99_ms"), 0), 40);
    ck_assert_double_le(number(series(root, "ack_p99_ms"), 0), 45);
    ck_assert(json_is_null(json_array_get(series(root, "ack_p50_ms"), 1)));
    ck_assert(json_is_null(json_array_get(series(root, "ack_p99_ms"), 1)));
    ck_assert_double_eq(number(series(root, "ack_p50_ms"), 2), 7);
    ck_assert_double_eq(number(series(root, "ack_p99_ms"), 2), 7);
    json_decref(root);
}
END_TEST

/* Every delay is in a class that does not underrate it, and overrates it by an eighth at most. */
START_TEST(classes_are_exact_to_an_eighth)
{
    unsigned before = 0;

    for (int64_t ms = 0; ms < 1 << 17; ms++) {
        unsigned class = fr_ack_delay_class(ms);
        int64_t bound = fr_ack_delay_bound(class);

        ck_assert_uint_lt(class, FR_ACK_DELAY_CLASSES);
        ck_assert(class == before || class == before + 1);
        ck_assert_int_ge(bound, ms);
        ck_assert_int_le(bound, ms + ms / 8);
        before = class;
    }
    ck_assert_uint_eq(fr_ack_delay_class((1 << 17) - 1), FR_ACK_DELAY_CLASSES - 1);
    ck_assert_uint_eq(fr_ack_delay_class(1 << 17), FR_ACK_DELAY_CLASSES - 1);
    ck_assert_uint_eq(fr_ack_delay_class(INT64_MAX), FR_ACK_DELAY_CLASSES - 1);
    ck_assert_uint_eq(fr_ack_delay_class(-1), 0);
    ck_assert_uint_eq(fr_ack_delay_class(INT64_MIN), 0);
}
END_TEST

START_TEST(percentiles_at_the_edges)
{
    uint64_t counts[FR_ACK_DELAY_CLASSES] = {0};

    ck_assert_int_eq(fr_ack_delays_percentile(counts, 50), -1);
    counts[5] = 1;
    ck_assert_int_eq(fr_ack_delays_percentile(counts, 1), 5);
    ck_assert_int_eq(fr_ack_delays_percentile(counts, 100), 5);
    counts[2] = 1;
    ck_assert_int_eq(fr_ack_delays_percentile(counts, 50), 2);
    ck_assert_int_eq(fr_ack_delays_percentile(counts, 51), 5);
    counts[2] = 98;
    counts[5] = 1;
    counts[9] = 1;
    ck_assert_int_eq(fr_ack_delays_percentile(counts, 98), 2);
    ck_assert_int_eq(fr_ack_delays_percentile(counts, 99), 5);
    ck_assert_int_eq(fr_ack_delays_percentile(counts, 100), 9);
}
END_TEST

Suite *suite_activity(void)
{
    Suite *suite = suite_create("activity");
    TCase *tests = tcase_create("activity");

    tcase_add_checked_fixture(tests, begin, end);
    tcase_add_test(tests, rates_are_per_second_of_the_real_step);
    tcase_add_test(tests, sinks_come_go_and_restart);
    tcase_add_test(tests, the_ring_keeps_an_hour);
    tcase_add_test(tests, delays_are_those_of_the_step);
    tcase_add_test(tests, classes_are_exact_to_an_eighth);
    tcase_add_test(tests, percentiles_at_the_edges);
    suite_add_tcase(suite, tests);
    return suite;
}
