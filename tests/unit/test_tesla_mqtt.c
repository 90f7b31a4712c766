/* The payloads of Tesla's MQTT dispatcher, byte for byte: tests/vectors/mqtt_values.tsv and
 * mqtt_records.tsv. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/record.h"
#include "record/tesla_messages.h"
#include "record/tesla_value.h"
#include "util/go_json.h"

#define COLUMNS_MAX 4

static FILE *file;
static char *line;
static size_t line_size;

/* Read a line and split it at tabs. Returns the number of columns; 0: the end. */
static size_t read_columns(char *columns[COLUMNS_MAX])
{
    size_t n = 0;
    char *at;

    if (getline(&line, &line_size, file) <= 0)
        return 0;
    line[strcspn(line, "\n")] = '\0';
    for (at = line; at != NULL && n < COLUMNS_MAX;)
        columns[n++] = strsep(&at, "\t");
    return n;
}

static void open_vectors(const char *name)
{
    file = fopen(source_file(name), "r");
    ck_assert_ptr_nonnull(file);
}

static void close_vectors(void)
{
    fclose(file);
    free(line);
    line = NULL;
}

/* Decode hexadecimal to allocated bytes of exactly this size, so that a read beyond them is found. */
static uint8_t *read_hex(const char *hex, size_t *len)
{
    uint8_t *bytes;

    *len = strlen(hex) / 2;
    bytes = malloc(*len != 0 ? *len : 1);
    for (size_t i = 0; i < *len; i++) {
        unsigned byte;

        ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
        bytes[i] = (uint8_t)byte;
    }
    return bytes;
}

/* ---- values ---------------------------------------------------------------------- */

START_TEST(values_are_published_as_sent)
{
    char *columns[COLUMNS_MAX];
    size_t count = 0;

    open_vectors("tests/vectors/mqtt_values.tsv");
    for (size_t n; (n = read_columns(columns)) != 0; count++) {
        struct fr_buffer out = {0};
        size_t len;
        uint8_t *datum;

        ck_assert_uint_eq(n, 4);
        datum = read_hex(columns[2], &len);
        fr_tesla_value(&out, datum, len);
        ck_assert_msg(strcmp(fr_buffer_string(&out), columns[3]) == 0, "%s: %s, not %s", columns[1],
                      fr_buffer_string(&out), columns[3]);
        fr_buffer_free(&out);
        free(datum);
    }
    ck_assert_uint_gt(count, 80);
    close_vectors();
}
END_TEST

START_TEST(a_datum_without_value_is_null)
{
    static const uint8_t without[] = {0x08, 0x08}, malformed[] = {0x08, 0x08, 0x12, 0x05, 0x29};
    struct fr_buffer out = {0};

    fr_tesla_value(&out, without, sizeof without);
    fr_tesla_value(&out, malformed, sizeof malformed);
    ck_assert_str_eq(fr_buffer_string(&out), "nullnull");
    fr_buffer_free(&out);
}
END_TEST

/* A member with the number 60 is newer than the catalogue. */
START_TEST(a_member_newer_than_the_catalogue_is_its_number)
{
    static const uint8_t varint[] = {0x08, 0x08, 0x12, 0x03, 0xe0, 0x03, 0x05};
    static const uint8_t bytes[] = {0x08, 0x08, 0x12, 0x03, 0xe2, 0x03, 0x00};
    struct fr_buffer out = {0};

    fr_tesla_value(&out, varint, sizeof varint);
    fr_tesla_value(&out, bytes, sizeof bytes);
    ck_assert_str_eq(fr_buffer_string(&out), "5{}");
    fr_buffer_free(&out);
}
END_TEST

/* ---- records --------------------------------------------------------------------- */

static struct fr_record *make_record(char *columns[COLUMNS_MAX])
{
    struct fr_error error;
    size_t len;
    uint8_t *payload = read_hex(columns[2], &len);
    struct fr_record_source source = {
        .vin = "5YJ3E1EA7KF000001",
        .topic = (const uint8_t *)columns[0],
        .topic_len = strlen(columns[0]),
        .txid = (const uint8_t *)"t",
        .txid_len = 1,
        .client_version = "",
        .payload = payload,
        .payload_len = len,
    };
    struct fr_record *record = fr_record_new(&source, &error);

    ck_assert_msg(record != NULL, "%s: %s", columns[1], error.text);
    free(payload);
    return record;
}

static void add_topic(struct fr_buffer *topic, const char *kind, const struct fr_tesla_topic *t)
{
    fr_buffer_text(topic, kind);
    if (t->name != NULL)
        fr_buffer_byte(topic, '/');
    for (size_t i = 0; i < t->name_len; i++)
        fr_buffer_byte(topic, strchr("/+#", t->name[i]) != NULL ? '_' : (uint8_t)t->name[i]);
    if (t->part != NULL)
        fr_buffer_printf(topic, "/%s", t->part);
}

START_TEST(records_are_published_as_by_tesla)
{
    char *columns[COLUMNS_MAX], what[200];
    struct fr_record *record = NULL;
    struct fr_tesla_messages *messages = NULL;
    struct fr_buffer topic = {0}, json = {0};
    struct fr_tesla_topic t;
    size_t index = 0, count = 0, n;

    open_vectors("tests/vectors/mqtt_records.tsv");
    do {
        n = read_columns(columns);
        if (n != 0 && columns[0][0] == '\0') {
            fr_buffer_clear(&json);
            fr_buffer_clear(&topic);
            ck_assert_msg(fr_tesla_messages_get(messages, index++, &json, &t), "%s: %s", what,
                          columns[1]);
            add_topic(&topic, record->topic, &t);
            ck_assert_str_eq(fr_buffer_string(&topic), columns[1]);
            ck_assert_str_eq(fr_buffer_string(&json), columns[2]);
            continue;
        }
        if (record != NULL) {
            ck_assert_msg(!fr_tesla_messages_get(messages, index, &json, &t), "%s", what);
            fr_tesla_messages_free(messages);
            fr_record_unref(record);
        }
        if (n == 0)
            break;
        ck_assert_uint_eq(n, 3);
        snprintf(what, sizeof what, "%s", columns[1]);
        record = make_record(columns);
        ck_assert(fr_tesla_messages_has(record->type));
        messages = fr_tesla_messages_new(record);
        index = 0;
        count++;
    } while (true);
    ck_assert_uint_gt(count, 15);
    fr_buffer_free(&topic);
    fr_buffer_free(&json);
    close_vectors();
}
END_TEST

START_TEST(other_records_are_not_published_by_tesla)
{
    ck_assert(!fr_tesla_messages_has(FR_RECORD_V));
    ck_assert(!fr_tesla_messages_has(FR_RECORD_OTHER));
    ck_assert(fr_tesla_messages_has(FR_RECORD_PRESENCE));
}
END_TEST

/* ---- Go's notation --------------------------------------------------------------- */

START_TEST(bytes_that_are_not_utf8_are_replaced)
{
    struct fr_buffer out = {0};

    fr_go_string(&out, "a\xff\xed\xa0\x80z", 6);
    ck_assert_str_eq(fr_buffer_string(&out), "\"a\\ufffd\\ufffd\\ufffd\\ufffdz\"");
    fr_buffer_free(&out);
}
END_TEST

/* Below a power of two, numbers are denser than above it. The nearest decimal with 16 digits of 2^-140
 * is another number; the one above it is near enough. */
START_TEST(powers_of_two_have_the_fewest_digits)
{
    struct fr_buffer out = {0};

    fr_go_double(&out, 0x1p-140);
    fr_buffer_byte(&out, ' ');
    fr_go_double(&out, 0x1p-44);
    fr_buffer_byte(&out, ' ');
    fr_go_float(&out, 0x1p89f);
    ck_assert_str_eq(fr_buffer_string(&out),
                     "7.174648137343064e-43 5.684341886080802e-14 6.1897002e+26");
    fr_buffer_free(&out);
}
END_TEST

START_TEST(extreme_times_are_written)
{
    struct fr_buffer out = {0};

    fr_go_time(&out, INT64_MIN, INT32_MIN);
    fr_go_time(&out, INT64_MAX, INT32_MAX);
    ck_assert(!out.failed && out.len > 40);
    fr_buffer_clear(&out);
    fr_go_time(&out, 1709164799, 0);
    fr_go_time(&out, 951782400, 1000000000);
    fr_go_time(&out, -62198755200, 0);
    ck_assert_str_eq(fr_buffer_string(&out), "\"2024-02-28T23:59:59Z\"\"2000-02-29T00:00:01Z\""
                                             "\"-0001-01-01T00:00:00Z\"");
    fr_buffer_free(&out);
}
END_TEST

Suite *suite_tesla_mqtt(void)
{
    Suite *suite = suite_create("tesla_mqtt");
    TCase *tests = tcase_create("tesla_mqtt");

    tcase_add_test(tests, values_are_published_as_sent);
    tcase_add_test(tests, a_datum_without_value_is_null);
    tcase_add_test(tests, a_member_newer_than_the_catalogue_is_its_number);
    tcase_add_test(tests, records_are_published_as_by_tesla);
    tcase_add_test(tests, other_records_are_not_published_by_tesla);
    tcase_add_test(tests, bytes_that_are_not_utf8_are_replaced);
    tcase_add_test(tests, powers_of_two_have_the_fewest_digits);
    tcase_add_test(tests, extreme_times_are_written);
    suite_add_tcase(suite, tests);
    return suite;
}
