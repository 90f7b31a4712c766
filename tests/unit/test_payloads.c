/* Payloads and their JSON, byte for byte as in Tesla's server: tests/vectors/payloads.tsv. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/json.h"
#include "record/json_tesla.h"
#include "record/payload.h"
#include "record/record.h"
#include "record/wire.h"
#include "source/json_payload.h"

#define VIN "5YJ3E1EA7KF000001"
#define LINE_MAX_SIZE 16384

static char line[LINE_MAX_SIZE];

/* The columns of a line. */
struct vector {
    const char *name, *topic, *payload, *passed_on, *json;
};

static size_t decode_hex(const char *hex, uint8_t *bytes)
{
    size_t n = 0;

    for (; *hex != '\0'; hex += 2) {
        unsigned byte;

        ck_assert_int_eq(sscanf(hex, "%2x", &byte), 1);
        bytes[n++] = (uint8_t)byte;
    }
    return n;
}

static struct fr_record *record_with(const char *topic, const uint8_t *payload, size_t len)
{
    struct fr_record_source source = {
        .vin = VIN,
        .topic = (const uint8_t *)topic,
        .topic_len = strlen(topic),
        .client_version = "",
        .payload = payload,
        .payload_len = len,
    };
    struct fr_error error;

    return fr_record_new(&source, &error);
}

static bool next_vector(FILE *file, struct vector *v)
{
    char *columns[5] = {0}, *rest = line;

    do {
        if (fgets(line, sizeof line, file) == NULL)
            return false;
    } while (line[0] == '#');
    line[strcspn(line, "\n")] = '\0';
    for (int i = 0; i < 5; i++)
        columns[i] = strsep(&rest, "\t");
    ck_assert_msg(columns[4] != NULL && rest == NULL, "%s: not five columns", line);
    *v = (struct vector){columns[0], columns[1], columns[2], columns[3], columns[4]};
    return true;
}

/* Compare one result. Returns whether it differs, and prints both. */
static bool differs(const struct vector *v, const char *what, const char *want, const char *got)
{
    if (strcmp(want, got) == 0)
        return false;
    fprintf(stderr, "%s (%s): %s\n  want %s\n  got  %s\n", v->name, v->topic, what, want, got);
    return true;
}

static unsigned check_vector(const struct vector *v)
{
    uint8_t payload[LINE_MAX_SIZE / 2];
    size_t len = decode_hex(v->payload, payload);
    struct fr_buffer hex = {0}, json = {0};
    struct fr_record *record = record_with(v->topic, payload, len);
    unsigned differences = 0;

    if (record == NULL) {
        fr_buffer_text(&hex, "error");
        fr_buffer_text(&json, "error");
    } else {
        for (size_t i = 0; i < record->payload_len; i++)
            fr_buffer_printf(&hex, "%02x", record->payload[i]);
        if (fr_json_tesla(&json, record, false) != 0) {
            ck_assert_uint_eq(json.len, 0);
            fr_buffer_text(&json, "error");
            differences += fr_json_tesla_fits(record);
        } else
            differences += !fr_json_tesla_fits(record);
        fr_record_unref(record);
    }
    differences += differs(v, "payload", v->passed_on, fr_buffer_string(&hex));
    differences += differs(v, "JSON", v->json, fr_buffer_string(&json));
    fr_buffer_free(&hex);
    fr_buffer_free(&json);
    return differences;
}

START_TEST(payloads_and_json_are_those_of_teslas_server)
{
    FILE *file = fopen(source_file("tests/vectors/payloads.tsv"), "r");
    unsigned differences = 0, count = 0;
    struct vector v;

    ck_assert_ptr_nonnull(file);
    for (; next_vector(file, &v); count++)
        differences += check_vector(&v);
    fclose(file);
    ck_assert_uint_gt(count, 200);
    ck_assert_uint_eq(differences, 0);
}
END_TEST

/* A payload that has been normalised is in its normal form. */
START_TEST(normal_form_does_not_change)
{
    FILE *file = fopen(source_file("tests/vectors/payloads.tsv"), "r");
    uint8_t bytes[LINE_MAX_SIZE / 2];
    struct vector v;

    ck_assert_ptr_nonnull(file);
    while (next_vector(file, &v)) {
        struct fr_record *record;
        size_t len;

        if (strcmp(v.passed_on, "error") == 0 || strstr(v.name, "only the first location") != NULL)
            continue;
        len = decode_hex(v.passed_on, bytes);
        record = record_with(v.topic, bytes, len);
        ck_assert_msg(record != NULL, "%s", v.name);
        ck_assert_msg(record->payload_len == len && memcmp(record->payload, bytes, len) == 0, "%s",
                      v.name);
        fr_record_unref(record);
    }
    fclose(file);
}
END_TEST

/* Append a datum of field 4 with this Value. */
static void put_value(struct fr_buffer *payload, const uint8_t *value, size_t len)
{
    fr_payload_of_one(payload, VIN, 0, 4, value, len);
}

static void assert_value_json(const uint8_t *value, size_t len, const char *want)
{
    struct fr_buffer payload = {0}, json = {0};
    struct fr_record *record;

    put_value(&payload, value, len);
    record = record_with("V", payload.bytes, payload.len);
    ck_assert_ptr_nonnull(record);
    ck_assert_int_eq(fr_json_tesla(&json, record, false), 0);
    ck_assert_msg(strstr(fr_buffer_string(&json), want) != NULL, "%s", fr_buffer_string(&json));
    fr_record_unref(record);
    fr_buffer_free(&payload);
    fr_buffer_free(&json);
}

/* Here fleetroute differs on purpose: Tesla's server writes {}. */
START_TEST(newer_member_of_value_appears_with_its_number)
{
    assert_value_json((const uint8_t[]){0xc8, 3, 3}, 3, "\"value\":{\"intValue\":3}");
    assert_value_json((const uint8_t[]){0xc8, 3, 3, 0xe0, 3, 4}, 6, "\"value\":{\"intValue\":4}");
    /* A known member is never replaced. */
    assert_value_json((const uint8_t[]){0x48, 5, 0xc8, 3, 3}, 5,
                      "{\"shiftStateValue\":\"ShiftStateD\"}");
    assert_value_json((const uint8_t[]){0xc8, 3, 3, 0x48, 5}, 5,
                      "{\"shiftStateValue\":\"ShiftStateD\"}");
}
END_TEST

static const struct fr_datum *only_datum(struct fr_record *record)
{
    const struct fr_data *data = fr_record_data(record);

    ck_assert_uint_eq(data->count, 1);
    return &data->datum[0];
}

START_TEST(values_of_unusual_messages_are_routed)
{
    /* A Value in two parts: a location; and a text beside a member that is newer than the table. */
    static const uint8_t split[] = {0x0a, 28,   8, 21, 0x12, 11,   0x3a, 9,    9,    0,
                                    0,    0,    0, 0,  0xc0, 0x42, 0x40, 0x12, 11,   0x3a,
                                    9,    0x11, 0, 0,  0,    0,    0,    0xa0, 0x5e, 0xc0};
    static const uint8_t newer[] = {0x0a, 11, 8, 4, 0x12, 7, 0x0a, 2, '6', '5', 0xc8, 3, 3};
    struct fr_record *record = record_with("V", split, sizeof split);

    ck_assert_ptr_nonnull(record);
    ck_assert_int_eq(only_datum(record)->value.kind, FR_VALUE_LOCATION);
    ck_assert_double_eq(only_datum(record)->value.location.latitude, 37.5);
    ck_assert_double_eq(only_datum(record)->value.location.longitude, -122.5);
    ck_assert_uint_eq(only_datum(record)->wire_len, 24); /* the key, and the merged Value */
    fr_record_unref(record);
    record = record_with("V", newer, sizeof newer);
    ck_assert_ptr_nonnull(record);
    ck_assert_double_eq(only_datum(record)->value.real, 65);
    fr_record_unref(record);
}
END_TEST

/* NUL in the texts of an error, in all formats. */
START_TEST(nul_is_kept_in_texts)
{
    static const uint8_t error[] = {0x0a, 18,  0x12, 3,    'e', 0,   'x', 0x1a, 11,  0x0a,
                                    2,    'k', 0,    0x12, 5,   'v', 0,   'w',  'x', 'y'};
    struct fr_record *record = record_with("errors", error, sizeof error);
    struct fr_buffer json = {0}, payload = {0};
    struct fr_error problem;

    ck_assert_ptr_nonnull(record);
    ck_assert_int_eq(fr_json_tesla(&json, record, false), 0);
    ck_assert_ptr_nonnull(strstr(fr_buffer_string(&json),
                                 "\"name\":\"e\\u0000x\",\"tags\":{\"k\\u0000\":\"v\\u0000wxy\"}"));
    fr_buffer_clear(&json);
    fr_json_record(&json, record, NULL, 0, false);
    ck_assert_ptr_nonnull(strstr(fr_buffer_string(&json),
                                 "\"name\":\"e\\u0000x\",\"tags\":{\"k\ufffd\":\"v\\u0000wxy\"}"));
    ck_assert_int_eq(fr_json_to_payload((const char *)json.bytes, json.len, FR_RECORD_ERRORS,
                                        &payload, &problem),
                     0);
    ck_assert_ptr_nonnull(memmem(payload.bytes, payload.len, "e\0x", 3));
    fr_buffer_free(&payload);
    fr_buffer_free(&json);
    fr_record_unref(record);
}
END_TEST

/* Truncated JSON must not pass for the whole record. */
START_TEST(exhausted_memory_is_an_error)
{
    struct fr_record *record = record_with("errors", NULL, 0);
    struct fr_buffer json = {.failed = true};

    ck_assert_ptr_nonnull(record);
    ck_assert_int_eq(fr_json_tesla(&json, record, false), -1);
    fr_buffer_free(&json);
    fr_record_unref(record);
}
END_TEST

/* Groups in groups: as deep as protobuf-go reads them, not deeper, and without recursion. */
START_TEST(groups_have_a_max_depth)
{
    enum { MAX = 10001 };
    static uint8_t bytes[2 * (MAX + 1)];

    for (size_t depth = MAX; depth <= MAX + 1; depth++) {
        struct fr_record *record;

        memset(bytes, 9 << 3 | 3, depth);
        memset(bytes + depth, 9 << 3 | 4, depth);
        record = record_with("V", bytes, 2 * depth);
        ck_assert_int_eq(record != NULL, depth == MAX);
        if (record != NULL)
            fr_record_unref(record);
    }
}
END_TEST

Suite *suite_payloads(void)
{
    Suite *suite = suite_create("payloads");
    TCase *tests = tcase_create("payloads");

    tcase_add_test(tests, payloads_and_json_are_those_of_teslas_server);
    tcase_add_test(tests, normal_form_does_not_change);
    tcase_add_test(tests, newer_member_of_value_appears_with_its_number);
    tcase_add_test(tests, values_of_unusual_messages_are_routed);
    tcase_add_test(tests, nul_is_kept_in_texts);
    tcase_add_test(tests, exhausted_memory_is_an_error);
    tcase_add_test(tests, groups_have_a_max_depth);
    suite_add_tcase(suite, tests);
    return suite;
}
