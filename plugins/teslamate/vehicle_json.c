#include "teslamate/vehicle_json.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "car_state/car_derived.h"
#include "teslamate/row.h"

#define VERSION_SIZE 64

/* ---- members --------------------------------------------------------------------- */

static void vehicle_put(json_t *object, const char *name, json_t *value)
{
    json_object_set_new(object, name, value);
}

static void vehicle_put_text(json_t *object, const char *name, const char *text)
{
    vehicle_put(object, name, text != NULL ? json_string(text) : json_null());
}

static void vehicle_put_integer(json_t *object, const char *name, bool known, double number)
{
    vehicle_put(object, name, known ? json_integer(lround(number)) : json_null());
}

/* With at most six decimals, so that converted units have no long tails. */
static void vehicle_put_real(json_t *object, const char *name, bool known, double number)
{
    vehicle_put(object, name, known ? json_real(round(number * 1e6) / 1e6) : json_null());
}

static void vehicle_put_boolean(json_t *object, const char *name, bool known, bool value)
{
    vehicle_put(object, name, known ? json_boolean(value) : json_null());
}

static void vehicle_put_car_number(json_t *object, const char *name, const struct fr_car *car,
                                   enum fr_car_field field)
{
    double number = 0;
    bool known = fr_car_number(car, field, &number);

    vehicle_put_real(object, name, known, number);
}

static void vehicle_put_car_integer(json_t *object, const char *name, const struct fr_car *car,
                                    enum fr_car_field field)
{
    double number = 0;
    bool known = fr_car_number(car, field, &number);

    vehicle_put_integer(object, name, known, number);
}

static void vehicle_put_car_boolean(json_t *object, const char *name, const struct fr_car *car,
                                    enum fr_car_field field)
{
    bool value = false, known = fr_car_boolean(car, field, &value);

    vehicle_put_boolean(object, name, known, value);
}

static void vehicle_put_timestamp(json_t *object, const struct vehicle *vehicle)
{
    vehicle_put(object, "timestamp", json_integer(vehicle->as_of_ms));
}

/* ---- charge_state ---------------------------------------------------------------- */

/* At a DC charger the phases are null and voltage and current are 0: TeslaMate multiplies the three, and
 * takes the power instead if the phases are null. */
static void vehicle_put_charger(json_t *object, const struct fr_car *car)
{
    bool dc = fr_car_is_fast_charging(car), known;
    double number = 0;

    known = fr_car_charger_power(car, &number);
    vehicle_put_integer(object, "charger_power", true, known ? number : 0);
    known = !dc && fr_car_charger_phases(car, &number);
    vehicle_put_integer(object, "charger_phases", known, number);
    known = fr_car_charger_voltage(car, &number);
    vehicle_put_integer(object, "charger_voltage", known || dc, known && !dc ? number : 0);
    known = fr_car_charger_current(car, &number);
    vehicle_put_integer(object, "charger_actual_current", known || dc, known && !dc ? number : 0);
    vehicle_put_boolean(object, "fast_charger_present", true, dc);
    vehicle_put_text(object, "fast_charger_type", fr_car_choice(car, FR_CAR_FAST_CHARGER_TYPE));
    vehicle_put(object, "fast_charger_brand", json_null());
    vehicle_put_text(object, "conn_charge_cable", fr_car_choice(car, FR_CAR_CHARGING_CABLE_TYPE));
    vehicle_put_car_integer(object, "charge_current_request", car, FR_CAR_CHARGE_CURRENT_REQUEST);
    vehicle_put_car_integer(object, "charge_current_request_max", car,
                            FR_CAR_CHARGE_CURRENT_REQUEST_MAX);
    vehicle_put_car_integer(object, "charger_pilot_current", car,
                            FR_CAR_CHARGE_CURRENT_REQUEST_MAX);
}

static void vehicle_put_battery(json_t *object, const struct fr_car *car)
{
    double number = 0;
    bool known = fr_car_battery_level(car, &number);

    vehicle_put_integer(object, "battery_level", known, number);
    known = fr_car_usable_level(car, &number);
    vehicle_put_integer(object, "usable_battery_level", known, number);
    known = row_rated_range(car, &number);
    vehicle_put_real(object, "battery_range", known, number);
    known = row_ideal_range(car, &number);
    vehicle_put_real(object, "ideal_battery_range", known, number);
    known = row_est_range(car, &number);
    vehicle_put_real(object, "est_battery_range", known, number);
}

/* The energy is required by TeslaMate; without a value it is 0. */
static json_t *vehicle_make_charge_state(const struct vehicle *vehicle)
{
    const struct fr_car *car = vehicle->car;
    const char *state = fr_car_charging_state(car);
    json_t *object = json_object();
    double number = 0;
    bool known;

    vehicle_put_text(object, "charging_state", state != NULL ? state : "Disconnected");
    vehicle_put_battery(object, car);
    vehicle_put_charger(object, car);
    known = fr_car_energy_added(car, &number);
    vehicle_put_real(object, "charge_energy_added", true, known ? number : 0);
    known = fr_car_time_to_full(car, &number);
    vehicle_put_real(object, "time_to_full_charge", true, known ? number : 0);
    vehicle_put_integer(object, "minutes_to_full_charge", known, number * 60);
    vehicle_put_car_integer(object, "charge_limit_soc", car, FR_CAR_CHARGE_LIMIT_SOC);
    known = row_miles(car, FR_CAR_CHARGE_RATE_MILE_PER_HOUR, &number);
    vehicle_put_real(object, "charge_rate", known, number);
    vehicle_put_car_boolean(object, "charge_port_door_open", car, FR_CAR_CHARGE_PORT_DOOR_OPEN);
    vehicle_put_text(object, "charge_port_latch", fr_car_choice(car, FR_CAR_CHARGE_PORT_LATCH));
    vehicle_put_car_boolean(object, "charge_enable_request", car, FR_CAR_CHARGE_ENABLE_REQUEST);
    vehicle_put_car_boolean(object, "scheduled_charging_pending", car,
                            FR_CAR_SCHEDULED_CHARGING_PENDING);
    vehicle_put_car_integer(object, "scheduled_charging_start_time", car,
                            FR_CAR_SCHEDULED_CHARGING_START_TIME);
    vehicle_put(object, "battery_heater_on", json_null());
    vehicle_put(object, "not_enough_power_to_heat", json_null());
    vehicle_put_timestamp(object, vehicle);
    return object;
}

/* ---- drive_state ----------------------------------------------------------------- */

static void vehicle_put_route(json_t *object, const struct fr_car *car)
{
    double latitude = 0, longitude = 0, number = 0;
    bool active = fr_car_has_route(car), known;

    vehicle_put_text(object, "active_route_destination",
                     active ? fr_car_text(car, FR_CAR_DESTINATION_NAME) : NULL);
    known = active && fr_car_place(car, FR_CAR_DESTINATION_LOCATION, &latitude, &longitude);
    vehicle_put_real(object, "active_route_latitude", known, latitude);
    vehicle_put_real(object, "active_route_longitude", known, longitude);
    known = active && row_miles(car, FR_CAR_MILES_TO_ARRIVAL, &number);
    vehicle_put_real(object, "active_route_miles_to_arrival", known, number);
    known = active && fr_car_number(car, FR_CAR_MINUTES_TO_ARRIVAL, &number);
    vehicle_put_real(object, "active_route_minutes_to_arrival", known, number);
    known = active && fr_car_number(car, FR_CAR_EXPECTED_ENERGY_PERCENT_AT_TRIP_ARRIVAL, &number);
    vehicle_put_integer(object, "active_route_energy_at_arrival", known, number);
    known = active && fr_car_number(car, FR_CAR_ROUTE_TRAFFIC_MINUTES_DELAY, &number);
    vehicle_put_real(object, "active_route_traffic_minutes_delay", known, number);
}

static json_t *vehicle_make_drive_state(const struct vehicle *vehicle)
{
    const struct fr_car *car = vehicle->car;
    json_t *object = json_object();
    double latitude = 0, longitude = 0, number = 0;
    bool known = fr_car_place(car, FR_CAR_LOCATION, &latitude, &longitude);

    vehicle_put_real(object, "latitude", known, latitude);
    vehicle_put_real(object, "longitude", known, longitude);
    vehicle_put_real(object, "native_latitude", known, latitude);
    vehicle_put_real(object, "native_longitude", known, longitude);
    vehicle_put_text(object, "native_type", "wgs");
    vehicle_put(object, "native_location_supported", json_integer(1));
    known = fr_car_heading(car, &number);
    vehicle_put_integer(object, "heading", known, number);
    vehicle_put(object, "gps_as_of", json_integer(fr_car_time(car, FR_CAR_LOCATION) / 1000));
    vehicle_put(object, "power", json_integer(row_power(car)));
    vehicle_put_text(object, "shift_state", row_shift_state(car));
    known = fr_car_in_gear(car) && row_speed(car, &number);
    vehicle_put_integer(object, "speed", known, number);
    vehicle_put_route(object, car);
    vehicle_put_timestamp(object, vehicle);
    return object;
}

/* ---- climate_state --------------------------------------------------------------- */

/* Tesla's words: "off", "on", "dog", "camp". */
static const char *vehicle_climate_mode(const struct fr_car *car)
{
    const char *mode = fr_car_choice(car, FR_CAR_CLIMATE_KEEPER_MODE);

    return mode == NULL                 ? NULL
           : strcmp(mode, "Off") == 0   ? "off"
           : strcmp(mode, "On") == 0    ? "on"
           : strcmp(mode, "Dog") == 0   ? "dog"
           : strcmp(mode, "Party") == 0 ? "camp"
                                        : NULL;
}

static json_t *vehicle_make_climate_state(const struct vehicle *vehicle)
{
    const struct fr_car *car = vehicle->car;
    json_t *object = json_object();
    bool value = false, known = fr_car_climate_on(car, &value);

    vehicle_put_boolean(object, "is_climate_on", known, value);
    vehicle_put_boolean(object, "is_auto_conditioning_on", known, value);
    known = fr_car_preconditioning(car, &value);
    vehicle_put_boolean(object, "is_preconditioning", known, value);
    vehicle_put_car_number(object, "inside_temp", car, FR_CAR_INSIDE_TEMP);
    vehicle_put_car_number(object, "outside_temp", car, FR_CAR_OUTSIDE_TEMP);
    vehicle_put_car_number(object, "driver_temp_setting", car,
                           FR_CAR_HVAC_LEFT_TEMPERATURE_REQUEST);
    vehicle_put_car_number(object, "passenger_temp_setting", car,
                           FR_CAR_HVAC_RIGHT_TEMPERATURE_REQUEST);
    vehicle_put_car_integer(object, "fan_status", car, FR_CAR_HVAC_FAN_SPEED);
    vehicle_put_text(object, "climate_keeper_mode", vehicle_climate_mode(car));
    vehicle_put(object, "battery_heater", json_null());
    vehicle_put(object, "battery_heater_no_power", json_null());
    vehicle_put(object, "is_front_defroster_on", json_null());
    vehicle_put(object, "is_rear_defroster_on", json_null());
    vehicle_put_timestamp(object, vehicle);
    return object;
}

/* ---- vehicle_state --------------------------------------------------------------- */

static void vehicle_put_bodies(json_t *object, const struct fr_car *car)
{
    static const struct {
        const char *name;
        uint32_t door;
    } doors[] = {{"df", FR_DOOR_DRIVER_FRONT},    {"dr", FR_DOOR_DRIVER_REAR},
                 {"pf", FR_DOOR_PASSENGER_FRONT}, {"pr", FR_DOOR_PASSENGER_REAR},
                 {"ft", FR_DOOR_TRUNK_FRONT},     {"rt", FR_DOOR_TRUNK_REAR}};
    static const struct {
        const char *name;
        enum fr_car_field window;
    } windows[] = {{"fd_window", FR_CAR_FD_WINDOW},
                   {"fp_window", FR_CAR_FP_WINDOW},
                   {"rd_window", FR_CAR_RD_WINDOW},
                   {"rp_window", FR_CAR_RP_WINDOW}};
    bool open = false, known;

    for (size_t i = 0; i < sizeof doors / sizeof *doors; i++) {
        known = fr_car_door_open(car, doors[i].door, &open);
        vehicle_put_integer(object, doors[i].name, known, open);
    }
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        known = fr_car_window_open(car, windows[i].window, &open);
        vehicle_put_integer(object, windows[i].name, known, open);
    }
}

static void vehicle_put_tires(json_t *object, const struct fr_car *car)
{
    static const char *const names[] = {"fl", "fr", "rl", "rr"};
    uint32_t soft = 0;
    bool known = fr_car_bits(car, FR_CAR_TPMS_SOFT_WARNINGS, &soft);
    char name[32];

    for (unsigned i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "tpms_pressure_%s", names[i]);
        vehicle_put_car_number(object, name, car, (enum fr_car_field)(FR_CAR_TPMS_PRESSURE_FL + i));
        snprintf(name, sizeof name, "tpms_soft_warning_%s", names[i]);
        vehicle_put_boolean(object, name, known, (soft & 1u << i) != 0);
    }
}

static json_t *vehicle_make_software_update(const struct fr_car *car)
{
    json_t *object = json_object();
    bool available = false;
    const char *status = car->state == FR_CAR_UPDATING                           ? "installing"
                         : fr_car_update_available(car, &available) && available ? "available"
                                                                                 : "";

    vehicle_put_text(object, "status", status);
    vehicle_put_text(object, "version", fr_car_update_version(car));
    vehicle_put_car_integer(object, "download_perc", car,
                            FR_CAR_SOFTWARE_UPDATE_DOWNLOAD_PERCENT_COMPLETE);
    vehicle_put_car_integer(object, "install_perc", car,
                            FR_CAR_SOFTWARE_UPDATE_INSTALLATION_PERCENT_COMPLETE);
    return object;
}

static json_t *vehicle_make_body_state(const struct vehicle *vehicle)
{
    const struct fr_car *car = vehicle->car;
    json_t *object = json_object();
    double miles = 0;
    bool value = false, known = row_miles(car, FR_CAR_ODOMETER, &miles);

    vehicle_put_real(object, "odometer", known, miles);
    vehicle_put_text(object, "car_version", fr_car_text(car, FR_CAR_VERSION));
    vehicle_put_text(object, "vehicle_name", fr_car_display_name(car));
    vehicle_put_car_boolean(object, "locked", car, FR_CAR_LOCKED);
    known = fr_car_sentry(car, &value);
    vehicle_put_boolean(object, "sentry_mode", known, value);
    vehicle_put_boolean(object, "sentry_mode_available", true, true);
    known = fr_car_user_present(car, &value);
    vehicle_put_boolean(object, "is_user_present", known, value);
    vehicle_put_car_boolean(object, "valet_mode", car, FR_CAR_VALET_MODE_ENABLED);
    vehicle_put(object, "center_display_state", json_null());
    vehicle_put_bodies(object, car);
    vehicle_put_tires(object, car);
    vehicle_put(object, "software_update", vehicle_make_software_update(car));
    vehicle_put_timestamp(object, vehicle);
    return object;
}

/* ---- vehicle_config -------------------------------------------------------------- */

/* TeslaMate needs a text. Semi and unknown vehicles have no word of Tesla's. */
static const char *vehicle_car_type(const struct fr_car *car)
{
    const char *model = fr_car_model(car);

    return model == NULL                      ? "unknown"
           : strcmp(model, "S") == 0          ? "models"
           : strcmp(model, "3") == 0          ? "model3"
           : strcmp(model, "X") == 0          ? "modelx"
           : strcmp(model, "Y") == 0          ? "modely"
           : strcmp(model, "Cybertruck") == 0 ? "cybertruck"
                                              : "semi";
}

static json_t *vehicle_make_config(const struct vehicle *vehicle)
{
    const struct fr_car *car = vehicle->car;
    json_t *object = json_object();

    vehicle_put_text(object, "car_type", vehicle_car_type(car));
    vehicle_put_text(object, "trim_badging", fr_car_text(car, FR_CAR_TRIM));
    vehicle_put_text(object, "exterior_color", fr_car_text(car, FR_CAR_EXTERIOR_COLOR));
    vehicle_put_text(object, "roof_color", fr_car_text(car, FR_CAR_ROOF_COLOR));
    vehicle_put_text(object, "wheel_type", fr_car_text(car, FR_CAR_WHEEL_TYPE));
    vehicle_put(object, "spoiler_type", json_null());
    vehicle_put_text(object, "charge_port_type", fr_car_choice(car, FR_CAR_CHARGE_PORT));
    vehicle_put_car_boolean(object, "eu_vehicle", car, FR_CAR_EUROPE_VEHICLE);
    vehicle_put_car_boolean(object, "rhd", car, FR_CAR_RIGHT_HAND_DRIVE);
    vehicle_put_timestamp(object, vehicle);
    return object;
}

static json_t *vehicle_make_gui_settings(const struct vehicle *vehicle)
{
    json_t *object = json_object();

    vehicle_put_text(object, "gui_distance_units", "mi/hr");
    vehicle_put_text(object, "gui_temperature_units", "C");
    vehicle_put_text(object, "gui_range_display", "Rated");
    vehicle_put_boolean(object, "gui_24_hour_time", true, true);
    vehicle_put_timestamp(object, vehicle);
    return object;
}

/* ---- answers --------------------------------------------------------------------- */

json_t *vehicle_json_summary(const struct vehicle *vehicle)
{
    json_t *object = json_object();
    const char *name = fr_car_display_name(vehicle->car);
    char id[16];

    snprintf(id, sizeof id, "%lu", (unsigned long)vehicle->id);
    vehicle_put(object, "id", json_integer(vehicle->id));
    vehicle_put(object, "user_id", json_integer(1));
    vehicle_put(object, "vehicle_id", json_integer(vehicle->id));
    vehicle_put_text(object, "vin", vehicle->car->vin);
    vehicle_put_text(object, "display_name", name != NULL ? name : vehicle->car->vin);
    vehicle_put(object, "color", json_null());
    vehicle_put_text(object, "access_type", "OWNER");
    vehicle_put(object, "option_codes", json_null());
    vehicle_put(object, "tokens", json_array());
    vehicle_put_text(object, "state", vehicle_state(vehicle));
    vehicle_put(object, "in_service", json_false());
    vehicle_put_text(object, "id_s", id);
    vehicle_put(object, "calendar_enabled", json_true());
    vehicle_put(object, "api_version", json_integer(67));
    vehicle_put(object, "backseat_token", json_null());
    vehicle_put(object, "backseat_token_updated_at", json_null());
    return object;
}

json_t *vehicle_json_data(const struct vehicle *vehicle)
{
    json_t *object = vehicle_json_summary(vehicle);

    vehicle_put(object, "charge_state", vehicle_make_charge_state(vehicle));
    vehicle_put(object, "climate_state", vehicle_make_climate_state(vehicle));
    vehicle_put(object, "drive_state", vehicle_make_drive_state(vehicle));
    vehicle_put(object, "gui_settings", vehicle_make_gui_settings(vehicle));
    vehicle_put(object, "vehicle_config", vehicle_make_config(vehicle));
    vehicle_put(object, "vehicle_state", vehicle_make_body_state(vehicle));
    return object;
}
