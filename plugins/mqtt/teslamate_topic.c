#include "mqtt/teslamate_topic.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- forms ----------------------------------------------------------------------- */

/* Append a number with at most `decimals` decimals, without zeros at the end. */
static void topic_put_number(struct fr_text_buffer *out, double number, int decimals)
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

static void topic_put_time(struct fr_text_buffer *out, int64_t seconds)
{
    time_t when = (time_t)seconds;
    struct tm tm;
    char text[40];

    if (gmtime_r(&when, &tm) != NULL && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) != 0)
        fr_text_buffer_add(out, text);
}

/* Append JSON and release it. False: no memory. */
static bool topic_put_json(struct fr_text_buffer *out, json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(8)) : NULL;

    if (text != NULL)
        fr_text_buffer_add(out, text);
    free(text);
    json_decref(json);
    return text != NULL;
}

/* ---- kinds of topics ------------------------------------------------------------- */

bool topic_write_number(const struct teslamate_topic *topic, const struct fr_car *car,
                        const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    double number;

    (void)settings;
    if (topic->number != NULL ? !topic->number(car, &number)
                              : !fr_car_number(car, topic->field, &number))
        return false;
    topic_put_number(out, number, topic->decimals);
    return true;
}

bool topic_write_flag(const struct teslamate_topic *topic, const struct fr_car *car,
                      const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    bool flag;

    (void)settings;
    if (topic->flag != NULL ? !topic->flag(car, &flag) : !fr_car_boolean(car, topic->field, &flag))
        return false;
    fr_text_buffer_add(out, flag ? "true" : "false");
    return true;
}

bool topic_write_bits(const struct teslamate_topic *topic, const struct fr_car *car,
                      const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    uint32_t bits;

    (void)settings;
    if (!fr_car_bits(car, topic->field, &bits))
        return false;
    fr_text_buffer_add(out, bits & topic->bits ? "true" : "false");
    return true;
}

bool topic_write_window(const struct teslamate_topic *topic, const struct fr_car *car,
                        const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    bool open;

    (void)settings;
    if (!fr_car_window_open(car, topic->field, &open))
        return false;
    fr_text_buffer_add(out, open ? "true" : "false");
    return true;
}

bool topic_write_text(const struct teslamate_topic *topic, const struct fr_car *car,
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

bool topic_write_state(const struct teslamate_topic *topic, const struct fr_car *car,
                       const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    const char *name = fr_car_state_name(car->state);

    (void)topic, (void)settings;
    if (name != NULL)
        fr_text_buffer_add(out, name);
    return name != NULL;
}

bool topic_write_since(const struct teslamate_topic *topic, const struct fr_car *car,
                       const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    (void)topic, (void)settings;
    if (car->state == FR_CAR_STATE_UNKNOWN || car->state_since_ms <= 0)
        return false;
    topic_put_time(out, car->state_since_ms / 1000);
    return out->len != 0;
}

bool topic_write_healthy(const struct teslamate_topic *topic, const struct fr_car *car,
                         const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    (void)topic, (void)car;
    fr_text_buffer_add(out, settings->healthy ? "true" : "false");
    return true;
}

bool topic_write_version(const struct teslamate_topic *topic, const struct fr_car *car,
                         const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    char version[FR_CAR_TEXT_MAX + 1];

    (void)topic, (void)settings;
    if (!fr_car_version(car, version, sizeof version))
        return false;
    fr_text_buffer_add(out, version);
    return true;
}

bool topic_write_software_update(const struct teslamate_topic *topic, const struct fr_car *car,
                                 const struct teslamate_settings *settings,
                                 struct fr_text_buffer *out)
{
    char version[FR_CAR_TEXT_MAX + 1];
    const char *latest = fr_car_update_version(car);
    bool available;

    (void)topic, (void)settings;
    if (!fr_car_version(car, version, sizeof version) || !fr_car_update_available(car, &available))
        return false;
    return topic_put_json(out, json_pack("{s:s, s:s}", "installed_version", version,
                                         "latest_version", latest != NULL ? latest : version));
}

bool topic_write_geofence(const struct teslamate_topic *topic, const struct fr_car *car,
                          const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    const char *place = fr_car_located_at(car);

    (void)topic;
    if (place != NULL)
        fr_text_buffer_add(out, strcmp(place, "Home") == 0 ? settings->home_name : place);
    return place != NULL;
}

bool topic_write_coordinate(const struct teslamate_topic *topic, const struct fr_car *car,
                            const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    double latitude, longitude;

    (void)settings;
    if (!fr_car_place(car, topic->field, &latitude, &longitude))
        return false;
    topic_put_number(out, topic->bits == 0 ? latitude : longitude, 6);
    return true;
}

/* Append {"latitude":…,"longitude":…} with the six decimals of the single topics. */
bool topic_write_location(const struct teslamate_topic *topic, const struct fr_car *car,
                          const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    double latitude, longitude;

    (void)settings;
    if (!fr_car_place(car, topic->field, &latitude, &longitude))
        return false;
    fr_text_buffer_add(out, "{\"latitude\":");
    topic_put_number(out, latitude, 6);
    fr_text_buffer_add(out, ",\"longitude\":");
    topic_put_number(out, longitude, 6);
    fr_text_buffer_byte(out, '}');
    return true;
}

/* TeslaMate publishes "" while Tesla's server reports no shift state. */
bool topic_write_shift_state(const struct teslamate_topic *topic, const struct fr_car *car,
                             const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    const char *gear = fr_car_shift_state(car);

    (void)topic, (void)settings;
    if (gear != NULL)
        fr_text_buffer_add(out, gear);
    return fr_car_time(car, FR_CAR_GEAR) != 0;
}

/* Current or voltage: 0 at a DC charger, where those of the AC charger have no meaning. */
bool topic_write_ac_charger(const struct teslamate_topic *topic, const struct fr_car *car,
                            const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    if (!fr_car_is_fast_charging(car))
        return topic_write_number(topic, car, settings, out);
    fr_text_buffer_add(out, "0");
    return true;
}

/* "" unless an AC charger charges, as from TeslaMate: the phases of the last one must not stay. */
bool topic_write_charger_phases(const struct teslamate_topic *topic, const struct fr_car *car,
                                const struct teslamate_settings *settings,
                                struct fr_text_buffer *out)
{
    if (fr_car_is_charging(car) && !fr_car_is_fast_charging(car))
        return topic_write_number(topic, car, settings, out);
    return fr_car_charging_state(car) != NULL;
}

/* "" without a scheduled start. */
bool topic_write_scheduled_start(const struct teslamate_topic *topic, const struct fr_car *car,
                                 const struct teslamate_settings *settings,
                                 struct fr_text_buffer *out)
{
    double seconds;
    bool pending = true;

    (void)settings;
    (void)fr_car_boolean(car, FR_CAR_SCHEDULED_CHARGING_PENDING, &pending);
    if (pending && fr_car_number(car, topic->field, &seconds) && seconds >= 1)
        topic_put_time(out, (int64_t)seconds);
    return fr_car_time(car, topic->field) != 0 ||
           fr_car_time(car, FR_CAR_SCHEDULED_CHARGING_PENDING) != 0;
}

bool topic_write_climate_mode(const struct teslamate_topic *topic, const struct fr_car *car,
                              const struct teslamate_settings *settings, struct fr_text_buffer *out)
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

static json_t *topic_route_number(const struct fr_car *car, enum fr_car_field field, double factor)
{
    double number;

    return fr_car_number(car, field, &number) ? json_real(number * factor) : json_null();
}

static json_t *topic_route_location(const struct fr_car *car)
{
    double latitude, longitude;

    return fr_car_place(car, FR_CAR_DESTINATION_LOCATION, &latitude, &longitude)
               ? json_pack("{s:f, s:f}", "latitude", latitude, "longitude", longitude)
               : json_null();
}

bool topic_write_route(const struct teslamate_topic *topic, const struct fr_car *car,
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
        return topic_put_json(out, json_pack("{s:s}", "error", "No active route available"));
    return topic_put_json(
        out,
        json_pack("{s:s?, s:o, s:o, s:o, s:o, s:o, s:n}", "destination", name, "energy_at_arrival",
                  topic_route_number(car, FR_CAR_EXPECTED_ENERGY_PERCENT_AT_TRIP_ARRIVAL, 1),
                  "miles_to_arrival",
                  topic_route_number(car, FR_CAR_MILES_TO_ARRIVAL, 1 / FR_CAR_KM_PER_MILE),
                  "minutes_to_arrival", topic_route_number(car, FR_CAR_MINUTES_TO_ARRIVAL, 1),
                  "traffic_minutes_delay",
                  topic_route_number(car, FR_CAR_ROUTE_TRAFFIC_MINUTES_DELAY, 1), "location",
                  topic_route_location(car), "error"));
}

/* The single topics that TeslaMate kept for older readers: "nil" without a route. */
bool topic_write_route_name(const struct teslamate_topic *topic, const struct fr_car *car,
                            const struct teslamate_settings *settings, struct fr_text_buffer *out)
{
    const char *name = fr_car_text(car, FR_CAR_DESTINATION_NAME);

    (void)topic, (void)settings;
    fr_text_buffer_add(out,
                       fr_car_has_route(car) && name != NULL && name[0] != '\0' ? name : "nil");
    return fr_car_time(car, FR_CAR_DESTINATION_NAME) != 0;
}

bool topic_write_route_coordinate(const struct teslamate_topic *topic, const struct fr_car *car,
                                  const struct teslamate_settings *settings,
                                  struct fr_text_buffer *out)
{
    if (!fr_car_has_route(car) || !topic_write_coordinate(topic, car, settings, out))
        fr_text_buffer_add(out, "nil");
    return fr_car_time(car, topic->field) != 0;
}
