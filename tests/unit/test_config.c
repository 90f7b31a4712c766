/* What the YAML files may say, and how mistakes are told. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "config/routing_config.h"
#include "config/yaml_tree.h"

static const char *const sinks[] = {"kafka", "archive"};
static struct fr_diagnostics diagnostics;

static struct fr_routing *parse(const char *text)
{
    fr_diagnostics_free(&diagnostics);
    return fr_routing_parse(text, strlen(text), "r.yaml", sinks, 2, &diagnostics);
}

static void assert_told(int line, int column, const char *words)
{
    for (size_t i = 0; i < diagnostics.count; i++)
        if (diagnostics.list[i].line == line && diagnostics.list[i].column == column &&
            strstr(diagnostics.list[i].text, words) != NULL)
            return;
    fr_diagnostics_print(&diagnostics, stderr);
    ck_abort_msg("nothing at %d:%d about \"%s\"", line, column, words);
}

START_TEST(a_good_file)
{
    struct fr_routing *r =
        parse("vehicles:\n"
              "  - {vin: 5YJ3E1EA7KF000001, name: Melan Y}\n"
              "records:\n"
              "  - {type: [V, alerts, canlogs], to: [kafka, archive], ack: kafka,"
              " format: tesla-json, max_age: 10 min}\n"
              "fields:\n"
              "  - {field: VehicleSpeed, to: archive, every: 1 s, min_change: 0.5,"
              " unit: km/h, as: speed, edge_only: true}\n"
              "  - {field: \"*\", to: archive, unit: metric}\n"
              "  - {field: [category:charging, field_300], to: archive}\n");

    ck_assert_ptr_nonnull(r);
    ck_assert_uint_eq(r->vehicle_count, 1);
    ck_assert_str_eq(r->vehicles[0].name, "Melan Y");
    ck_assert_uint_eq(r->records[0].types, 1u << FR_RECORD_V | 1u << FR_RECORD_ALERTS);
    ck_assert_str_eq(r->records[0].topics[0], "canlogs");
    ck_assert_uint_eq(r->records[0].sinks, 3);
    ck_assert_uint_eq(r->records[0].acks, 1);
    ck_assert_int_eq(r->records[0].format, FR_FORMAT_TESLA_JSON);
    ck_assert_int_eq(r->records[0].max_age_ms, 600000);
    ck_assert_int_eq(r->fields[0].every_ms, 1000);
    ck_assert(r->fields[0].edge_only);
    ck_assert(r->fields[1].all);
    ck_assert_uint_eq(r->fields[1].field_count, 272);
    fr_routing_unref(r);
    fr_diagnostics_free(&diagnostics);
}
END_TEST

/* The file that is shipped, and what it would be without its comment signs. */
START_TEST(the_shipped_file)
{
    static const char *const shipped[] = {"archive"};
    struct fr_routing *r;
    char text[8192];
    size_t len = 0;
    FILE *file = fopen(source_file("etc/routing.yaml"), "r");

    fr_diagnostics_free(&diagnostics);
    r = fr_routing_load(source_file("etc/routing.yaml"), shipped, 1, &diagnostics);
    ck_assert_ptr_nonnull(r);
    ck_assert_uint_eq(diagnostics.count, 0);
    ck_assert_uint_eq(r->records[0].acks, 0);
    fr_routing_unref(r);
    ck_assert_ptr_nonnull(file);
    while (len + 256 < sizeof text && fgets(text + len, 256, file) != NULL) {
        /* Examples are commented out at the second column; remarks stand elsewhere. */
        if (strncmp(text + len, "  # ", 4) == 0)
            memmove(text + len + 2, text + len + 4, strlen(text + len + 4) + 1);
        len += strlen(text + len);
    }
    fclose(file);
    r = fr_routing_parse(text, len, "etc/routing.yaml", shipped, 1, &diagnostics);
    fr_diagnostics_print(&diagnostics, stderr);
    ck_assert_ptr_nonnull(r);
    ck_assert_uint_eq(r->vehicle_count, 1);
    ck_assert_uint_eq(r->field_count, 3);
    ck_assert(r->fields[1].edge_only);
    fr_routing_unref(r);
    fr_diagnostics_free(&diagnostics);
}
END_TEST

START_TEST(every_mistake_at_once)
{
    ck_assert_ptr_null(parse("records:\n"
                             "  - type: V\n"
                             "    to: kafak\n"
                             "    ack: [archive]\n"
                             "    fromat: json\n"
                             "fields:\n"
                             "  - field: [TpmsPressureFL, Nonsense]\n"
                             "    to: archive\n"
                             "    every: 5\n"
                             "    unit: km/h\n"
                             "  - field: VehicleSpeed\n"
                             "    to: archive\n"
                             "    unit: bar\n"
                             "  - {field: [Soc, Gear], to: archive, as: x, ack: kafka}\n"
                             "  - {field: category:chargin, to: archive}\n"
                             "recrods: []\n"));
    assert_told(3, 9, "did you mean \"kafka\"");
    assert_told(4, 10, "`ack:` names a sink that is not in");
    assert_told(5, 5, "did you mean \"format\"");
    assert_told(7, 13, "did you mean \"TpmsPressureFl\"");
    assert_told(7, 29, "no field \"Nonsense\"");
    assert_told(9, 12, "a time with its unit");
    assert_told(13, 11, "possible: m/s, km/h, mph");
    assert_told(14, 43, "`as:` gives one field a name");
    assert_told(14, 51, "belongs to a record route");
    assert_told(15, 13, "did you mean \"charging\"");
    assert_told(16, 1, "did you mean \"records\"");
    ck_assert_uint_ge(diagnostics.errors, 11);
    fr_diagnostics_free(&diagnostics);
}
END_TEST

START_TEST(warnings_do_not_refuse)
{
    struct fr_routing *r =
        parse("vehicles: [{vin: 5YJ3E1EA7KF000001, name: Old, firmware: 2024.44.25}]\n"
              "fields:\n"
              "  - {field: [ChargeState, GpsAccuracyMeters], to: archive}\n");

    ck_assert_ptr_nonnull(r);
    assert_told(3, 14, "DetailedChargeState");
    assert_told(3, 27, "needs firmware 2026.32; Old has 2024.44.25");
    fr_routing_unref(r);
    fr_diagnostics_free(&diagnostics);
}
END_TEST

START_TEST(what_is_no_yaml)
{
    static const char *const bad[] = {
        "a: [b",        "a: &x b\nc: *x", "- a\n---\n- b", "a: b\n\tc: d",     "? [a]\n: b",
        "a: 1\na: 2\n", "just words",     "records: *\n",  "vehicles: {a: b}", "records: [V]"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(parse(bad[i]) == NULL, "%s", bad[i]);
        ck_assert_msg(diagnostics.errors > 0, "%s", bad[i]);
    }
    fr_diagnostics_free(&diagnostics);
}
END_TEST

START_TEST(times_and_sizes)
{
    int64_t n;

    ck_assert(fr_parse_duration("500 ms", &n) && n == 500);
    ck_assert(fr_parse_duration("7d", &n) && n == 604800000);
    ck_assert(fr_parse_duration("1.5 h", &n) && n == 5400000);
    ck_assert(fr_parse_duration("0", &n) && n == 0);
    ck_assert(!fr_parse_duration("5", &n));
    ck_assert(!fr_parse_duration("-5 s", &n));
    ck_assert(!fr_parse_duration("5 years", &n));
    ck_assert(fr_parse_size("64 kB", &n) && n == 64000);
    ck_assert(fr_parse_size("1GiB", &n) && n == 1073741824);
    ck_assert(!fr_parse_size("nan", &n));
    ck_assert(!fr_parse_size("1e300 GB", &n));
}
END_TEST

Suite *suite_config(void)
{
    Suite *suite = suite_create("config");
    TCase *tests = tcase_create("config");

    tcase_add_test(tests, a_good_file);
    tcase_add_test(tests, the_shipped_file);
    tcase_add_test(tests, every_mistake_at_once);
    tcase_add_test(tests, warnings_do_not_refuse);
    tcase_add_test(tests, what_is_no_yaml);
    tcase_add_test(tests, times_and_sizes);
    suite_add_tcase(suite, tests);
    return suite;
}
