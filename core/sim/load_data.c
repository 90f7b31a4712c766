#include "sim/load_data.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "record/field_catalogue.h"
#include "record/wire_value.h"

/* The fields of a driving vehicle: speed, odometer, state of charge, gear, place, heading … */
static const struct fr_sim_datum driving[] = {
    {4, FR_MEMBER_DOUBLE, 65.5, 0, 0, NULL},
    {5, FR_MEMBER_DOUBLE, 18234.5, 0, 0, NULL},
    {8, FR_MEMBER_DOUBLE, 61.25, 0, 0, NULL},
    {10, 9, 0, 0, 5, NULL},
    {21, FR_MEMBER_LOCATION, 37.412374, -122.145867, 0, NULL},
    {23, FR_MEMBER_DOUBLE, 271.5, 0, 0, NULL},
    {42, FR_MEMBER_DOUBLE, 62.1, 0, 0, NULL},
    {85, FR_MEMBER_DOUBLE, 21.5, 0, 0, NULL},
};
#define DRIVING_COUNT (sizeof driving / sizeof *driving)

/* A plausible number for each unit of the catalogue. */
static const struct {
    const char *unit;
    double value;
} numbers[] = {{"%", 61.25}, {"A", 12.5}, {"V", 380.25}, {"Nm", 120.5}, {"bar", 2.9},
               {"kW", 7.5},  {"mi", 210}, {"mph", 65},   {"°C", 21.5},  {"kWh", 48.5}};

static double data_number(const struct fr_field *field)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(numbers[i].unit, field->unit) == 0)
            return numbers[i].value;
    return 1;
}

/* False: the field carries no value, or one of a type that the simulator does not write. */
static bool data_of_field(const struct fr_field *field, struct fr_sim_datum *datum)
{
    *datum = (struct fr_sim_datum){.field = field->number};
    switch (field->kind) {
    case FR_FIELD_REAL:
        datum->member = FR_MEMBER_DOUBLE;
        datum->real = data_number(field);
        return true;
    case FR_FIELD_INTEGER:
        datum->member = FR_MEMBER_INT;
        datum->integer = (int64_t)data_number(field);
        return true;
    case FR_FIELD_BOOLEAN:
        datum->member = FR_MEMBER_BOOLEAN;
        datum->integer = 1;
        return true;
    case FR_FIELD_TEXT:
        datum->member = FR_MEMBER_STRING;
        datum->text = "simulated";
        return true;
    case FR_FIELD_ENUM:
        if (field->choices == NULL || field->choices->tag == 0 || field->choices->count == 0)
            return false;
        datum->member = field->choices->tag;
        /* The first choice usually is "Unknown". */
        datum->integer = field->choices->choices[field->choices->count > 1].number;
        return true;
    case FR_FIELD_LOCATION:
        datum->member = FR_MEMBER_LOCATION;
        datum->real = 37.412374;
        datum->real2 = -122.145867;
        return true;
    default:
        return false;
    }
}

static bool data_is_driving(uint32_t field)
{
    for (size_t i = 0; i < DRIVING_COUNT; i++)
        if (driving[i].field == field)
            return true;
    return false;
}

size_t fr_load_data_max(void)
{
    struct fr_sim_datum datum;
    size_t count = DRIVING_COUNT;

    for (size_t i = 0; i < fr_field_count(); i++)
        count +=
            !data_is_driving((uint32_t)i) && data_of_field(fr_field_by_number((uint32_t)i), &datum);
    return count;
}

static int data_compare(const void *a, const void *b)
{
    uint32_t left = ((const struct fr_sim_datum *)a)->field;
    uint32_t right = ((const struct fr_sim_datum *)b)->field;

    return (left > right) - (left < right);
}

size_t fr_load_data(struct fr_sim_datum *data, size_t count)
{
    size_t n = 0;

    for (; n < count && n < DRIVING_COUNT; n++)
        data[n] = driving[n];
    for (uint32_t i = 0; n < count && i < fr_field_count(); i++)
        n += !data_is_driving(i) && data_of_field(fr_field_by_number(i), &data[n]);
    qsort(data, n, sizeof *data, data_compare);
    return n;
}
