/*
 * The fields that the state of a vehicle is made of, with their canonical kinds, units and bounds.
 * The numbers are those of the vehicle's protocol (vehicle_data.proto, enum Field). Constant data: any
 * thread may read it.
 */
#ifndef FR_CAR_FIELD_H
#define FR_CAR_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fr_car_field {
    FR_CAR_CHARGE_STATE = 2,
    FR_CAR_VEHICLE_SPEED = 4,
    FR_CAR_ODOMETER = 5,
    FR_CAR_PACK_VOLTAGE = 6,
    FR_CAR_PACK_CURRENT = 7,
    FR_CAR_SOC = 8,
    FR_CAR_GEAR = 10,
    FR_CAR_LOCATION = 21,
    FR_CAR_GPS_STATE = 22,
    FR_CAR_GPS_HEADING = 23,
    FR_CAR_RATED_RANGE = 32,
    FR_CAR_DC_CHARGING_ENERGY_IN = 34,
    FR_CAR_DC_CHARGING_POWER = 35,
    FR_CAR_AC_CHARGING_ENERGY_IN = 36,
    FR_CAR_AC_CHARGING_POWER = 37,
    FR_CAR_CHARGE_LIMIT_SOC = 38,
    FR_CAR_FAST_CHARGER_PRESENT = 39,
    FR_CAR_EST_BATTERY_RANGE = 40,
    FR_CAR_IDEAL_BATTERY_RANGE = 41,
    FR_CAR_BATTERY_LEVEL = 42,
    FR_CAR_TIME_TO_FULL_CHARGE = 43,
    FR_CAR_SCHEDULED_CHARGING_START_TIME = 44,
    FR_CAR_SCHEDULED_CHARGING_PENDING = 45,
    FR_CAR_SCHEDULED_DEPARTURE_TIME = 46,
    FR_CAR_PRECONDITIONING_ENABLED = 47,
    FR_CAR_SCHEDULED_CHARGING_MODE = 48,
    FR_CAR_CHARGE_AMPS = 49,
    FR_CAR_CHARGE_ENABLE_REQUEST = 50,
    FR_CAR_CHARGER_PHASES = 51,
    FR_CAR_CHARGE_CURRENT_REQUEST = 53,
    FR_CAR_CHARGE_CURRENT_REQUEST_MAX = 54,
    FR_CAR_DOOR_STATE = 58,
    FR_CAR_LOCKED = 59,
    FR_CAR_FD_WINDOW = 60,
    FR_CAR_FP_WINDOW = 61,
    FR_CAR_RD_WINDOW = 62,
    FR_CAR_RP_WINDOW = 63,
    FR_CAR_VEHICLE_NAME = 64,
    FR_CAR_SENTRY_MODE = 65,
    FR_CAR_VERSION = 68,
    FR_CAR_TPMS_PRESSURE_FL = 69,
    FR_CAR_TPMS_PRESSURE_FR = 70,
    FR_CAR_TPMS_PRESSURE_RL = 71,
    FR_CAR_TPMS_PRESSURE_RR = 72,
    FR_CAR_INSIDE_TEMP = 85,
    FR_CAR_OUTSIDE_TEMP = 86,
    FR_CAR_DRIVER_SEAT_OCCUPIED = 96,
    FR_CAR_MILES_TO_ARRIVAL = 109,
    FR_CAR_MINUTES_TO_ARRIVAL = 110,
    FR_CAR_ORIGIN_LOCATION = 111,
    FR_CAR_DESTINATION_LOCATION = 112,
    FR_CAR_CAR_TYPE = 113,
    FR_CAR_TRIM = 114,
    FR_CAR_EXTERIOR_COLOR = 115,
    FR_CAR_ROOF_COLOR = 116,
    FR_CAR_CHARGE_PORT = 117,
    FR_CAR_CHARGE_PORT_LATCH = 118,
    FR_CAR_ENERGY_REMAINING = 158,
    FR_CAR_SERVICE_MODE = 159,
    FR_CAR_BMS_STATE = 160,
    FR_CAR_DESTINATION_NAME = 163,
    FR_CAR_DETAILED_CHARGE_STATE = 179,
    FR_CAR_CABIN_OVERHEAT_PROTECTION_MODE = 180,
    FR_CAR_CHARGE_PORT_DOOR_OPEN = 183,
    FR_CAR_CHARGER_VOLTAGE = 184,
    FR_CAR_CHARGING_CABLE_TYPE = 185,
    FR_CAR_CLIMATE_KEEPER_MODE = 186,
    FR_CAR_DEFROST_FOR_PRECONDITIONING = 187,
    FR_CAR_DEFROST_MODE = 188,
    FR_CAR_EFFICIENCY_PACKAGE = 189,
    FR_CAR_ESTIMATED_HOURS_TO_CHARGE_TERMINATION = 190,
    FR_CAR_EUROPE_VEHICLE = 191,
    FR_CAR_EXPECTED_ENERGY_PERCENT_AT_TRIP_ARRIVAL = 192,
    FR_CAR_FAST_CHARGER_TYPE = 193,
    FR_CAR_HVAC_AC_ENABLED = 196,
    FR_CAR_HVAC_AUTO_MODE = 197,
    FR_CAR_HVAC_FAN_SPEED = 198,
    FR_CAR_HVAC_LEFT_TEMPERATURE_REQUEST = 200,
    FR_CAR_HVAC_POWER = 201,
    FR_CAR_HVAC_RIGHT_TEMPERATURE_REQUEST = 202,
    FR_CAR_REMOTE_START_ENABLED = 213,
    FR_CAR_RIGHT_HAND_DRIVE = 214,
    FR_CAR_ROUTE_TRAFFIC_MINUTES_DELAY = 215,
    FR_CAR_SOFTWARE_UPDATE_DOWNLOAD_PERCENT_COMPLETE = 216,
    FR_CAR_SOFTWARE_UPDATE_EXPECTED_DURATION_MINUTES = 217,
    FR_CAR_SOFTWARE_UPDATE_INSTALLATION_PERCENT_COMPLETE = 218,
    FR_CAR_SOFTWARE_UPDATE_SCHEDULED_START_TIME = 219,
    FR_CAR_SOFTWARE_UPDATE_VERSION = 220,
    FR_CAR_TPMS_HARD_WARNINGS = 224,
    FR_CAR_TPMS_SOFT_WARNINGS = 225,
    FR_CAR_VALET_MODE_ENABLED = 226,
    FR_CAR_WHEEL_TYPE = 227,
    FR_CAR_LOCATED_AT_HOME = 229,
    FR_CAR_LOCATED_AT_WORK = 230,
    FR_CAR_LOCATED_AT_FAVORITE = 231,
    FR_CAR_CHARGE_RATE_MILE_PER_HOUR = 256,
};

/* The kind of the values of a field. */
enum fr_car_kind {
    FR_CAR_NUMBER,
    FR_CAR_BOOLEAN,
    FR_CAR_TEXT,
    FR_CAR_CHOICE, /* the short name of an enum value */
    FR_CAR_PLACE,  /* latitude and longitude */
    FR_CAR_DOORS,  /* FR_DOOR_* */
    FR_CAR_TIRES,  /* 1 << enum fr_tire */
};

struct fr_car_field_info {
    enum fr_car_field field;
    enum fr_car_kind kind;
    const char *wire_unit; /* unit of a delivery that names none; "": the field has no unit */
    const char *unit;      /* in which the value is kept */
    double min, max;       /* of a number, in `unit`; a value outside is ignored */
};

#define FR_CAR_FIELDS_MAX 112 /* fields in the table */

/* The number of fields in the table, at most FR_CAR_FIELDS_MAX. */
size_t fr_car_field_count(void);

/* The field at an index of the table, in ascending order of the numbers. */
const struct fr_car_field_info *fr_car_field_at(size_t index);

/* The index of a field in the table, or -1 if the table does not contain it. */
int fr_car_field_index(uint32_t field);

#endif
