#include "car_state/car_field.h"

static const struct fr_car_field_info car_fields[] = {
    {FR_CAR_CHARGE_STATE, FR_CAR_TEXT, "", "", 0, 0},
    {FR_CAR_VEHICLE_SPEED, FR_CAR_NUMBER, "mph", "km/h", 0, 600},
    {FR_CAR_ODOMETER, FR_CAR_NUMBER, "mi", "km", 0, 10000000},
    {FR_CAR_PACK_VOLTAGE, FR_CAR_NUMBER, "V", "V", 0, 2000},
    {FR_CAR_PACK_CURRENT, FR_CAR_NUMBER, "A", "A", -5000, 5000},
    {FR_CAR_SOC, FR_CAR_NUMBER, "%", "%", 0, 100},
    {FR_CAR_GEAR, FR_CAR_CHOICE, "", "", 0, 0},
    {FR_CAR_LOCATION, FR_CAR_PLACE, "", "", 0, 0},
    {FR_CAR_GPS_STATE, FR_CAR_BOOLEAN, "", "", 0, 0},
    {FR_CAR_GPS_HEADING, FR_CAR_NUMBER, "°", "°", -360, 360},
    {FR_CAR_RATED_RANGE, FR_CAR_NUMBER, "mi", "km", 0, 5000},
    {FR_CAR_DC_CHARGING_ENERGY_IN, FR_CAR_NUMBER, "kWh", "kWh", 0, 10000},
    {FR_CAR_DC_CHARGING_POWER, FR_CAR_NUMBER, "kW", "kW", -2000, 2000},
    {FR_CAR_AC_CHARGING_ENERGY_IN, FR_CAR_NUMBER, "kWh", "kWh", 0, 10000},
    {FR_CAR_AC_CHARGING_POWER, FR_CAR_NUMBER, "kW", "kW", -2000, 2000},
    {FR_CAR_CHARGE_LIMIT_SOC, FR_CAR_NUMBER, "%", "%", 0, 100},
    {FR_CAR_FAST_CHARGER_PRESENT, FR_CAR_BOOLEAN, "", "", 0, 0},
    {FR_CAR_EST_BATTERY_RANGE, FR_CAR_NUMBER, "mi", "km", 0, 5000},
    {FR_CAR_IDEAL_BATTERY_RANGE, FR_CAR_NUMBER, "mi", "km", 0, 5000},
    {FR_CAR_BATTERY_LEVEL, FR_CAR_NUMBER, "%", "%", 0, 100},
    {FR_CAR_TIME_TO_FULL_CHARGE, FR_CAR_NUMBER, "h", "h", 0, 10000},
    {FR_CAR_SCHEDULED_CHARGING_START_TIME, FR_CAR_NUMBER, "s", "s", 0, 253402300799},
    {FR_CAR_SCHEDULED_CHARGING_PENDING, FR_CAR_BOOLEAN, "", "", 0, 0},
    {FR_CAR_SCHEDULED_DEPARTURE_TIME, FR_CAR_NUMBER, "s", "s", 0, 253402300799},
    {FR_CAR_PRECONDITIONING_ENABLED, FR_CAR_BOOLEAN, "", "", 0, 0},
    {FR_CAR_SCHEDULED_CHARGING_MODE, FR_CAR_CHOICE, "", "", 0, 0},
    {FR_CAR_CHARGE_AMPS, FR_CAR_NUMBER, "A", "A", -5000, 5000},
    {FR_CAR_CHARGE_ENABLE_REQUEST, FR_CAR_BOOLEAN, "", "", 0, 0},
    {FR_CAR_CHARGER_PHASES, FR_CAR_NUMBER, "", "", 0, 3},
    {FR_CAR_CHARGE_CURRENT_REQUEST, FR_CAR_NUMBER, "A", "A", 0, 5000},
    {FR_CAR_CHARGE_CURRENT_REQUEST_MAX, FR_CAR_NUMBER, "A", "A", 0, 5000},
    {FR_CAR_DOOR_STATE, FR_CAR_DOORS, "", "", 0, 0},
    {FR_CAR_LOCKED, FR_CAR_BOOLEAN, "", "", 0, 0},
    {FR_CAR_FD_WINDOW, FR_CAR_CHOICE, "", "", 0, 0},
    {FR_CAR_FP_WINDOW, FR_CAR_CHOICE, "", "", 0, 0},
    {FR_CAR_RD_WINDOW, FR_CAR_CHOICE, "", "", 0, 0},
    {FR_CAR_RP_WINDOW, FR_CAR_CHOICE, "", "", 0, 0},
    {FR_CAR_VEHICLE_NAME, FR_CAR_TEXT, "", "", 0, 0},
    {FR_CAR_SENTRY_MODE, FR_CAR_CHOICE, "", "", 0, 0},
    {FR_CAR_VERSION, FR_CAR_TEXT, "", "", 0, 0},
    {FR_CAR_TPMS_PRESSURE_FL, FR_CAR_NUMBER, "bar", "bar", 0, 20},
    {FR_CAR_TPMS_PRESSURE_FR, FR_CAR_NUMBER, "bar", "bar", 0, 20},
    {FR_CAR_TPMS_PRESSURE_RL, FR_CAR_NUMBER, "bar", "bar", 0, 20},
    {FR_CAR_TPMS_PRESSURE_RR, FR_CAR_NUMBER, "bar", "bar", 0, 20},
    {FR_CAR_INSIDE_TEMP, FR_CAR_NUMBER, "°C", "°C", -100, 200},
    {FR_CAR_OUTSIDE_TEMP, FR_CAR_NUMBER, "°C", "°C", -100, 200},
    {FR_CAR_DRIVER_SEAT_OCCUPIED, FR_CAR_BOOLEAN, "", "", 0, 0},
    {FR_CAR_MILES_TO_ARRIVAL, FR_CAR_NUMBER, "mi", "km", 0, 50000},
    {FR_CAR_MINUTES_TO_ARRIVAL, FR_CAR_NUMBER, "min", "min", -100000, 100000},
    {FR_CAR_ORIGIN_LOCATION, FR_CAR_PLACE, "", "", 0, 0},
    {FR_CAR_DESTINATION_LOCATION, FR_CAR_PLACE, "", "", 0, 0},
    {FR_CAR_CAR_TYPE, FR_CAR_CHOICE, "", "", 0, 0},
    {FR_CAR_TRIM, FR_CAR_TEXT, "", "", 0, 0},
    {FR_CAR_EXTERIOR_COLOR, FR_CAR_TEXT, "", "", 0, 0},
    {FR_CAR_ROOF_COLOR, FR_CAR_TEXT, "", "", 0, 0},
    {FR_CAR_CHARGE_PORT, FR_CAR_CHOICE, "", "", 0, 0},
    {FR_CAR_CHARGE_PORT_LATCH, FR_CAR_CHOICE, "", "", 0, 0},
    {FR_CAR_ENERGY_REMAINING, FR_CAR_NUMBER, "kWh", "kWh", 0, 10000},
    {FR_CAR_SERVICE_MODE, FR_CAR_BOOLEAN, "", "", 0, 0},
    {FR_CAR_BMS_STATE, FR_CAR_CHOICE, "", "", 0, 0},
    {FR_CAR_DESTINATION_NAME, FR_CAR_TEXT, "", "", 0, 0},
    {FR_CAR_DETAILED_CHARGE_STATE, FR_CAR_CHOICE, "", "", 0, 0},
    {FR_CAR_CABIN_OVERHEAT_PROTECTION_MODE, FR_CAR_CHOICE, "", "", 0, 0},
    {FR_CAR_CHARGE_PORT_DOOR_OPEN, FR_CAR_BOOLEAN, "", "", 0, 0},
    {FR_CAR_CHARGER_VOLTAGE, FR_CAR_NUMBER, "V", "V", 0, 2000},
    {FR_CAR_CHARGING_CABLE_TYPE, FR_CAR_CHOICE, "", "", 0, 0},
    {FR_CAR_CLIMATE_KEEPER_MODE, FR_CAR_CHOICE, "", "", 0, 0},
    {FR_CAR_DEFROST_FOR_PRECONDITIONING, FR_CAR_BOOLEAN, "", "", 0, 0},
    {FR_CAR_DEFROST_MODE, FR_CAR_CHOICE, "", "", 0, 0},
    {FR_CAR_EFFICIENCY_PACKAGE, FR_CAR_TEXT, "", "", 0, 0},
    {FR_CAR_ESTIMATED_HOURS_TO_CHARGE_TERMINATION, FR_CAR_NUMBER, "h", "h", 0, 10000},
    {FR_CAR_EUROPE_VEHICLE, FR_CAR_BOOLEAN, "", "", 0, 0},
    {FR_CAR_EXPECTED_ENERGY_PERCENT_AT_TRIP_ARRIVAL, FR_CAR_NUMBER, "%", "%", -100, 100},
    {FR_CAR_FAST_CHARGER_TYPE, FR_CAR_CHOICE, "", "", 0, 0},
    {FR_CAR_HVAC_AC_ENABLED, FR_CAR_BOOLEAN, "", "", 0, 0},
    {FR_CAR_HVAC_AUTO_MODE, FR_CAR_CHOICE, "", "", 0, 0},
    {FR_CAR_HVAC_FAN_SPEED, FR_CAR_NUMBER, "", "", 0, 100},
    {FR_CAR_HVAC_LEFT_TEMPERATURE_REQUEST, FR_CAR_NUMBER, "°C", "°C", -100, 100},
    {FR_CAR_HVAC_POWER, FR_CAR_CHOICE, "", "", 0, 0},
    {FR_CAR_HVAC_RIGHT_TEMPERATURE_REQUEST, FR_CAR_NUMBER, "°C", "°C", -100, 100},
    {FR_CAR_REMOTE_START_ENABLED, FR_CAR_BOOLEAN, "", "", 0, 0},
    {FR_CAR_RIGHT_HAND_DRIVE, FR_CAR_BOOLEAN, "", "", 0, 0},
    {FR_CAR_ROUTE_TRAFFIC_MINUTES_DELAY, FR_CAR_NUMBER, "min", "min", -100000, 100000},
    {FR_CAR_SOFTWARE_UPDATE_DOWNLOAD_PERCENT_COMPLETE, FR_CAR_NUMBER, "%", "%", 0, 100},
    {FR_CAR_SOFTWARE_UPDATE_EXPECTED_DURATION_MINUTES, FR_CAR_NUMBER, "min", "min", 0, 100000},
    {FR_CAR_SOFTWARE_UPDATE_INSTALLATION_PERCENT_COMPLETE, FR_CAR_NUMBER, "%", "%", 0, 100},
    {FR_CAR_SOFTWARE_UPDATE_SCHEDULED_START_TIME, FR_CAR_NUMBER, "s", "s", 0, 253402300799},
    {FR_CAR_SOFTWARE_UPDATE_VERSION, FR_CAR_TEXT, "", "", 0, 0},
    {FR_CAR_TPMS_HARD_WARNINGS, FR_CAR_TIRES, "", "", 0, 0},
    {FR_CAR_TPMS_SOFT_WARNINGS, FR_CAR_TIRES, "", "", 0, 0},
    {FR_CAR_VALET_MODE_ENABLED, FR_CAR_BOOLEAN, "", "", 0, 0},
    {FR_CAR_WHEEL_TYPE, FR_CAR_TEXT, "", "", 0, 0},
    {FR_CAR_LOCATED_AT_HOME, FR_CAR_BOOLEAN, "", "", 0, 0},
    {FR_CAR_LOCATED_AT_WORK, FR_CAR_BOOLEAN, "", "", 0, 0},
    {FR_CAR_LOCATED_AT_FAVORITE, FR_CAR_BOOLEAN, "", "", 0, 0},
    {FR_CAR_CHARGE_RATE_MILE_PER_HOUR, FR_CAR_NUMBER, "mi/h", "km/h", 0, 10000},
};

_Static_assert(sizeof car_fields / sizeof *car_fields <= FR_CAR_FIELDS_MAX, "FR_CAR_FIELDS_MAX");

size_t fr_car_field_count(void)
{
    return sizeof car_fields / sizeof *car_fields;
}

const struct fr_car_field_info *fr_car_field_at(size_t index)
{
    return &car_fields[index];
}

int fr_car_field_index(uint32_t field)
{
    size_t low = 0, high = fr_car_field_count();

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if ((uint32_t)car_fields[middle].field < field)
            low = middle + 1;
        else
            high = middle;
    }
    return low < fr_car_field_count() && (uint32_t)car_fields[low].field == field ? (int)low : -1;
}
