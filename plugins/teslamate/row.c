#include "teslamate/row.h"

#include <math.h>
#include <string.h>

#include "car_state/car_derived.h"

#define COLUMN_EMPTY ROW_COLUMNS /* a column that is not known */

static const char *const row_names[ROW_COLUMNS] = {
    "speed",   "odometer", "soc",         "elevation", "est_heading", "est_lat",
    "est_lng", "power",    "shift_state", "range",     "est_range",   "heading",
};

const struct row_columns row_all_columns = {
    ROW_COLUMNS,
    {ROW_SPEED, ROW_ODOMETER, ROW_SOC, ROW_ELEVATION, ROW_EST_HEADING, ROW_EST_LAT, ROW_EST_LNG,
     ROW_POWER, ROW_SHIFT_STATE, ROW_RANGE, ROW_EST_RANGE, ROW_HEADING},
};

/* ---- columns --------------------------------------------------------------------- */

bool row_columns_equal(const struct row_columns *a, const struct row_columns *b)
{
    return a->count == b->count && memcmp(a->columns, b->columns, a->count) == 0;
}

static unsigned char row_find_column(const char *name, size_t len)
{
    unsigned char i = 0;

    while (i < ROW_COLUMNS && (strlen(row_names[i]) != len || memcmp(row_names[i], name, len) != 0))
        i++;
    return i;
}

bool row_columns_read(const char *text, struct row_columns *columns)
{
    columns->count = 0;
    for (;;) {
        size_t len = strcspn(text, ",");

        if (columns->count == ROW_SELECTED_MAX)
            return false;
        columns->columns[columns->count++] = row_find_column(text, len);
        if (text[len] == '\0')
            break;
        text += len + 1;
    }
    for (int i = 0; i < columns->count; i++)
        if (columns->columns[i] != COLUMN_EMPTY)
            return true;
    return false;
}

/* ---- values ---------------------------------------------------------------------- */

int row_power(const struct fr_car *car)
{
    double kw = 0;
    bool known = fr_car_power(car, &kw);
    int power = known ? (int)lround(kw) : 0;

    if (fr_car_is_charging(car))
        return power < 0 ? power : -1; /* 0 would not start TeslaMate's charge */
    /* A negative power of a parked vehicle would start a charge. */
    return power < 0 && !fr_car_in_gear(car) ? 0 : power;
}

const char *row_shift_state(const struct fr_car *car)
{
    return fr_car_is_charging(car) ? NULL : fr_car_shift_state(car);
}

bool row_miles(const struct fr_car *car, enum fr_car_field field, double *miles)
{
    double km;

    if (!fr_car_number(car, field, &km))
        return false;
    *miles = km / FR_CAR_KM_PER_MILE;
    return true;
}

bool row_speed(const struct fr_car *car, double *mph)
{
    double km_per_h;

    if (!fr_car_speed(car, &km_per_h))
        return false;
    *mph = km_per_h / FR_CAR_KM_PER_MILE;
    return true;
}

bool row_est_range(const struct fr_car *car, double *miles)
{
    return row_miles(car, FR_CAR_EST_BATTERY_RANGE, miles);
}

bool row_rated_range(const struct fr_car *car, double *miles)
{
    return row_miles(car, FR_CAR_RATED_RANGE, miles) ||
           row_miles(car, FR_CAR_IDEAL_BATTERY_RANGE, miles) || row_est_range(car, miles);
}

bool row_ideal_range(const struct fr_car *car, double *miles)
{
    return row_miles(car, FR_CAR_IDEAL_BATTERY_RANGE, miles) || row_rated_range(car, miles);
}

/* ---- the row --------------------------------------------------------------------- */

static void row_integer(struct fr_text_buffer *out, bool known, double number)
{
    if (known)
        fr_text_buffer_printf(out, "%ld", lround(number));
}

static void row_place(struct fr_text_buffer *out, const struct fr_car *car, bool longitude)
{
    double place[2];

    if (fr_car_place(car, FR_CAR_LOCATION, &place[0], &place[1]))
        fr_text_buffer_printf(out, "%.6f", place[longitude]);
}

static void row_column(struct fr_text_buffer *out, const struct fr_car *car, unsigned char column)
{
    const char *shift_state;
    double number = 0;
    bool known;

    switch ((enum row_column)column) {
    case ROW_SPEED:
        known = row_speed(car, &number);
        row_integer(out, known, number);
        break;
    case ROW_ODOMETER:
        if (row_miles(car, FR_CAR_ODOMETER, &number))
            fr_text_buffer_printf(out, "%.3f", number);
        break;
    case ROW_SOC:
        known = fr_car_battery_level(car, &number);
        row_integer(out, known, number);
        break;
    case ROW_EST_HEADING:
    case ROW_HEADING:
        known = fr_car_heading(car, &number);
        row_integer(out, known, number);
        break;
    case ROW_EST_LAT:
    case ROW_EST_LNG:
        row_place(out, car, column == ROW_EST_LNG);
        break;
    case ROW_POWER:
        fr_text_buffer_printf(out, "%d", row_power(car));
        break;
    case ROW_SHIFT_STATE:
        shift_state = row_shift_state(car);
        fr_text_buffer_add(out, shift_state != NULL ? shift_state : "");
        break;
    case ROW_RANGE:
        known = row_rated_range(car, &number);
        row_integer(out, known, number);
        break;
    case ROW_EST_RANGE:
        known = row_est_range(car, &number);
        row_integer(out, known, number);
        break;
    case ROW_ELEVATION:
    case ROW_COLUMNS:
    default:
        break;
    }
}

void row_write(struct fr_text_buffer *out, const struct fr_car *car, int64_t as_of_ms,
               const struct row_columns *columns)
{
    fr_text_buffer_printf(out, "%lld", (long long)as_of_ms);
    for (int i = 0; i < columns->count; i++) {
        fr_text_buffer_byte(out, ',');
        row_column(out, car, columns->columns[i]);
    }
}
