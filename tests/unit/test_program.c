/* Routing programs: windows, thresholds, edges, ages. The tests pass the time as an argument. */
#include "unit.h"

#include <string.h>

#include "route/program.h"
#include "sim/sim_message.h"

#define VIN "5YJ3E1EA7KF000001"
#define WALL INT64_C(1767225600000)

static const char *const sinks[] = {"s"};
static struct fr_routing *routing;
static struct fr_program *program;
static struct {
    char name[64];
    char unit[16];
    double real;
    int kind;
    uint32_t flags;
} emitted[64];
static size_t count;

static void compile(const char *text)
{
    struct fr_diagnostics diagnostics = {0};

    routing = fr_routing_parse(text, strlen(text), "r", sinks, 1, &diagnostics);
    if (routing == NULL)
        fr_diagnostics_print(&diagnostics, stderr);
    ck_assert_ptr_nonnull(routing);
    fr_diagnostics_free(&diagnostics);
    program = fr_program_new(routing, 0, FR_FORMAT_PROTOBUF);
    count = 0;
}

static void tear_down(void)
{
    fr_program_free(program);
    fr_routing_unref(routing);
    program = NULL;
    routing = NULL;
}

static void collect_emission(void *ctx, const struct fr_emission *e)
{
    (void)ctx;
    ck_assert_uint_lt(count, 64);
    emitted[count].kind = (int)e->kind;
    emitted[count].flags = e->flags;
    if (e->kind == FR_DELIVERY_FIELD) {
        strncpy(emitted[count].name, e->name, 63);
        strncpy(emitted[count].unit, e->unit, 15);
        emitted[count].real = e->value.kind == FR_VALUE_REAL ? e->value.real : e->value.kind;
    }
    count++;
}

static void send(const char *vin, uint32_t field, double real, int64_t created_ms, bool resend,
                 int64_t now)
{
    struct fr_sim_datum datum = {.field = field, .member = 5, .real = real};
    struct fr_buffer payload = {0};
    struct fr_record_source source = {.vin = vin,
                                      .topic = (const uint8_t *)"V",
                                      .topic_len = 1,
                                      .client_version = "",
                                      .received_ms = WALL + now};
    struct fr_record *record;
    struct fr_error error;

    fr_sim_payload(&payload, &datum, 1, vin, created_ms * 1000000, resend);
    source.payload = payload.bytes;
    source.payload_len = payload.len;
    record = fr_record_new(&source, &error);
    ck_assert_ptr_nonnull(record);
    fr_program_run(program, record, NULL, &(struct fr_program_time){now, WALL + now},
                   collect_emission, NULL);
    fr_record_unref(record);
    fr_buffer_free(&payload);
}

static void close_windows(int64_t now)
{
    fr_program_close_windows(program, &(struct fr_program_time){now, WALL + now}, SIZE_MAX,
                             collect_emission, NULL);
}

static void send_speed(double real, int64_t now)
{
    send(VIN, 4, real, WALL + now, false, now);
}

START_TEST(the_last_value_of_a_window_is_delivered)
{
    compile("fields: [{field: VehicleSpeed, to: s, every: 1 s, unit: km/h, as: speed}]");
    send_speed(10, 1000);
    ck_assert_uint_eq(count, 1);
    ck_assert_str_eq(emitted[0].name, "speed");
    ck_assert_str_eq(emitted[0].unit, "km/h");
    ck_assert_double_eq_tol(emitted[0].real, 16.09344, 1e-9);
    send_speed(20, 1200);
    send_speed(30, 1900);
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(fr_program_next_close(program), 2000);
    close_windows(1999);
    ck_assert_uint_eq(count, 1);
    close_windows(2000);
    ck_assert_uint_eq(count, 2);
    ck_assert_double_eq_tol(emitted[1].real, 48.28032, 1e-9);
    /* The delivery opened the next window, which received no value. */
    close_windows(3000);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(fr_program_next_close(program), -1);
    ck_assert_uint_eq(fr_program_counts(program).superseded, 1);
}
END_TEST

START_TEST(each_vehicle_has_its_own_window)
{
    compile("fields: [{field: VehicleSpeed, to: s, every: 1 s}]");
    send_speed(10, 1000);
    send("5YJ3E1EA7KF000002", 4, 11, WALL, false, 1100);
    ck_assert_uint_eq(count, 2);
    send_speed(12, 1500);
    ck_assert_uint_eq(count, 2);
}
END_TEST

START_TEST(small_changes_are_filtered)
{
    compile("fields: [{field: VehicleSpeed, to: s, min_change: 0.5}]");
    send_speed(10, 0);
    send_speed(10.4, 10);
    send_speed(10.49, 20);
    ck_assert_uint_eq(count, 1);
    send_speed(10.5, 30);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(fr_program_counts(program).unchanged, 2);
}
END_TEST

START_TEST(value_back_within_the_threshold_is_delivered)
{
    compile("fields: [{field: VehicleSpeed, to: s, every: 1 s, min_change: 5}]");
    send_speed(10, 0);
    send_speed(50, 100);
    send_speed(11, 200);
    close_windows(1000);
    ck_assert_uint_eq(count, 2);
    ck_assert_double_eq(emitted[1].real, 11);
}
END_TEST

START_TEST(edge_only_delivers_edges)
{
    compile("fields: [{field: VehicleSpeed, to: s, edge_only: true}]");
    send(VIN, 4, 1, WALL + 10, true, 10); /* resent: never an edge */
    ck_assert_uint_eq(count, 0);
    send_speed(1, 20);
    send_speed(1, 30); /* repeated */
    ck_assert_uint_eq(count, 1);
    send(VIN, 4, 2, WALL + 5, false, 40); /* late */
    ck_assert_uint_eq(count, 1);
    send_speed(2, 50);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(fr_program_counts(program).filtered_edge, 3);
}
END_TEST

START_TEST(resent_value_is_no_edge)
{
    compile("fields: [{field: VehicleSpeed, to: s, edge_only: true}]");
    send(VIN, 4, 1, WALL, true, 3600000); /* resent, from an hour ago */
    send_speed(1, 3600010);               /* the same value: no edge */
    ck_assert_uint_eq(count, 0);
    send_speed(2, 3600020);
    ck_assert_uint_eq(count, 1);
}
END_TEST

START_TEST(new_program_adopts_open_windows)
{
    struct fr_program *older;
    struct fr_routing *older_routing;

    compile("fields: [{field: VehicleSpeed, to: s, every: 1 s, as: a}, "
            "{field: VehicleSpeed, to: s, every: 1 s, as: b}]");
    send_speed(10, 0);
    send_speed(20, 100); /* pending in both windows */
    ck_assert_uint_eq(count, 2);
    older = program;
    older_routing = routing;
    compile("fields: [{field: Gear, to: s}, {field: VehicleSpeed, to: s, every: 1 s, as: b}]");
    fr_program_adopt(program, older, &(struct fr_program_time){200, WALL + 200}, collect_emission,
                     NULL);
    fr_program_free(older);
    fr_routing_unref(older_routing);
    ck_assert_uint_eq(count, 1); /* the removed route delivered its pending value */
    ck_assert_str_eq(emitted[0].name, "a");
    ck_assert_double_eq(emitted[0].real, 20);
    close_windows(999);
    ck_assert_uint_eq(count, 1);
    send_speed(30, 500); /* its window is still open */
    close_windows(1000);
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(emitted[1].name, "b");
    ck_assert_double_eq(emitted[1].real, 30);
}
END_TEST

START_TEST(values_older_than_max_age_are_skipped)
{
    compile("records: [{type: V, to: s, max_age: 30 s}]\n"
            "fields: [{field: VehicleSpeed, to: s, max_age: 10 s}]");
    send(VIN, 4, 1, WALL - 5000, false, 0);
    ck_assert_uint_eq(count, 2);
    send(VIN, 4, 1, WALL - 20000, false, 0);
    ck_assert_uint_eq(count, 3);
    ck_assert_uint_eq(emitted[2].flags, FR_FLAG_LATE);
    send(VIN, 4, 1, WALL - 60000, false, 0);
    ck_assert_uint_eq(count, 3);
}
END_TEST

START_TEST(star_route_includes_unknown_fields)
{
    compile("fields: [{field: \"*\", to: s, every: 1 s}]");
    send(VIN, 300, 7, WALL, false, 0);
    send(VIN, 300, 8, WALL, false, 10);
    ck_assert_uint_eq(count, 1);
    ck_assert_str_eq(emitted[0].name, "field_300");
    close_windows(1000);
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(emitted[1].name, "field_300");
}
END_TEST

START_TEST(unrouted_fields_are_not_delivered)
{
    compile("fields: [{field: Soc, to: s}]");
    send_speed(10, 0);
    ck_assert_uint_eq(count, 0);
}
END_TEST

Suite *suite_program(void)
{
    Suite *suite = suite_create("program");
    TCase *tests = tcase_create("program");

    tcase_add_checked_fixture(tests, NULL, tear_down);
    tcase_add_test(tests, the_last_value_of_a_window_is_delivered);
    tcase_add_test(tests, each_vehicle_has_its_own_window);
    tcase_add_test(tests, small_changes_are_filtered);
    tcase_add_test(tests, value_back_within_the_threshold_is_delivered);
    tcase_add_test(tests, edge_only_delivers_edges);
    tcase_add_test(tests, resent_value_is_no_edge);
    tcase_add_test(tests, new_program_adopts_open_windows);
    tcase_add_test(tests, values_older_than_max_age_are_skipped);
    tcase_add_test(tests, star_route_includes_unknown_fields);
    tcase_add_test(tests, unrouted_fields_are_not_delivered);
    suite_add_tcase(suite, tests);
    return suite;
}
