#include "mqtt/teslamate_values.h"

/* ---- the table ------------------------------------------------------------------- */

#define NUMBER(topic, function, places)                                                            \
    {                                                                                              \
        .name = (topic), .write = topic_write_number, .number = (function), .decimals = (places)   \
    }
#define NUMBER_FIELD(topic, number, places)                                                        \
    {                                                                                              \
        .name = (topic), .write = topic_write_number, .field = (number), .decimals = (places)      \
    }
#define FLAG(topic, function)                                                                      \
    {                                                                                              \
        .name = (topic), .write = topic_write_flag, .flag = (function)                             \
    }
#define FLAG_FIELD(topic, number)                                                                  \
    {                                                                                              \
        .name = (topic), .write = topic_write_flag, .field = (number)                              \
    }
#define BITS(topic, number, mask)                                                                  \
    {                                                                                              \
        .name = (topic), .write = topic_write_bits, .field = (number), .bits = (mask)              \
    }
#define WINDOW(topic, number)                                                                      \
    {                                                                                              \
        .name = (topic), .write = topic_write_window, .field = (number)                            \
    }
#define TEXT(topic, function)                                                                      \
    {                                                                                              \
        .name = (topic), .write = topic_write_text, .text = (function)                             \
    }
#define TEXT_FIELD(topic, number)                                                                  \
    {                                                                                              \
        .name = (topic), .write = topic_write_text, .field = (number)                              \
    }
#define OTHER(topic, function, number)                                                             \
    {                                                                                              \
        .name = (topic), .write = (function), .field = (number)                                    \
    }
#define DOORS                                                                                      \
    (FR_DOOR_DRIVER_FRONT | FR_DOOR_DRIVER_REAR | FR_DOOR_PASSENGER_FRONT | FR_DOOR_PASSENGER_REAR)

/* `state` is last, so that a reader of a change of the state finds the new values. */
static const struct teslamate_topic topics[] = {
    TEXT("display_name", fr_car_display_name),
    OTHER("healthy", topic_write_healthy, 0),
    OTHER("version", topic_write_version, 0),
    FLAG("update_available", fr_car_update_available),
    TEXT("update_version", fr_car_update_version),
    OTHER("software_update", topic_write_software_update, 0),
    NUMBER_FIELD("download_perc", FR_CAR_SOFTWARE_UPDATE_DOWNLOAD_PERCENT_COMPLETE, 0),
    NUMBER_FIELD("install_perc", FR_CAR_SOFTWARE_UPDATE_INSTALLATION_PERCENT_COMPLETE, 0),
    TEXT("model", fr_car_model),
    TEXT_FIELD("trim_badging", FR_CAR_TRIM),
    TEXT_FIELD("exterior_color", FR_CAR_EXTERIOR_COLOR),
    TEXT_FIELD("wheel_type", FR_CAR_WHEEL_TYPE),
    OTHER("geofence", topic_write_geofence, 0),
    OTHER("latitude", topic_write_coordinate, FR_CAR_LOCATION),
    {.name = "longitude", .write = topic_write_coordinate, .field = FR_CAR_LOCATION, .bits = 1},
    OTHER("location", topic_write_location, FR_CAR_LOCATION),
    OTHER("shift_state", topic_write_shift_state, 0),
    {.name = "power", .write = topic_write_number, .number = fr_car_power, .derived = true},
    NUMBER("speed", fr_car_speed, 0),
    NUMBER("heading", fr_car_heading, 0),
    FLAG_FIELD("locked", FR_CAR_LOCKED),
    FLAG("sentry_mode", fr_car_sentry),
    FLAG_FIELD("service_mode", FR_CAR_SERVICE_MODE),
    FLAG("windows_open", fr_car_windows_open),
    WINDOW("driver_front_window_open", FR_CAR_FD_WINDOW),
    WINDOW("driver_rear_window_open", FR_CAR_RD_WINDOW),
    WINDOW("passenger_front_window_open", FR_CAR_FP_WINDOW),
    WINDOW("passenger_rear_window_open", FR_CAR_RP_WINDOW),
    BITS("doors_open", FR_CAR_DOOR_STATE, DOORS),
    BITS("driver_front_door_open", FR_CAR_DOOR_STATE, FR_DOOR_DRIVER_FRONT),
    BITS("driver_rear_door_open", FR_CAR_DOOR_STATE, FR_DOOR_DRIVER_REAR),
    BITS("passenger_front_door_open", FR_CAR_DOOR_STATE, FR_DOOR_PASSENGER_FRONT),
    BITS("passenger_rear_door_open", FR_CAR_DOOR_STATE, FR_DOOR_PASSENGER_REAR),
    BITS("trunk_open", FR_CAR_DOOR_STATE, FR_DOOR_TRUNK_REAR),
    BITS("frunk_open", FR_CAR_DOOR_STATE, FR_DOOR_TRUNK_FRONT),
    FLAG("is_user_present", fr_car_user_present),
    FLAG("is_climate_on", fr_car_climate_on),
    FLAG("is_preconditioning", fr_car_preconditioning),
    OTHER("climate_keeper_mode", topic_write_climate_mode, FR_CAR_CLIMATE_KEEPER_MODE),
    NUMBER_FIELD("inside_temp", FR_CAR_INSIDE_TEMP, 1),
    NUMBER_FIELD("outside_temp", FR_CAR_OUTSIDE_TEMP, 1),
    NUMBER_FIELD("odometer", FR_CAR_ODOMETER, 2),
    NUMBER_FIELD("est_battery_range_km", FR_CAR_EST_BATTERY_RANGE, 2),
    NUMBER_FIELD("rated_battery_range_km", FR_CAR_RATED_RANGE, 2),
    NUMBER_FIELD("ideal_battery_range_km", FR_CAR_IDEAL_BATTERY_RANGE, 2),
    NUMBER("battery_level", fr_car_battery_level, 0),
    NUMBER("usable_battery_level", fr_car_usable_level, 0),
    FLAG("plugged_in", fr_car_plugged_in),
    TEXT("charging_state", fr_car_charging_state),
    NUMBER("charge_energy_added", fr_car_energy_added, 2),
    NUMBER_FIELD("charge_limit_soc", FR_CAR_CHARGE_LIMIT_SOC, 0),
    FLAG_FIELD("charge_port_door_open", FR_CAR_CHARGE_PORT_DOOR_OPEN),
    {.name = "charger_actual_current",
     .write = topic_write_ac_charger,
     .number = fr_car_charger_current},
    {.name = "charger_phases",
     .write = topic_write_charger_phases,
     .number = fr_car_charger_phases},
    NUMBER("charger_power", fr_car_charger_power, 0),
    {.name = "charger_voltage", .write = topic_write_ac_charger, .number = fr_car_charger_voltage},
    NUMBER_FIELD("charge_current_request", FR_CAR_CHARGE_CURRENT_REQUEST, 0),
    NUMBER_FIELD("charge_current_request_max", FR_CAR_CHARGE_CURRENT_REQUEST_MAX, 0),
    OTHER("scheduled_charging_start_time", topic_write_scheduled_start,
          FR_CAR_SCHEDULED_CHARGING_START_TIME),
    NUMBER("time_to_full_charge", fr_car_time_to_full, 2),
    NUMBER_FIELD("tpms_pressure_fl", FR_CAR_TPMS_PRESSURE_FL, 2),
    NUMBER_FIELD("tpms_pressure_fr", FR_CAR_TPMS_PRESSURE_FR, 2),
    NUMBER_FIELD("tpms_pressure_rl", FR_CAR_TPMS_PRESSURE_RL, 2),
    NUMBER_FIELD("tpms_pressure_rr", FR_CAR_TPMS_PRESSURE_RR, 2),
    BITS("tpms_soft_warning_fl", FR_CAR_TPMS_SOFT_WARNINGS, 1 << 0),
    BITS("tpms_soft_warning_fr", FR_CAR_TPMS_SOFT_WARNINGS, 1 << 1),
    BITS("tpms_soft_warning_rl", FR_CAR_TPMS_SOFT_WARNINGS, 1 << 2),
    BITS("tpms_soft_warning_rr", FR_CAR_TPMS_SOFT_WARNINGS, 1 << 3),
    OTHER("active_route", topic_write_route, 0),
    OTHER("active_route_destination", topic_write_route_name, 0),
    OTHER("active_route_latitude", topic_write_route_coordinate, FR_CAR_DESTINATION_LOCATION),
    {.name = "active_route_longitude",
     .write = topic_write_route_coordinate,
     .field = FR_CAR_DESTINATION_LOCATION,
     .bits = 1},
    {.name = "since", .write = topic_write_since, .derived = true},
    {.name = "state", .write = topic_write_state, .derived = true},
};

_Static_assert(sizeof topics / sizeof *topics <= TESLAMATE_TOPICS_MAX, "TESLAMATE_TOPICS_MAX");

size_t teslamate_topic_count(void)
{
    return sizeof topics / sizeof *topics;
}

const char *teslamate_topic_name(size_t index)
{
    return topics[index].name;
}

bool teslamate_topic_is_derived(size_t index)
{
    return topics[index].derived;
}

bool teslamate_value(size_t index, const struct fr_car *car,
                     const struct teslamate_settings *settings, struct fr_text_buffer *payload)
{
    return topics[index].write(&topics[index], car, settings, payload) && !payload->failed;
}
