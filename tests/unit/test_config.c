/* Parsing of the YAML files, and the position and text of each diagnostic. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/routing_config.h"
#include "config/server_config.h"
#include "config/vin.h"
#include "config/yaml_values.h"

static const char *const sinks[] = {"kafka", "archive"};
static struct fr_diagnostics diagnostics;

static struct fr_routing *parse(const char *text)
{
    fr_diagnostics_free(&diagnostics);
    return fr_routing_parse(text, strlen(text), "r.yaml", sinks, 2, &diagnostics);
}

static void assert_reported(int line, int column, const char *words)
{
    for (size_t i = 0; i < diagnostics.count; i++)
        if (diagnostics.list[i].line == line && diagnostics.list[i].column == column &&
            strstr(diagnostics.list[i].text, words) != NULL)
            return;
    fr_diagnostics_print(&diagnostics, stderr);
    ck_abort_msg("no diagnostic at %d:%d contains \"%s\"", line, column, words);
}

START_TEST(valid_file_is_parsed)
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

/* Parse the shipped file as it is, and with its commented-out examples enabled. */
START_TEST(shipped_file_is_valid)
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
        /* An example is a comment after two spaces; other comments start elsewhere. */
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

START_TEST(all_mistakes_are_reported)
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
    assert_reported(3, 9, "did you mean \"kafka\"");
    assert_reported(4, 10, "`ack:` names a sink that is not in");
    assert_reported(5, 5, "did you mean \"format\"");
    assert_reported(7, 13, "did you mean \"TpmsPressureFl\"");
    assert_reported(7, 29, "no field \"Nonsense\"");
    assert_reported(9, 12, "a time with its unit");
    assert_reported(13, 11, "possible: m/s, km/h, mph");
    assert_reported(14, 43, "`as:` gives one field a name");
    assert_reported(14, 46,
                    "`ack:` belongs to a record route (under `records:`), not to a field route: a "
                    "field route may delay");
    assert_reported(15, 13, "did you mean \"charging\"");
    assert_reported(16, 1, "did you mean \"records\"");
    ck_assert_uint_ge(diagnostics.errors, 11);
    fr_diagnostics_free(&diagnostics);
}
END_TEST

START_TEST(misplaced_options_name_their_kind_of_route)
{
    ck_assert_ptr_null(parse("records:\n"
                             "  - {type: V, to: kafka, every: 5 s}\n"
                             "  - {type: V, to: kafka, field: Soc}\n"
                             "  - {type: V, to: kafka, evry: 5 s, fromat: json}\n"
                             "fields:\n"
                             "  - {field: Soc, to: kafka, format: json}\n"
                             "  - {field: Soc, to: kafka, type: V, eevry: 5 s}\n"));
    assert_reported(2, 26, "`every:` belongs to a field route (under `fields:`), not to a record");
    assert_reported(3, 26, "`field:` belongs to a field route");
    assert_reported(4, 26, "a record route has no \"evry\"");
    assert_reported(4, 37, "did you mean \"format\"");
    assert_reported(6, 29,
                    "`format:` belongs to a record route (under `records:`), not to a field");
    assert_reported(7, 29, "`type:` belongs to a record route");
    assert_reported(7, 38, "did you mean \"every\"");
    ck_assert_uint_eq(diagnostics.errors, 7);
    fr_diagnostics_free(&diagnostics);
}
END_TEST

START_TEST(warnings_do_not_reject_the_file)
{
    struct fr_routing *r =
        parse("vehicles: [{vin: 5YJ3E1EA7KF000001, name: Old, firmware: 2024.44.25}]\n"
              "fields:\n"
              "  - {field: [ChargeState, GpsAccuracyMeters], to: archive}\n");

    ck_assert_ptr_nonnull(r);
    assert_reported(3, 14, "DetailedChargeState");
    assert_reported(3, 27, "needs firmware 2026.32; Old has 2024.44.25");
    fr_routing_unref(r);
    fr_diagnostics_free(&diagnostics);
}
END_TEST

START_TEST(invalid_yaml_is_rejected)
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

/* libyaml's own words name tokens, not columns. */
START_TEST(wrong_indentation_is_explained)
{
    static const struct {
        const char *text;
        int line, column;
        const char *words;
    } cases[] = {
        {"a:\n  b: c\n   d: e\n", 3, 5,
         "begins in column 4 and so continues the value of line 2, which begins in column 3"},
        {"a:\n  b:\n    c: d\n   e:\n", 4, 4,
         "begins in column 4; a key was expected in column 3, as in the block that began in line "
         "2, "
         "or the line continues line 3 and begins in column 5"},
        {"# x\na:\n\n  - {b: c}\n # y\n - {b: d}\n", 6, 2,
         "a key was expected in column 1, as in the block that began in line 2, or the line "
         "continues line 4 and begins in column 3"},
        {"a:\n  - b: c\n   d: e\n", 3, 4,
         "\"- \" was expected in column 3, as in the block that began in line 2"},
        {"a: {b: c\nd: e\n", 2, 2, "the bracket in line 1, column 4 is not closed"},
        {"a: b: c\n", 1, 5, "a second \": \" in one line"},
        {"a:\n\tb: c\n", 2, 1, "a tab; YAML is indented with spaces only"},
        {"a: \"b\n", 2, 1, "that began in line 1, column 4"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(parse(cases[i].text) == NULL, "%s", cases[i].text);
        assert_reported(cases[i].line, cases[i].column, cases[i].words);
    }
    fr_diagnostics_free(&diagnostics);
}
END_TEST

START_TEST(vins_are_checked)
{
    /* The VIN of the example of 49 CFR 565, one with the digit X, and a wrong one. */
    ck_assert_int_eq(fr_vin_check_digit("1M8GDM9AXKP042788"), 'X');
    ck_assert_int_eq(fr_vin_check_digit("11111111111111111"), '1');
    ck_assert_int_eq(fr_vin_check_digit("5YJ3E1EA7KF000001"), '8');
    ck_assert_int_eq(fr_vin_check_digit("5YJ3E1EA7KF00000I"), '\0');
    ck_assert_int_eq(fr_vin_check_digit("5YJ3E1EA7KF00000 "), '\0');
    ck_assert_int_eq(fr_vin_check_digit("short"), '\0');
    ck_assert_ptr_null(parse("vehicles:\n  - 5YJ3E1EA7KFO00001\n"));
    assert_reported(2, 5, "it has the letter O in position 12");
    fr_diagnostics_free(&diagnostics);
}
END_TEST

START_TEST(durations_and_sizes_are_parsed)
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

START_TEST(renamed_keys_are_suggested)
{
    static const char *const keys[] = {"min", "max", "attempts", NULL};
    struct fr_yaml_file file = {"f.yaml", &diagnostics};
    const char *text = "{least: 1, most: 2, maxx: 3}";
    struct fr_yaml *map;

    fr_diagnostics_free(&diagnostics);
    map = fr_yaml_parse(&file, text, strlen(text));
    ck_assert_ptr_nonnull(map);
    fr_yaml_is_map(&file, map, "retry", keys);
    assert_reported(1, 2, "the key is now \"min\"");
    assert_reported(1, 12, "the key is now \"max\"");
    assert_reported(1, 21, "did you mean \"max\"");
    fr_yaml_free(map);
    fr_diagnostics_free(&diagnostics);
}
END_TEST

START_TEST(list_of_load_balancers_is_read)
{
    char path[] = "/tmp/fr-unit-XXXXXX";
    struct fr_server_config *config;
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    dprintf(fd,
            "listen:\n"
            "  proxy_protocl: 10.0.0.5\n"
            "  proxy_protocol: [10.0.0.5, fd00::/8, 10.1.2.3/16, lb.example.com, 0.0.0.0/0, {}]\n");
    close(fd);
    fr_diagnostics_free(&diagnostics);
    config = fr_server_config_load(path, &diagnostics);
    unlink(path);
    ck_assert_ptr_nonnull(config);
    assert_reported(2, 3, "did you mean \"proxy_protocol\"");
    assert_reported(3, 40, "write 10.1.0.0/16");
    assert_reported(3, 53, "\"lb.example.com\" is not an IP address");
    assert_reported(3, 69, "each peer can choose the address");
    assert_reported(3, 80, "proxy_protocol");
    ck_assert_uint_eq(config->proxy_count, 3);
    fr_server_config_unref(config);
    fr_diagnostics_free(&diagnostics);
}
END_TEST

/* ---- the section `tesla:` of fleetroute.yaml -------------------------------------- */

/* A configuration with this section, in one line. The caller releases it. */
static struct fr_server_config *load_tesla(const char *section)
{
    char path[] = "/tmp/fr-unit-XXXXXX";
    struct fr_server_config *config;
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    dprintf(fd, "listen: {port: 8443}\ntls: {certificate: a, key: b, vehicle_ca: c}\n%s\n",
            section);
    close(fd);
    fr_diagnostics_free(&diagnostics);
    config = fr_server_config_load(path, &diagnostics);
    unlink(path);
    ck_assert_ptr_nonnull(config);
    return config;
}

/* The number of diagnostics of the section; the files of the other sections do not exist. */
static unsigned tesla_mistakes(const char *part)
{
    unsigned count = 0;

    for (size_t i = 0; i < diagnostics.count; i++)
        count += diagnostics.list[i].line == 3 && strstr(diagnostics.list[i].text, part) != NULL;
    return count;
}

START_TEST(the_section_tesla_has_defaults)
{
    struct fr_server_config *config = load_tesla("");

    ck_assert(!config->tesla.present);
    ck_assert_ptr_null(config->tesla.client_id);
    fr_server_config_unref(config);
    config = load_tesla("tesla: {client_id: an-id, domain: car.example.com}");
    ck_assert(config->tesla.present);
    ck_assert_uint_eq(tesla_mistakes(""), 0);
    ck_assert_str_eq(config->tesla.client_id, "an-id");
    ck_assert_str_eq(config->tesla.domain, "car.example.com");
    ck_assert_ptr_null(config->tesla.hostname);
    ck_assert_uint_eq(config->tesla.port, 8443);
    ck_assert_ptr_null(config->tesla.client_secret_file);
    ck_assert_str_eq(config->tesla.key, "/tmp/keys/command-key.pem");
    ck_assert_ptr_null(config->tesla.redirect_uri);
    ck_assert_int_eq(config->tesla.region, FR_TESLA_REGION_AUTO);
    ck_assert_int_eq(config->tesla.expires_ms, INT64_C(30) * 86400000);
    ck_assert_int_eq(config->tesla.push_every_ms, 3600000);
    ck_assert_double_eq(config->tesla.budget_usd, 10);
    ck_assert_ptr_nonnull(strstr(config->tesla.folder, "/lib/fleetroute-tesla"));
    ck_assert_ptr_null(config->tesla.base_url);
    ck_assert_ptr_null(config->tesla.api_ca);
    fr_server_config_unref(config);
    config = load_tesla(
        "tesla: {hostname: t.example.com, port: 443, region: eu, budget: 2.5, expires: 7 d, "
        "push_every: 5 min, folder: state, key: /k.pem, client_secret_file: s, ca: roots.pem, "
        "redirect_uri: 'http://localhost:8080/cb', base_url: 'https://localhost:1', "
        "auth_url: 'https://localhost:2', api_ca: ca.pem}");
    ck_assert_uint_eq(tesla_mistakes(""), 0);
    ck_assert_uint_eq(config->tesla.port, 443);
    ck_assert_int_eq(config->tesla.region, FR_TESLA_REGION_EU);
    ck_assert_double_eq(config->tesla.budget_usd, 2.5);
    ck_assert_int_eq(config->tesla.expires_ms, INT64_C(7) * 86400000);
    ck_assert_int_eq(config->tesla.push_every_ms, 300000);
    ck_assert_str_eq(config->tesla.folder, "/tmp/state");
    ck_assert_str_eq(config->tesla.key, "/k.pem");
    ck_assert_str_eq(config->tesla.client_secret_file, "/tmp/s");
    ck_assert_str_eq(config->tesla.ca, "/tmp/roots.pem");
    ck_assert_str_eq(config->tesla.api_ca, "/tmp/ca.pem");
    ck_assert_str_eq(config->tesla.redirect_uri, "http://localhost:8080/cb");
    fr_server_config_unref(config);
}
END_TEST

START_TEST(mistakes_in_the_section_tesla_are_reported)
{
    static const struct {
        const char *member, *part;
    } rows[] = {
        {"domain: https://example.com", "host name"},
        {"domain: localhost", "host name"},
        {"domain: example.com.", "host name"},
        {"hostname: 'a b.example'", "without spaces"},
        {"port: 0", "port"},
        {"port: 65536", "port"},
        {"client_id: ''", "client_id"},
        {"client_id: 'a\"b'", "client_id"},
        {"client_secret_file: ''", "client_secret_file"},
        {"redirect_uri: 'http://example.com/'", "https://"},
        {"redirect_uri: 'http://localhost.example.com/'", "https://"},
        {"redirect_uri: 'javascript:x'", "https://"},
        {"base_url: 'http://localhost'", "https://"},
        {"region: us", "region"},
        {"budget: -1", "budget"},
        {"budget: .nan", "budget"},
        {"budget: 1e9", "budget"},
        {"expires: 1 h", "expires"},
        {"expires: 400 d", "expires"},
        {"push_every: 1 s", "push_every"},
        {"push_every: 2 d", "push_every"},
        {"client_secret: abc", "client_secret"},
    };
    char section[200];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(section, sizeof section, "tesla: {%s}", rows[i].member);
        fr_server_config_unref(load_tesla(section));
        ck_assert_msg(tesla_mistakes(rows[i].part) > 0, "%s", rows[i].member);
    }
    fr_diagnostics_free(&diagnostics);
}
END_TEST

START_TEST(the_section_front_end)
{
    static const struct {
        const char *member, *part;
    } rows[] = {
        {"lease: 1 min", "name must be"},
        {"name: ''", "name must be"},
        {"name: a b", "name must be"},
        {"name: a/b", "name must be"},
        {"name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "name must be"},
        {"name: a, lease: 2 s", "from 3 s to 15 min"},
        {"name: a, lease: 16 min", "from 3 s to 15 min"},
        {"name: a, lease: 20 s", "twice limits: presence_grace"},
    };
    struct fr_server_config *config = load_tesla("");

    ck_assert_ptr_null(config->front_end);
    fr_server_config_unref(config);
    config = load_tesla("front_end: {name: host-a.example_1}");
    ck_assert_uint_eq(tesla_mistakes(""), 0);
    ck_assert_str_eq(config->front_end, "host-a.example_1");
    ck_assert_int_eq(config->front_end_lease_ms, 300000);
    fr_server_config_unref(config);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char section[200];

        snprintf(section, sizeof section, "front_end: {%s}", rows[i].member);
        config = load_tesla(section);
        ck_assert_msg(tesla_mistakes(rows[i].part) == 1, "%s", section);
        fr_server_config_unref(config);
    }
}
END_TEST

START_TEST(the_section_history_is_read)
{
    static const char *const bad[] = {
        "size: 1 MB",   "size: 2 TB",     "keep: 1 h",           "keep: 500 d",
        "vehicles: 0",  "vehicles: 1e9",  "vehicles: 20001",     "fields: [Soc, NoSuchField]",
        "sizes: 64 MB", "fields: {a: b}", "fields: [[Location]]"};
    struct fr_server_config *config = load_tesla("");
    char section[200];

    ck_assert(!config->history.on);
    fr_server_config_unref(config);
    config = load_tesla("history: {}");
    ck_assert(config->history.on && config->history.field_count == 0);
    ck_assert_uint_eq(config->history.size, 64000000);
    ck_assert_int_eq(config->history.keep_ms, INT64_C(8) * 86400000);
    ck_assert_uint_eq(config->history.vehicles, 20);
    fr_server_config_unref(config);
    config = load_tesla("history: {size: 1 GB, keep: 30 d, vehicles: 500, fields: [Soc, Gear]}");
    ck_assert_uint_eq(tesla_mistakes(""), 0);
    ck_assert_uint_eq(config->history.size, 1000000000);
    ck_assert_uint_eq(config->history.vehicles, 500);
    ck_assert_uint_eq(config->history.field_count, 2);
    ck_assert_uint_eq(config->history.fields[1], 10);
    fr_server_config_unref(config);
    config = load_tesla("history: off");
    ck_assert(!config->history.on && tesla_mistakes("") == 0);
    fr_server_config_unref(config);
    config = load_tesla("journal: off");
    ck_assert(!config->history.on);
    fr_server_config_unref(config);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(section, sizeof section, "history: {%s}", bad[i]);
        fr_server_config_unref(load_tesla(section));
        ck_assert_msg(tesla_mistakes("") > 0, "%s", bad[i]);
    }
    fr_diagnostics_free(&diagnostics);
}
END_TEST

Suite *suite_config(void)
{
    Suite *suite = suite_create("config");
    TCase *tests = tcase_create("config");

    tcase_add_test(tests, valid_file_is_parsed);
    tcase_add_test(tests, shipped_file_is_valid);
    tcase_add_test(tests, all_mistakes_are_reported);
    tcase_add_test(tests, misplaced_options_name_their_kind_of_route);
    tcase_add_test(tests, warnings_do_not_reject_the_file);
    tcase_add_test(tests, invalid_yaml_is_rejected);
    tcase_add_test(tests, wrong_indentation_is_explained);
    tcase_add_test(tests, vins_are_checked);
    tcase_add_test(tests, durations_and_sizes_are_parsed);
    tcase_add_test(tests, renamed_keys_are_suggested);
    tcase_add_test(tests, list_of_load_balancers_is_read);
    tcase_add_test(tests, the_section_history_is_read);
    tcase_add_test(tests, the_section_tesla_has_defaults);
    tcase_add_test(tests, mistakes_in_the_section_tesla_are_reported);
    tcase_add_test(tests, the_section_front_end);
    suite_add_tcase(suite, tests);
    return suite;
}
