#include "mqtt/teslamate_values.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct topic;

typedef bool write_function(const struct topic *topic, const struct fr_car *car,
                            const struct teslamate_settings *settings, struct fr_text_buffer *out);

struct topic {
    const char *name;
    write_function *write;
    enum fr_car_field field;
    bool (*number)(const struct fr_car *car, double *number);
    bool (*flag)(const struct fr_car *car, bool *flag);
    const char *(*text)(const struct fr_car *car);
    int decimals;
    uint32_t bits;
    bool derived;
};

/* ---- forms ----------------------------------------------------------------------- */

/* Append a number with at most `decimals` decimals, without zeros at the end. */
static void values_put_number(struct fr_text_buffer *out, double number, int decimals)
{
    size_t begin = out->len;

    fr_text_buffer_printf(out, "%.*f", decimals, number);
    if (out->failed)
        return;
    if (decimals > 0) {
        while (out->bytes[out->len - 1] == '0')
            out->bytes[--out->len] = '\0';
        if (out->bytes[out->len - 1] == '.')
            out->bytes[--out->len] = '\0';
    }
    if (strcmp(out->bytes + begin, "-0") == 0) {
        out->bytes[begin] = '0';
        out->bytes[--out->len] = '\0';
    }
}

static void values_put_time(struct fr_text_buffer *out, int64_t seconds)
{
    time_t when = (time_t)seconds;
    struct tm tm;
    char text[40];

    if (gmtime_r(&when, &tm) != NULL && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) != 0)
        fr_text_buffer_add(out, text);
}

/* Append JSON and release it. False: no memory. */
static bool values_put_json(struct fr_text_buffer *out, json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(8)) : NULL;

    if (text != NULL)
        fr_text_buffer_add(out, text);
    free(text);
    json_decref(json);
    return text != NULL;
}

/* ---- kinds of topics ------------------------------------------------------------- */

static bool write_number(const struct topic *topic, const struct fr_car *car,
                         const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    double number;

    (void)settings;
    if (topic->number != NULL ? !topic->number(car, &number)
                              : !fr_car_number(car, topic->field, &number))
        return false;
    values_put_number(out, number, topic->decimals);
    return true;
}

static bool write_flag(const struct topic *topic, const struct fr_car *car,
                       const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    bool flag;

    (void)settings;
    if (topic->flag != NULL ? !topic->flag(car, &flag) : !fr_car_boolean(car, topic->field, &flag))
        return false;
    fr_text_buffer_add(out, flag ? "true" : "false");
    return true;
}

static bool write_bits(const struct topic *topic, const struct fr_car *car,
                       const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    uint32_t bits;

    (void)settings;
    if (!fr_car_bits(car, topic->field, &bits))
        return false;
    fr_text_buffer_add(out, bits & topic->bits ? "true" : "false");
    return true;
}

static bool write_window(const struct topic *topic, const struct fr_car *car,
                         const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    bool open;

    (void)settings;
    if (!fr_car_window_open(car, topic->field, &open))
        return false;
    fr_text_buffer_add(out, open ? "true" : "false");
    return true;
}

static bool write_text(const struct topic *topic, const struct fr_car *car,
                       const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    const char *text = topic->text != NULL ? topic->text(car) : fr_car_text(car, topic->field);

    (void)settings;
    if (text == NULL || text[0] == '\0')
        return false;
    fr_text_buffer_add(out, text);
    return true;
}

/* ---- single topics --------------------------------------------------------------- */

static bool write_state(const struct topic *topic, const struct fr_car *car,
                        const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    const char *name = fr_car_state_name(car->state);

    (void)topic, (void)settings;
    if (name != NULL)
        fr_text_buffer_add(out, name);
    return name != NULL;
}

static bool write_since(const struct topic *topic, const struct fr_car *car,
                        const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    (void)topic, (void)settings;
    if (car->state == FR_CAR_STATE_UNKNOWN || car->state_since_ms <= 0)
        return false;
    values_put_time(out, car->state_since_ms / 1000);
    return out->len != 0;
}

static bool write_healthy(const struct topic *topic, const struct fr_car *car,
                          const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    (void)topic, (void)car;
    fr_text_buffer_add(out, settings->healthy ? "true" : "false");
    return true;
}

static bool write_version(const struct topic *topic, const struct fr_car *car,
                          const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    char version[FR_CAR_TEXT_MAX + 1];

    (void)topic, (void)settings;
    if (!fr_car_version(car, version, sizeof version))
        return false;
    fr_text_buffer_add(out, version);
    return true;
}

static bool write_software_update(const struct topic *topic, const struct fr_car *car,
                                  const struct teslamate_settings *settings,
                                  struct fr_text_buffer *out)
{
    char version[FR_CAR_TEXT_MAX + 1];
    const char *latest = fr_car_update_version(car);
    bool available;

    (void)topic, (void)settings;
    if (!fr_car_version(car, version, sizeof version) || !fr_car_update_available(car, &available))
        return false;
    return values_put_json(out, json_pack("{s:s, s:s}", "installed_version", version,
                                          "latest_version", latest != NULL ? latest : version));
}

static bool write_geofence(const struct topic *topic, const struct fr_car *car,
                           const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    const char *place = fr_car_located_at(car);

    (void)topic;
    if (place != NULL)
        fr_text_buffer_add(out, strcmp(place, "Home") == 0 ? settings->home_name : place);
    return place != NULL;
}

static bool write_coordinate(const struct topic *topic, const struct fr_car *car,
                             const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    double latitude, longitude;

    (void)settings;
    if (!fr_car_place(car, topic->field, &latitude, &longitude))
        return false;
    values_put_number(out, topic->bits == 0 ? latitude : longitude, 6);
    return true;
}

/* Append {"latitude":…,"longitude":…} with the six decimals of the single topics. */
static bool write_location(const struct topic *topic, const struct fr_car *car,
                           const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    double latitude, longitude;

    (void)settings;
    if (!fr_car_place(car, topic->field, &latitude, &longitude))
        return false;
    fr_text_buffer_add(out, "{\"latitude\":");
    values_put_number(out, latitude, 6);
    fr_text_buffer_add(out, ",\"longitude\":");
    values_put_number(out, longitude, 6);
    fr_text_buffer_byte(out, '}');
    return true;
}

/* TeslaMate publishes "" while Tesla's server reports no shift state. */
static bool write_shift_state(const struct topic *topic, const struct fr_car *car,
                              const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    const char *gear = fr_car_shift_state(car);

    (void)topic, (void)settings;
    if (gear != NULL)
        fr_text_buffer_add(out, gear);
    return fr_car_time(car, FR_CAR_GEAR) != 0;
}

/* From 0 to 359 degrees. */
static bool write_heading(const struct topic *topic, const struct fr_car *car,
                          const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    double heading;

    (void)settings;
    if (!fr_car_number(car, topic->field, &heading))
        return false;
    values_put_number(out, fmod(round(heading) + 360, 360), 0);
    return true;
}

/* 0 at a DC charger, where the current of the AC charger has no meaning. */
static bool write_charger_current(const struct topic *topic, const struct fr_car *car,
                                  const struct teslamate_settings *settings,
                                  struct fr_text_buffer *out)
{
    if (!fr_car_is_fast_charging(car))
        return write_number(topic, car, settings, out);
    fr_text_buffer_add(out, "0");
    return true;
}

/* "" without a scheduled start. */
static bool write_scheduled_start(const struct topic *topic, const struct fr_car *car,
                                  const struct teslamate_settings *settings,
                                  struct fr_text_buffer *out)
{
    double seconds;
    bool pending = true;

    (void)settings;
    (void)fr_car_boolean(car, FR_CAR_SCHEDULED_CHARGING_PENDING, &pending);
    if (pending && fr_car_number(car, topic->field, &seconds) && seconds >= 1)
        values_put_time(out, (int64_t)seconds);
    return fr_car_time(car, topic->field) != 0 ||
           fr_car_time(car, FR_CAR_SCHEDULED_CHARGING_PENDING) != 0;
}

static bool write_climate_mode(const struct topic *topic, const struct fr_car *car,
                               const struct teslamate_settings *settings,
                               struct fr_text_buffer *out)
{
    static const char *const modes[][2] = {
        {"Off", "off"}, {"On", "on"}, {"Dog", "dog"}, {"Party", "camp"}};
    const char *mode = fr_car_choice(car, topic->field);

    (void)settings;
    for (size_t i = 0; mode != NULL && i < sizeof modes / sizeof *modes; i++)
        if (strcmp(mode, modes[i][0]) == 0)
            fr_text_buffer_add(out, modes[i][1]);
    return out->len != 0;
}

/* ---- the active route ------------------------------------------------------------ */

static json_t *route_number(const struct fr_car *car, enum fr_car_field field, double factor)
{
    double number;

    return fr_car_number(car, field, &number) ? json_real(number * factor) : json_null();
}

static json_t *route_location(const struct fr_car *car)
{
    double latitude, longitude;

    return fr_car_place(car, FR_CAR_DESTINATION_LOCATION, &latitude, &longitude)
               ? json_pack("{s:f, s:f}", "latitude", latitude, "longitude", longitude)
               : json_null();
}

static bool write_route(const struct topic *topic, const struct fr_car *car,
                        const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    static const enum fr_car_field parts[] = {FR_CAR_DESTINATION_NAME, FR_CAR_DESTINATION_LOCATION,
                                              FR_CAR_MILES_TO_ARRIVAL, FR_CAR_MINUTES_TO_ARRIVAL};
    const char *name = fr_car_text(car, FR_CAR_DESTINATION_NAME);
    bool is_known = false;

    (void)topic, (void)settings;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        is_known = is_known || fr_car_time(car, parts[i]) != 0;
    if (!is_known)
        return false;
    if (!fr_car_has_route(car))
        return values_put_json(out, json_pack("{s:s}", "error", "No active route available"));
    return values_put_json(
        out,
        json_pack("{s:s?, s:o, s:o, s:o, s:o, s:o, s:n}", "destination", name, "energy_at_arrival",
                  route_number(car, FR_CAR_EXPECTED_ENERGY_PERCENT_AT_TRIP_ARRIVAL, 1),
                  "miles_to_arrival",
                  route_number(car, FR_CAR_MILES_TO_ARRIVAL, 1 / FR_CAR_KM_PER_MILE),
                  "minutes_to_arrival", route_number(car, FR_CAR_MINUTES_TO_ARRIVAL, 1),
                  "traffic_minutes_delay", route_number(car, FR_CAR_ROUTE_TRAFFIC_MINUTES_DELAY, 1),
                  "location", route_location(car), "error"));
}

/* The single topics that TeslaMate kept for older readers: "nil" without a route. */
static bool write_route_name(const struct topic *topic, const struct fr_car *car,
                             const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    const char *name = fr_car_text(car, FR_CAR_DESTINATION_NAME);

    (void)topic, (void)settings;
    fr_text_buffer_add(out,
                       fr_car_has_route(car) && name != NULL && name[0] != '\0' ? name : "nil");
    return fr_car_time(car, FR_CAR_DESTINATION_NAME) != 0;
}

static bool write_route_coordinate(const struct topic *topic, const struct fr_car *car,
                                   const struct teslamate_settings *settings,
                                   struct fr_text_buffer *out)
{
    if (!fr_car_has_route(car) || !write_coordinate(topic, car, settings, out))
        fr_text_buffer_add(out, "nil");
    return fr_car_time(car, topic->field) != 0;
}

/* ---- the table ------------------------------------------------------------------- */

#define NUMBER(topic, function, places)                                                            \
    {                                                                                              \
        .name = (topic), .write = write_number, .number = (function), .decimals = (places)         \
    }
#define NUMBER_FIELD(topic, number, places)                                                        \
    {                                                                                              \
        .name = (topic), .write = write_number, .field = (number), .decimals = (places)            \
    }
#define FLAG(topic, function)                                                                      \
    {                                                                                              \
        .name = (topic), .write = write_flag, .flag = (function)                                   \
    }
#define FLAG_FIELD(topic, number)                                                                  \
    {                                                                                              \
        .name = (topic), .write = write_flag, .field = (number)                                    \
    }
#define BITS(topic, number, mask)                                                                  \
    {                                                                                              \
        .name = (topic), .write = write_bits, .field = (number), .bits = (mask)                    \
    }
#define WINDOW(topic, number)                                                                      \
    {                                                                                              \
        .name = (topic), .write = write_window, .field = (number)                                  \
    }
#define TEXT(topic, function)                                                                      \
    {                                                                                              \
        .name = (topic), .write = write_text, .text = (function)                                   \
    }
#define TEXT_FIELD(topic, number)                                                                  \
    {                                                                                              \
        .name = (topic), .write = write_text, .field = (number)                                    \
    }
#define OTHER(topic, function, number)                                                             \
    {                                                                                              \
        .name = (topic), .write = (function), .field = (number)                                    \
    }
#define DOORS                                                                                      \
    (FR_DOOR_DRIVER_FRONT | FR_DOOR_DRIVER_REAR | FR_DOOR_PASSENGER_FRONT | FR_DOOR_PASSENGER_REAR)

/* `state` is last, so that a reader of a change of the state finds the new values. */
static const struct topic topics[] = {
    TEXT("display_name", fr_car_display_name),
    OTHER("healthy", write_healthy, 0),
    OTHER("version", write_version, 0),
    FLAG("update_available", fr_car_update_available),
    TEXT("update_version", fr_car_update_version),
    OTHER("software_update", write_software_update, 0),
    NUMBER_FIELD("download_perc", FR_CAR_SOFTWARE_UPDATE_DOWNLOAD_PERCENT_COMPLETE, 0),
    NUMBER_FIELD("install_perc", FR_CAR_SOFTWARE_UPDATE_INSTALLATION_PERCENT_COMPLETE, 0),
    TEXT("model", fr_car_model),
    TEXT_FIELD("trim_badging", FR_CAR_TRIM),
    TEXT_FIELD("exterior_color", FR_CAR_EXTERIOR_COLOR),
    TEXT_FIELD("wheel_type", FR_CAR_WHEEL_TYPE),
    OTHER("geofence", write_geofence, 0),
    OTHER("latitude", write_coordinate, FR_CAR_LOCATION),
    {.name = "longitude", .write = write_coordinate, .field = FR_CAR_LOCATION, .bits = 1},
    OTHER("location", write_location, FR_CAR_LOCATION),
    OTHER("shift_state", write_shift_state, 0),
    {.name = "power", .write = write_number, .number = fr_car_power, .derived = true},
    NUMBER("speed", fr_car_speed, 0),
    OTHER("heading", write_heading, FR_CAR_GPS_HEADING),
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
    OTHER("climate_keeper_mode", write_climate_mode, FR_CAR_CLIMATE_KEEPER_MODE),
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
     .write = write_charger_current,
     .number = fr_car_charger_current},
    NUMBER("charger_phases", fr_car_charger_phases, 0),
    NUMBER("charger_power", fr_car_charger_power, 0),
    NUMBER("charger_voltage", fr_car_charger_voltage, 0),
    NUMBER_FIELD("charge_current_request", FR_CAR_CHARGE_CURRENT_REQUEST, 0),
    NUMBER_FIELD("charge_current_request_max", FR_CAR_CHARGE_CURRENT_REQUEST_MAX, 0),
    OTHER("scheduled_charging_start_time", write_scheduled_start,
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
    OTHER("active_route", write_route, 0),
    OTHER("active_route_destination", write_route_name, 0),
    OTHER("active_route_latitude", write_route_coordinate, FR_CAR_DESTINATION_LOCATION),
    {.name = "active_route_longitude",
     .write = write_route_coordinate,
     .field = FR_CAR_DESTINATION_LOCATION,
     .bits = 1},
    {.name = "since", .write = write_since, .derived = true},
    {.name = "state", .write = write_state, .derived = true},
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
