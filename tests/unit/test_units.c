#include "unit.h"

#include <math.h>
#include <string.h>

#include "config/suggest.h"
#include "record/field_catalogue.h"
#include "record/text.h"
#include "record/units.h"
#include "record/value.h"

static double convert(double number, const char *from, const char *to)
{
    struct fr_conversion c;

    ck_assert_msg(fr_unit_convert(from, to, &c), "%s to %s", from, to);
    return number * c.factor + c.offset;
}

START_TEST(units_convert)
{
    ck_assert_double_eq_tol(convert(65.5, "mph", "km/h"), 105.412032, 1e-6);
    ck_assert_double_eq_tol(convert(100, "mi", "km"), 160.9344, 1e-6);
    ck_assert_double_eq_tol(convert(21.5, "°C", "F"), 70.7, 1e-9);
    ck_assert_double_eq_tol(convert(0, "°F", "°C"), -17.7777778, 1e-6);
    ck_assert_double_eq_tol(convert(2.9, "bar", "psi"), 42.06094, 1e-4);
    ck_assert_double_eq_tol(convert(1, "atm", "bar"), 1.01325, 1e-9);
    ck_assert(!fr_unit_convert("mph", "°C", &(struct fr_conversion){0, 0}));
    ck_assert(!fr_unit_convert("mph", "parsec", &(struct fr_conversion){0, 0}));
}
END_TEST

START_TEST(text_is_converted_to_values)
{
    double a, b;

    ck_assert(fr_text_to_real("81.906", 6, &a));
    ck_assert_double_eq(a, 81.906);
    ck_assert(fr_text_to_real("\"\"81.906\"\"", 10, &a));
    ck_assert(fr_text_to_real("1e-3", 4, &a));
    ck_assert_double_eq(a, 0.001);
    ck_assert(!fr_text_to_real("nan", 3, &a));
    ck_assert(!fr_text_to_real("0x10", 4, &a));
    ck_assert(!fr_text_to_real("", 0, &a));
    ck_assert(fr_text_to_location("(37.412374 N, 122.145867 W)", 27, &a, &b));
    ck_assert_double_eq(a, 37.412374);
    ck_assert_double_eq(b, -122.145867);
    ck_assert(!fr_text_to_location("(97.4 N, 122.1 W)", 17, &a, &b));
    ck_assert(!fr_text_to_location("(37.4 N 122.1 W)", 16, &a, &b));
    ck_assert(fr_text_is_scientific("-1.5e-03", 8));
    ck_assert(!fr_text_is_scientific("1e-3", 4));
    ck_assert(!fr_text_is_scientific("81.906", 6));
    ck_assert(fr_text_is_utf8((const uint8_t *)"M\xc3\xb6ller", 7));
    ck_assert(!fr_text_is_utf8((const uint8_t *)"\xc0\x80", 2));
    ck_assert(!fr_text_is_utf8((const uint8_t *)"\xed\xa0\x80", 3));
    ck_assert(!fr_text_is_utf8((const uint8_t *)"\xf0\x9f", 2));
}
END_TEST

START_TEST(catalogue_is_complete)
{
    ck_assert_uint_eq(fr_field_count(), 272);
    for (uint32_t i = 0; i < fr_field_count(); i++)
        ck_assert_uint_eq(fr_field_by_number(i)->number, i);
    ck_assert_uint_eq(fr_field_by_name("DetailedChargeState")->number, 179);
    ck_assert_str_eq(fr_field_by_name("VehicleSpeed")->unit, "mph");
    ck_assert_int_eq(fr_field_number("field_300"), 300);
    ck_assert_int_eq(fr_field_number("field_x"), -1);
    ck_assert_str_eq(fr_enum_choice(fr_enum_by_tag(9), 5)->name, "D");
    ck_assert_ptr_null(fr_enum_choice(fr_enum_by_tag(9), 99));
    ck_assert_str_eq(fr_enum_choice(fr_enum_by_tag(55), 2)->name, "On");
    for (uint32_t i = 0; i < fr_field_count(); i++)
        ck_assert(fr_field_by_number(i)->kind != FR_FIELD_ENUM ||
                  fr_field_by_number(i)->choices != NULL);
}
END_TEST

START_TEST(similar_names_are_suggested)
{
    struct fr_suggestion s = fr_suggest_begin("TpmsPressureFL");

    for (uint32_t i = 0; i < fr_field_count(); i++)
        fr_suggest_try(&s, fr_field_by_number(i)->name);
    ck_assert_str_eq(fr_suggest_best(&s), "TpmsPressureFl");
    s = fr_suggest_begin("VehicelSpeed");
    for (uint32_t i = 0; i < fr_field_count(); i++)
        fr_suggest_try(&s, fr_field_by_number(i)->name);
    ck_assert_str_eq(fr_suggest_best(&s), "VehicleSpeed");
    s = fr_suggest_begin("SomethingElseEntirely");
    for (uint32_t i = 0; i < fr_field_count(); i++)
        fr_suggest_try(&s, fr_field_by_number(i)->name);
    ck_assert_ptr_null(fr_suggest_best(&s));
}
END_TEST

/* ---- canonical types ------------------------------------------------------------- */

static struct fr_value canonical(const char *field, struct fr_wire_value wire, bool fits)
{
    struct fr_value value;

    ck_assert_int_eq(fr_value_canonical(fr_field_by_name(field), &wire, &value), fits);
    return value;
}

static struct fr_wire_value as_text(const char *word)
{
    struct fr_wire_value wire = {.tag = FR_MEMBER_STRING};

    wire.text.bytes = word;
    wire.text.len = strlen(word);
    return wire;
}

static struct fr_wire_value as_number(uint32_t tag, int64_t number)
{
    return (struct fr_wire_value){.tag = tag, .integer = number};
}

START_TEST(each_field_has_one_type)
{
    struct fr_wire_value real = {.tag = FR_MEMBER_DOUBLE, .real = 65.5};
    struct fr_value v;

    v = canonical("VehicleSpeed", real, true);
    ck_assert_int_eq(v.kind, FR_VALUE_REAL);
    v = canonical("VehicleSpeed", as_text("\"65.5\""), true);
    ck_assert_int_eq(v.kind, FR_VALUE_REAL);
    ck_assert_double_eq(v.real, 65.5);
    v = canonical("VehicleSpeed", as_number(FR_MEMBER_INT, 65), true);
    ck_assert_double_eq(v.real, 65);
    ck_assert_int_eq(canonical("VehicleSpeed", as_text("<invalid>"), true).kind, FR_VALUE_INVALID);
    ck_assert_int_eq(canonical("VehicleSpeed", as_text(""), true).kind, FR_VALUE_NONE);
    ck_assert_int_eq(canonical("VehicleSpeed", as_text("fast"), false).kind, FR_VALUE_TEXT);
    ck_assert_int_eq(canonical("VehicleSpeed", as_number(0, 0), true).kind, FR_VALUE_NONE);
    ck_assert_int_eq(canonical("Gear", as_number(FR_MEMBER_INVALID, 1), true).kind,
                     FR_VALUE_INVALID);
    ck_assert_str_eq(canonical("Gear", as_number(9, 5), true).choice.name, "D");
    ck_assert_str_eq(canonical("Gear", as_text("ShiftStateD"), true).choice.name, "D");
    ck_assert_str_eq(canonical("Gear", as_text("d"), true).choice.name, "D");
    v = canonical("Gear", as_number(9, 8), true);
    ck_assert_int_eq(v.kind, FR_VALUE_ENUM);
    ck_assert_ptr_null(v.choice.name);
    ck_assert_int_eq(v.choice.number, 8);
    ck_assert(canonical("Locked", as_text("true"), true).boolean);
    ck_assert(!canonical("Locked", as_number(FR_MEMBER_INT, 0), true).boolean);
    ck_assert(canonical("DriverSeatBelt", as_number(16, 2), true).boolean);
    ck_assert(!canonical("DriverSeatBelt", as_number(16, 1), true).boolean);
    ck_assert_int_eq(canonical("ChargeLimitSoc", as_text("80.0"), true).integer, 80);
    v = canonical("Location", as_text("(37.4 N, 122.1 W)"), true);
    ck_assert_int_eq(v.kind, FR_VALUE_LOCATION);
    ck_assert_double_eq(v.location.longitude, -122.1);
    v = canonical("DoorState", as_text("DriverFront|TrunkRear"), true);
    ck_assert_uint_eq(v.bits, FR_DOOR_DRIVER_FRONT | FR_DOOR_TRUNK_REAR);
    ck_assert_int_eq(canonical("DoorState", as_text(""), true).kind, FR_VALUE_DOORS);
    v = canonical("RouteLastUpdated", as_text("07:05:09"), true);
    ck_assert_int_eq(v.clock.minute, 5);
    v = canonical("Cabin12vPortKeepOn", as_number(55, 2), true);
    ck_assert_int_eq(v.kind, FR_VALUE_ENUM);
    ck_assert_str_eq(v.choice.name, "On");
    v = canonical("Cabin48vPortKeepOn", as_number(55, 3), true);
    ck_assert_int_eq(v.kind, FR_VALUE_ENUM);
    ck_assert_ptr_null(v.choice.name);
    ck_assert_int_eq(v.choice.number, 3);
}
END_TEST

START_TEST(values_out_of_range_are_invalid)
{
    struct fr_wire_value real = {.tag = FR_MEMBER_DOUBLE, .real = NAN};
    struct fr_wire_value position = {.tag = FR_MEMBER_LOCATION};
    struct fr_wire_value clock = {.tag = FR_MEMBER_TIME, .clock = {24, 0, 0}};
    static const double degrees[][2] = {{1e300, 1}, {1, 1e300}, {90.1, 1},     {1, -180.1},
                                        {NAN, 1},   {1, NAN},   {-INFINITY, 1}};
    struct fr_value v;

    ck_assert_int_eq(canonical("VehicleSpeed", real, false).kind, FR_VALUE_INVALID);
    real.real = -INFINITY;
    ck_assert_int_eq(canonical("VehicleSpeed", real, false).kind, FR_VALUE_INVALID);
    real.real = 1e308;
    ck_assert_int_eq(canonical("VehicleSpeed", real, true).kind, FR_VALUE_REAL);
    for (size_t i = 0; i < sizeof degrees / sizeof *degrees; i++) {
        position.location.latitude = degrees[i][0];
        position.location.longitude = degrees[i][1];
        ck_assert_int_eq(canonical("Location", position, false).kind, FR_VALUE_INVALID);
        /* also for a field that is not in the catalogue */
        ck_assert(!fr_value_canonical(NULL, &position, &v));
        ck_assert_int_eq(v.kind, FR_VALUE_INVALID);
    }
    position.location.latitude = -90;
    position.location.longitude = 180;
    ck_assert_int_eq(canonical("Location", position, true).kind, FR_VALUE_LOCATION);
    ck_assert_int_eq(canonical("RouteLastUpdated", clock, false).kind, FR_VALUE_INVALID);
    clock.clock[0] = 23;
    ck_assert_int_eq(canonical("RouteLastUpdated", clock, true).kind, FR_VALUE_CLOCK);
}
END_TEST

START_TEST(distance_of_locations_is_in_metres)
{
    struct fr_value a = {.kind = FR_VALUE_LOCATION}, b = a;

    a.location.latitude = 52.0;
    a.location.longitude = 13.0;
    b.location.latitude = 52.001;
    b.location.longitude = 13.0;
    ck_assert_double_eq_tol(fr_value_distance(&a, &b), 111.19, 0.1);
    a = (struct fr_value){.kind = FR_VALUE_REAL, .real = 1};
    ck_assert_double_eq(fr_value_distance(&a, &b), -1);
}
END_TEST

Suite *suite_units(void)
{
    Suite *suite = suite_create("values");
    TCase *tests = tcase_create("values");

    tcase_add_test(tests, units_convert);
    tcase_add_test(tests, text_is_converted_to_values);
    tcase_add_test(tests, catalogue_is_complete);
    tcase_add_test(tests, similar_names_are_suggested);
    tcase_add_test(tests, each_field_has_one_type);
    tcase_add_test(tests, values_out_of_range_are_invalid);
    tcase_add_test(tests, distance_of_locations_is_in_metres);
    suite_add_tcase(suite, tests);
    return suite;
}
