#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/acknowledge.h"
#include "record/json.h"
#include "record/normalise.h"
#include "record/record.h"
#include "sim/sim_message.h"
#include "vehicle_data.pb-c.h"

#define VIN "5YJ3E1EA7KF000001"

static struct fr_record *make(const struct fr_sim_datum *data, size_t count,
                              const char *payload_vin)
{
    struct fr_buffer payload = {0};
    struct fr_record_source source = {.vin = VIN,
                                      .topic = (const uint8_t *)"V",
                                      .topic_len = 1,
                                      .txid = (const uint8_t *)"t-1",
                                      .txid_len = 3,
                                      .client_version = "",
                                      .received_ms = 1767225601000};
    struct fr_record *record;
    struct fr_error error;

    fr_sim_payload(&payload, data, count, payload_vin, INT64_C(1767225600123456789), false);
    source.payload = payload.bytes;
    source.payload_len = payload.len;
    record = fr_record_new(&source, &error);
    ck_assert_msg(record != NULL, "%s", error.text);
    fr_buffer_free(&payload);
    return record;
}

START_TEST(vin_of_the_certificate_is_used)
{
    struct fr_sim_datum speed = {.field = 4, .member = 5, .real = 65.5};
    const char *const vins[] = {VIN, "", "WRONGVIN000000000", "SHORT"};

    for (size_t i = 0; i < 4; i++) {
        struct fr_record *record = make(&speed, 1, vins[i]);
        Telemetry__VehicleData__Payload *payload =
            telemetry__vehicle_data__payload__unpack(NULL, record->payload_len, record->payload);

        ck_assert_ptr_nonnull(payload);
        ck_assert_str_eq(payload->vin, VIN);
        ck_assert_uint_eq(payload->n_data, 1);
        ck_assert_int_eq(record->created_ns, INT64_C(1767225600123456789));
        telemetry__vehicle_data__payload__free_unpacked(payload, NULL);
        fr_record_unref(record);
    }
}
END_TEST

START_TEST(json_has_all_members)
{
    struct fr_sim_datum data[] = {
        {.field = 4, .member = 5, .real = 65.5},
        {.field = 10, .member = 9, .integer = 5},
        {.field = 300, .member = 2, .integer = -7},
        {.field = 112, .member = 10, .integer = 1},
        {.field = 59, .member = 0},
        {.field = 4, .member = 5, .real = 66},
        {.field = 64, .member = 1, .text = "a \"b\"\n"},
    };
    struct fr_record *record = make(data, 7, VIN);
    struct fr_buffer json = {0};

    fr_json_record(&json, record, "Melan Y", FR_FLAG_RESEND, false);
    ck_assert_str_eq(fr_buffer_string(&json),
                     "{\"type\":\"V\",\"vin\":\"" VIN "\",\"name\":\"Melan Y\",\"txid\":\"t-1\","
                     "\"created_at\":\"2026-01-01T00:00:00.123Z\","
                     "\"received_at\":\"2026-01-01T00:00:01.000Z\",\"resend\":true,"
                     "\"data\":{\"Gear\":\"D\",\"field_300\":-7,\"DestinationLocation\":null,"
                     "\"Locked\":null,\"VehicleSpeed\":66,\"VehicleName\":\"a \\\"b\\\"\\n\"},"
                     "\"invalid\":[\"DestinationLocation\"],\"empty\":[\"Locked\"]}");
    fr_buffer_free(&json);
    fr_record_unref(record);
}
END_TEST

static const char *json_text_of(const char *text, size_t len)
{
    static struct fr_buffer out;

    fr_buffer_clear(&out);
    fr_json_string(&out, text, len);
    return fr_buffer_string(&out);
}

START_TEST(json_is_valid_for_any_bytes)
{
    ck_assert_str_eq(json_text_of("a\xff\xc3(\xc3\xa4", 6), "\"a\\ufffd\\ufffd(\xc3\xa4\"");
    ck_assert_str_eq(json_text_of("\xe2\x82", 2), "\"\\ufffd\\ufffd\"");            /* cut off */
    ck_assert_str_eq(json_text_of("\xc0\xaf", 2), "\"\\ufffd\\ufffd\"");            /* overlong */
    ck_assert_str_eq(json_text_of("\xed\xa0\x80", 3), "\"\\ufffd\\ufffd\\ufffd\""); /* surrogate */
    ck_assert_str_eq(json_text_of("\xf4\x90\x80\x80", 4), "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
    ck_assert_str_eq(json_text_of("\xc2\x9b\x7f\x1b", 4), "\"\\u009b\\u007f\\u001b\"");
    ck_assert_str_eq(json_text_of("\xf0\x9f\x9a\x97\"\\\n", 7), "\"\xf0\x9f\x9a\x97\\\"\\\\\\n\"");
}
END_TEST

static const char *date_text(int64_t seconds, int32_t nanos)
{
    static struct fr_buffer out;

    fr_buffer_clear(&out);
    fr_json_rfc3339(&out, seconds, nanos);
    return fr_buffer_string(&out);
}

static void assert_number_matches_printf(double number)
{
    struct fr_buffer out = {0};
    char text[40];

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number == 0 ? 0.0 : number);
        if (strtod(text, NULL) == number)
            break;
    }
    fr_json_number(&out, number);
    ck_assert_str_eq(fr_buffer_string(&out), text);
    fr_buffer_free(&out);
}

START_TEST(numbers_match_printf)
{
    static const double special[] = {
        0,       -0.0,       0.1,       1e-4,   9.9999e-5, 0.3,      1e14,          -1e14,
        1e15,    1e15 - 1,   0.1 + 0.2, 5e-324, 1e300,     123456.5, 999999.999999, -0.05,
        1.0 / 3, 37.4219999, 2.5e14,    0.7,    1e22,      4.35,     2.675,         1e-9};

    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        assert_number_matches_printf(special[i]);
    for (int i = 0; i < 100000; i++) {
        double digits = (double)((int64_t)random() << 31 | random()), scale = 1;

        for (long n = random() % 20; n > 0; n--)
            scale *= 10;
        assert_number_matches_printf(digits / scale);
        assert_number_matches_printf(-rint(digits / 1e10) / scale);
    }
}
END_TEST

START_TEST(dates_are_clamped)
{
    ck_assert_str_eq(date_text(0, 1000000), "1970-01-01T00:00:00.001Z");
    ck_assert_str_eq(date_text(INT64_MAX, 0), "9999-12-31T23:59:59Z");
    ck_assert_str_eq(date_text(INT64_MIN, 0), "0001-01-01T00:00:00Z");
    ck_assert_str_eq(date_text(INT64_C(67768036191676799), 0), "9999-12-31T23:59:59Z");
    ck_assert_str_eq(date_text(1, INT32_MIN), "1970-01-01T00:00:01Z");
}
END_TEST

/* A record with 400 data of 200 fields. */
START_TEST(last_value_of_a_field_is_used)
{
    struct fr_sim_datum data[400];
    struct fr_buffer json = {0};
    struct fr_record *record;

    for (size_t i = 0; i < 400; i++)
        data[i] = (struct fr_sim_datum){
            .field = (uint32_t)(i % 200 + 1000), .member = 2, .integer = (int64_t)i};
    record = make(data, 400, VIN);
    fr_json_record(&json, record, NULL, 0, false);
    for (size_t i = 0; i < 400; i++) {
        char member[48];

        snprintf(member, sizeof member, "\"field_%zu\":%zu%c", i % 200 + 1000, i,
                 i == 399 ? '}' : ',');
        ck_assert_msg((strstr(fr_buffer_string(&json), member) != NULL) == (i >= 200), "%s",
                      member);
    }
    fr_buffer_free(&json);
    fr_record_unref(record);
}
END_TEST

START_TEST(redaction_removes_personal_data)
{
    struct fr_sim_datum data[] = {
        {.field = 21, .member = 7, .real = 37.412374, .real2 = -122.145867},
        {.field = 163, .member = 1, .text = "Grandmother"},
    };
    struct fr_record *record = make(data, 2, VIN);
    struct fr_buffer json = {0};

    fr_json_record(&json, record, "Melan Y", 0, true);
    ck_assert_ptr_null(strstr(fr_buffer_string(&json), VIN));
    ck_assert_ptr_null(strstr(fr_buffer_string(&json), "Melan"));
    ck_assert_ptr_null(strstr(fr_buffer_string(&json), "Grandmother"));
    ck_assert_ptr_null(strstr(fr_buffer_string(&json), "37.412"));
    ck_assert_ptr_nonnull(strstr(fr_buffer_string(&json), "\"latitude\":37.41,"));
    fr_buffer_free(&json);
    fr_record_unref(record);
}
END_TEST

START_TEST(too_many_data_are_rejected)
{
    struct fr_payload_info info;
    uint8_t *bytes = malloc(2 * (FR_PAYLOAD_DATA_MAX + 1));

    for (size_t i = 0; i <= FR_PAYLOAD_DATA_MAX; i++)
        memcpy(bytes + 2 * i, "\x0a\x00", 2);
    ck_assert_int_eq(fr_payload_inspect(bytes, 2 * FR_PAYLOAD_DATA_MAX, &info), 0);
    ck_assert_int_eq(fr_payload_inspect(bytes, 2 * (FR_PAYLOAD_DATA_MAX + 1), &info), -1);
    free(bytes);
}
END_TEST

/* The decoder of fleetroute and protobuf-c decode each datum to the same value. */
START_TEST(decoding_agrees_with_protobuf_c)
{
    struct fr_sim_datum data[64];
    struct fr_record *record;
    const struct fr_data *decoded;
    Telemetry__VehicleData__Payload *payload;

    for (size_t i = 0; i < 64; i++)
        data[i] = (struct fr_sim_datum){.field = 1000 + (uint32_t)i,
                                        .member = i % 3 == 0   ? 5
                                                  : i % 3 == 1 ? 3
                                                               : 6,
                                        .real = (double)i / 7,
                                        .integer = i % 3 == 2 ? (int64_t)i % 2 : (int64_t)i - 32};
    record = make(data, 64, VIN);
    decoded = fr_record_data(record);
    payload = telemetry__vehicle_data__payload__unpack(NULL, record->payload_len, record->payload);
    ck_assert_uint_eq(decoded->count, payload->n_data);
    for (size_t i = 0; i < 64; i++) {
        const struct fr_value *v = &decoded->datum[i].value;

        ck_assert_uint_eq(decoded->datum[i].field, (uint32_t)payload->data[i]->key);
        if (v->kind == FR_VALUE_REAL)
            ck_assert_double_eq(v->real, payload->data[i]->value->double_value);
        else if (v->kind == FR_VALUE_INT)
            ck_assert_int_eq(v->integer, payload->data[i]->value->long_value);
        else
            ck_assert_int_eq(v->boolean, payload->data[i]->value->boolean_value);
    }
    telemetry__vehicle_data__payload__free_unpacked(payload, NULL);
    fr_record_unref(record);
}
END_TEST

static size_t completed;
static bool completed_refused;

static void on_completed(struct fr_completion *completion, struct fr_record *first,
                         struct fr_record *last)
{
    struct fr_record *next;

    (void)completion, (void)last;
    for (; first != NULL; first = next) {
        next = first->ack_next;
        completed++;
        completed_refused = atomic_load(&first->refused);
        fr_record_unref(first);
    }
}

START_TEST(last_confirmation_completes_the_record)
{
    struct fr_sim_datum speed = {.field = 4, .member = 5, .real = 1};
    struct fr_completion completion = {.completed = on_completed};
    struct fr_ack_batch batch = {0};
    struct fr_record *record = make(&speed, 1, VIN);

    completed = 0;
    record->completion = &completion;
    atomic_store(&record->unconfirmed, 2);
    fr_record_confirm(record, true, &batch);
    fr_ack_batch_flush(&batch);
    ck_assert_uint_eq(completed, 0);
    fr_record_confirm(record, false, &batch);
    fr_ack_batch_flush(&batch);
    ck_assert_uint_eq(completed, 1);
    ck_assert(completed_refused);
    fr_record_unref(record);
}
END_TEST

Suite *suite_record(void)
{
    Suite *suite = suite_create("record");
    TCase *tests = tcase_create("record");

    tcase_add_test(tests, vin_of_the_certificate_is_used);
    tcase_add_test(tests, json_has_all_members);
    tcase_add_test(tests, json_is_valid_for_any_bytes);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, numbers_match_printf);
    tcase_add_test(tests, dates_are_clamped);
    tcase_add_test(tests, last_value_of_a_field_is_used);
    tcase_add_test(tests, redaction_removes_personal_data);
    tcase_add_test(tests, too_many_data_are_rejected);
    tcase_add_test(tests, decoding_agrees_with_protobuf_c);
    tcase_add_test(tests, last_confirmation_completes_the_record);
    suite_add_tcase(suite, tests);
    return suite;
}
