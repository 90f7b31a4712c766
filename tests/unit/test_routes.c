/* The routes of ingest: admitted vehicles, and the sinks of a record by type and topic. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "config/field_route.h"
#include "route/routes.h"

static const char *const names[] = {"s0", "s1", "s2"};
static struct fr_routes *routes;

static void load(const char *text)
{
    struct fr_diagnostics diagnostics = {0};
    struct fr_sink *sinks[3] = {NULL};
    struct fr_routing *routing = fr_routing_parse(text, strlen(text), "r", names, 3, &diagnostics);

    if (routing == NULL)
        fr_diagnostics_print(&diagnostics, stderr);
    ck_assert_ptr_nonnull(routing);
    fr_diagnostics_free(&diagnostics);
    routes = fr_routes_new(routing, sinks, 3, NULL);
    fr_routing_unref(routing); /* the routes have their own reference */
}

static void tear_down(void)
{
    fr_routes_free(routes);
    routes = NULL;
}

/* Check the sinks and the acknowledging sinks of a record with this topic. Both are bit masks. */
static void assert_targets(const char *topic, uint64_t sinks, uint64_t acks)
{
    struct fr_record_source source = {.vin = "5YJ3E1EA7KF000001",
                                      .topic = (const uint8_t *)topic,
                                      .topic_len = strlen(topic),
                                      .client_version = "",
                                      .payload = (const uint8_t *)"",
                                      .received_ms = 1};
    struct fr_error error;
    struct fr_record *record = fr_record_new(&source, &error);
    struct fr_targets targets;

    ck_assert_msg(record != NULL, "%s", error.text);
    targets = fr_routes_targets(routes, record);
    ck_assert_msg(targets.sinks == sinks && targets.acks == acks, "%s: sinks %llx, acks %llx",
                  topic, (unsigned long long)targets.sinks, (unsigned long long)targets.acks);
    fr_record_unref(record);
}

START_TEST(every_vehicle_is_admitted_without_a_list)
{
    load("records: [{type: V, to: s0}]");
    ck_assert(fr_routes_admit(routes, "5YJ3E1EA7KF000001"));
    ck_assert(fr_routes_admit(routes, "other"));
}
END_TEST

START_TEST(listed_vehicles_are_admitted)
{
    load("vehicles: [5YJ3E1EA7KF000003, {vin: 5YJ3E1EA7KF000001, name: one}, 5YJ3E1EA7KF000002]\n"
         "records: [{type: V, to: s0}]");
    ck_assert(fr_routes_admit(routes, "5YJ3E1EA7KF000001"));
    ck_assert(fr_routes_admit(routes, "5YJ3E1EA7KF000002"));
    ck_assert(fr_routes_admit(routes, "5YJ3E1EA7KF000003"));
    ck_assert(!fr_routes_admit(routes, "5YJ3E1EA7KF000004"));
    ck_assert(!fr_routes_admit(routes, ""));
}
END_TEST

START_TEST(targets_are_those_of_the_type)
{
    load("records: [{type: V, to: [s0, s1], ack: s1}, {type: [alerts, errors], to: s1}]\n"
         "fields: [{field: Soc, to: s2}]");
    assert_targets("V", 7, 2); /* field routes are for V records, without acknowledgement */
    assert_targets("alerts", 2, 0);
    assert_targets("errors", 2, 0);
    assert_targets("connectivity", 0, 0);
    assert_targets("custom", 0, 0);
    ck_assert_uint_eq(fr_routes_ack_sinks(routes), 2);
}
END_TEST

START_TEST(topic_has_its_routes_and_the_star_routes)
{
    load("records: [{type: custom, to: s0, ack: s0}, {type: \"*\", to: s1},\n"
         "          {type: [custom, second], to: s2}]");
    assert_targets("custom", 7, 1);
    assert_targets("second", 6, 0);
    assert_targets("third", 2, 0);
    assert_targets("V", 2, 0);
    ck_assert(fr_routes_names_topic(routes, "custom", 6));
    ck_assert(!fr_routes_names_topic(routes, "custom2", 7));
    ck_assert(!fr_routes_names_topic(routes, "third", 5));
    ck_assert(fr_routes_has_topic(routes, "third", 5));
}
END_TEST

START_TEST(topic_without_a_route_is_not_routed)
{
    load("records: [{type: custom, to: s0}]");
    ck_assert(fr_routes_has_topic(routes, "custom", 6));
    ck_assert(!fr_routes_has_topic(routes, "third", 5));
}
END_TEST

/* Each option of a field route: whether it needs state, and whether a reload detects a change. */
START_TEST(options_of_field_routes_are_compared)
{
    static const struct {
        const char *option;
        bool has_state, same;
    } rows[] = {
        {"", false, true},
        {", every: 5 s", true, false},
        {", min_change: 0.5", true, false},
        {", max_age: 5 s", false, false},
        {", edge_only: true", true, false},
        {", unit: km/h", false, false},
        {", as: speed", false, false},
    };
    char text[256];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fr_diagnostics diagnostics = {0};
        struct fr_routing *routing;
        const struct fr_field_route *route;

        snprintf(text, sizeof text,
                 "fields: [{field: VehicleSpeed, to: s0}, {field: VehicleSpeed, to: s1%s}]",
                 rows[i].option);
        routing = fr_routing_parse(text, strlen(text), "r", names, 3, &diagnostics);
        ck_assert_ptr_nonnull(routing);
        route = routing->fields;
        ck_assert(!fr_field_route_has_state(&route[0]));
        ck_assert_msg(fr_field_route_has_state(&route[1]) == rows[i].has_state, "%s", text);
        ck_assert_msg(fr_field_route_equal(&route[0], &route[1]) == rows[i].same, "%s", text);
        ck_assert_msg((fr_field_route_id(&route[0]) == fr_field_route_id(&route[1])) ==
                          rows[i].same,
                      "%s", text);
        fr_routing_unref(routing);
        fr_diagnostics_free(&diagnostics);
    }
}
END_TEST

START_TEST(field_routes_of_other_fields_differ)
{
    static const char text[] = "fields: [{field: VehicleSpeed, to: s0}, {field: Soc, to: s0}]";
    struct fr_diagnostics diagnostics = {0};
    struct fr_routing *routing = fr_routing_parse(text, strlen(text), "r", names, 3, &diagnostics);

    ck_assert_ptr_nonnull(routing);
    ck_assert(!fr_field_route_equal(&routing->fields[0], &routing->fields[1]));
    fr_routing_unref(routing);
    fr_diagnostics_free(&diagnostics);
}
END_TEST

static bool can_express(const char *topic, const uint8_t *payload, size_t len)
{
    struct fr_record_source source = {.vin = "5YJ3E1EA7KF000001",
                                      .topic = (const uint8_t *)topic,
                                      .topic_len = strlen(topic),
                                      .client_version = "",
                                      .payload = payload,
                                      .payload_len = len,
                                      .received_ms = 1};
    struct fr_error error;
    struct fr_record *record = fr_record_new(&source, &error);
    bool can;

    ck_assert_msg(record != NULL, "%s", error.text);
    can = fr_routes_can_express(routes, record);
    fr_record_unref(record);
    return can;
}

/* A time with -1 nanoseconds, which RFC 3339 cannot express. */
START_TEST(tesla_json_cannot_express_every_time)
{
    static const uint8_t data[] = {0x12, 11,   0x10, 0xff, 0xff, 0xff, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 0xff, 1};
    static const uint8_t alert[] = {0x0a, 13,   0x1a, 11,   0x10, 0xff, 0xff, 0xff,
                                    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1};

    load("records: [{type: V, to: s0, format: tesla-json}, {type: \"*\", to: s1}]");
    ck_assert(!can_express("V", data, sizeof data));
    ck_assert(can_express("V", data, 0));
    ck_assert(can_express("alerts", alert, sizeof alert));
    tear_down();
    load("records: [{type: \"*\", to: s0, format: tesla-json}]");
    ck_assert(!can_express("V", data, sizeof data));
    ck_assert(!can_express("alerts", alert, sizeof alert));
    ck_assert(can_express("other", data, sizeof data));
    tear_down();
    load("records: [{type: \"*\", to: s0, format: json}]");
    ck_assert(can_express("V", data, sizeof data));
}
END_TEST

Suite *suite_routes(void)
{
    Suite *suite = suite_create("routes");
    TCase *tests = tcase_create("routes");

    tcase_add_checked_fixture(tests, NULL, tear_down);
    tcase_add_test(tests, every_vehicle_is_admitted_without_a_list);
    tcase_add_test(tests, listed_vehicles_are_admitted);
    tcase_add_test(tests, targets_are_those_of_the_type);
    tcase_add_test(tests, topic_has_its_routes_and_the_star_routes);
    tcase_add_test(tests, topic_without_a_route_is_not_routed);
    tcase_add_test(tests, options_of_field_routes_are_compared);
    tcase_add_test(tests, field_routes_of_other_fields_differ);
    tcase_add_test(tests, tesla_json_cannot_express_every_time);
    suite_add_tcase(suite, tests);
    return suite;
}
