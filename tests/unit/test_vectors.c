/* Comparison of fleetroute with Tesla's server (the reference) for each vector. */
#include "unit.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/envelope.h"
#include "record/json.h"
#include "record/json_tesla.h"
#include "record/record.h"

#define VIN "5YJ3E1EA7KF000001"

static json_t *expected;

static void load_expected(void)
{
    json_error_t error;

    expected = json_load_file(source_file("tests/vectors/expected.json"), 0, &error);
    ck_assert_msg(expected != NULL, "%s", error.text);
}

static void unload_expected(void)
{
    json_decref(expected);
}

static size_t from_hex(const char *hex, uint8_t *bytes)
{
    size_t n = 0;

    for (; *hex != '\0'; hex++) {
        unsigned byte;

        if (isspace((unsigned char)*hex))
            continue;
        ck_assert_int_eq(sscanf(hex, "%2x", &byte), 1);
        bytes[n++] = (uint8_t)byte;
        hex++;
    }
    return n;
}

static size_t read_vector(const char *name, uint8_t *bytes)
{
    char path[128], text[8192];
    FILE *file;
    size_t n;

    snprintf(path, sizeof path, "tests/vectors/%s.hex", name);
    file = fopen(source_file(path), "r");
    ck_assert_msg(file != NULL, "%s", path);
    n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    return from_hex(text, bytes);
}

static void assert_hex(const struct fr_buffer *got, const char *hex)
{
    uint8_t want[4096];
    size_t len = from_hex(hex, want);

    ck_assert_uint_eq(got->len, len);
    ck_assert_mem_eq(got->bytes, want, len);
}

static void assert_span(struct fr_span span, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    if (text == NULL)
        return;
    ck_assert_uint_eq(span.len, strlen(text));
    if (span.len != 0)
        ck_assert_mem_eq(span.bytes, text, span.len);
}

static struct fr_record *record_of(const struct fr_envelope *e, struct fr_error *error)
{
    struct fr_record_source source = {
        .vin = VIN,
        .topic = e->topic.bytes,
        .topic_len = e->topic.len,
        .txid = e->txid.bytes,
        .txid_len = e->txid.len,
        .client_version = "1.2.0",
        .payload = e->payload.bytes,
        .payload_len = e->payload.len,
        .received_ms = 2000000000000,
    };

    return fr_record_new(&source, error);
}

/* Returns whether fleetroute answers with an error reply. The reference acknowledges vector 13 (an
 * ack message) twice, and the empty message; fleetroute sends one error reply. The reference
 * answers vector 12 with an error reply, too, after a caught panic. */
static bool is_refused(const char *name, const json_t *reference)
{
    return strcmp(name, "13_ack_from_peer") == 0 ||
           strcmp(json_string_value(json_object_get(reference, "reply_kind")), "error") == 0;
}

/* Replace the name of field 270 by its number, and remove the member 55 of its value: the vectors
 * are older than both. */
static void replace_new_names(json_t *payload)
{
    json_t *data = json_object_get(payload, "data"), *datum;
    size_t i;

    json_array_foreach(data, i, datum)
    {
        const char *key = json_string_value(json_object_get(datum, "key"));

        if (key != NULL && strcmp(key, "Cabin12vPortKeepOn") == 0) {
            json_object_set_new(datum, "key", json_integer(270));
            json_object_del(json_object_get(datum, "value"), "cabinPortKeepOnValue");
        }
    }
}

static void check_payload(struct fr_record *record, const json_t *reference)
{
    const char *hex = json_string_value(json_object_get(reference, "payload_after_transform_hex"));
    json_t *want = json_object_get(reference, "transmit_decoded_records_payload"), *got;
    struct fr_buffer payload = {(uint8_t *)(uintptr_t)record->payload, record->payload_len,
                                record->payload_len, false};
    struct fr_buffer text = {0};

    ck_assert_ptr_nonnull(hex);
    assert_hex(&payload, hex);
    if (want == NULL)
        return;
    ck_assert_int_eq(fr_json_tesla(&text, record, false), 0);
    got = json_loads(fr_buffer_string(&text), 0, NULL);
    ck_assert_msg(got != NULL, "%s", fr_buffer_string(&text));
    replace_new_names(got);
    ck_assert_msg(json_equal(got, want), "%s", fr_buffer_string(&text));
    json_decref(got);
    fr_buffer_free(&text);
}

static void check_one(const char *name, const json_t *vector)
{
    const json_t *reference = json_object_get(vector, "reference");
    const json_t *envelope = json_object_get(vector, "envelope");
    struct fr_buffer reply = {0};
    struct fr_record *record = NULL;
    struct fr_envelope e;
    struct fr_error error;
    uint8_t bytes[4096];
    size_t len = read_vector(name, bytes);
    bool readable = fr_envelope_read(bytes, len, &e) == 0;

    ck_assert_int_eq(readable, strcmp(name, "12_text_garbage") != 0);
    if (envelope != NULL) {
        assert_span(e.txid, envelope, "txid");
        assert_span(e.topic, envelope, "topic");
        assert_span(e.message_id, envelope, "message_id");
        ck_assert_int_eq(e.kind, json_integer_value(json_object_get(envelope, "message_type")));
    }
    if (reference == NULL)
        return;
    if (readable && e.kind == FR_ENVELOPE_STREAM)
        record = record_of(&e, &error);
    if (is_refused(name, reference)) {
        fr_envelope_write_error(&reply, readable ? e.txid : (struct fr_span){NULL, 0});
        if (strcmp(name, "13_ack_from_peer") != 0)
            assert_hex(&reply, json_string_value(json_object_get(reference, "reply_hex")));
    } else {
        ck_assert_msg(record != NULL, "%s: %s", name, error.text);
        check_payload(record, reference);
        fr_envelope_write_ack(&reply, e.txid, e.topic);
        /* The ack of the reference has an empty vector in place of the table. The ack of fleetroute
         * has the layout of vector 04b, which differs in the position of the message. */
        ck_assert_uint_eq(reply.len,
                          strlen(json_string_value(json_object_get(reference, "reply_hex"))) / 2);
    }
    if (record != NULL)
        fr_record_unref(record);
    fr_buffer_free(&reply);
}

START_TEST(every_vector_matches_the_reference)
{
    const char *name;
    json_t *vector;

    json_object_foreach(expected, name, vector)
    {
        if (strcmp(name, "06_connectivity_payload") != 0)
            check_one(name, vector);
    }
}
END_TEST

START_TEST(ack_matches_vector_04b)
{
    static const char txid[] = "c6609a336d7f4d7bb571-000000001";
    struct fr_buffer ack = {0};
    uint8_t want[256];
    size_t len = read_vector("04b_server_ack_empty_table", want);

    fr_envelope_write_ack(&ack, (struct fr_span){(const uint8_t *)txid, strlen(txid)},
                          (struct fr_span){(const uint8_t *)"V", 1});
    ck_assert_uint_eq(ack.len, len);
    ck_assert_mem_eq(ack.bytes, want, len);
    fr_buffer_free(&ack);
}
END_TEST

START_TEST(bad_protobuf_is_rejected)
{
    struct fr_envelope e;
    struct fr_error error;
    uint8_t bytes[4096];
    size_t len = read_vector("11_v_bad_protobuf", bytes);

    ck_assert_int_eq(fr_envelope_read(bytes, len, &e), 0);
    ck_assert_ptr_null(record_of(&e, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "protobuf"));
}
END_TEST

/* A truncated message or a changed byte must not cause a read outside the buffer. */
START_TEST(damaged_vectors_are_read_safely)
{
    static const char *const names[] = {"01_v_three_datums", "02_alerts", "03_errors",
                                        "08_v_odd_values", "15_v_minimal_other_encoder"};
    uint8_t bytes[4096];
    size_t len = read_vector(names[_i], bytes);

    for (size_t at = 0; at < len; at++) {
        uint8_t *cut = malloc(at + 1);
        struct fr_envelope e;
        struct fr_error error;

        memcpy(cut, bytes, at);
        fr_envelope_read(cut, at, &e);
        free(cut);
        for (unsigned flip = 1; flip < 256; flip = flip * 2 + 1) {
            struct fr_record *record;

            bytes[at] ^= (uint8_t)flip;
            if (fr_envelope_read(bytes, len, &e) == 0 && e.topic.len != 0 && e.topic.len <= 64 &&
                (record = record_of(&e, &error)) != NULL) {
                struct fr_buffer text = {0};

                fr_json_record(&text, record, NULL, 0, false);
                fr_buffer_free(&text);
                fr_record_unref(record);
            }
            bytes[at] ^= (uint8_t)flip;
        }
    }
}
END_TEST

Suite *suite_vectors(void)
{
    Suite *suite = suite_create("vectors");
    TCase *tests = tcase_create("vectors");

    tcase_add_checked_fixture(tests, load_expected, unload_expected);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, every_vector_matches_the_reference);
    tcase_add_test(tests, ack_matches_vector_04b);
    tcase_add_test(tests, bad_protobuf_is_rejected);
    tcase_add_loop_test(tests, damaged_vectors_are_read_safely, 0, 5);
    suite_add_tcase(suite, tests);
    return suite;
}
