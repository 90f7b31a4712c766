/*
 * The value of a data:update message: the time and the columns of Tesla's former streaming server.
 *
 * Rules of TeslaMate's reader: the time is in whole milliseconds; an integer column must not have a
 * decimal point, otherwise it counts as unknown; an empty column is unknown. An unknown power marks a
 * vehicle that only seems to be online, so it is never empty here.
 *
 * Used on the sink's thread.
 */
#ifndef FR_TESLAMATE_ROW_H
#define FR_TESLAMATE_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "car_state/car.h"
#include "text_buffer.h"

enum row_column {
    ROW_SPEED,       /* mph, integer */
    ROW_ODOMETER,    /* miles */
    ROW_SOC,         /* percent, integer */
    ROW_ELEVATION,   /* always empty: vehicles do not send it */
    ROW_EST_HEADING, /* degrees, integer, 0 to 359 */
    ROW_EST_LAT,     /* degrees */
    ROW_EST_LNG,
    ROW_POWER,       /* kW, integer; negative: charging or recuperating */
    ROW_SHIFT_STATE, /* P, R, N, D; empty while charging */
    ROW_RANGE,       /* rated, miles, integer */
    ROW_EST_RANGE,   /* miles, integer */
    ROW_HEADING,     /* as est_heading */
    ROW_COLUMNS,
};

#define ROW_SELECTED_MAX 16

/* The columns that a client has asked for, in its order. */
struct row_columns {
    unsigned char count;
    unsigned char columns[ROW_SELECTED_MAX];
};

/* The columns in the order of the enum, which TeslaMate asks for. */
extern const struct row_columns row_all_columns;

bool row_columns_equal(const struct row_columns *a, const struct row_columns *b);

/* Read "speed,odometer,…". Columns that Tesla's server did not have stay empty. False: there is none, or
 * more than ROW_SELECTED_MAX. */
bool row_columns_read(const char *text, struct row_columns *columns);

/* Append the time and the columns of a vehicle that is awake. */
void row_write(struct fr_text_buffer *out, const struct fr_car *car, int64_t as_of_ms,
               const struct row_columns *columns);

/* ---- also for vehicle_data, which must agree with the stream ---------------------- */

/* kW; 0 unless it drives or charges, negative while it charges. */
int row_power(const struct fr_car *car);

/* NULL: empty. A static text. */
const char *row_shift_state(const struct fr_car *car);

/* Miles. The rated range stands in for the ideal one, and the estimated one for both. False: unknown. */
bool row_rated_range(const struct fr_car *car, double *miles);
bool row_ideal_range(const struct fr_car *car, double *miles);
bool row_est_range(const struct fr_car *car, double *miles);

/* A distance in miles, or a speed in mph. False: unknown. */
bool row_miles(const struct fr_car *car, enum fr_car_field field, double *miles);
bool row_speed(const struct fr_car *car, double *mph);

#endif
