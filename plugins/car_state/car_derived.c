#include "car_state/car_derived.h"

#include <math.h>
#include <string.h>

#define INSTALL_MS (2 * 3600 * 1000) /* maximum time without progress of an installation */
#define INSTALL_MIN                                                                                \
    10 /* percent: TeslaLogger sees 1 while an update is available, 3 while it loads */
#define POWER_MAX_KW 3000

static bool car_is_one_of(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; text != NULL && i < count; i++)
        if (strcmp(text, list[i]) == 0)
            return true;
    return false;
}

#define IS_ONE_OF(text, list) car_is_one_of(text, list, sizeof(list) / sizeof *(list))

/* ---- state ----------------------------------------------------------------------- */

const char *fr_car_state_name(enum fr_car_state state)
{
    switch (state) {
    case FR_CAR_ONLINE:
        return "online";
    case FR_CAR_ASLEEP:
        return "asleep";
    case FR_CAR_OFFLINE:
        return "offline";
    case FR_CAR_DRIVING:
        return "driving";
    case FR_CAR_CHARGING:
        return "charging";
    case FR_CAR_UPDATING:
        return "updating";
    case FR_CAR_STATE_UNKNOWN:
    default:
        return NULL;
    }
}

/* A value that was measured after a connection ended came over another connection. Without records
 * of the connection, any value that is not restored is a sign of one. */
bool fr_car_is_awake(const struct fr_car *car)
{
    return car->connection_known ? car->connected || car->live_ms > car->connection_ms
                                 : car->live_ms != 0;
}

static bool car_is_installing(const struct fr_car *car, int64_t now_ms)
{
    double percent;

    return fr_car_update_version(car) != NULL &&
           fr_car_number(car, FR_CAR_SOFTWARE_UPDATE_INSTALLATION_PERCENT_COMPLETE, &percent) &&
           percent >= INSTALL_MIN && percent < 100 &&
           now_ms - fr_car_time(car, FR_CAR_SOFTWARE_UPDATE_INSTALLATION_PERCENT_COMPLETE) <
               INSTALL_MS;
}

/* A vehicle that drives or charges does not sleep: its network has failed. */
static enum fr_car_state car_state_away(const struct fr_car *car, int64_t now_ms)
{
    if (!car->connection_known && now_ms - car->first_seen_ms < FR_CAR_SETTLE_MS)
        return FR_CAR_STATE_UNKNOWN;
    return fr_car_in_gear(car) || fr_car_is_charging(car) ? FR_CAR_OFFLINE : FR_CAR_ASLEEP;
}

static enum fr_car_state car_derive_state(const struct fr_car *car, int64_t now_ms)
{
    if (car_is_installing(car, now_ms))
        return FR_CAR_UPDATING;
    if (!fr_car_is_awake(car))
        return car_state_away(car, now_ms);
    if (fr_car_in_gear(car))
        return FR_CAR_DRIVING;
    return fr_car_is_charging(car) ? FR_CAR_CHARGING : FR_CAR_ONLINE;
}

bool fr_car_update(struct fr_car *car, int64_t at_ms, int64_t now_ms)
{
    enum fr_car_state state = car_derive_state(car, now_ms);

    if (state == car->state)
        return false;
    car->state = state;
    car->state_since_ms = at_ms;
    return true;
}

/* ---- driving --------------------------------------------------------------------- */

const char *fr_car_shift_state(const struct fr_car *car)
{
    return fr_car_choice(car, FR_CAR_GEAR);
}

bool fr_car_in_gear(const struct fr_car *car)
{
    static const char *const in_gear[] = {"D", "R", "N"};

    return IS_ONE_OF(fr_car_shift_state(car), in_gear);
}

bool fr_car_speed(const struct fr_car *car, double *km_per_h)
{
    bool is_parked = fr_car_time(car, FR_CAR_GEAR) != 0 && !fr_car_in_gear(car);

    if (!is_parked)
        return fr_car_number(car, FR_CAR_VEHICLE_SPEED, km_per_h);
    *km_per_h = 0;
    return true;
}

bool fr_car_heading(const struct fr_car *car, double *degrees)
{
    if (!fr_car_number(car, FR_CAR_GPS_HEADING, degrees))
        return false;
    *degrees = fmod(round(*degrees) + 360, 360);
    return true;
}

/* Power from voltage and current, positive when the battery is discharged. */
static bool car_pack_power(const struct fr_car *car, double *kw)
{
    double volts, amperes;

    if (!fr_car_number(car, FR_CAR_PACK_VOLTAGE, &volts) ||
        !fr_car_number(car, FR_CAR_PACK_CURRENT, &amperes))
        return false;
    *kw = -volts * amperes / 1000;
    return fabs(*kw) <= POWER_MAX_KW;
}

bool fr_car_power(const struct fr_car *car, double *kw)
{
    if (!fr_car_is_awake(car))
        return false;
    if (fr_car_in_gear(car))
        return car_pack_power(car, kw);
    if (fr_car_is_charging(car)) {
        if (car_pack_power(car, kw))
            return true;
        if (!fr_car_charger_power(car, kw))
            return false;
        *kw = -*kw;
        return true;
    }
    *kw = 0;
    return fr_car_time(car, FR_CAR_GEAR) != 0;
}

/* ---- the vehicle ----------------------------------------------------------------- */

const char *fr_car_display_name(const struct fr_car *car)
{
    const char *own = fr_car_text(car, FR_CAR_VEHICLE_NAME);

    return car->configured_name != NULL    ? car->configured_name
           : own != NULL && own[0] != '\0' ? own
                                           : NULL;
}

const char *fr_car_model(const struct fr_car *car)
{
    static const char *const models[][3] = {
        {"ModelS", "S", "S"},
        {"Model3", "3", "3"},
        {"ModelX", "X", "X"},
        {"ModelY", "Y", "Y"},
        {"Cybertruck", "C", "Cybertruck"},
        {"SemiTruck", "T", "Semi"},
    };
    const char *type = fr_car_choice(car, FR_CAR_CAR_TYPE);
    char letter = strlen(car->vin) == 17 ? car->vin[3] : '\0';

    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (type != NULL ? strcmp(type, models[i][0]) == 0 : letter == models[i][1][0])
            return models[i][2];
    return NULL;
}

bool fr_car_version(const struct fr_car *car, char *version, size_t size)
{
    const char *text = fr_car_text(car, FR_CAR_VERSION);
    size_t len = text != NULL ? strcspn(text, " ") : 0;

    if (len == 0 || len >= size)
        return false;
    memcpy(version, text, len);
    version[len] = '\0';
    return true;
}

const char *fr_car_update_version(const struct fr_car *car)
{
    const char *text = fr_car_text(car, FR_CAR_SOFTWARE_UPDATE_VERSION);
    char installed[FR_CAR_TEXT_MAX + 1];

    if (text == NULL || text[strspn(text, " ")] == '\0')
        return NULL;
    return fr_car_version(car, installed, sizeof installed) && strcmp(text, installed) == 0 ? NULL
                                                                                            : text;
}

bool fr_car_update_available(const struct fr_car *car, bool *available)
{
    *available = fr_car_update_version(car) != NULL;
    return fr_car_time(car, FR_CAR_SOFTWARE_UPDATE_VERSION) != 0;
}

bool fr_car_usable_level(const struct fr_car *car, double *percent)
{
    return fr_car_number(car, FR_CAR_SOC, percent) ||
           fr_car_number(car, FR_CAR_BATTERY_LEVEL, percent);
}

bool fr_car_battery_level(const struct fr_car *car, double *percent)
{
    return fr_car_number(car, FR_CAR_BATTERY_LEVEL, percent) ||
           fr_car_number(car, FR_CAR_SOC, percent);
}

const char *fr_car_located_at(const struct fr_car *car)
{
    static const struct {
        enum fr_car_field field;
        const char *name;
    } places[] = {{FR_CAR_LOCATED_AT_HOME, "Home"},
                  {FR_CAR_LOCATED_AT_WORK, "Work"},
                  {FR_CAR_LOCATED_AT_FAVORITE, "Favorite"}};
    const char *found = NULL;

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        bool there;

        if (!fr_car_boolean(car, places[i].field, &there))
            continue;
        if (there)
            return places[i].name;
        found = "";
    }
    return found;
}

bool fr_car_has_route(const struct fr_car *car)
{
    const char *name = fr_car_text(car, FR_CAR_DESTINATION_NAME);
    double latitude, longitude, left;
    bool has_destination = (name != NULL && name[0] != '\0') ||
                           fr_car_place(car, FR_CAR_DESTINATION_LOCATION, &latitude, &longitude);

    return has_destination && ((fr_car_number(car, FR_CAR_MILES_TO_ARRIVAL, &left) && left > 0) ||
                               (fr_car_number(car, FR_CAR_MINUTES_TO_ARRIVAL, &left) && left > 0));
}

/* ---- body and climate ------------------------------------------------------------ */

bool fr_car_door_open(const struct fr_car *car, uint32_t doors, bool *open)
{
    uint32_t bits = 0;
    bool is_known = fr_car_bits(car, FR_CAR_DOOR_STATE, &bits);

    *open = (bits & doors) != 0;
    return is_known;
}

bool fr_car_window_open(const struct fr_car *car, enum fr_car_field window, bool *open)
{
    const char *state = fr_car_choice(car, window);

    *open = state != NULL && strcmp(state, "Closed") != 0;
    return state != NULL;
}

bool fr_car_windows_open(const struct fr_car *car, bool *open)
{
    static const enum fr_car_field windows[] = {FR_CAR_FD_WINDOW, FR_CAR_FP_WINDOW,
                                                FR_CAR_RD_WINDOW, FR_CAR_RP_WINDOW};
    bool is_known = false;

    *open = false;
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        bool one;

        if (fr_car_window_open(car, windows[i], &one)) {
            is_known = true;
            *open = *open || one;
        }
    }
    return is_known;
}

bool fr_car_sentry(const struct fr_car *car, bool *active)
{
    const char *mode = fr_car_choice(car, FR_CAR_SENTRY_MODE);

    *active = mode != NULL && strcmp(mode, "Off") != 0;
    return mode != NULL;
}

bool fr_car_climate_on(const struct fr_car *car, bool *on)
{
    const char *power = fr_car_choice(car, FR_CAR_HVAC_POWER);

    if (power == NULL)
        return fr_car_boolean(car, FR_CAR_HVAC_AC_ENABLED, on);
    *on = strcmp(power, "Off") != 0;
    return true;
}

bool fr_car_preconditioning(const struct fr_car *car, bool *on)
{
    const char *power = fr_car_choice(car, FR_CAR_HVAC_POWER);
    bool enabled = false, is_known = fr_car_boolean(car, FR_CAR_PRECONDITIONING_ENABLED, &enabled);

    *on = enabled || (power != NULL && strcmp(power, "Precondition") == 0);
    return is_known || power != NULL;
}

bool fr_car_user_present(const struct fr_car *car, bool *present)
{
    return fr_car_boolean(car, FR_CAR_DRIVER_SEAT_OCCUPIED, present);
}
