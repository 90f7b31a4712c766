#include "sim/trip.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "record/value.h"
#include "util/memory.h"

/* The start of each phase, in s of trip time. */
enum { UNLOCK = 4, DRIVE = 8, ARRIVE = 98, PLUG = 104, CHARGE = 108, FULL = 150 };

/* Field numbers and the members that carry enums (vehicle_data.proto). */
enum {
    VEHICLE_SPEED = 4,
    ODOMETER = 5,
    PACK_VOLTAGE = 6,
    PACK_CURRENT = 7,
    SOC = 8,
    GEAR = 10,
    LOCATION = 21,
    GPS_STATE = 22,
    GPS_HEADING = 23,
    AC_CHARGING_POWER = 37,
    CHARGE_LIMIT_SOC = 38,
    EST_BATTERY_RANGE = 40,
    BATTERY_LEVEL = 42,
    TIME_TO_FULL = 43,
    DC_CHARGING_POWER = 35,
    CHARGE_AMPS = 49,
    DOOR_STATE = 58,
    LOCKED = 59,
    WINDOW_FD = 60,
    WINDOW_FP = 61,
    WINDOW_RD = 62,
    WINDOW_RP = 63,
    VEHICLE_NAME = 64,
    SENTRY_MODE = 65,
    FIRMWARE = 68,
    TPMS_FL = 69,
    TPMS_FR = 70,
    TPMS_RL = 71,
    TPMS_RR = 72,
    INSIDE_TEMP = 85,
    OUTSIDE_TEMP = 86,
    DRIVER_SEAT = 96,
    MILES_TO_ARRIVAL = 109,
    MINUTES_TO_ARRIVAL = 110,
    DESTINATION_NAME = 163,
    DETAILED_CHARGE_STATE = 179,
    CHARGE_PORT_DOOR_OPEN = 183,
    CHARGER_VOLTAGE = 184,
    CHARGING_CABLE = 185,
    CLIMATE_KEEPER = 186,
    DEFROST_MODE = 188,
    HVAC_POWER = 201,
    UPDATE_VERSION = 220,
    TPMS_HARD_WARNINGS = 224,
    TPMS_SOFT_WARNINGS = 225,
    LOCATED_AT_HOME = 229,
    MEMBER_SHIFT_STATE = 9,
    MEMBER_SENTRY = 13,
    MEMBER_WINDOW = 24,
    MEMBER_DETAILED_CHARGE = 32,
    MEMBER_DEFROST = 36,
    MEMBER_CLIMATE_KEEPER = 37,
    MEMBER_HVAC_POWER = 38,
    MEMBER_CABLE = 41
};
enum { ENUM_OFF = 1, SENTRY_ARMED = 3, HVAC_ON = 2, WINDOW_CLOSED = 1, WINDOW_PARTLY_OPEN = 2 };
enum { GEAR_P = 2, GEAR_D = 5, DISCONNECTED = 1, STARTING = 3, CHARGING = 4, COMPLETE = 5 };

#define TOP_MPH 42.0
#define METRES_PER_DEGREE 111194.9
#define MPH_TO_MPS 0.44704

struct trip_sensor {
    uint32_t field;
    uint32_t member;
    int64_t interval_ms;
    double step; /* changes up to this size are not sent */
};

static const struct trip_sensor sensors[] = {
    {VEHICLE_NAME, FR_MEMBER_STRING, 3600000, 0},
    {LOCKED, FR_MEMBER_BOOLEAN, 1000, 0},
    {DRIVER_SEAT, FR_MEMBER_BOOLEAN, 1000, 0},
    {GEAR, MEMBER_SHIFT_STATE, 500, 0},
    {VEHICLE_SPEED, FR_MEMBER_DOUBLE, 500, 0.5},
    {LOCATION, FR_MEMBER_LOCATION, 1000, 1e-6},
    {GPS_HEADING, FR_MEMBER_DOUBLE, 1000, 0.5},
    {GPS_STATE, FR_MEMBER_BOOLEAN, 1000, 0},
    {LOCATED_AT_HOME, FR_MEMBER_BOOLEAN, 1000, 0},
    {ODOMETER, FR_MEMBER_DOUBLE, 10000, 0.05},
    {SOC, FR_MEMBER_DOUBLE, 5000, 0.02},
    {BATTERY_LEVEL, FR_MEMBER_DOUBLE, 5000, 0.02},
    {EST_BATTERY_RANGE, FR_MEMBER_DOUBLE, 5000, 0.1},
    {PACK_VOLTAGE, FR_MEMBER_DOUBLE, 2000, 0.5},
    {PACK_CURRENT, FR_MEMBER_DOUBLE, 1000, 0.5},
    {INSIDE_TEMP, FR_MEMBER_DOUBLE, 10000, 0.2},
    {OUTSIDE_TEMP, FR_MEMBER_DOUBLE, 30000, 0.2},
    {TPMS_FL, FR_MEMBER_DOUBLE, 30000, 0.02},
    {DETAILED_CHARGE_STATE, MEMBER_DETAILED_CHARGE, 500, 0},
    {CHARGING_CABLE, MEMBER_CABLE, 1000, 0},
    {CHARGE_LIMIT_SOC, FR_MEMBER_INT, 60000, 0},
    {CHARGE_AMPS, FR_MEMBER_DOUBLE, 1000, 0.5},
    {AC_CHARGING_POWER, FR_MEMBER_DOUBLE, 1000, 0.1},
    {CHARGER_VOLTAGE, FR_MEMBER_DOUBLE, 2000, 0.5},
    {TIME_TO_FULL, FR_MEMBER_DOUBLE, 5000, 0.02},
    {DC_CHARGING_POWER, FR_MEMBER_DOUBLE, 1000, 0.1},
    {CHARGE_PORT_DOOR_OPEN, FR_MEMBER_BOOLEAN, 1000, 0},
    {DOOR_STATE, FR_MEMBER_DOORS, 500, 0},
    {WINDOW_FD, MEMBER_WINDOW, 1000, 0},
    {WINDOW_FP, MEMBER_WINDOW, 1000, 0},
    {WINDOW_RD, MEMBER_WINDOW, 1000, 0},
    {WINDOW_RP, MEMBER_WINDOW, 1000, 0},
    {SENTRY_MODE, MEMBER_SENTRY, 1000, 0},
    {HVAC_POWER, MEMBER_HVAC_POWER, 1000, 0},
    {DEFROST_MODE, MEMBER_DEFROST, 1000, 0},
    {CLIMATE_KEEPER, MEMBER_CLIMATE_KEEPER, 1000, 0},
    {TPMS_FR, FR_MEMBER_DOUBLE, 30000, 0.02},
    {TPMS_RL, FR_MEMBER_DOUBLE, 30000, 0.02},
    {TPMS_RR, FR_MEMBER_DOUBLE, 30000, 0.02},
    {TPMS_HARD_WARNINGS, FR_MEMBER_TIRES, 30000, 0},
    {TPMS_SOFT_WARNINGS, FR_MEMBER_TIRES, 30000, 0},
    {FIRMWARE, FR_MEMBER_STRING, 3600000, 0},
    {UPDATE_VERSION, FR_MEMBER_STRING, 3600000, 0},
    {DESTINATION_NAME, FR_MEMBER_STRING, 3600000, 0},
    {MILES_TO_ARRIVAL, FR_MEMBER_DOUBLE, 5000, 0.05},
    {MINUTES_TO_ARRIVAL, FR_MEMBER_DOUBLE, 5000, 0.1},
};
#define SENSORS (sizeof sensors / sizeof *sensors)

static_assert(SENSORS <= FR_TRIP_DATA_MAX, "a bucket has capacity for each field");

struct fr_trip {
    double latitude, longitude;
    struct fr_sim_datum last[SENSORS];
    int64_t sent_ms[SENSORS];
    bool sent[SENSORS];
};

struct fr_trip *fr_trip_new(double home_latitude, double home_longitude)
{
    struct fr_trip *trip = fr_calloc(1, sizeof *trip);

    trip->latitude = home_latitude;
    trip->longitude = home_longitude;
    return trip;
}

void fr_trip_free(struct fr_trip *trip)
{
    free(trip);
}

int64_t fr_trip_duration_ms(void)
{
    return (FULL + 10) * 1000;
}

const char *fr_trip_phase(int64_t ms)
{
    int64_t s = ms / 1000;

    return s < UNLOCK   ? "parked"
           : s < DRIVE  ? "unlocked"
           : s < ARRIVE ? "driving home"
           : s < PLUG   ? "parked at home"
           : s < CHARGE ? "plugged in"
           : s < FULL   ? "charging"
                        : "charged";
}

/* The speed rises for 15 s, stays constant, and falls for 20 s, with a smooth transition. */
static double trip_speed_mph(double s)
{
    double up = (s - DRIVE) / 15, down = (ARRIVE - s) / 20;
    double share = up < down ? up : down;

    if (s <= DRIVE || s >= ARRIVE)
        return 0;
    if (share > 1)
        share = 1;
    return TOP_MPH * share * share * (3 - 2 * share);
}

/* The distance driven until `s`, in m, integrated in steps of 100 ms. */
static double trip_metres(double s)
{
    double sum = 0;

    for (double t = DRIVE; t < s && t < ARRIVE; t += 0.1)
        sum += trip_speed_mph(t) * MPH_TO_MPS * 0.1;
    return sum;
}

static double trip_charge_share(double s)
{
    return s <= CHARGE ? 0 : s >= FULL ? 1 : (s - CHARGE) / (FULL - CHARGE);
}

/* The position and the heading in degrees. The route leads north-east; a bend in its last 400 m
 * changes the heading. */
static void trip_position(const struct fr_trip *trip, double s, double *latitude, double *longitude,
                          double *heading)
{
    double remaining = trip_metres(ARRIVE) - trip_metres(s);
    double bend = remaining > 400 ? 60 : 60 - (400 - remaining) / 400 * 40;
    double radians = bend * acos(-1) / 180;

    *latitude = trip->latitude - remaining * cos(radians) / METRES_PER_DEGREE;
    *longitude = trip->longitude - remaining * sin(radians) /
                                       (METRES_PER_DEGREE * cos(trip->latitude * acos(-1) / 180));
    *heading = bend;
}

static double trip_measure(uint32_t field, double s)
{
    double soc = 62 - 1.8 * trip_metres(s) / trip_metres(ARRIVE) + 20 * trip_charge_share(s);
    double power = s > CHARGE && s < FULL ? 11.0 : 0;

    switch (field) {
    case VEHICLE_SPEED:
        return trip_speed_mph(s);
    case ODOMETER:
        return 18234.5 + trip_metres(s) / 1609.344;
    case PACK_VOLTAGE:
        return 372 + soc / 5;
    case PACK_CURRENT:
        return power > 0 ? power * 1000 / 385 : -(2 + trip_speed_mph(s) * 1.4);
    case SOC:
        return soc;
    case BATTERY_LEVEL:
        return soc + 0.6;
    case EST_BATTERY_RANGE:
        return soc * 2.71;
    case INSIDE_TEMP:
        return 27 - 5 * (s > UNLOCK ? 1 - exp(-(s - UNLOCK) / 40) : 0);
    case OUTSIDE_TEMP:
        return 18.5;
    case TPMS_FL:
    case TPMS_FR:
    case TPMS_RL:
    case TPMS_RR: /* each of the four differs a little */
        return 2.9 + 0.02 * (field - TPMS_FL) + 0.06 * trip_metres(s) / trip_metres(ARRIVE);
    case MILES_TO_ARRIVAL:
        return (trip_metres(ARRIVE) - trip_metres(s)) / 1609.344;
    case MINUTES_TO_ARRIVAL:
        return s < ARRIVE ? (ARRIVE - s) / 60 : 0;
    case CHARGE_AMPS:
        return power > 0 ? 16 : 0;
    case AC_CHARGING_POWER:
        return power;
    case CHARGER_VOLTAGE:
        return power > 0 ? 229 + 2 * sin(s / 3) : 0;
    case TIME_TO_FULL:
        return (1 - trip_charge_share(s)) * 1.4;
    default:
        return 0;
    }
}

/* The open doors as bits, in the order of the message Doors: the driver's door is open while the
 * driver enters, and while the driver leaves. */
static int64_t trip_doors(double s)
{
    return (s > UNLOCK && s < UNLOCK + 3) || (s > ARRIVE + 2 && s < ARRIVE + 4) ? 1 : 0;
}

static int64_t trip_state(uint32_t field, double s)
{
    switch (field) {
    case LOCKED:
        return s < UNLOCK || s > PLUG;
    case DRIVER_SEAT:
        return s > UNLOCK + 2 && s < ARRIVE + 3;
    case GEAR:
        return s >= DRIVE && s < ARRIVE ? GEAR_D : GEAR_P;
    case GPS_STATE:
        return 1;
    case LOCATED_AT_HOME:
        return trip_metres(ARRIVE) - trip_metres(s) < 60;
    case DETAILED_CHARGE_STATE:
        return s < PLUG ? DISCONNECTED : s < CHARGE ? STARTING : s < FULL ? CHARGING : COMPLETE;
    case CHARGING_CABLE:
        return s < PLUG ? 5 /* SNA */ : 1 /* IEC */;
    case CHARGE_LIMIT_SOC:
        return 80;
    case CHARGE_PORT_DOOR_OPEN:
        return s >= PLUG - 1;
    case DOOR_STATE:
        return trip_doors(s);
    case WINDOW_FD:
        return s > DRIVE + 10 && s < DRIVE + 30 ? WINDOW_PARTLY_OPEN : WINDOW_CLOSED;
    case WINDOW_FP:
    case WINDOW_RD:
    case WINDOW_RP:
        return WINDOW_CLOSED;
    case SENTRY_MODE:
        return s < UNLOCK ? SENTRY_ARMED : ENUM_OFF;
    case HVAC_POWER:
        return s > UNLOCK && s < ARRIVE + 3 ? HVAC_ON : ENUM_OFF;
    case DEFROST_MODE:
    case CLIMATE_KEEPER:
        return ENUM_OFF;
    default:
        return 0;
    }
}

static const char *trip_text(uint32_t field)
{
    switch (field) {
    case FIRMWARE:
        return "2026.32.1 5f3a9c1d2e4b";
    case UPDATE_VERSION:
        return "2026.38.2";
    case DESTINATION_NAME:
        return "Home";
    default:
        return "Melan Y";
    }
}

static struct fr_sim_datum trip_sample(const struct fr_trip *trip, const struct trip_sensor *sensor,
                                       double s)
{
    struct fr_sim_datum datum = {.field = sensor->field, .member = sensor->member};
    double heading;

    if (sensor->member == FR_MEMBER_STRING)
        datum.text = trip_text(sensor->field);
    else if (sensor->field == LOCATION)
        trip_position(trip, s, &datum.real, &datum.real2, &heading);
    else if (sensor->field == GPS_HEADING)
        trip_position(trip, s, &datum.real2, &datum.real2, &datum.real);
    else if (sensor->member == FR_MEMBER_DOUBLE)
        datum.real = trip_measure(sensor->field, s);
    else
        datum.integer = trip_state(sensor->field, s);
    if (sensor->field == GPS_HEADING)
        datum.real2 = 0;
    return datum;
}

static bool trip_changed(const struct fr_sim_datum *a, const struct fr_sim_datum *b, double step)
{
    /* The change to 0 is always sent, such as the end of a drive. */
    return a->integer != b->integer || fabs(a->real - b->real) > step ||
           fabs(a->real2 - b->real2) > step || (a->real == 0 && fabs(b->real) > 0);
}

size_t fr_trip_values(const struct fr_trip *trip, int64_t ms, struct fr_sim_datum *data)
{
    for (size_t i = 0; i < SENSORS; i++)
        data[i] = trip_sample(trip, &sensors[i], (double)ms / 1000);
    return SENSORS;
}

size_t fr_trip_bucket(struct fr_trip *trip, int64_t ms, struct fr_sim_datum *data)
{
    size_t n = 0;

    for (size_t i = 0; i < SENSORS; i++) {
        struct fr_sim_datum datum = trip_sample(trip, &sensors[i], (double)ms / 1000);

        if (trip->sent[i] && (ms - trip->sent_ms[i] < sensors[i].interval_ms ||
                              !trip_changed(&datum, &trip->last[i], sensors[i].step)))
            continue;
        trip->last[i] = datum;
        trip->sent_ms[i] = ms;
        trip->sent[i] = true;
        data[n++] = datum;
    }
    return n;
}
