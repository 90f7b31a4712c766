/* Deliveries of a sink without its thread: order, FR_RETRY, FR_FAILED, FR_REFUSED, max_age and
 * `delivery: latest`. The tests call the functions that the events of the thread call. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "sink/batch.h"
#include "sink/dead_letter_queue.h"
#include "sink/delivery.h"
#include "sink/delivery_list.h"
#include "sink/in_flight.h"
#include "sink/lanes.h"
#include "sink/latest.h"
#include "sink/latest_values.h"
#include "sink/outcome.h"
#include "sink/retry.h"
#include "sink/sink_commands.h"
#include "sink/sink_state.h"
#include "util/clock.h"

#define RETRY_MIN_MS 10
#define RETRY_MAX_MS 30

static struct fr_sink *sink;
static struct fr_routing *routing;
static struct fr_delivery *held[64]; /* passed to the plugin, in this order */
static size_t held_count;

static void plugin_deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    (void)state;
    ck_assert_uint_le(held_count + count, 64);
    memcpy(held + held_count, batch, count * sizeof *batch);
    held_count += count;
}

static const struct fr_plugin plugin = {.name = "test", .deliver = plugin_deliver};

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what, (void)ctx;
}

static void set_up(void)
{
    static const char *const sinks[] = {"s"};
    static const char text[] = "records: [{type: V, to: s}]";
    struct fr_diagnostics diagnostics = {0};

    routing = fr_routing_parse(text, strlen(text), "r", sinks, 1, &diagnostics);
    ck_assert_ptr_nonnull(routing);
    fr_diagnostics_free(&diagnostics);
    sink = calloc(1, sizeof *sink);
    sink->settings.name = "s";
    sink->settings.retry_min_ms = RETRY_MIN_MS;
    sink->settings.retry_max_ms = RETRY_MAX_MS;
    sink->settings.attempts = 2;
    sink->plugin = &plugin;
    sink->program = fr_program_new(routing, 0, FR_FORMAT_PROTOBUF);
    sink->in_flight.max = 1000;
    sink->lanes = fr_lanes_new();
    sink->thread.base = event_base_new();
    sink->thread.after_event = event_new(sink->thread.base, -1, 0, on_event, NULL);
    sink->retry.timer = event_new(sink->thread.base, -1, 0, on_event, NULL);
    pthread_mutex_init(&sink->health.lock, NULL);
    held_count = 0;
}

static void tear_down(void)
{
    fr_deliveries_free(sink);
    fr_lanes_free(sink->lanes);
    fr_latest_free(sink->latest.table);
    fr_program_free(sink->program);
    event_free(sink->thread.after_event);
    event_free(sink->retry.timer);
    event_base_free(sink->thread.base);
    pthread_mutex_destroy(&sink->health.lock);
    free(sink->batch.deliveries);
    free(sink);
    fr_routing_unref(routing);
}

/* Create a delivery of a new record of the topic "canlogs" with a one-letter txid. */
static void emit(const char *vin, char txid, enum fr_delivery_kind kind, int64_t expires_ms)
{
    struct fr_record_source source = {.vin = vin,
                                      .topic = (const uint8_t *)"canlogs",
                                      .topic_len = 7,
                                      .txid = (const uint8_t *)&txid,
                                      .txid_len = 1,
                                      .client_version = "",
                                      .received_ms = 1767225600000 + txid};
    struct fr_emission emission = {.kind = kind,
                                   .format = FR_FORMAT_PROTOBUF,
                                   .field = 4,
                                   .name = "VehicleSpeed",
                                   .unit = "",
                                   .due_ms = fr_wall_ms(),
                                   .expires_ms = expires_ms};
    struct fr_error error;

    emission.record = fr_record_new(&source, &error);
    ck_assert_ptr_nonnull(emission.record);
    fr_delivery_emit(sink, &emission);
    fr_record_unref(emission.record);
}

static void emit_record(const char *vin, char txid)
{
    emit(vin, txid, FR_DELIVERY_RECORD, INT64_MAX);
}

/* Run the steps of the after-event: complete the batch and submit it to the plugin. */
static void run_after(void)
{
    sink->thread.after_pending = false;
    fr_batch_add_ready(sink);
    fr_delivery_submit_batch(sink);
}

/* Compare the txids of the deliveries that the plugin holds. */
static void assert_held(const char *txids)
{
    char found[65] = "";

    for (size_t i = 0; i < held_count; i++)
        found[i] = held[i]->txid[0];
    ck_assert_str_eq(found, txids);
}

/* Report the outcome of held[index], and remove it from the array. */
static void report(size_t index, enum fr_outcome outcome)
{
    struct fr_delivery *d = held[index];

    ck_assert_uint_lt(index, held_count);
    held_count--;
    memmove(held + index, held + index + 1, (held_count - index) * sizeof held[0]);
    fr_outcome_report(sink, d, outcome);
}

/* The number of deliveries that wait to become dead letters. */
static size_t dead_letters(void)
{
    size_t count = 0;

    for (const struct delivery *d = sink->dead_letters.pending.first; d != NULL; d = d->next)
        count++;
    return count;
}

START_TEST(list_is_sorted_by_order)
{
    static const unsigned orders[] = {5, 9, 1, 7, 3};
    struct delivery deliveries[5] = {0};
    struct delivery_list list = {0};

    for (int i = 0; i < 5; i++) {
        deliveries[i].order = orders[i];
        fr_delivery_list_insert(&list, &deliveries[i]);
    }
    ck_assert_uint_eq(list.last->order, 9);
    for (unsigned order = 1; order <= 9; order += 2)
        ck_assert_uint_eq(fr_delivery_list_pop(&list)->order, order);
    ck_assert_ptr_null(fr_delivery_list_pop(&list));
    ck_assert_ptr_null(list.last);
}
END_TEST

START_TEST(done_completes_the_delivery)
{
    emit_record("A", 'a');
    emit_record("B", 'b');
    ck_assert_uint_eq(sink->in_flight.count, 2);
    run_after();
    assert_held("ab");
    ck_assert_uint_eq(sink->in_flight.in_plugin, 2);
    report(1, FR_DONE);
    report(0, FR_DONE);
    ck_assert_uint_eq(sink->counters.delivered, 2);
    ck_assert_uint_eq(sink->in_flight.count, 0);
    ck_assert_uint_eq(sink->in_flight.bytes, 0);
    ck_assert_uint_eq(sink->in_flight.in_plugin, 0);
    ck_assert_int_eq(sink->in_flight.oldest_due_ms, 0);
}
END_TEST

START_TEST(deliveries_older_than_max_age_are_skipped)
{
    emit("A", 'a', FR_DELIVERY_RECORD, fr_wall_ms() - 1);
    emit_record("A", 'b');
    run_after();
    assert_held("b");
    ck_assert_uint_eq(sink->counters.expired, 1);
    ck_assert_uint_eq(sink->in_flight.count, 1);
}
END_TEST

START_TEST(retry_keeps_the_order_of_creation)
{
    emit_record("A", 'a');
    emit_record("B", 'b');
    emit_record("A", 'c');
    run_after();
    report(2, FR_RETRY);
    report(0, FR_RETRY);
    /* A delivery that is created now must not overtake the deliveries that wait. */
    emit_record("A", 'd');
    run_after();
    assert_held("b");
    report(0, FR_RETRY);
    ck_assert_uint_eq(sink->counters.retried, 3);
    fr_retry_add_to_batch(sink);
    run_after();
    assert_held("abcd");
    ck_assert_ptr_null(sink->retry.waiting.first);
}
END_TEST

START_TEST(retry_pause_doubles_up_to_the_maximum)
{
    static const int64_t next_ms[] = {2 * RETRY_MIN_MS, RETRY_MAX_MS, RETRY_MAX_MS};

    emit_record("A", 'a');
    run_after();
    for (int i = 0; i < 3; i++) {
        report(0, FR_RETRY);
        ck_assert(event_pending(sink->retry.timer, EV_TIMEOUT, NULL));
        ck_assert_int_eq(sink->retry.pause_ms, next_ms[i]);
        event_del(sink->retry.timer);
        fr_retry_add_to_batch(sink);
        run_after();
    }
    report(0, FR_DONE);
    ck_assert_int_eq(sink->retry.pause_ms, 0);
}
END_TEST

START_TEST(failure_blocks_its_vehicle_only)
{
    emit_record("A", 'a');
    run_after();
    report(0, FR_FAILED);
    emit_record("A", 'b');
    emit_record("B", 'c');
    emit_record("A", 'd');
    run_after();
    assert_held("c");
    ck_assert_uint_eq(fr_lanes_count(sink->lanes), 1);
    fr_lanes_retry_due(sink, INT64_MAX);
    run_after();
    assert_held("ca");
    report(1, FR_DONE);
    run_after();
    assert_held("cbd");
    ck_assert_uint_eq(fr_lanes_count(sink->lanes), 0);
    ck_assert_uint_eq(dead_letters(), 0);
}
END_TEST

START_TEST(last_attempt_makes_a_dead_letter)
{
    emit_record("A", 'a');
    emit_record("A", 'b');
    run_after();
    report(0, FR_FAILED);
    report(0, FR_FAILED);
    emit_record("A", 'c');
    run_after();
    assert_held("");
    ck_assert(fr_lanes_next_due(sink->lanes) >= 0);
    fr_lanes_retry_due(sink, INT64_MAX);
    run_after();
    assert_held("a");
    report(0, FR_FAILED);
    ck_assert_uint_eq(dead_letters(), 1);
    ck_assert_uint_eq(sink->dead_letters.pending.first->failures, 2);
    /* The next deliveries of the lane follow without a pause, and have one attempt each. */
    run_after();
    assert_held("b");
    report(0, FR_FAILED);
    run_after();
    assert_held("c");
    report(0, FR_FAILED);
    ck_assert_uint_eq(dead_letters(), 3);
    ck_assert_uint_eq(fr_lanes_count(sink->lanes), 0);
    ck_assert_uint_eq(sink->counters.failed, 5);
    fr_dead_letter_abandon(sink, fr_outcome_skip);
    ck_assert_uint_eq(sink->in_flight.count, 0);
}
END_TEST

START_TEST(retry_is_no_attempt_of_a_lane)
{
    emit_record("A", 'a');
    run_after();
    report(0, FR_FAILED);
    for (int i = 0; i < 3; i++) {
        fr_lanes_retry_due(sink, INT64_MAX);
        run_after();
        assert_held("a");
        report(0, FR_RETRY);
    }
    ck_assert_uint_eq(dead_letters(), 0);
    ck_assert_uint_eq(fr_lanes_count(sink->lanes), 1);
    fr_lanes_abandon(sink, fr_outcome_skip);
    ck_assert_uint_eq(fr_lanes_count(sink->lanes), 0);
    ck_assert_uint_eq(sink->in_flight.count, 0);
}
END_TEST

START_TEST(full_lane_drops_its_oldest_to_the_dead_letters)
{
    emit_record("A", 'a');
    run_after();
    report(0, FR_FAILED);
    for (int i = 0; i < FR_LANE_MAX + 4; i++)
        emit_record("A", 'b');
    run_after();
    assert_held("");
    ck_assert_uint_eq(dead_letters(), 5);
    ck_assert_int_eq(sink->dead_letters.pending.first->public.txid[0], 'a');
}
END_TEST

START_TEST(refused_makes_a_dead_letter_at_once)
{
    emit_record("A", 'a');
    emit_record("A", 'b');
    run_after();
    report(0, FR_REFUSED);
    ck_assert_uint_eq(dead_letters(), 1);
    ck_assert_str_eq(sink->dead_letters.pending.first->reason, "the plugin gave no reason");
    report(0, FR_DONE);
    ck_assert_uint_eq(sink->counters.refused, 1);
    ck_assert_uint_eq(fr_lanes_count(sink->lanes), 0);
}
END_TEST

START_TEST(inexpressible_never_reaches_the_plugin)
{
    /* created_at: the first second of the year 10000 */
    static const uint8_t payload[] = {0x12, 0x07, 0x08, 0x80, 0x83, 0xd1, 0xff, 0xaf, 0x07};
    struct fr_record_source source = {.vin = "A",
                                      .topic = (const uint8_t *)"errors",
                                      .topic_len = 6,
                                      .client_version = "",
                                      .payload = payload,
                                      .payload_len = sizeof payload};
    struct fr_emission emission = {.kind = FR_DELIVERY_RECORD,
                                   .format = FR_FORMAT_TESLA_JSON,
                                   .name = "",
                                   .unit = "",
                                   .expires_ms = INT64_MAX};
    struct delivery *d;
    struct fr_error error;

    emission.record = fr_record_new(&source, &error);
    ck_assert_ptr_nonnull(emission.record);
    fr_delivery_emit(sink, &emission);
    fr_record_unref(emission.record);
    /* Each time the dead letter cannot be written. */
    for (unsigned i = 1; i <= 3; i++) {
        run_after();
        assert_held("");
        ck_assert_uint_eq(dead_letters(), 1);
        ck_assert_uint_eq(sink->dead_letters.pending.first->failures, i);
        ck_assert_uint_eq(sink->counters.refused, i);
        d = fr_delivery_list_pop(&sink->dead_letters.pending);
        fr_lanes_requeue(sink, d);
        fr_lanes_retry_due(sink, INT64_MAX);
    }
    run_after();
    fr_dead_letter_abandon(sink, fr_outcome_skip);
    ck_assert_uint_eq(fr_lanes_count(sink->lanes), 0);
    ck_assert_uint_eq(sink->in_flight.count, 0);
    ck_assert_uint_eq(sink->in_flight.in_plugin, 0);
}
END_TEST

START_TEST(latest_delivers_the_newest_value)
{
    sink->latest.table = fr_latest_new();
    for (char txid = 'a'; txid <= 'c'; txid++)
        emit("A", txid, FR_DELIVERY_FIELD, INT64_MAX);
    ck_assert_uint_eq(sink->counters.replaced, 2);
    ck_assert_uint_eq(sink->in_flight.count, 1);
    ck_assert_uint_eq(sink->in_flight.bytes, 0);
    fr_latest_values_add_to_batch(sink);
    run_after();
    assert_held("c");
    /* A value that the plugin holds is not overtaken. */
    emit("A", 'd', FR_DELIVERY_FIELD, INT64_MAX);
    fr_latest_values_add_to_batch(sink);
    run_after();
    assert_held("c");
    /* After FR_RETRY, the newer value replaces the older one. */
    report(0, FR_RETRY);
    ck_assert_uint_eq(sink->counters.replaced, 3);
    fr_latest_values_add_to_batch(sink);
    run_after();
    assert_held("");
    event_del(sink->retry.timer);
    fr_latest_values_add_to_batch(sink);
    run_after();
    assert_held("d");
    report(0, FR_DONE);
    ck_assert_uint_eq(sink->in_flight.count, 0);
}
END_TEST

/* After a rewind a failed or refused delivery blocks neither its slot nor its lane. */
START_TEST(rewind_frees_the_slot_and_the_lane)
{
    static const enum fr_outcome outcomes[] = {FR_FAILED, FR_REFUSED, FR_RETRY};

    sink->latest.table = fr_latest_new();
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        emit("A", 'a', FR_DELIVERY_FIELD, INT64_MAX);
        fr_latest_values_add_to_batch(sink);
        run_after();
        assert_held("a");
        emit("A", 'b', FR_DELIVERY_FIELD, INT64_MAX); /* waits in the slot */
        report(0, outcomes[i]);
        fr_sink_abandon_deliveries(sink);
        event_del(sink->retry.timer);
        ck_assert_uint_eq(sink->in_flight.count, 0);
        ck_assert_uint_eq(fr_lanes_count(sink->lanes), 0);
        emit("A", 'c', FR_DELIVERY_FIELD, INT64_MAX);
        fr_latest_values_add_to_batch(sink);
        run_after();
        assert_held("c");
        report(0, FR_DONE);
    }
}
END_TEST

/* The lane of a delivery that failed, was tried again and then answered FR_RETRY. */
START_TEST(rewind_frees_the_lane_of_a_retried_delivery)
{
    emit_record("A", 'a');
    emit_record("B", 'x');
    run_after();
    assert_held("ax");
    report(0, FR_FAILED);
    report(0, FR_RETRY); /* the pause of the sink begins */
    fr_lanes_retry_due(sink, INT64_MAX);
    run_after(); /* the lane's delivery waits for the end of the pause */
    assert_held("");
    fr_sink_abandon_deliveries(sink);
    event_del(sink->retry.timer);
    ck_assert_uint_eq(fr_lanes_count(sink->lanes), 0);
    ck_assert_uint_eq(sink->in_flight.count, 0);
    emit_record("A", 'b');
    run_after();
    assert_held("b");
    report(0, FR_DONE);
}
END_TEST

Suite *suite_sink(void)
{
    Suite *suite = suite_create("sink");
    TCase *c = tcase_create("deliveries");

    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, list_is_sorted_by_order);
    tcase_add_test(c, done_completes_the_delivery);
    tcase_add_test(c, deliveries_older_than_max_age_are_skipped);
    tcase_add_test(c, retry_keeps_the_order_of_creation);
    tcase_add_test(c, retry_pause_doubles_up_to_the_maximum);
    tcase_add_test(c, failure_blocks_its_vehicle_only);
    tcase_add_test(c, last_attempt_makes_a_dead_letter);
    tcase_add_test(c, retry_is_no_attempt_of_a_lane);
    tcase_add_test(c, full_lane_drops_its_oldest_to_the_dead_letters);
    tcase_add_test(c, refused_makes_a_dead_letter_at_once);
    tcase_add_test(c, inexpressible_never_reaches_the_plugin);
    tcase_add_test(c, latest_delivers_the_newest_value);
    tcase_add_test(c, rewind_frees_the_slot_and_the_lane);
    tcase_add_test(c, rewind_frees_the_lane_of_a_retried_delivery);
    suite_add_tcase(suite, c);
    return suite;
}
