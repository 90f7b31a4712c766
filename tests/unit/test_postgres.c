/* The parts of postgres.so without a connection: arrays, names, statements, errors of the server. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "postgres/fields.h"
#include "postgres/server_text.h"
#include "postgres/sqlstate.h"
#include "postgres/wide.h"

#define ASSERT_ARRAY(array, text)                                                                  \
    do {                                                                                           \
        db_array_end(&(array));                                                                    \
        ck_assert(!(array).bytes.failed);                                                          \
        ck_assert_uint_eq((array).bytes.len, sizeof(text) - 1);                                    \
        ck_assert_mem_eq((array).bytes.bytes, text, sizeof(text) - 1);                             \
        db_array_free(&(array));                                                                   \
    } while (0)

/* One dimension, perhaps with NULLs, the type, the number of elements, the first index. */
#define HEAD(type, count) "\0\0\0\1\0\0\0\1\0\0" type "\0\0\0" count "\0\0\0\1"

/* In place of a connection: the statements that would be sent. */
static struct fr_text_buffer sent;

void session_add(struct session *session, const char *sql, const struct session_value *values,
                 size_t count)
{
    (void)session, (void)values, (void)count;
    ck_assert_ptr_nonnull(sql);
    fr_text_buffer_add(&sent, sql);
    fr_text_buffer_add(&sent, ";");
}

START_TEST(numbers_are_big_endian)
{
    struct db_array array = {0};

    db_array_begin(&array, DB_INT8);
    db_array_int8(&array, -2);
    db_array_null(&array);
    ASSERT_ARRAY(array, HEAD("\0\x14", "\2") "\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xfe"
                                             "\xff\xff\xff\xff");
    db_array_begin(&array, DB_FLOAT8);
    db_array_float8(&array, 1.5);
    db_array_float8(&array, (double)INFINITY);
    ASSERT_ARRAY(array, HEAD("\2\xbd", "\2") "\0\0\0\x08\x3f\xf8\0\0\0\0\0\0"
                                             "\0\0\0\x08\x7f\xf0\0\0\0\0\0\0");
    db_array_begin(&array, DB_BOOL);
    db_array_bool(&array, true);
    ASSERT_ARRAY(array, HEAD("\0\x10", "\1") "\0\0\0\1\1");
    db_array_begin(&array, DB_BOOL);
    ASSERT_ARRAY(array, "\0\0\0\0\0\0\0\1\0\0\0\x10");
}
END_TEST

START_TEST(times_are_bounded)
{
    struct db_array array = {0};

    db_array_begin(&array, DB_TIMESTAMPTZ);
    db_array_timestamptz(&array, 946684800001); /* a millisecond after 2000-01-01 */
    ASSERT_ARRAY(array, HEAD("\4\xa0", "\1") "\0\0\0\x08\0\0\0\0\0\0\3\xe8");
    db_array_begin(&array, DB_TIMESTAMPTZ);
    db_array_timestamptz(&array, INT64_MAX);
    db_array_timestamptz(&array, INT64_MIN);
    ASSERT_ARRAY(array, HEAD("\4\xa0", "\2") "\0\0\0\x08\x03\x80\xe7\x0b\x91\x3b\x7c\x18"
                                             "\0\0\0\x08\xff\x1f\xe2\xff\xc5\x9c\x60\x00");
}
END_TEST

START_TEST(text_has_no_nul_and_is_utf8)
{
    struct db_array array = {0};

    db_array_begin(&array, DB_TEXT);
    db_array_text(&array, "a\0\xff", 3);
    db_array_text(&array, "\xc3\xa9", 2);
    db_array_text(&array, "", 0);
    ASSERT_ARRAY(array, HEAD("\0\x19", "\3") "\0\0\0\7a\xef\xbf\xbd\xef\xbf\xbd"
                                             "\0\0\0\2\xc3\xa9\0\0\0\0");
}
END_TEST

START_TEST(json_has_no_escaped_nul)
{
    struct db_array array = {0};

    db_array_begin(&array, DB_JSONB);
    db_array_jsonb(&array, "\"\\u0000\"", 8);
    db_array_jsonb(&array, "\"\\\\u0000\"", 9); /* a backslash, and the text u0000 */
    ASSERT_ARRAY(array, HEAD("\x0e\xda", "\2") "\0\0\0\6\1\"\xef\xbf\xbd\""
                                               "\0\0\0\x0a\1\"\\\\u0000\"");
}
END_TEST

static void assert_column(const char *field, const char *expected)
{
    char column[DB_NAME_SIZE];

    db_column_name(field, column);
    ck_assert_str_eq(column, expected);
}

START_TEST(columns_need_no_quotes)
{
    char name[101], column[DB_NAME_SIZE], other[DB_NAME_SIZE];

    assert_column("VehicleSpeed", "vehicle_speed");
    assert_column("ACChargingPower", "ac_charging_power");
    assert_column("DiStatorTempR", "di_stator_temp_r");
    assert_column("field_270", "field_270");
    assert_column("my speed/x", "my_speed_x");
    assert_column("x\"; DROP", "x___drop");
    assert_column("Vin", "vin_");
    assert_column("xmin", "xmin_");
    memset(name, 'a', 100);
    name[100] = '\0';
    db_column_name(name, column);
    name[99] = 'b';
    db_column_name(name, other);
    ck_assert_str_ne(column, other);
    ck_assert_uint_lt(strlen(column), DB_NAME_SIZE - 10);
}
END_TEST

START_TEST(names_are_quoted)
{
    struct fr_text_buffer out = {0};
    const struct db_location at = {"a\"b", "p'"};

    db_table_quoted(&out, &at, TABLE_ALERTS);
    ck_assert_str_eq(fr_text_buffer_string(&out), "\"a\"\"b\".\"p'alerts\"");
    fr_text_buffer_free(&out);
}
END_TEST

START_TEST(errors_have_a_class)
{
    char state[6];

    ck_assert_int_eq(db_error_of("22P02").fault, FAULT_ROW);
    ck_assert_int_eq(db_error_of("23514").fault, FAULT_ROW);
    ck_assert_int_eq(db_error_of("53100").fault, FAULT_AWAY);
    ck_assert_int_eq(db_error_of("42501").fault, FAULT_AWAY);
    ck_assert_int_eq(db_error_of("42P01").fault, FAULT_SCHEMA);
    ck_assert_int_eq(db_error_of("40P01").fault, FAULT_AGAIN);
    ck_assert_int_eq(db_error_of("XX000").fault, FAULT_UNKNOWN);
    ck_assert_int_eq(db_error_of(NULL).fault, FAULT_UNKNOWN);
    ck_assert_int_eq(db_error_of("2").fault, FAULT_UNKNOWN);
    db_error_find_state("x failed: FATAL:  28P01: password", state);
    ck_assert_str_eq(state, "28P01");
    db_error_find_state("FATAL:  password", state);
    ck_assert_str_eq(state, "");
}
END_TEST

START_TEST(messages_are_one_clean_line)
{
    char text[20];

    server_text("connection to server at \"a\", port 1 failed: Connection refused\n\tIs", text,
                sizeof text);
    ck_assert_str_eq(text, "Connection refused");
    server_text("connection to server at \"a\", port 1 failed: FATAL:  3D000: no \x1b[1m\nx", text,
                sizeof text);
    ck_assert_str_eq(text, "no ?[1m");
    server_text("FATAL:  a longer text than fits here", text, sizeof text);
    ck_assert_str_eq(text, "a longer text than ");
}
END_TEST

/* ---- the wide table -------------------------------------------------------------- */

static struct fr_delivery value_of(const char *txid, uint32_t field, const char *name, double real)
{
    return (struct fr_delivery){.size = sizeof(struct fr_delivery),
                                .kind = FR_DELIVERY_FIELD,
                                .vin = "V",
                                .record_type = "V",
                                .txid = txid,
                                .txid_len = strlen(txid),
                                .received_ms = 1700000000123,
                                .name = name,
                                .field_name = name,
                                .field = field,
                                .unit = "",
                                .value = {.kind = FR_VALUE_REAL, .real = real}};
}

START_TEST(values_of_a_record_are_one_row)
{
    const char *why;
    struct schema schema = {.at = {"s", ""}, .reading = 1};
    struct fields *fields = fields_new();
    struct writer writer = {0};
    struct wide wide;
    struct fr_delivery d[] = {value_of("a", 4, "VehicleSpeed", 1.5), value_of("b", 8, "Soc", 2.5),
                              value_of("a", 8, "Soc", 3.5), value_of("a", 8, "Soc", 4.5)};

    ck_assert(wide_init(&wide, 4));
    wide_begin(&wide);
    for (int i = 0; i < 4; i++)
        ck_assert(wide_add(&wide, &d[i], fields_find(fields, &schema, &d[i], &why)));
    ck_assert(!wide_add(&wide, &d[0], NULL)); /* it is full */
    ck_assert(wide_make(&wide, &writer, &schema.at));
    ck_assert_str_eq(
        fr_text_buffer_string(&writer.sql),
        "INSERT INTO \"s\".\"telemetry\" AS t (vin, time, txid, received_at, \"vehicle_speed\", "
        "\"soc\") "
        "SELECT * FROM unnest($1::pg_catalog.text[], $2::pg_catalog.timestamptz[], "
        "$3::pg_catalog.text[], $4::pg_catalog.timestamptz[], $5::pg_catalog.float8[], "
        "$6::pg_catalog.float8[]) ON CONFLICT (vin, time, txid) DO UPDATE SET "
        "\"vehicle_speed\" = COALESCE(EXCLUDED.\"vehicle_speed\", t.\"vehicle_speed\"), "
        "\"soc\" = COALESCE(EXCLUDED.\"soc\", t.\"soc\")");
    ck_assert_uint_eq(writer.parameters.count, 6);
    ASSERT_ARRAY(writer.parameters.arrays[2], HEAD("\0\x19", "\2") "\0\0\0\1a\0\0\0\1b");
    ASSERT_ARRAY(writer.parameters.arrays[4],
                 HEAD("\2\xbd", "\2") "\0\0\0\x08\x3f\xf8\0\0\0\0\0\0\xff\xff\xff\xff");
    ASSERT_ARRAY(
        writer.parameters.arrays[5],
        HEAD("\2\xbd", "\2") "\0\0\0\x08\x40\x12\0\0\0\0\0\0\0\0\0\x08\x40\x04\0\0\0\0\0\0");
    wide_free(&wide);
    writer_free(&writer);
    fields_free(fields);
}
END_TEST

START_TEST(narrow_rows_are_in_the_order_of_the_key)
{
    struct db_location at = {"s", ""};
    struct writer writer = {0};
    struct delivery_list list = {0};
    struct fr_delivery d[] = {value_of("a", 4, "VehicleSpeed", 1.5), value_of("b", 8, "Soc", 2.5),
                              value_of("c", 8, "Soc", 3.5)};

    d[1].received_ms++;
    for (int i = 0; i < 3; i++)
        delivery_list_add(&list, &d[i]);
    ck_assert(writer_make(&writer, &at, TABLE_NARROW, &list, false));
    ck_assert_ptr_null(strstr(fr_text_buffer_string(&writer.sql), "ON CONFLICT"));
    ASSERT_ARRAY(writer.parameters.arrays[2], HEAD("\0\x19", "\3") "\0\0\0\1c\0\0\0\1b\0\0\0\1a");
    ck_assert(writer_make(&writer, &at, TABLE_NARROW, &list, true));
    ck_assert_ptr_nonnull(strstr(fr_text_buffer_string(&writer.sql),
                                 " ON CONFLICT (vin, field, time, txid) DO NOTHING"));
    ck_assert_ptr_eq(list.first, &d[0]);
    writer_free(&writer);
}
END_TEST

START_TEST(types_are_those_of_the_catalogue)
{
    const char *why;
    struct schema_column columns[] = {{"soc", "boolean", DB_BOOL}, {"vehicle_speed", "real", 700}};
    struct schema schema = {.at = {"s", ""}, .reading = 1, .columns = columns, .count = 2};
    struct fields *fields = fields_new();
    struct fr_delivery d = value_of("a", 4, "VehicleSpeed", 1);
    struct field *field;

    d.value.kind = FR_VALUE_TEXT; /* the vehicle sent another type */
    field = fields_find(fields, &schema, &d, &why);
    ck_assert_uint_eq(field->type, DB_FLOAT8);
    ck_assert_int_eq(field->state, FIELD_READY); /* real takes double precision */
    ck_assert(!db_value_fits(&d.value, field->type));
    d = value_of("a", 8, "Soc", 1);
    ck_assert_int_eq(fields_find(fields, &schema, &d, &why)->state, FIELD_FOREIGN);
    d = value_of("a", 21, "Location", 1);
    field = fields_find(fields, &schema, &d, &why);
    ck_assert_int_eq(field->state, FIELD_MISSING);
    field->wanted = true;
    fields_add_columns(fields, &schema, NULL);
    ck_assert_ptr_nonnull(strstr(fr_text_buffer_string(&sent),
                                 ";ALTER TABLE \"s\".\"telemetry\" ADD COLUMN IF NOT EXISTS "
                                 "\"location_latitude\" double precision, ADD COLUMN IF NOT EXISTS "
                                 "\"location_longitude\" double precision;"));
    fr_text_buffer_free(&sent);
    fields_free(fields);
}
END_TEST

START_TEST(two_names_of_one_column_are_one_field)
{
    const char *why;
    struct schema schema = {.at = {"s", ""}, .reading = 1};
    struct fields *fields = fields_new();
    struct fr_delivery d = value_of("a", 4, "VehicleSpeed", 1);
    struct fr_delivery other = value_of("a", 4, "vehicle_speed", 1);
    struct field *field = fields_find(fields, &schema, &d, &why);

    ck_assert_ptr_nonnull(field);
    ck_assert_ptr_eq(fields_find(fields, &schema, &other, &why), field);
    fields_free(fields);
}
END_TEST

START_TEST(no_statement_names_a_column_of_a_location_twice)
{
    const char *why;
    struct schema schema = {.at = {"s", ""}, .reading = 1};
    struct fields *fields = fields_new();
    struct fr_delivery place = value_of("a", 5000, "Place", 1);
    struct fr_delivery longitude = value_of("a", 5001, "PlaceLongitude", 1);
    struct field *field;

    place.value = (struct fr_value){.kind = FR_VALUE_LOCATION};
    field = fields_find(fields, &schema, &place, &why);
    ck_assert_ptr_nonnull(field);
    ck_assert_ptr_eq(fields_find(fields, &schema, &longitude, &why), field);
    fields_free(fields);
}
END_TEST

START_TEST(fields_without_a_name_are_bounded)
{
    const char *why;
    struct schema schema = {.at = {"s", ""}, .reading = 1};
    struct fields *fields = fields_new();
    struct fr_delivery d;
    char name[20];

    for (unsigned i = 0; i <= FIELDS_UNKNOWN_MAX; i++) {
        struct field *field;

        snprintf(name, sizeof name, "field_%u", 5000 + i);
        d = value_of("a", 5000 + i, name, 1);
        field = fields_find(fields, &schema, &d, &why);
        ck_assert((field != NULL) == (i < FIELDS_UNKNOWN_MAX));
        ck_assert(field == NULL || fields_find(fields, &schema, &d, &why) == field);
        if (field != NULL)
            field->wanted = true;
    }
    ck_assert_ptr_nonnull(strstr(why, "too many"));
    fields_free(fields);
}
END_TEST

Suite *suite_postgres(void)
{
    Suite *suite = suite_create("postgres");
    TCase *tests = tcase_create("postgres");

    tcase_add_test(tests, numbers_are_big_endian);
    tcase_add_test(tests, times_are_bounded);
    tcase_add_test(tests, text_has_no_nul_and_is_utf8);
    tcase_add_test(tests, json_has_no_escaped_nul);
    tcase_add_test(tests, columns_need_no_quotes);
    tcase_add_test(tests, names_are_quoted);
    tcase_add_test(tests, errors_have_a_class);
    tcase_add_test(tests, messages_are_one_clean_line);
    tcase_add_test(tests, values_of_a_record_are_one_row);
    tcase_add_test(tests, narrow_rows_are_in_the_order_of_the_key);
    tcase_add_test(tests, types_are_those_of_the_catalogue);
    tcase_add_test(tests, two_names_of_one_column_are_one_field);
    tcase_add_test(tests, no_statement_names_a_column_of_a_location_twice);
    tcase_add_test(tests, fields_without_a_name_are_bounded);
    suite_add_tcase(suite, tests);
    return suite;
}
