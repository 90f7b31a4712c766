/* The parts of http.so without a connection: bodies, escaping, answers, URLs, tokens, the list of deliveries. */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "delivery_list.h"
#include "http/abrp_values.h"
#include "http/answer_text.h"
#include "http/body.h"
#include "http/encoding.h"
#include "http/influx_line.h"
#include "http/retry_after.h"
#include "http/server_url.h"
#include "http/vehicle_tokens.h"
#include "http/verdict.h"

#define NOW_MS INT64_C(1700000000000)

static void assert_text(struct fr_text_buffer *out, const char *expected)
{
    ck_assert(!out->failed);
    ck_assert_str_eq(fr_text_buffer_string(out), expected);
    fr_text_buffer_free(out);
}

/* ---- line protocol --------------------------------------------------------------- */

START_TEST(influx_names_are_escaped)
{
    struct fr_text_buffer out = {0};

    influx_measurement(&out, "#a b,c=d\n\\");
    influx_tag(&out, "k e,y=", "v a,l=\r\\");
    influx_tag(&out, "", "no key");
    influx_tag(&out, "no value", "");
    assert_text(&out, "_a\\ b\\,c=d__,k\\ e\\,y\\==v\\ a\\,l\\=__");
    influx_measurement(&out, "");
    assert_text(&out, "_");
}
END_TEST

START_TEST(influx_values_have_their_types)
{
    struct fr_text_buffer out = {0};
    struct influx_point point = {.out = &out, .series = "m,vin=V", .series_len = 7, .time = 5};

    influx_real(&point, "r", NULL, 0.1);
    influx_real(&point, "whole", NULL, -35);
    influx_real(&point, "long", NULL, 1.0 / 3);
    influx_real(&point, "large", NULL, 1e300);
    influx_real(&point, "place", NULL, -48.137154);
    influx_real(&point, "zero", NULL, 0);
    influx_real(&point, "nan", NULL, (double)NAN);
    influx_integer(&point, "i", NULL, INT64_MIN);
    influx_boolean(&point, "b", "part 1", true);
    influx_text(&point, "t", NULL, "a\"b\\c\nd", 7);
    influx_end(&point);
    assert_text(&out, "m,vin=V "
                      "r=0.1,whole=-35,long=0.3333333333333333,large=1e+300,place=-48.137154,zero="
                      "0,i=-9223372036854775808i,b_part\\ 1=true,"
                      "t=\"a\\\"b\\\\c d\" 5\n");
}
END_TEST

START_TEST(influx_split_point_has_a_line_for_each_field)
{
    struct fr_text_buffer out = {0};
    struct influx_point point = {
        .out = &out, .series = "m", .series_len = 1, .time = -1, .is_split = true};

    influx_real(&point, "a", NULL, 1);
    influx_boolean(&point, "b", NULL, false);
    influx_end(&point);
    assert_text(&out, "m a=1 -1\nm b=false -1\n");
}
END_TEST

START_TEST(influx_point_without_fields_is_nothing)
{
    struct fr_text_buffer out = {0};
    struct influx_point point = {.out = &out, .series = "m", .series_len = 1};

    influx_real(&point, "nan", NULL, (double)INFINITY);
    influx_end(&point);
    ck_assert_uint_eq(out.len, 0);
    fr_text_buffer_free(&out);
}
END_TEST

/* ---- bodies ---------------------------------------------------------------------- */

static const char *format_words[] = {"json",   "json-lines", "tesla-json",
                                     "influx", "teslemetry", "abrp"};
static int64_t the_format, the_precision, the_integers;

static const char *host_text(struct fr_sink *sink, const char *option)
{
    (void)sink;
    return strcmp(option, "measurement") == 0 ? "tesla_%{type}" : NULL;
}

static int64_t host_number(struct fr_sink *sink, const char *option)
{
    (void)sink;
    return strcmp(option, "format") == 0      ? the_format
           : strcmp(option, "precision") == 0 ? the_precision
           : strcmp(option, "integers") == 0  ? the_integers
                                              : 0;
}

static int host_each(struct fr_sink *sink, const char *option,
                     int (*each)(const char *key, const char *text, void *context), void *context)
{
    (void)sink;
    return strcmp(option, "tags") == 0 ? each("fleet", "my cars", context) : 0;
}

static const char *host_json(struct fr_sink *sink, const struct fr_delivery *d, size_t *len)
{
    static const char text[] = "{\"field\":\"x\"}";

    (void)sink, (void)d;
    *len = sizeof text - 1;
    return text;
}

static const char *host_value(struct fr_sink *sink, const struct fr_delivery *d, size_t *len)
{
    const char *text = d->value.kind == FR_VALUE_LOCATION ? "{\"latitude\":1.5,\"longitude\":-2}"
                       : d->value.kind == FR_VALUE_REAL   ? "7.5"
                                                          : "null";

    (void)sink;
    *len = strlen(text);
    return text;
}

static const struct fr_host host = {.size = sizeof host,
                                    .text = host_text,
                                    .number = host_number,
                                    .each = host_each,
                                    .json = host_json,
                                    .value = host_value};

static struct body *new_body(const char *format)
{
    struct body *body;

    the_format = 0;
    while (strcmp(format_words[the_format], format) != 0)
        the_format++;
    body = body_new(NULL, &host);
    ck_assert_ptr_nonnull(body);
    return body;
}

static struct fr_delivery record_of(const char *json)
{
    return (struct fr_delivery){.size = sizeof(struct fr_delivery),
                                .kind = FR_DELIVERY_RECORD,
                                .format = FR_FORMAT_JSON,
                                .vin = "5YJ3E1EA7KF000001",
                                .record_type = "V",
                                .created_ms = NOW_MS + 123,
                                .received_ms = NOW_MS + 500,
                                .bytes = (const uint8_t *)json,
                                .len = strlen(json)};
}

static struct fr_delivery value_of(enum fr_value_kind kind)
{
    struct fr_delivery d = record_of("");

    d.kind = FR_DELIVERY_FIELD;
    d.name = d.field_name = "Field";
    d.unit = "";
    d.value.kind = kind;
    return d;
}

#define RECORD                                                                                     \
    "{\"type\":\"V\",\"vin\":\"5YJ3E1EA7KF000001\",\"txid\":\"t\",\"data\":{\"Speed\":35,"         \
    "\"Gear\":\"D\",\"Soc\":null,\"Doors\":{\"left\":true}}}"

START_TEST(json_bodies)
{
    struct fr_text_buffer out = {0};
    struct fr_delivery d = record_of(RECORD);
    struct body *body = new_body("json");

    ck_assert_int_eq(body_add(body, &out, BODY_TOGETHER, &d), BODY_ADDED);
    ck_assert_int_eq(body_add(body, &out, BODY_TOGETHER, &d), BODY_ADDED);
    body_end(body, &out);
    assert_text(&out, "[" RECORD "," RECORD "]");
    body_free(body);
    body = new_body("json-lines");
    ck_assert_int_eq(body_add(body, &out, BODY_TOGETHER, &d), BODY_ADDED);
    body_end(body, &out);
    assert_text(&out, RECORD "\n");
    body_free(body);
    body = new_body("tesla-json");
    ck_assert(!body_may_join(body, &d, &d));
    ck_assert_int_eq(body_add(body, &out, BODY_TOGETHER, &d), BODY_UNFIT);
    d.format = FR_FORMAT_PROTOBUF;
    ck_assert_int_eq(body_add(body, &out, BODY_TOGETHER, &d), BODY_UNFIT);
    d.format = FR_FORMAT_TESLA_JSON;
    ck_assert_int_eq(body_add(body, &out, BODY_TOGETHER, &d), BODY_ADDED);
    assert_text(&out, RECORD);
    body_free(body);
}
END_TEST

START_TEST(influx_bodies)
{
    struct fr_text_buffer out = {0};
    struct fr_delivery d = record_of(RECORD), bad = record_of("[1"),
                       empty = record_of("{\"data\":{\"Soc\":null}}");
    struct body *body;

    the_precision = 1;
    body = new_body("influx");
    ck_assert_str_eq(body_query(body), "precision=ms");
    ck_assert_int_eq(body_add(body, &out, BODY_TOGETHER, &d), BODY_ADDED);
    ck_assert_int_eq(body_add(body, &out, BODY_TOGETHER, &bad), BODY_UNFIT);
    ck_assert_int_eq(body_add(body, &out, BODY_TOGETHER, &empty), BODY_NOTHING);
    assert_text(&out, "tesla_V,vin=5YJ3E1EA7KF000001,fleet=my\\ cars "
                      "Speed=35,Gear=\"D\",Doors_left=true 1700000000123\n");
    body_free(body);
    the_precision = 0;
    the_integers = 1;
    body = new_body("influx");
    ck_assert_str_eq(body_query(body), "");
    d = value_of(FR_VALUE_INT);
    d.value.integer = 3;
    ck_assert_int_eq(body_add(body, &out, BODY_TOGETHER, &d), BODY_ADDED);
    d = value_of(FR_VALUE_LOCATION);
    ck_assert_int_eq(body_add(body, &out, BODY_SPLIT, &d), BODY_ADDED);
    d = value_of(FR_VALUE_INVALID);
    ck_assert_int_eq(body_add(body, &out, BODY_TOGETHER, &d), BODY_NOTHING);
    d = value_of(FR_VALUE_ENUM);
    d.value.choice.number = 8;
    d.created_ms = 0;
    ck_assert_int_eq(body_add(body, &out, BODY_TOGETHER, &d), BODY_ADDED);
#define SERIES "tesla_fields,vin=5YJ3E1EA7KF000001,fleet=my\\ cars "
    assert_text(&out, SERIES "Field=3i 1700000000123000000\n" SERIES
                             "Field_latitude=1.5 1700000000123000000\n" SERIES
                             "Field_longitude=-2 1700000000123000000\n" SERIES
                             "Field=\"unknown(8)\" 1700000000500000000\n");
    body_free(body);
    the_integers = 0;
}
END_TEST

START_TEST(teslemetry_bodies)
{
    struct fr_text_buffer out = {0};
    struct fr_delivery d = record_of("{\"type\":\"V\",\"txid\":\"t\",\"data\":{\"Soc\":81.5}}");
    struct body *body = new_body("teslemetry");

    body_add(body, &out, BODY_TOGETHER, &d);
    assert_text(&out, "{\"data\":{\"Soc\":81.5},\"createdAt\":\"2023-11-14T22:13:20.123Z\","
                      "\"vin\":\"5YJ3E1EA7KF000001\"}");
    d = record_of("{\"type\":\"alerts\",\"vin\":\"x\",\"alerts\":[]}");
    body_add(body, &out, BODY_TOGETHER, &d);
    assert_text(&out, "{\"alerts\":[],\"createdAt\":\"2023-11-14T22:13:20.123Z\","
                      "\"vin\":\"5YJ3E1EA7KF000001\"}");
    d = value_of(FR_VALUE_REAL);
    body_add(body, &out, BODY_TOGETHER, &d);
    assert_text(&out, "{\"data\":{\"Field\":7.5},\"createdAt\":\"2023-11-14T22:13:20.123Z\","
                      "\"vin\":\"5YJ3E1EA7KF000001\"}");
    body_free(body);
}
END_TEST

START_TEST(abrp_units)
{
    struct fr_text_buffer out = {0};
    struct abrp_values values = {.utc_ms = NOW_MS};
    struct abrp_input input = {.kind = ABRP_INPUT_NUMBER, .number = 100, .unit = ""};

    ck_assert(abrp_values_take(&values, "VehicleSpeed", &input));
    ck_assert(abrp_values_take(&values, "BatteryLevel", &input));
    ck_assert(!abrp_values_take(&values, "RouteLine", &input));
    input.unit = "km";
    ck_assert(abrp_values_take(&values, "Odometer", &input));
    input.unit = "psi";
    ck_assert(abrp_values_take(&values, "TpmsPressureFl", &input));
    input.unit = "°F";
    ck_assert(abrp_values_take(&values, "OutsideTemp", &input));
    input.unit = "mi";
    input.number = 1.7e308; /* more kilometres than a double holds */
    ck_assert(abrp_values_take(&values, "EstBatteryRange", &input));
    input.kind = ABRP_INPUT_NONE;
    ck_assert(abrp_values_take(&values, "Soc", &input));
    abrp_values_take_location(&values, 48.1371541, (double)NAN);
    abrp_values_write(&values, &out);
    assert_text(&out, "{\"tlm\":{\"utc\":1700000000,\"soc\":100,\"speed\":160.9344,"
                      "\"ext_temp\":37.7777778,\"odometer\":100,\"tire_pressure_fl\":689.4757}}");
}
END_TEST

START_TEST(abrp_forgets_an_invalid_position)
{
    struct fr_text_buffer out = {0};
    struct fr_delivery d = record_of("{\"data\":{\"Soc\":50,\"Location\":{\"latitude\":1.5,"
                                     "\"longitude\":-2}}}");
    struct body *body = new_body("abrp");

    ck_assert_int_eq(body_add(body, &out, BODY_TOGETHER, &d), BODY_ADDED);
    body_end(body, &out);
    assert_text(&out, " {\"tlm\":{\"utc\":1700000000,\"soc\":50,\"lat\":1.5,\"lon\":-2}}");
    d = record_of("{\"data\":{\"Location\":null}}");
    d.created_ms = NOW_MS + 86400000; /* a clock that is ahead */
    ck_assert_int_eq(body_add(body, &out, BODY_TOGETHER, &d), BODY_ADDED);
    body_end(body, &out);
    assert_text(&out, " {\"tlm\":{\"utc\":1700000000,\"soc\":50}}");
    body_free(body);
}
END_TEST

START_TEST(encodings_can_be_decoded)
{
    char text[50000], back[sizeof text];
    struct fr_text_buffer out = {0};

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * i >> 7);
    for (int round = 0; round < 2; round++) {
        struct encoder *gzip = encoder_new(ENCODING_GZIP), *zstd = encoder_new(ENCODING_ZSTD);
        z_stream stream = {0};

        ck_assert(encoder_encode(gzip, text, 10, &out));
        ck_assert(encoder_encode(gzip, text, sizeof text, &out));
        ck_assert_int_eq(inflateInit2(&stream, 31), Z_OK);
        stream.next_in = (Bytef *)out.bytes;
        stream.avail_in = (uInt)out.len;
        stream.next_out = (Bytef *)back;
        stream.avail_out = sizeof back;
        ck_assert_int_eq(inflate(&stream, Z_FINISH), Z_STREAM_END);
        inflateEnd(&stream);
        ck_assert_mem_eq(back, text, sizeof text);
        ck_assert(encoder_encode(zstd, text, sizeof text, &out));
        ck_assert_uint_eq(ZSTD_decompress(back, sizeof back, out.bytes, out.len), sizeof text);
        ck_assert_mem_eq(back, text, sizeof text);
        encoder_free(gzip);
        encoder_free(zstd);
    }
    fr_text_buffer_free(&out);
}
END_TEST

/* ---- answers --------------------------------------------------------------------- */

static int64_t pause_of(const char *text)
{
    return retry_after_ms(text, strlen(text), NOW_MS);
}

START_TEST(retry_after_is_bounded)
{
    ck_assert_int_eq(pause_of(" 6 \r\n"), 6000);
    ck_assert_int_eq(pause_of("0"), 0);
    ck_assert_int_eq(pause_of("300"), 300000);
    ck_assert_int_eq(pause_of("301"), 300000);
    ck_assert_int_eq(pause_of("99999999999999999999999999"), 300000);
    ck_assert_int_eq(pause_of("-5"), 0);
    ck_assert_int_eq(pause_of("soon"), 0);
    ck_assert_int_eq(pause_of(""), 0);
    ck_assert_int_eq(pause_of("Tue, 14 Nov 2023 22:13:30 GMT"), 10000);
    ck_assert_int_eq(pause_of("Tue, 14 Nov 2023 22:13:00 GMT"), 0);
    ck_assert_int_eq(pause_of("Tue, 14 Nov 2123 22:13:00 GMT"), 300000);
    ck_assert_int_eq(pause_of("Tue, 14 Nov 2023 22:13:30 GMT and more"), 0);
}
END_TEST

START_TEST(statuses_have_verdicts)
{
    ck_assert_int_eq(http_opinion_of_status(200).verdict, VERDICT_DONE);
    ck_assert_int_eq(http_opinion_of_status(204).verdict, VERDICT_DONE);
    for (long status = 300; status < 400; status++)
        ck_assert_int_eq(http_opinion_of_status(status).verdict, VERDICT_AWAY);
    ck_assert_int_eq(http_opinion_of_status(400).verdict, VERDICT_REFUSED);
    ck_assert_int_eq(http_opinion_of_status(401).verdict, VERDICT_AWAY);
    ck_assert_int_eq(http_opinion_of_status(403).verdict, VERDICT_AWAY);
    ck_assert_int_eq(http_opinion_of_status(413).verdict, VERDICT_REFUSED);
    ck_assert_int_eq(http_opinion_of_status(429).verdict, VERDICT_AWAY);
    ck_assert_int_eq(http_opinion_of_status(500).verdict, VERDICT_UNCLEAR);
    ck_assert_int_eq(http_opinion_of_status(503).verdict, VERDICT_AWAY);
    ck_assert_int_eq(http_opinion_of_status(0).verdict, VERDICT_AWAY);
    ck_assert_int_eq(http_opinion_of_status(999).verdict, VERDICT_AWAY);
    ck_assert_int_eq(http_opinion_of_failure(CURLE_COULDNT_CONNECT, false).verdict, VERDICT_AWAY);
    ck_assert_int_eq(http_opinion_of_failure(CURLE_GOT_NOTHING, true).verdict, VERDICT_UNCLEAR);
    ck_assert_int_eq(http_opinion_of_failure(CURLE_GOT_NOTHING, false).verdict, VERDICT_AWAY);
}
END_TEST

START_TEST(answers_have_reasons)
{
    char text[64];

    answer_text("{\"error\":\"partial write: field type conflict\"}", text, sizeof text);
    ck_assert_str_eq(text, "partial write: field type conflict");
    ck_assert_int_eq(influx_fault_of(text), INFLUX_CONFLICT);
    answer_text("{\"code\":\"x\",\"message\":\"unable to parse\\n'a'\"}", text, sizeof text);
    ck_assert_str_eq(text, "unable to parse 'a'");
    ck_assert_int_eq(influx_fault_of(text), INFLUX_POINT);
    answer_text("{\"error\":5", text, sizeof text);
    ck_assert_str_eq(text, "{\"error\":5");
    answer_text("<html>", text, sizeof text);
    ck_assert_str_eq(text, "");
    answer_text("aaaa\xc3\xa4", text, 6);
    ck_assert_str_eq(text, "aaaa");
    ck_assert_int_eq(influx_fault_of("no"), INFLUX_OTHER);
}
END_TEST

/* ---- URLs and tokens ------------------------------------------------------------- */

START_TEST(urls)
{
    char address[SERVER_ADDRESS_SIZE];
    struct fr_text_buffer out = {0};

    ck_assert_ptr_null(server_url_mistake("http://localhost:8086/write?db=x"));
    ck_assert_ptr_null(server_url_mistake("https://[::1]/"));
    ck_assert_ptr_nonnull(server_url_mistake("ftp://example.com/"));
    ck_assert_ptr_nonnull(server_url_mistake("localhost:8086"));
    ck_assert_ptr_nonnull(server_url_mistake("http://me@example.com/"));
    ck_assert_ptr_nonnull(server_url_mistake("http://me:secret@example.com/"));
    ck_assert_ptr_nonnull(server_url_mistake("http://exa mple.com/"));
    ck_assert_ptr_nonnull(server_url_mistake(""));
    server_url_address("https://example.com/a?token=secret", address);
    ck_assert_str_eq(address, "https://example.com:443");
    server_url_add_query("http://a/b", "precision=ms", &out);
    assert_text(&out, "http://a/b?precision=ms");
    server_url_add_query("http://a/b?db=x#part", "precision=ms", &out);
    assert_text(&out, "http://a/b?db=x&precision=ms");
    server_url_add_query("http://a/b?db=x&precision=s", "precision=ms", &out);
    assert_text(&out, "http://a/b?db=x&precision=s");
    server_url_add_token("http://a/b", "a/&\xff", 4, &out);
    assert_text(&out, "http://a/b?token=a%2F%26%FF");
}
END_TEST

START_TEST(tokens)
{
    static const char text[] = "# no\n\nVIN1 abc\r\n  VIN2\tdef ghi\nVIN3\nVIN4 x";
    size_t len = 0;

    ck_assert_int_eq(strncmp(vehicle_token(text, "VIN1", &len), "abc", 3), 0);
    ck_assert_uint_eq(len, 3);
    ck_assert_int_eq(strncmp(vehicle_token(text, "VIN2", &len), "def", 3), 0);
    ck_assert_uint_eq(len, 3);
    ck_assert_ptr_null(vehicle_token(text, "VIN3", &len));
    ck_assert_ptr_null(vehicle_token(text, "VIN", &len));
    ck_assert_ptr_null(vehicle_token("", "VIN", &len));
    ck_assert_ptr_nonnull(vehicle_token(text, "VIN4", &len));
    ck_assert_uint_eq(len, 1);
}
END_TEST

START_TEST(a_list_of_deliveries_keeps_its_order)
{
    struct fr_delivery d[300];
    struct delivery_list list = {0}, more = {0};

    ck_assert_ptr_null(delivery_list_take(&list));
    delivery_list_append(&list, &more);
    ck_assert_ptr_null(list.first);
    for (size_t i = 100; i < 200; i++)
        delivery_list_add(&list, &d[i]);
    for (size_t i = 100; i-- > 0;)
        delivery_list_add_first(&list, &d[i]);
    for (size_t i = 200; i < 300; i++)
        delivery_list_add(&more, &d[i]);
    delivery_list_append(&list, &more);
    ck_assert_uint_eq(list.count, 300);
    ck_assert_ptr_null(more.first);
    for (size_t i = 0; i < 300; i++) {
        ck_assert_ptr_eq(delivery_list_take(&list), &d[i]);
        ck_assert_ptr_null(d[i].plugin_data);
    }
    ck_assert_uint_eq(list.count, 0);
    delivery_list_add_first(&list, &d[0]);
    delivery_list_add(&list, &d[1]);
    ck_assert_ptr_eq(delivery_list_take(&list), &d[0]);
    ck_assert_ptr_eq(delivery_list_take(&list), &d[1]);
    ck_assert_ptr_null(delivery_list_take(&list));
}
END_TEST

Suite *suite_http_sink(void)
{
    Suite *suite = suite_create("http_sink");
    TCase *tcase = tcase_create("http_sink");

    tcase_add_test(tcase, influx_names_are_escaped);
    tcase_add_test(tcase, influx_values_have_their_types);
    tcase_add_test(tcase, influx_split_point_has_a_line_for_each_field);
    tcase_add_test(tcase, influx_point_without_fields_is_nothing);
    tcase_add_test(tcase, json_bodies);
    tcase_add_test(tcase, influx_bodies);
    tcase_add_test(tcase, teslemetry_bodies);
    tcase_add_test(tcase, abrp_units);
    tcase_add_test(tcase, abrp_forgets_an_invalid_position);
    tcase_add_test(tcase, encodings_can_be_decoded);
    tcase_add_test(tcase, retry_after_is_bounded);
    tcase_add_test(tcase, statuses_have_verdicts);
    tcase_add_test(tcase, answers_have_reasons);
    tcase_add_test(tcase, urls);
    tcase_add_test(tcase, tokens);
    tcase_add_test(tcase, a_list_of_deliveries_keeps_its_order);
    suite_add_tcase(suite, tcase);
    return suite;
}
