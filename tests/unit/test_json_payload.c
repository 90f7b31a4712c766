/* JSON to protobuf: a record that was written as JSON converts back without a change. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/json.h"
#include "record/json_tesla.h"
#include "record/record.h"
#include "source/json_line.h"
#include "source/json_payload.h"

static struct fr_record *record_of(const char *topic, const struct fr_buffer *payload)
{
    struct fr_record_source source = {.vin = "5YJ3E1EA7KF000001",
                                      .topic = (const uint8_t *)topic,
                                      .topic_len = strlen(topic),
                                      .txid = (const uint8_t *)"t-1",
                                      .txid_len = 3,
                                      .client_version = "",
                                      .payload = payload->bytes,
                                      .payload_len = payload->len,
                                      .received_ms = 1767225601000};
    struct fr_error error;
    struct fr_record *record = fr_record_new(&source, &error);

    ck_assert_msg(record != NULL, "%s", error.text);
    return record;
}

/* Convert the payload of a vector to fleetroute's JSON and to Tesla's JSON, and each back. */
static void round_trip(const char *vector, const char *topic)
{
    char path[128], hex[3] = "";
    struct fr_buffer payload = {0}, own = {0}, tesla = {0}, again = {0};
    struct fr_json_line line;
    struct fr_record *record, *second;
    struct fr_error error;
    FILE *file;

    snprintf(path, sizeof path, "tests/vectors/%s.hex", vector);
    file = fopen(source_file(path), "r");
    ck_assert_ptr_nonnull(file);
    while (fscanf(file, " %2c", hex) == 1)
        fr_buffer_byte(&payload, (uint8_t)strtol(hex, NULL, 16));
    fclose(file);
    record = record_of(topic, &payload);

    fr_json_record(&own, record, NULL, 0, false);
    ck_assert_msg(fr_json_line_read((const char *)own.bytes, own.len, &line, &error) == 0, "%s",
                  error.text);
    ck_assert_str_eq(line.vin, record->vin);
    ck_assert_str_eq(line.txid, "t-1");
    ck_assert_int_eq(line.received_ms, record->received_ms);
    second = record_of(topic, &line.payload);
    fr_json_record(&again, second, NULL, 0, false);
    ck_assert_str_eq(fr_buffer_string(&again), fr_buffer_string(&own));
    fr_record_unref(second);
    fr_buffer_free(&line.payload);
    fr_buffer_clear(&again);

    fr_json_tesla(&tesla, record, false);
    fr_buffer_clear(&payload);
    ck_assert_msg(fr_json_to_payload((const char *)tesla.bytes, tesla.len, record->type, &payload,
                                     &error) == 0,
                  "%s", error.text);
    second = record_of(topic, &payload);
    fr_json_tesla(&again, second, false);
    ck_assert_str_eq(fr_buffer_string(&again), fr_buffer_string(&tesla));
    fr_record_unref(second);
    fr_record_unref(record);
    fr_buffer_free(&payload);
    fr_buffer_free(&own);
    fr_buffer_free(&tesla);
    fr_buffer_free(&again);
}

START_TEST(vectors_round_trip)
{
    round_trip("01_v_payload_only", "V");
}
END_TEST

START_TEST(every_kind_of_value_round_trips)
{
    static const char text[] =
        "{\"type\":\"V\",\"vin\":\"5YJ3E1EA7KF000001\",\"txid\":\"t-1\","
        "\"created_at\":\"2026-01-01T00:00:00.500Z\",\"received_at\":\"2026-01-01T00:00:01.000Z\","
        "\"data\":{\"VehicleSpeed\":65.5,\"Gear\":\"D\",\"Location\":{\"latitude\":52.5,"
        "\"longitude\":13.4},\"DoorState\":{\"driver_front\":true,\"driver_rear\":false,"
        "\"passenger_front\":false,\"passenger_rear\":true,\"trunk_front\":false,"
        "\"trunk_rear\":false},\"VehicleName\":\"Melan Y\",\"Locked\":true,\"Soc\":null,"
        "\"DetailedChargeState\":\"unknown(77)\",\"field_999\":5},\"invalid\":[\"Soc\"]}";
    struct fr_json_line line;
    struct fr_record *record;
    struct fr_buffer again = {0};
    struct fr_error error;

    ck_assert_msg(fr_json_line_read(text, strlen(text), &line, &error) == 0, "%s", error.text);
    record = record_of("V", &line.payload);
    fr_json_record(&again, record, NULL, 0, false);
    ck_assert_str_eq(fr_buffer_string(&again), text);
    fr_record_unref(record);
    fr_buffer_free(&again);
    fr_buffer_free(&line.payload);
}
END_TEST

START_TEST(invalid_json_is_rejected)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"data\":5}",
        "{\"data\":[{\"key\":\"NoSuchField\"}]}",
        "{\"createdAt\":\"yesterday\"}",
        "{\"type\":\"V\",\"data\":{\"NoSuchField\":1}}",
        "{\"record\":{\"type\":\"V\"},\"payload\":\"*\"}",
        "{\"type\":\"mystery\",\"bytes\":5}",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct fr_json_line line;
        struct fr_error error;

        ck_assert_msg(fr_json_line_read(texts[i], strlen(texts[i]), &line, &error) == -1, "%s",
                      texts[i]);
        fr_buffer_free(&line.payload);
    }
}
END_TEST

START_TEST(lines_that_are_no_record_are_skipped)
{
    static const char *const texts[] = {
        "{\"skipped\":3}",
        "{\"missed\":3}",
        "{\"field\":\"Soc\",\"value\":5}",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct fr_json_line line;
        struct fr_error error;

        ck_assert_int_eq(fr_json_line_read(texts[i], strlen(texts[i]), &line, &error),
                         FR_JSON_LINE_OTHER);
        fr_buffer_free(&line.payload);
    }
}
END_TEST

/* Tesla's JSON has doubles below 1e21 without an exponent, which jansson reads as integers. */
START_TEST(large_doubles_of_teslas_json_are_read)
{
    static const char text[] =
        "{\"data\":[{\"key\":\"VehicleSpeed\",\"value\":{\"doubleValue\":100000000000000000000}},"
        "{\"key\":300,\"value\":{\"shiftStateValue\":99}}]}";
    struct fr_buffer payload = {0};
    struct fr_error error;

    ck_assert_msg(fr_json_to_payload(text, strlen(text), FR_RECORD_V, &payload, &error) == 0, "%s",
                  error.text);
    ck_assert_ptr_nonnull(memmem(payload.bytes, payload.len, (double[]){1e20}, 8));
    ck_assert_ptr_nonnull(memmem(payload.bytes, payload.len, "\x08\xac\x02\x12\x02\x48\x63", 7));
    fr_buffer_free(&payload);
}
END_TEST

Suite *suite_json_payload(void)
{
    Suite *suite = suite_create("JSON to protobuf");
    TCase *tests = tcase_create("JSON to protobuf");

    tcase_add_test(tests, vectors_round_trip);
    tcase_add_test(tests, every_kind_of_value_round_trips);
    tcase_add_test(tests, large_doubles_of_teslas_json_are_read);
    tcase_add_test(tests, invalid_json_is_rejected);
    tcase_add_test(tests, lines_that_are_no_record_are_skipped);
    suite_add_tcase(suite, tests);
    return suite;
}
