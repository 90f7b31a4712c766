/* The history: chunks, requests, what is stored of records, bounds, and answers. */
#include "unit.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "history/history.h"
#include "history/history_query.h"
#include "history/history_sweep.h"
#include "history/history_write.h"
#include "history/packing.h"
#include "history/track.h"
#include "record/field_catalogue.h"
#include "sim/sim_message.h"
#include "util/clock.h"
#include "util/counters.h"

#define VIN "5YJ3E1EA7KF000001"
#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

enum { SPEED = 4, ODOMETER = 5, SOC = 8, GEAR = 10, LOCATION = 21, LOCKED = 59, NAME = 64 };
enum { MEMBER_GEAR = 9, GEAR_P = 2, GEAR_D = 5 };

static struct fr_error error;

/* ---- keys and chunks ------------------------------------------------------------- */

START_TEST(keys_are_in_the_order_of_their_members)
{
    struct fr_history_key keys[] = {{"A", FR_HISTORY_ALERT, 0, 0, 5, 1},
                                    {"A", FR_HISTORY_SERIES, 4, 0, 300000, 0},
                                    {"A", FR_HISTORY_SERIES, 4, 0, INT64_C(1) << 40, 0},
                                    {"A", FR_HISTORY_SERIES, 4, 1, 0, 0},
                                    {"A", FR_HISTORY_SERIES, 300, 0, 0, 0},
                                    {"A0", FR_HISTORY_ALERT, 0, 0, 0, 0},
                                    {"B", FR_HISTORY_VEHICLE, 0, 0, 0, 0}};
    uint8_t last[FR_HISTORY_KEY_MAX] = {0}, bytes[FR_HISTORY_KEY_MAX] = {0};
    struct fr_history_key parsed;

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        size_t len = fr_history_key_write(&keys[i], bytes);

        ck_assert_int_lt(memcmp(last, bytes, len), 0);
        memcpy(last, bytes, sizeof last);
        ck_assert(fr_history_key_parse(bytes, len, &parsed));
        ck_assert_str_eq(parsed.vin, keys[i].vin);
        ck_assert(fr_history_key_same_series(&parsed, &keys[i]));
        ck_assert(parsed.ms == keys[i].ms && parsed.extra == keys[i].extra);
        ck_assert(!fr_history_key_parse(bytes, len - 1, &parsed));
    }
    ck_assert(!fr_history_key_parse("\0next", 5, &parsed));
}
END_TEST

static struct fr_chunk chunk, read_back;
static struct fr_buffer row;

static void decode_again(void)
{
    fr_chunk_encode(&chunk, &row);
    fr_chunk_begin(&read_back, chunk.kind, chunk.level, chunk.start_ms);
    ck_assert(fr_chunk_decode(&read_back, row.bytes, row.len));
    ck_assert_uint_eq(read_back.count, chunk.count);
}

START_TEST(numbers_are_sorted_and_bounded)
{
    fr_chunk_begin(&chunk, FR_CHUNK_NUMBERS, FR_LEVEL_RAW, 10 * MINUTE + 7);
    ck_assert_int_eq(chunk.start_ms, 10 * MINUTE);
    for (int64_t i = 0; i < 300; i++) /* 7 and 300 have no common divisor: each once */
        ck_assert(
            fr_chunk_add_number(&chunk, 10 * MINUTE + i * 7 % 300 * 1000, (float)(i * 7 % 300)));
    ck_assert(fr_chunk_add_number(&chunk, 10 * MINUTE + 5000, -1.5F)); /* replaces */
    decode_again();
    ck_assert_uint_eq(chunk.count, 300);
    for (size_t i = 0; i < 300; i++) {
        ck_assert_int_eq(read_back.numbers[i].ms, 10 * MINUTE + (int64_t)i * 1000);
        ck_assert_float_eq(read_back.numbers[i].value, i == 5 ? -1.5F : (float)i);
    }
    ck_assert_uint_lt(row.len, 300 * 7); /* compact */
    for (int64_t i = 0; i < 300; i++)
        ck_assert(fr_chunk_add_number(&chunk, 10 * MINUTE + i * 1000 + 1, 0));
    ck_assert(!fr_chunk_add_number(&chunk, 10 * MINUTE + 2, 0)); /* full */
    decode_again();
}
END_TEST

START_TEST(summaries_have_min_max_average_and_the_newest)
{
    const struct fr_summary *s = read_back.summaries;

    fr_chunk_begin(&chunk, FR_CHUNK_SUMMARIES, FR_LEVEL_MINUTE, HOUR);
    fr_chunk_summarise(&chunk, HOUR + 2 * MINUTE + 1000, 5);
    fr_chunk_summarise(&chunk, HOUR + 2 * MINUTE + 9000, 7);
    fr_chunk_summarise(&chunk, HOUR + 2 * MINUTE + 3000, -3); /* late */
    fr_chunk_summarise(&chunk, HOUR, 1);
    decode_again();
    ck_assert_uint_eq(read_back.count, 2);
    ck_assert(s[0].ms == HOUR && s[0].count == 1);
    ck_assert_float_eq(s[0].average, 1);
    ck_assert(s[1].ms == HOUR + 2 * MINUTE && s[1].count == 3 && s[1].last_ms == 9000);
    ck_assert_float_eq(s[1].min, -3);
    ck_assert_float_eq(s[1].max, 7);
    ck_assert_float_eq_tol(s[1].average, 3, 1e-5);
    ck_assert_float_eq(s[1].last, 7);
}
END_TEST

START_TEST(positions_and_states_read_back)
{
    struct fr_position p = {HOUR + 1, -89999999, 179999999};
    struct fr_state s = {HOUR, FR_STATE_TEXT, 0, 3, "a\0b"};

    fr_chunk_begin(&chunk, FR_CHUNK_POSITIONS, FR_LEVEL_RAW, HOUR);
    ck_assert(fr_chunk_add_position(&chunk, &p));
    p = (struct fr_position){HOUR + 2, 90000000, -180000000};
    ck_assert(fr_chunk_add_position(&chunk, &p));
    decode_again();
    ck_assert_int_eq(read_back.positions[1].latitude, 90000000);
    ck_assert_int_eq(read_back.positions[0].longitude, 179999999);
    fr_chunk_begin(&chunk, FR_CHUNK_STATES, FR_LEVEL_RAW, HOUR);
    ck_assert(fr_chunk_add_state(&chunk, &s));
    s.ms++;
    ck_assert(fr_chunk_add_state(&chunk, &s)); /* unchanged: not added */
    ck_assert_uint_eq(chunk.count, 1);
    s = (struct fr_state){HOUR + 9, FR_STATE_NUMBER, -7, 0, ""};
    ck_assert(fr_chunk_add_state(&chunk, &s));
    s = (struct fr_state){HOUR + 10, FR_STATE_NONE, 0, 0, ""};
    ck_assert(fr_chunk_add_state(&chunk, &s));
    decode_again();
    ck_assert_uint_eq(read_back.count, 3);
    ck_assert_mem_eq(read_back.states[0].text, "a\0b", 4);
    ck_assert_int_eq(read_back.states[1].number, -7);
}
END_TEST

START_TEST(damaged_chunks_are_detected)
{
    fr_chunk_begin(&chunk, FR_CHUNK_NUMBERS, FR_LEVEL_RAW, HOUR);
    for (int i = 0; i < 20; i++)
        fr_chunk_add_number(&chunk, HOUR + i * 1000, (float)i);
    decode_again();
    for (size_t i = 0; i < row.len; i++) {
        row.bytes[i] ^= 16;
        ck_assert(!fr_chunk_decode(&read_back, row.bytes, row.len));
        row.bytes[i] ^= 16;
        ck_assert(!fr_chunk_decode(&read_back, row.bytes, i));
    }
    ck_assert_uint_eq(read_back.count, 0);
    fr_chunk_begin(&read_back, FR_CHUNK_STATES, FR_LEVEL_RAW, HOUR);
    ck_assert(!fr_chunk_decode(&read_back, row.bytes, row.len)); /* another kind */
}
END_TEST

START_TEST(track_keeps_its_corners)
{
    static struct fr_position p[FR_TRACK_MAX];
    size_t n;

    for (int i = 0; i < 1000; i++) /* north, then east */
        p[i] = (struct fr_position){i, 48000000 + 100 * (i < 500 ? i : 500),
                                    11000000 + 100 * (i < 500 ? 0 : i - 500)};
    n = fr_track_reduce(p, 1000, 4, 100);
    ck_assert_uint_eq(n, 3);
    ck_assert(p[0].ms == 0 && p[1].ms == 500 && p[2].ms == 999);
    for (int i = 0; i < FR_TRACK_MAX; i++) /* nothing can be removed: thinned evenly */
        p[i] = (struct fr_position){i, i % 2 * 10000, i};
    n = fr_track_reduce(p, FR_TRACK_MAX, 4, 50);
    ck_assert_uint_eq(n, 50);
    ck_assert(p[0].ms == 0 && p[49].ms == FR_TRACK_MAX - 1);
    p[0] = p[1] = (struct fr_position){0, 0, 179999000}; /* across the date line */
    p[1] = (struct fr_position){1, 0, -179999500};
    p[2] = (struct fr_position){2, 0, -179999000};
    ck_assert_uint_eq(fr_track_reduce(p, 3, 4, 50), 2);
}
END_TEST

/* ---- requests -------------------------------------------------------------------- */

#define NOW (INT64_C(1767225600000) + 12 * HOUR)

static struct fr_history_request request;

static int parse(enum fr_history_what what, const char *query)
{
    return fr_history_request_parse(&request, what, VIN, query, NOW, &error);
}

START_TEST(requests_are_parsed)
{
    ck_assert_int_eq(parse(FR_HISTORY_FIELDS, "fields=Soc%2CGear,Soc&points=800"), 0);
    ck_assert_uint_eq(request.field_count, 2);
    ck_assert(request.fields[0] == SOC && request.fields[1] == GEAR && request.points == 800);
    ck_assert(request.to_ms == NOW && request.from_ms == NOW - DAY && !request.from_given);
    ck_assert_int_eq(parse(FR_HISTORY_FIELDS, "fields=Soc&from=-3600000&to=-60000"), 0);
    ck_assert(request.to_ms == NOW - MINUTE && request.from_ms == NOW - MINUTE - HOUR);
    ck_assert_int_eq(parse(FR_HISTORY_TRACK, "from=5&to=6"), 0);
    ck_assert(request.from_ms == 5 && request.to_ms == 6 && request.from_given);
    ck_assert_int_eq(parse(FR_HISTORY_SESSIONS, ""), 0);
}
END_TEST

START_TEST(bad_requests_are_refused)
{
    static const char *const bad[] = {
        "",
        "fields=",
        "fields=NoSuchField",
        "fields=Soc&points=0",
        "fields=Soc&points=2001",
        "fields=Soc&points=1x",
        "fields=Soc&from=",
        "fields=Soc&from= 1",
        "fields=Soc&from=99999999999999999999",
        "fields=Soc&from=6&to=5",
        "fields=Soc&from=5&to=5",
        "fields=%",
        "fields=%4",
        "fields=%00",
        "fields=%zz",
        "fields=ScheduledChargingStartTime",
        "fields=Soc&other=1",
        "fields",
        "fields=<script>",
    };
    char large[FR_HISTORY_QUERY_MAX + 2];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(parse(FR_HISTORY_FIELDS, bad[i]) == -1, "%s", bad[i]);
    ck_assert_int_eq(parse(FR_HISTORY_SESSIONS, "fields=Soc"), -1);
    memset(large, 'a', sizeof large);
    large[sizeof large - 1] = '\0';
    ck_assert_int_eq(parse(FR_HISTORY_FIELDS, large), -1);
    ck_assert_int_eq(
        fr_history_request_parse(&request, FR_HISTORY_ALERTS, "../etc", "", NOW, &error), -1);
    strcpy(large, "fields=");
    for (uint32_t i = 0, n = 0; n <= FR_HISTORY_FIELDS_MAX; i++)
        if (fr_field_by_number(i) != NULL && fr_field_by_number(i)->kind == FR_FIELD_REAL) {
            strcat(large, fr_field_by_number(i)->name);
            strcat(large, ",");
            n++;
        }
    ck_assert_int_eq(parse(FR_HISTORY_FIELDS, large), -1);
}
END_TEST

/* ---- the file -------------------------------------------------------------------- */

static char folder[64], path[96];
static struct fr_history_store store;
static struct fr_history_intake intake;
static struct fr_history_settings settings;
static uint64_t written;
static int64_t present; /* ms since 1970 */

static void open_file(void)
{
    bool fresh;

    ck_assert_msg(fr_history_store_open(&store, path, settings.size, &fresh, &error) == 0, "%s",
                  error.text);
    fr_history_intake_init(&intake, &settings);
}

static void close_file(void)
{
    fr_history_intake_free(&intake);
    fr_history_store_close(&store);
}

static void set_up(void)
{
    strcpy(folder, "/tmp/fr-unit.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/history", folder);
    settings = (struct fr_history_settings){
        .folder = path, .size = 64 << 20, .keep_ms = 8 * DAY, .vehicles = 20};
    written = 1;
    present = fr_wall_ms();
    open_file();
}

static void remove_folder(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void tear_down(void)
{
    close_file();
    remove_folder();
}

static struct fr_record *make_record(const char *vin, const struct fr_sim_datum *data, size_t count,
                                     int64_t created_ms, int64_t received_ms)
{
    struct fr_buffer payload = {0};
    struct fr_record_source source = {.vin = vin,
                                      .topic = (const uint8_t *)"V",
                                      .topic_len = 1,
                                      .txid = (const uint8_t *)"t",
                                      .txid_len = 1,
                                      .client_version = "",
                                      .received_ms = received_ms};
    struct fr_record *record;

    fr_sim_payload(&payload, data, count, vin, created_ms * 1000000, false);
    source.payload = payload.bytes;
    source.payload_len = payload.len;
    record = fr_record_new(&source, &error);
    ck_assert_msg(record != NULL, "%s", error.text);
    fr_buffer_free(&payload);
    return record;
}

static void take(const char *vin, const struct fr_sim_datum *data, size_t count, int64_t ms)
{
    struct fr_record *record = make_record(vin, data, count, ms, present);

    fr_history_take(&intake, record, present);
    fr_record_unref(record);
    written++;
}

static void take_number(uint32_t field, double number, int64_t ms)
{
    struct fr_sim_datum datum = {.field = field, .member = FR_MEMBER_DOUBLE, .real = number};

    take(VIN, &datum, 1, ms);
}

static void take_gear(int gear, int64_t ms)
{
    struct fr_sim_datum datum = {.field = GEAR, .member = MEMBER_GEAR, .integer = gear};

    take(VIN, &datum, 1, ms);
}

static void write_batch(void)
{
    fr_history_take_sessions(&intake, present);
    ck_assert_msg(fr_history_write(&store, &intake, written, &error) == 0, "%s", error.text);
    ck_assert_uint_eq(intake.batch.count, 0);
}

/* The answer to a request; the caller releases it. */
static json_t *ask(enum fr_history_what what, const char *query)
{
    struct fr_buffer out = {0};
    json_error_t why;
    json_t *answer;

    ck_assert_msg(fr_history_request_parse(&request, what, VIN, query, present + 1, &error) == 0,
                  "%s", error.text);
    ck_assert_msg(fr_history_answer(&store, &request, settings.keep_ms, fr_monotonic_ms() + 20000,
                                    NULL, &out, &error) == 0,
                  "%s", error.text);
    answer = json_loads(fr_buffer_string(&out), 0, &why);
    ck_assert_msg(answer != NULL, "%s: %s", why.text, fr_buffer_string(&out));
    fr_buffer_free(&out);
    return answer;
}

static json_t *series(json_t *answer, size_t index)
{
    return json_array_get(json_object_get(answer, "series"), index);
}

static double number_at(json_t *object, const char *column, size_t index)
{
    json_t *number = json_array_get(json_object_get(object, column), index);

    ck_assert_msg(json_is_number(number), "%s[%zu]", column, index);
    return json_number_value(number);
}

static size_t length(json_t *object, const char *column)
{
    return json_array_size(json_object_get(object, column));
}

START_TEST(numbers_are_answered_with_min_and_max)
{
    int64_t start = (present - HOUR) / 1000 * 1000;
    json_t *answer, *speed;

    for (int i = 0; i < 3600; i++)
        take_number(SPEED, i == 1234 ? 999 : 50 + i % 10, start + i * 1000);
    write_batch();
    answer = ask(FR_HISTORY_FIELDS, "fields=VehicleSpeed&from=-3700000&points=100");
    speed = series(answer, 0);
    ck_assert_str_eq(json_string_value(json_object_get(speed, "level")), "raw");
    ck_assert_str_eq(json_string_value(json_object_get(speed, "unit")), "mph");
    ck_assert_uint_le(length(speed, "t"), 100);
    ck_assert_uint_ge(length(speed, "t"), 95);
    ck_assert_uint_eq(length(speed, "t"), length(speed, "max"));
    for (size_t i = 0, peaks = 0; i < length(speed, "t"); i++) {
        peaks += number_at(speed, "max", i) == 999;
        ck_assert(number_at(speed, "min", i) >= 50 && number_at(speed, "min", i) < 60);
        ck_assert(i == 0 || number_at(speed, "t", i) > number_at(speed, "t", i - 1));
        ck_assert_uint_eq(peaks, number_at(speed, "t", i) >= (double)(start + 1234000));
    }
    json_decref(answer);
    answer = ask(FR_HISTORY_FIELDS, "fields=VehicleSpeed&from=-604800000&points=2000");
    speed = series(answer, 0);
    ck_assert_str_eq(json_string_value(json_object_get(speed, "level")), "minute");
    ck_assert_uint_ge(length(speed, "t"), 12); /* an hour is 1/168 of the week */
    json_decref(answer);
    answer = ask(FR_HISTORY_FIELDS, "fields=VehicleSpeed&from=-20000000000");
    ck_assert_str_eq(json_string_value(json_object_get(series(answer, 0), "level")), "ten_minutes");
    ck_assert_uint_ge(length(series(answer, 0), "t"), 1);
    json_decref(answer);
    /* The same batch again, as after a kill without the new number: nothing is doubled. */
    take_number(SPEED, 999, start + 1234000);
    write_batch();
    answer = ask(FR_HISTORY_FIELDS, "fields=VehicleSpeed&from=-20000");
    json_decref(answer);
}
END_TEST

START_TEST(states_have_the_one_before_the_range)
{
    struct fr_sim_datum name = {.field = NAME, .member = FR_MEMBER_STRING, .text = "</script>\x01"};
    json_t *answer, *gear;

    take_gear(GEAR_P, present - 5 * HOUR);
    take_gear(GEAR_D, present - 90 * MINUTE);
    take_gear(GEAR_D, present - 30 * MINUTE);
    take_gear(GEAR_P, present - 10 * MINUTE);
    take(VIN, &name, 1, present - MINUTE);
    write_batch();
    answer = ask(FR_HISTORY_FIELDS, "fields=Gear,VehicleName&from=-3600000");
    gear = series(answer, 0);
    ck_assert_uint_eq(length(gear, "t"), 2);
    ck_assert_double_eq(number_at(gear, "t", 0), (double)(present - 90 * MINUTE));
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(gear, "v"), 0)), "D");
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(gear, "v"), 1)), "P");
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(series(answer, 1), "v"), 0)),
                     "</script>\x01");
    json_decref(answer);
    answer = ask(FR_HISTORY_FIELDS, "fields=Gear&from=-36000000&points=2");
    ck_assert_int_eq(json_integer_value(json_object_get(series(answer, 0), "skipped")), 1);
    json_decref(answer);
}
END_TEST

/* A drive of 20 minutes with a position each second. */
static void take_drive(int64_t start)
{
    take_number(ODOMETER, 1000, start - MINUTE);
    take_gear(GEAR_D, start);
    for (int i = 0; i < 1200; i++) {
        struct fr_sim_datum data[] = {
            {.field = LOCATION, .member = FR_MEMBER_LOCATION, .real = 48 + i * 1e-4, .real2 = 11},
            {.field = SOC, .member = FR_MEMBER_DOUBLE, .real = 80 - i * 0.01}};

        take(VIN, data, 2, start + i * 1000);
    }
    take_number(ODOMETER, 1008.3, start + 20 * MINUTE - 1);
    take_gear(GEAR_P, start + 20 * MINUTE);
}

START_TEST(last_drive_has_a_track_and_a_session)
{
    int64_t start = present - 2 * DAY;
    json_t *answer, *session;

    answer = ask(FR_HISTORY_TRACK, "");
    ck_assert(json_is_null(json_object_get(answer, "drive")));
    ck_assert_uint_eq(length(answer, "t"), 0);
    json_decref(answer);
    take_drive(start);
    write_batch();
    answer = ask(FR_HISTORY_SESSIONS, "");
    session = json_array_get(json_object_get(answer, "sessions"), 0);
    ck_assert(json_is_true(json_object_get(session, "open")));
    json_decref(answer);
    take_number(SOC, 60, start + 10 * HOUR);
    write_batch();
    answer = ask(FR_HISTORY_SESSIONS, "");
    ck_assert_uint_eq(length(answer, "sessions"), 1);
    session = json_array_get(json_object_get(answer, "sessions"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(session, "kind")), "drive");
    ck_assert(json_is_false(json_object_get(session, "open")));
    ck_assert_int_eq(json_integer_value(json_object_get(session, "end")), start + 20 * MINUTE);
    ck_assert_double_eq_tol(json_number_value(json_object_get(session, "distance_mi")), 8.3, 1e-6);
    json_decref(answer);
    answer = ask(FR_HISTORY_TRACK, "");
    ck_assert(json_is_object(json_object_get(answer, "drive")));
    ck_assert_uint_eq(length(answer, "t"), 2); /* a straight line */
    ck_assert_double_eq_tol(number_at(answer, "lat", 1), 48.1199, 1e-6);
    json_decref(answer);
}
END_TEST

START_TEST(signals_are_counted_by_day_with_their_price)
{
    struct fr_sim_datum unknown = {.field = 99999, .member = FR_MEMBER_DOUBLE, .real = 1};
    json_t *answer, *fields;

    for (int i = 0; i < 1500; i++)
        take_number(SOC, i, present - i * 1000);
    take(VIN, &unknown, 1, present);
    write_batch();
    take_number(SOC, 1, present - 300 * DAY); /* too old to be stored, but a signal */
    write_batch();
    answer = ask(FR_HISTORY_SIGNALS, "");
    ck_assert_int_eq(json_integer_value(json_object_get(answer, "signals")), 1502);
    ck_assert_double_eq_tol(json_number_value(json_object_get(answer, "usd")), 1502.0 / 150000,
                            1e-9);
    ck_assert_uint_eq(length(answer, "days"), 1);
    fields = json_object_get(answer, "fields");
    ck_assert_uint_eq(json_array_size(fields), 2);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(fields, 0), "field")), "Soc");
    ck_assert(json_is_null(json_object_get(json_array_get(fields, 1), "field")));
    json_decref(answer);
}
END_TEST

/* A vehicle sets any time; a value of another kind than its field's; a number that is not finite. */
START_TEST(hostile_values_are_not_stored)
{
    uint64_t before = fr_count_read(FR_COUNT_HISTORY_OUT_OF_RANGE);
    struct fr_sim_datum text = {.field = SPEED, .member = FR_MEMBER_STRING, .text = "fast"};
    json_t *answer;

    take_number(SPEED, 1, present - 9 * DAY);
    take_number(SPEED, 1, 1);
    take_number(SPEED, 1e300, present - 1000);
    take_number(SPEED, NAN, present - 1000);
    take(VIN, &text, 1, present - 1000);
    ck_assert_uint_eq(fr_count_read(FR_COUNT_HISTORY_OUT_OF_RANGE) - before, 2);
    write_batch();
    answer = ask(FR_HISTORY_FIELDS, "fields=VehicleSpeed&from=1");
    ck_assert_uint_eq(length(series(answer, 0), "t"), 0);
    json_decref(answer);
}
END_TEST

START_TEST(vehicles_are_bounded_and_remembered)
{
    uint64_t before = fr_count_read(FR_COUNT_HISTORY_VEHICLES_OVER);
    struct fr_sim_datum soc = {.field = SOC, .member = FR_MEMBER_DOUBLE, .real = 50};
    uint64_t next;
    char vin[32];

    for (unsigned i = 0; i < 25; i++) {
        snprintf(vin, sizeof vin, "5YJ3E1EA7KF%06u", i);
        take(vin, &soc, 1, present);
    }
    ck_assert_uint_eq(fr_history_vehicles_count(intake.vehicles), 20);
    ck_assert_uint_eq(fr_count_read(FR_COUNT_HISTORY_VEHICLES_OVER) - before, 5);
    write_batch();
    ck_assert_int_eq(fr_history_read_next(&store, &next, &error), 0);
    ck_assert_uint_eq(next, written);
}
END_TEST

START_TEST(chosen_fields_alone_are_stored)
{
    static const uint32_t fields[] = {SOC};
    json_t *answer;

    close_file();
    settings.fields = fields;
    settings.field_count = 1;
    open_file();
    take_number(SPEED, 50, present - 1000);
    take_number(SOC, 70, present - 1000);
    write_batch();
    answer = ask(FR_HISTORY_FIELDS, "fields=VehicleSpeed,Soc");
    ck_assert_uint_eq(length(series(answer, 0), "t"), 0);
    ck_assert_uint_eq(length(series(answer, 1), "t"), 1);
    json_decref(answer);
    answer = ask(FR_HISTORY_SIGNALS, "");
    ck_assert_int_eq(json_integer_value(json_object_get(answer, "signals")), 2);
    json_decref(answer);
}
END_TEST

static void sweep_all(int64_t now_ms)
{
    struct fr_history_sweep sweep = {0, settings.keep_ms};
    bool more = true;

    for (int i = 0; more; i++) {
        ck_assert_int_lt(i, 1000);
        ck_assert_int_eq(fr_history_sweep(&store, intake.vehicles, &sweep, now_ms, &more, &error),
                         0);
    }
}

START_TEST(old_rows_are_deleted_by_level)
{
    json_t *answer;

    for (int i = 0; i < 600; i++)
        take_number(SPEED, i, present - HOUR + i * 1000);
    write_batch();
    sweep_all(present + 3 * DAY); /* raw numbers are kept for two days */
    answer = ask(FR_HISTORY_FIELDS, "fields=VehicleSpeed&from=-3700000");
    ck_assert_str_eq(json_string_value(json_object_get(series(answer, 0), "level")), "minute");
    ck_assert_uint_ge(length(series(answer, 0), "t"), 10);
    json_decref(answer);
    sweep_all(present + 10 * DAY);
    answer = ask(FR_HISTORY_FIELDS, "fields=VehicleSpeed&from=-3700000");
    ck_assert_str_eq(json_string_value(json_object_get(series(answer, 0), "level")), "ten_minutes");
    json_decref(answer);
    sweep_all(present + 500 * DAY);
    ck_assert_uint_eq(fr_history_vehicles_count(intake.vehicles), 0);
    answer = ask(FR_HISTORY_FIELDS, "fields=VehicleSpeed&from=-3700000");
    ck_assert_uint_eq(length(series(answer, 0), "t"), 0);
    json_decref(answer);
}
END_TEST

/* One vehicle fills the file; another one keeps all of its own. */
START_TEST(large_vehicle_loses_its_own_rows_only)
{
    struct fr_history_reading r;
    uint64_t used;
    json_t *answer;

    close_file();
    settings.size = 4 << 20;
    open_file();
    take_number(SOC, 50, present - 7 * DAY);
    for (int day = 6; day >= 0; day--) {
        for (uint32_t field = 0; field < 200; field++)
            for (int i = 0; i < 60; i++) {
                struct fr_sim_datum datum = {.field = field, .member = FR_MEMBER_DOUBLE, .real = i};

                take("HOSTILE", &datum, 1, present - day * DAY - HOUR + i * 60000);
                if (intake.batch.count > 20000)
                    write_batch();
            }
        write_batch();
        sweep_all(present);
        ck_assert_int_eq(fr_history_read_begin(&store, &r, &error), 0);
        used = fr_unsynced_used_bytes(&store.file, r.txn);
        fr_history_read_end(&r);
        ck_assert_uint_lt(used, settings.size + (4 << 20));
    }
    answer = ask(FR_HISTORY_FIELDS, "fields=Soc&from=-690000000");
    ck_assert_uint_eq(length(series(answer, 0), "t"), 1);
    json_decref(answer);
}
END_TEST

START_TEST(damaged_rows_are_skipped_and_counted)
{
    struct fr_history_key key = {VIN, FR_HISTORY_SERIES, SPEED, FR_LEVEL_RAW, 0, 0};
    uint64_t before = fr_count_read(FR_COUNT_HISTORY_DAMAGED);
    struct fr_buffer bytes = {0};
    struct fr_history_txn txn;
    json_t *answer;

    take_number(SPEED, 50, present - 10 * MINUTE);
    take_number(SPEED, 60, present - 20 * MINUTE);
    write_batch();
    key.ms = (present - 10 * MINUTE) / (5 * MINUTE) * 5 * MINUTE;
    fr_buffer_text(&bytes, "n\1\2\3\4garbage");
    ck_assert_int_eq(fr_history_begin(&store, &txn), 0);
    ck_assert_int_eq(
        fr_history_put(&txn, fr_history_vehicles_find(intake.vehicles, VIN), &key, &bytes, NULL),
        0);
    ck_assert_int_eq(fr_history_commit(&txn), 0);
    fr_buffer_free(&bytes);
    answer = ask(FR_HISTORY_FIELDS, "fields=VehicleSpeed&from=-3600000");
    ck_assert_uint_eq(length(series(answer, 0), "t"), 1);
    ck_assert_uint_eq(fr_count_read(FR_COUNT_HISTORY_DAMAGED) - before, 1);
    json_decref(answer);
}
END_TEST

START_TEST(answers_have_a_bound_of_time)
{
    struct fr_buffer out = {0};
    _Atomic bool cancelled = true;

    take_number(SPEED, 50, present - MINUTE);
    write_batch();
    ck_assert_int_eq(parse(FR_HISTORY_FIELDS, "fields=VehicleSpeed&from=1"), 0);
    request.to_ms = present + 1;
    ck_assert_int_eq(fr_history_answer(&store, &request, settings.keep_ms, fr_monotonic_ms() - 1,
                                       NULL, &out, &error),
                     -1);
    ck_assert_ptr_nonnull(strstr(error.text, "in time"));
    ck_assert_int_eq(fr_history_answer(&store, &request, settings.keep_ms,
                                       fr_monotonic_ms() + 60000, &cancelled, &out, &error),
                     -1);
    ck_assert_ptr_nonnull(strstr(error.text, "cancelled"));
    fr_buffer_free(&out);
}
END_TEST

/* ---- the threads ----------------------------------------------------------------- */

static struct fr_journal *journal;
static struct fr_history *history;

static void ignore_writable(void *ctx)
{
    (void)ctx;
}

static void start_journal(void)
{
    static char journal_path[96];
    struct fr_journal_settings s = {.path = journal_path,
                                    .size = 10000000,
                                    .retention_ms = HOUR,
                                    .commit_every_ms = 1,
                                    .commit_records = 1000,
                                    .duplicates = 0};

    snprintf(journal_path, sizeof journal_path, "%s/journal", folder);
    journal = fr_journal_start(&s, ignore_writable, NULL, &error);
    ck_assert_msg(journal != NULL, "%s", error.text);
    ck_assert_int_eq(fr_journal_register(journal, NULL, 0, &error), 0);
}

static void start_history(void)
{
    history = fr_history_start(journal, &settings, &error);
    ck_assert_msg(history != NULL, "%s", error.text);
}

static void set_up_threads(void)
{
    set_up();
    close_file();
    start_journal();
    start_history();
}

static void tear_down_threads(void)
{
    fr_history_stop(history);
    fr_journal_stop(journal, true);
    fr_journal_free(journal);
    remove_folder();
}

static void enqueue(double number, int64_t ms)
{
    struct fr_sim_datum datum = {.field = SPEED, .member = FR_MEMBER_DOUBLE, .real = number};
    struct fr_queue_entry entry = {make_record(VIN, &datum, 1, ms, present), false};

    fr_journal_enqueue(journal, &entry, 1);
    ck_assert(fr_journal_flush(journal, 10000));
}

/* The number of points in the answer of the running history. */
static size_t points_now(void)
{
    struct fr_buffer out = {0};
    json_t *answer;
    size_t n;

    for (int i = 0; !fr_history_sync(history, 2000); i++)
        ck_assert_int_lt(i, 20);
    ck_assert_int_eq(fr_history_request_parse(&request, FR_HISTORY_FIELDS, VIN,
                                              "fields=VehicleSpeed&from=-7200000", present + 1,
                                              &error),
                     0);
    ck_assert_int_eq(
        fr_history_query(history, &request, fr_monotonic_ms() + 20000, NULL, &out, &error), 0);
    answer = json_loads(fr_buffer_string(&out), 0, NULL);
    ck_assert_ptr_nonnull(answer);
    n = length(series(answer, 0), "t");
    json_decref(answer);
    fr_buffer_free(&out);
    return n;
}

START_TEST(history_follows_the_journal_and_continues_after_a_restart)
{
    struct fr_history_status status;

    enqueue(50, present - HOUR);
    ck_assert_uint_eq(points_now(), 1);
    fr_history_stop(history);
    enqueue(51, present - 30 * MINUTE);
    start_history();
    ck_assert_uint_eq(points_now(), 2);
    fr_history_status(history, &status);
    ck_assert(status.vehicles == 1 && status.used != 0 && !status.failing && status.lag == 0);
    /* The file is lost: it is rebuilt as far as the journal reaches. */
    fr_history_stop(history);
    {
        char command[160];

        snprintf(command, sizeof command, "rm -r %s", path);
        ck_assert_int_eq(system(command), 0);
    }
    start_history();
    ck_assert_uint_eq(points_now(), 2);
}
END_TEST

/* The journal deletes records that the history has not read; the history counts them. */
START_TEST(history_never_retains_records)
{
    uint64_t missed = fr_count_read(FR_COUNT_HISTORY_MISSED);
    struct fr_journal_settings small = {.path = "",
                                        .size = 4000000,
                                        .retention_ms = 1,
                                        .commit_every_ms = 1,
                                        .commit_records = 1000};
    struct fr_journal_status s;

    enqueue(1, present - 20 * MINUTE);
    points_now();
    fr_history_stop(history);
    for (int i = 0; i < 50; i++)
        enqueue(i, present - 10 * MINUTE + i);
    fr_journal_change(journal, &small);
    for (int i = 0; i < 2000; i++) {
        enqueue(i, present - MINUTE + i);
        fr_journal_status(journal, &s);
        if (s.usage.first > 60)
            break;
        usleep(1000);
    }
    ck_assert_uint_gt(s.usage.first, 60);
    start_history();
    points_now();
    ck_assert_uint_gt(fr_count_read(FR_COUNT_HISTORY_MISSED), missed);
}
END_TEST

START_TEST(vehicles_are_known_when_they_are_written)
{
    ck_assert(!fr_history_has_vehicle(history, "5YJ3E1EA7KF00000"));
    enqueue(5, present - HOUR);
    ck_assert(fr_history_sync(history, 20000));
    ck_assert(fr_history_has_vehicle(history, VIN));
    ck_assert(!fr_history_has_vehicle(history, "5YJ3E1EA7KF00000"));
    ck_assert(!fr_history_has_vehicle(history, ""));
    ck_assert(!fr_history_has_vehicle(history, "zzzz"));
}
END_TEST

static void free_row(void)
{
    fr_buffer_free(&row);
}

Suite *suite_history(void)
{
    Suite *suite = suite_create("history");
    TCase *pure = tcase_create("pure"), *file = tcase_create("file"),
          *threads = tcase_create("threads");

    tcase_add_checked_fixture(pure, NULL, free_row);
    tcase_add_test(pure, keys_are_in_the_order_of_their_members);
    tcase_add_test(pure, numbers_are_sorted_and_bounded);
    tcase_add_test(pure, summaries_have_min_max_average_and_the_newest);
    tcase_add_test(pure, positions_and_states_read_back);
    tcase_add_test(pure, damaged_chunks_are_detected);
    tcase_add_test(pure, track_keeps_its_corners);
    tcase_add_test(pure, requests_are_parsed);
    tcase_add_test(pure, bad_requests_are_refused);
    suite_add_tcase(suite, pure);
    tcase_add_checked_fixture(file, set_up, tear_down);
    tcase_set_timeout(file, 120);
    tcase_add_test(file, numbers_are_answered_with_min_and_max);
    tcase_add_test(file, states_have_the_one_before_the_range);
    tcase_add_test(file, last_drive_has_a_track_and_a_session);
    tcase_add_test(file, signals_are_counted_by_day_with_their_price);
    tcase_add_test(file, hostile_values_are_not_stored);
    tcase_add_test(file, vehicles_are_bounded_and_remembered);
    tcase_add_test(file, chosen_fields_alone_are_stored);
    tcase_add_test(file, old_rows_are_deleted_by_level);
    tcase_add_test(file, large_vehicle_loses_its_own_rows_only);
    tcase_add_test(file, damaged_rows_are_skipped_and_counted);
    tcase_add_test(file, answers_have_a_bound_of_time);
    suite_add_tcase(suite, file);
    tcase_add_checked_fixture(threads, set_up_threads, tear_down_threads);
    tcase_set_timeout(threads, 120);
    tcase_add_test(threads, history_follows_the_journal_and_continues_after_a_restart);
    tcase_add_test(threads, history_never_retains_records);
    tcase_add_test(threads, vehicles_are_known_when_they_are_written);
    suite_add_tcase(suite, threads);
    return suite;
}
