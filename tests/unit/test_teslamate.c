/* The pure parts of teslamate.so: rows and vehicle_data from values, sleep, requests, messages. */
#include "unit.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "car_state/car_ids.h"
#include "teslamate/awake.h"
#include "teslamate/client_message.h"
#include "teslamate/request.h"
#include "teslamate/row.h"
#include "teslamate/vehicle_json.h"
#include "teslamate/vehicles.h"

#define VIN "5YJ3E1EA7KF000001"
#define START_MS 1700000000000

/* ---- vehicles -------------------------------------------------------------------- */

struct fixture {
    struct fr_car_ids *ids;
    struct vehicles *vehicles;
    int added, frames, states;
    char row[256]; /* of the last frame */
    int64_t at_ms; /* of the next record */
};

static void on_added(void *ctx, struct vehicle *vehicle)
{
    (void)vehicle;
    ((struct fixture *)ctx)->added++;
}

static void on_frame(void *ctx, struct vehicle *vehicle)
{
    struct fixture *f = ctx;
    struct fr_text_buffer row = {0};

    f->frames++;
    row_write(&row, vehicle->car, vehicle->as_of_ms, &row_all_columns);
    ck_assert(row.len < sizeof f->row);
    memcpy(f->row, fr_text_buffer_string(&row), row.len + 1);
    fr_text_buffer_free(&row);
}

static void on_state(void *ctx, struct vehicle *vehicle)
{
    (void)vehicle;
    ((struct fixture *)ctx)->states++;
}

static const struct vehicles_events events = {on_added, on_frame, on_state};

static void fixture_open(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    f->ids = fr_car_ids_new();
    f->vehicles = vehicles_new(f->ids, &events, f);
    f->at_ms = START_MS;
    ck_assert(f->ids != NULL && f->vehicles != NULL);
}

static void fixture_close(struct fixture *f)
{
    vehicles_free(f->vehicles);
    fr_car_ids_free(f->ids);
}

static struct fr_delivery delivery_at(int64_t at_ms)
{
    return (struct fr_delivery){.size = sizeof(struct fr_delivery),
                                .vin = VIN,
                                .record_type = "V",
                                .txid = "t",
                                .txid_len = 1,
                                .client_version = "",
                                .created_ms = at_ms,
                                .received_ms = at_ms,
                                .unit = ""};
}

static void receive(struct fixture *f, struct fr_delivery *d, uint32_t number, const char *name,
                    struct fr_value value)
{
    d->kind = FR_DELIVERY_FIELD;
    d->field = number;
    d->name = d->field_name = name;
    d->value = value;
    ck_assert(vehicles_receive(f->vehicles, d, START_MS));
}

static void put_real(struct fixture *f, uint32_t number, const char *name, const char *unit,
                     double value)
{
    struct fr_delivery d = delivery_at(f->at_ms);

    d.unit = unit;
    receive(f, &d, number, name, (struct fr_value){.kind = FR_VALUE_REAL, .real = value});
}

static void put_choice(struct fixture *f, uint32_t number, const char *name, const char *value)
{
    struct fr_delivery d = delivery_at(f->at_ms);

    receive(f, &d, number, name,
            (struct fr_value){.kind = FR_VALUE_ENUM, .choice = {.name = value, .number = 1}});
}

static void put_location(struct fixture *f, double latitude, double longitude)
{
    struct fr_delivery d = delivery_at(f->at_ms);

    receive(f, &d, 21, "Location",
            (struct fr_value){.kind = FR_VALUE_LOCATION,
                              .location = {.latitude = latitude, .longitude = longitude}});
}

static void put_presence(struct fixture *f, const char *status)
{
    struct fr_delivery d = delivery_at(f->at_ms);
    char json[64];

    snprintf(json, sizeof json, "{\"status\":\"%s\"}", status);
    d.kind = FR_DELIVERY_RECORD;
    d.record_type = "presence";
    d.format = FR_FORMAT_JSON;
    d.bytes = (const uint8_t *)json;
    d.len = strlen(json);
    ck_assert(vehicles_receive(f->vehicles, &d, START_MS));
}

/* A vehicle that is online, after three frames; the next record is 2 s later. */
static void fixture_wake(struct fixture *f)
{
    put_presence(f, "CONNECTED");
    for (int i = 0; i < AWAKE_FRAMES; i++) {
        put_real(f, 5, "Odometer", "mi", 100);
        vehicles_flush(f->vehicles);
        f->at_ms += 2000;
    }
    ck_assert_str_eq(vehicle_state(vehicles_find(f->vehicles, VIN)), "online");
}

START_TEST(sleep_and_wake)
{
    struct awake awake = {0};

    ck_assert(!awake_frame(&awake, 1000));
    ck_assert(!awake_frame(&awake, 2000));
    ck_assert(!awake_frame(&awake, 3999)); /* three frames in less than 3 s */
    ck_assert(awake_frame(&awake, 4000));
    ck_assert(!awake_frame(&awake, 5000) && awake.is_awake);
    ck_assert(awake_disconnected(&awake) && !awake.is_awake);
    ck_assert(!awake_frame(&awake, 6000));
    ck_assert(!awake_frame(&awake, 9000)); /* two frames */
    ck_assert(!awake_disconnected(&awake));
    for (int64_t at = 0; at < 100; at++) /* each after a long pause */
        ck_assert(!awake_frame(&awake, at * (AWAKE_PAUSE_MS + 1)));
}
END_TEST

START_TEST(frames_of_records)
{
    struct fixture f;
    struct vehicle *vehicle;

    fixture_open(&f);
    put_real(&f, 5, "Odometer", "mi", 100);
    put_real(&f, 8, "Soc", "%", 50);
    vehicles_flush(f.vehicles);
    vehicle = vehicles_find(f.vehicles, VIN);
    ck_assert(vehicle != NULL && vehicle == vehicles_find(f.vehicles, "1"));
    ck_assert(vehicles_find(f.vehicles, "2") == NULL && vehicles_find(f.vehicles, "") == NULL);
    ck_assert_int_eq(f.added, 1);
    ck_assert_int_eq(f.frames, 0);
    f.at_ms += 10000;
    fixture_wake(&f);
    ck_assert_int_eq(f.frames, 2); /* the third record woke it */
    put_real(&f, 5, "Odometer", "mi", 101);
    put_real(&f, 8, "Soc", "%", 49);
    f.at_ms += 500;
    put_real(&f, 8, "Soc", "%", 48); /* another record, of the same batch */
    vehicles_flush(f.vehicles);
    ck_assert_int_eq(f.frames, 4);
    put_presence(&f, "DISCONNECTED");
    ck_assert_str_eq(vehicle_state(vehicle), "asleep");
    put_presence(&f, "CONNECTED");
    put_real(&f, 8, "Soc", "%", 47);
    vehicles_flush(f.vehicles);
    ck_assert_str_eq(vehicle_state(vehicle), "asleep");
    ck_assert_int_eq(f.frames, 4);
    fixture_close(&f);
}
END_TEST

START_TEST(time_never_goes_back)
{
    struct fixture f;
    struct fr_delivery d;
    int64_t before;

    fixture_open(&f);
    fixture_wake(&f);
    before = vehicles_find(f.vehicles, VIN)->as_of_ms;
    ck_assert(before == f.at_ms - 2000);
    d = delivery_at(START_MS - 3600000);
    d.flags = FR_FLAG_LATE;
    d.unit = "mi";
    receive(&f, &d, 5, "Odometer", (struct fr_value){.kind = FR_VALUE_REAL, .real = 1});
    vehicles_flush(f.vehicles);
    ck_assert(vehicles_find(f.vehicles, VIN)->as_of_ms == before);
    ck_assert_int_eq(f.frames, 1);
    fixture_close(&f);
}
END_TEST

/* ---- rows ------------------------------------------------------------------------ */

START_TEST(row_while_driving)
{
    struct fixture f;

    fixture_open(&f);
    fixture_wake(&f);
    put_choice(&f, 10, "Gear", "D");
    put_real(&f, 4, "VehicleSpeed", "mph", 41.6);
    put_real(&f, 5, "Odometer", "mi", 18234.5678);
    put_real(&f, 42, "BatteryLevel", "%", 61.4);
    put_real(&f, 23, "GpsHeading", "", 271.6);
    put_location(&f, 48.1371234, -11.5754);
    put_real(&f, 6, "PackVoltage", "V", 380);
    put_real(&f, 7, "PackCurrent", "A", -50.2);
    put_real(&f, 32, "RatedRange", "mi", 170.5);
    put_real(&f, 40, "EstBatteryRange", "mi", 150.4);
    vehicles_flush(f.vehicles);
    ck_assert_str_eq(f.row,
                     "1700000006000,42,18234.568,61,,272,48.137123,-11.575400,19,D,171,150,272");
    f.at_ms += 500;
    put_real(&f, 7, "PackCurrent", "A", 30); /* recuperates */
    put_real(&f, 4, "VehicleSpeed", "km/h", 100);
    vehicles_flush(f.vehicles);
    ck_assert_str_eq(f.row,
                     "1700000006500,62,18234.568,61,,272,48.137123,-11.575400,-11,D,171,150,272");
    fixture_close(&f);
}
END_TEST

START_TEST(row_while_parked_and_charging)
{
    struct fixture f;

    fixture_open(&f);
    fixture_wake(&f);
    put_choice(&f, 10, "Gear", "P");
    put_real(&f, 4, "VehicleSpeed", "mph", 0.4);
    put_real(&f, 6, "PackVoltage", "V", 380);
    put_real(&f, 7, "PackCurrent", "A", -1);
    vehicles_flush(f.vehicles);
    ck_assert_str_eq(f.row, "1700000006000,0,100.000,,,,,,0,P,,,");
    f.at_ms += 500;
    put_choice(&f, 179, "DetailedChargeState", "Charging");
    vehicles_flush(f.vehicles);
    ck_assert_str_eq(f.row, "1700000006500,0,100.000,,,,,,-1,,,,"); /* never 0, never empty */
    f.at_ms += 500;
    put_real(&f, 7, "PackCurrent", "A", 27);
    vehicles_flush(f.vehicles);
    ck_assert_str_eq(f.row, "1700000007000,0,100.000,,,,,,-10,,,,");
    fixture_close(&f);
}
END_TEST

START_TEST(columns_of_a_client)
{
    struct row_columns columns;

    ck_assert(row_columns_read("speed,odometer,soc,elevation,est_heading,est_lat,est_lng,power,"
                               "shift_state,range,est_range,heading",
                               &columns));
    ck_assert(row_columns_equal(&columns, &row_all_columns));
    ck_assert(row_columns_read("power,nonsense,speed", &columns));
    ck_assert_int_eq(columns.count, 3);
    ck_assert_int_eq(columns.columns[0], ROW_POWER);
    ck_assert_int_eq(columns.columns[1], ROW_COLUMNS);
    ck_assert(!row_columns_read("", &columns));
    ck_assert(!row_columns_read("nonsense", &columns));
    ck_assert(!row_columns_read("speed,,,,,,,,,,,,,,,,,", &columns));
}
END_TEST

/* ---- vehicle_data ---------------------------------------------------------------- */

static double number_of(const json_t *data, const char *object, const char *member)
{
    const json_t *value = json_object_get(json_object_get(data, object), member);

    ck_assert_msg(json_is_number(value), "%s.%s is no number", object, member);
    return json_number_value(value);
}

static bool is_null(const json_t *data, const char *object, const char *member)
{
    return json_is_null(json_object_get(json_object_get(data, object), member));
}

/* TeslaMate's database has integers: a decimal point would be an error. */
static void assert_integers(const json_t *data)
{
    static const char *const names[] = {"battery_level",  "usable_battery_level",
                                        "charger_power",  "charger_voltage",
                                        "charger_phases", "charger_actual_current"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ck_assert(!json_is_real(json_object_get(json_object_get(data, "charge_state"), names[i])));
    ck_assert(!json_is_real(json_object_get(json_object_get(data, "drive_state"), "speed")));
    ck_assert(!json_is_real(json_object_get(json_object_get(data, "drive_state"), "power")));
}

START_TEST(data_without_values)
{
    struct fixture f;
    json_t *data;

    fixture_open(&f);
    fixture_wake(&f);
    data = vehicle_json_data(vehicles_find(f.vehicles, VIN));
    ck_assert_str_eq(json_string_value(json_object_get(data, "state")), "online");
    ck_assert_str_eq(json_string_value(json_object_get(data, "display_name")), VIN);
    ck_assert_str_eq(
        json_string_value(json_object_get(json_object_get(data, "vehicle_config"), "car_type")),
        "model3");
    ck_assert(number_of(data, "charge_state", "charge_energy_added") == 0);
    ck_assert(number_of(data, "drive_state", "power") == 0);
    ck_assert(number_of(data, "drive_state", "timestamp") == 1700000004000.0);
    ck_assert(number_of(data, "charge_state", "timestamp") == 1700000004000.0);
    ck_assert(is_null(data, "drive_state", "latitude"));
    ck_assert(is_null(data, "drive_state", "shift_state"));
    ck_assert(is_null(data, "charge_state", "battery_level"));
    assert_integers(data);
    json_decref(data);
    fixture_close(&f);
}
END_TEST

START_TEST(heading_is_from_0_to_359)
{
    static const struct {
        double sent;
        const char *column;
        double integer;
    } cases[] = {{359.7, ",0", 0}, {-90, ",270", 270}, {360, ",0", 0}, {12.4, ",12", 12}};
    static const struct row_columns heading = {1, {ROW_HEADING}};
    struct fr_text_buffer row = {0};
    struct fixture f;

    fixture_open(&f);
    fixture_wake(&f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *data;

        put_real(&f, 23, "GpsHeading", "", cases[i].sent);
        fr_text_buffer_clear(&row);
        row_write(&row, vehicles_find(f.vehicles, VIN)->car, 1, &heading);
        ck_assert_str_eq(strchr(fr_text_buffer_string(&row), ','), cases[i].column);
        data = vehicle_json_data(vehicles_find(f.vehicles, VIN));
        ck_assert(number_of(data, "drive_state", "heading") == cases[i].integer);
        json_decref(data);
    }
    fr_text_buffer_free(&row);
    fixture_close(&f);
}
END_TEST

START_TEST(data_at_chargers)
{
    struct fixture f;
    json_t *data;

    fixture_open(&f);
    fixture_wake(&f);
    put_choice(&f, 179, "DetailedChargeState", "Charging");
    put_real(&f, 42, "BatteryLevel", "%", 61.4);
    put_real(&f, 37, "ACChargingPower", "kW", 10.9);
    put_real(&f, 184, "ChargerVoltage", "V", 229.7);
    put_real(&f, 49, "ChargeAmps", "A", 15.8);
    put_real(&f, 51, "ChargerPhases", "", 3);
    put_real(&f, 34, "DCChargingEnergyIn", "kWh", 1.5);
    data = vehicle_json_data(vehicles_find(f.vehicles, VIN));
    ck_assert(number_of(data, "charge_state", "charger_power") == 11);
    ck_assert(number_of(data, "charge_state", "charger_voltage") == 230);
    ck_assert(number_of(data, "charge_state", "charger_actual_current") == 16);
    ck_assert(number_of(data, "charge_state", "charge_energy_added") == 1.5);
    ck_assert(number_of(data, "charge_state", "battery_level") == 61);
    assert_integers(data);
    json_decref(data);
    put_real(&f, 37, "ACChargingPower", "kW", 0);
    put_real(&f, 35, "DCChargingPower", "kW", 148.6);
    data = vehicle_json_data(vehicles_find(f.vehicles, VIN));
    ck_assert(number_of(data, "charge_state", "charger_power") == 149);
    ck_assert(is_null(data, "charge_state", "charger_phases"));
    ck_assert(number_of(data, "charge_state", "charger_voltage") == 0);
    ck_assert(number_of(data, "charge_state", "charger_actual_current") == 0);
    assert_integers(data);
    json_decref(data);
    fixture_close(&f);
}
END_TEST

/* ---- requests and messages ------------------------------------------------------- */

static int status_of(const char *head, struct request *request)
{
    static char bytes[16384];
    size_t len = strlen(head);

    memcpy(bytes, head, len + 1);
    ck_assert_uint_eq(request_read(bytes, len, request), len);
    return request->status;
}

START_TEST(requests)
{
    struct request r;
    char incomplete[] = "GET / HTTP/1.1\r\nHost: x\r\n";

    ck_assert_uint_eq(request_read(incomplete, strlen(incomplete), &r), 0);
    ck_assert_int_eq(status_of("GET /api/1/products?a=b&token=abc%2Ddef&c HTTP/1.1\r\nHost: x\r\n"
                               "Authorization: Bearer other\r\n\r\n",
                               &r),
                     0);
    ck_assert_str_eq(r.path, "/api/1/products");
    ck_assert_str_eq(r.token, "abc-def");
    ck_assert(r.keep_alive && r.method == REQUEST_GET && r.content_len == 0 && !r.upgrade);
    ck_assert_int_eq(status_of("GET /streaming/ HTTP/1.1\nhost: x\nupgrade: WebSocket\n"
                               "connection: keep-alive, Upgrade\nsec-websocket-version: 13\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"
                               "Authorization: bearer abc \n\n",
                               &r),
                     0);
    ck_assert(r.upgrade && r.version_13 && r.key[0] == 'd');
    ck_assert_str_eq(r.token, "abc");
    ck_assert_int_eq(status_of("POST /t HTTP/1.0\r\nContent-Length: 16384\r\n\r\n", &r), 0);
    ck_assert(r.content_len == REQUEST_CONTENT_MAX && !r.keep_alive);
    ck_assert_int_eq(status_of("POST /t HTTP/1.0\r\nContent-Length: 16385\r\n\r\n", &r), 413);
    ck_assert_int_eq(status_of("POST /t HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", &r),
                     400);
    ck_assert_int_eq(
        status_of("POST /t HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", &r), 501);
    ck_assert_int_eq(status_of("GET t HTTP/1.1\r\nHost: x\r\n\r\n", &r), 400);
    ck_assert_int_eq(status_of("GET / HTTP/1.1\r\n\r\n", &r), 400);
    ck_assert_int_eq(status_of("GET / HTTP/1.1\r\nHost : x\r\n\r\n", &r), 400);
    ck_assert_int_eq(status_of("GET / HTTP/3.0\r\nHost: x\r\n\r\n", &r), 505);
}
END_TEST

START_TEST(form_values)
{
    char value[8];

    ck_assert(request_form_value("a=1&bb=x%41+&b=2", 16, "b", value, sizeof value));
    ck_assert_str_eq(value, "2");
    ck_assert(request_form_value("a=1&bb=x%41+&b=2", 16, "bb", value, sizeof value));
    ck_assert_str_eq(value, "xA ");
    ck_assert(!request_form_value("a=12345678", 10, "a", value, sizeof value));
    ck_assert(!request_form_value("a=%4", 4, "a", value, sizeof value));
    ck_assert(!request_form_value("a=%00", 5, "a", value, sizeof value));
    ck_assert_str_eq(value, "");
}
END_TEST

static enum client_message_kind kind_of(const char *text, struct client_message *message)
{
    client_message_read(text, strlen(text), message);
    return message->kind;
}

START_TEST(messages)
{
    struct client_message m;

    ck_assert(kind_of("{\"msg_type\":\"data:subscribe_oauth\",\"token\":\"t\",\"tag\":\"" VIN
                      "\",\"value\":\"power,soc\"}",
                      &m) == CLIENT_SUBSCRIBE);
    ck_assert_str_eq(m.tag, VIN);
    ck_assert_str_eq(m.token, "t");
    ck_assert_int_eq(m.columns.count, 2);
    ck_assert(kind_of("{\"msg_type\":\"data:subscribe_oauth\",\"tag\":17}", &m) ==
              CLIENT_SUBSCRIBE);
    ck_assert_str_eq(m.tag, "17");
    ck_assert_str_eq(m.token, "");
    ck_assert(row_columns_equal(&m.columns, &row_all_columns));
    ck_assert(kind_of("{\"msg_type\":\"data:unsubscribe\",\"tag\":\"1\"}", &m) ==
              CLIENT_UNSUBSCRIBE);
    ck_assert(kind_of("{\"msg_type\":\"other\"}", &m) == CLIENT_UNKNOWN);
    ck_assert(kind_of("{\"msg_type\":\"data:unsubscribe\",\"tag\":\"a\\\"b\"}", &m) ==
              CLIENT_MALFORMED);
    ck_assert_str_eq(m.tag, "");
    ck_assert(kind_of("{\"msg_type\":\"data:unsubscribe\",\"tag\":-1}", &m) == CLIENT_MALFORMED);
    ck_assert(kind_of("[1]", &m) == CLIENT_MALFORMED);
    ck_assert(kind_of("", &m) == CLIENT_MALFORMED);
}
END_TEST

Suite *suite_teslamate(void)
{
    Suite *suite = suite_create("teslamate");
    TCase *tests = tcase_create("pure parts");

    tcase_add_test(tests, sleep_and_wake);
    tcase_add_test(tests, frames_of_records);
    tcase_add_test(tests, time_never_goes_back);
    tcase_add_test(tests, row_while_driving);
    tcase_add_test(tests, heading_is_from_0_to_359);
    tcase_add_test(tests, row_while_parked_and_charging);
    tcase_add_test(tests, columns_of_a_client);
    tcase_add_test(tests, data_without_values);
    tcase_add_test(tests, data_at_chargers);
    tcase_add_test(tests, requests);
    tcase_add_test(tests, form_values);
    tcase_add_test(tests, messages);
    suite_add_tcase(suite, tests);
    return suite;
}
