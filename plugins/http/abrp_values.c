#include "http/abrp_values.h"

#include <math.h>
#include <string.h>

#define KM_OF_MILE 1.609344

enum kind {
    KIND_NUMBER,
    KIND_DISTANCE, /* miles in the vehicle's protocol */
    KIND_PRESSURE, /* bar in the vehicle's protocol */
    KIND_TEMPERATURE,
    KIND_INVERTED,
    KIND_BOOLEAN,
    KIND_CHARGING,
    KIND_GEAR,
};

static const struct {
    const char *field;
    enum abrp_value value;
    enum kind kind;
} inputs[] = {
    {"Soc", ABRP_SOC, KIND_NUMBER},
    {"BatteryLevel", ABRP_LEVEL, KIND_NUMBER},
    {"VehicleSpeed", ABRP_SPEED, KIND_DISTANCE},
    {"DetailedChargeState", ABRP_CHARGING, KIND_CHARGING},
    {"FastChargerPresent", ABRP_FAST_CHARGER, KIND_BOOLEAN},
    {"Gear", ABRP_PARKED, KIND_GEAR},
    {"DCChargingEnergyIn", ABRP_CHARGED, KIND_NUMBER},
    {"GpsHeading", ABRP_HEADING, KIND_NUMBER},
    {"OutsideTemp", ABRP_OUTSIDE, KIND_TEMPERATURE},
    {"ModuleTempMin", ABRP_MODULE_MIN, KIND_TEMPERATURE},
    {"ModuleTempMax", ABRP_MODULE_MAX, KIND_TEMPERATURE},
    {"PackVoltage", ABRP_VOLTAGE, KIND_NUMBER},
    {"PackCurrent", ABRP_CURRENT, KIND_INVERTED},
    {"Odometer", ABRP_ODOMETER, KIND_DISTANCE},
    {"EstBatteryRange", ABRP_RANGE, KIND_DISTANCE},
    {"TpmsPressureFl", ABRP_TIRE_FL, KIND_PRESSURE},
    {"TpmsPressureFr", ABRP_TIRE_FR, KIND_PRESSURE},
    {"TpmsPressureRl", ABRP_TIRE_RL, KIND_PRESSURE},
    {"TpmsPressureRr", ABRP_TIRE_RR, KIND_PRESSURE},
    {"HvacLeftTemperatureRequest", ABRP_SETPOINT, KIND_TEMPERATURE},
    {"EnergyRemaining", ABRP_ENERGY, KIND_NUMBER},
};

/* ---- input ----------------------------------------------------------------------- */

static bool abrp_is_text(const struct abrp_input *input, const char *text)
{
    return input->kind == ABRP_INPUT_TEXT && input->len == strlen(text) &&
           memcmp(input->text, text, input->len) == 0;
}

static double abrp_distance(double number, const char *unit)
{
    return strcmp(unit, "km") == 0 || strcmp(unit, "km/h") == 0 ? number : number * KM_OF_MILE;
}

static double abrp_pressure(double number, const char *unit)
{
    return strcmp(unit, "kPa") == 0   ? number
           : strcmp(unit, "psi") == 0 ? number * 6.894757
                                      : number * 100;
}

static double abrp_temperature(double number, const char *unit)
{
    return strcmp(unit, "°F") == 0 ? (number - 32) / 1.8 : number;
}

/* Convert a value. False: it has no content, or another type. */
static bool abrp_convert(enum kind kind, const struct abrp_input *input, double *value)
{
    bool is_number = input->kind == ABRP_INPUT_NUMBER && isfinite(input->number);

    switch (kind) {
    case KIND_DISTANCE:
        *value = abrp_distance(input->number, input->unit);
        return is_number;
    case KIND_PRESSURE:
        *value = abrp_pressure(input->number, input->unit);
        return is_number;
    case KIND_TEMPERATURE:
        *value = abrp_temperature(input->number, input->unit);
        return is_number;
    case KIND_INVERTED:
        *value = 0 - input->number;
        return is_number;
    case KIND_BOOLEAN:
        *value = input->boolean;
        return input->kind == ABRP_INPUT_BOOLEAN;
    case KIND_CHARGING:
        *value = abrp_is_text(input, "Charging");
        return input->kind == ABRP_INPUT_TEXT;
    case KIND_GEAR:
        *value = abrp_is_text(input, "P");
        return input->kind == ABRP_INPUT_TEXT;
    case KIND_NUMBER:
    default:
        *value = input->number;
        return is_number;
    }
}

bool abrp_values_take(struct abrp_values *values, const char *field, const struct abrp_input *input)
{
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        enum abrp_value at = inputs[i].value;

        if (strcmp(inputs[i].field, field) != 0)
            continue;
        values->is_known[at] = abrp_convert(inputs[i].kind, input, &values->value[at]);
        return true;
    }
    return false;
}

void abrp_values_take_location(struct abrp_values *values, double latitude, double longitude)
{
    values->value[ABRP_LATITUDE] = latitude;
    values->value[ABRP_LONGITUDE] = longitude;
    values->is_known[ABRP_LATITUDE] = values->is_known[ABRP_LONGITUDE] =
        isfinite(latitude) && isfinite(longitude);
}

/* ---- output ---------------------------------------------------------------------- */

/* A conversion or a product of finite values can exceed the largest double. JSON has no text for that. */
static void abrp_put(struct fr_text_buffer *out, const char *name, double value)
{
    if (!isfinite(value))
        return;
    fr_text_buffer_printf(out, ",\"%s\":%.9g", name, value);
}

static void abrp_put_known(const struct abrp_values *values, struct fr_text_buffer *out)
{
    static const struct {
        const char *name;
        enum abrp_value value;
    } plain[] = {
        {"speed", ABRP_SPEED},
        {"lat", ABRP_LATITUDE},
        {"lon", ABRP_LONGITUDE},
        {"kwh_charged", ABRP_CHARGED},
        {"heading", ABRP_HEADING},
        {"ext_temp", ABRP_OUTSIDE},
        {"voltage", ABRP_VOLTAGE},
        {"current", ABRP_CURRENT},
        {"odometer", ABRP_ODOMETER},
        {"est_battery_range", ABRP_RANGE},
        {"tire_pressure_fl", ABRP_TIRE_FL},
        {"tire_pressure_fr", ABRP_TIRE_FR},
        {"tire_pressure_rl", ABRP_TIRE_RL},
        {"tire_pressure_rr", ABRP_TIRE_RR},
        {"hvac_setpoint", ABRP_SETPOINT},
        {"soe", ABRP_ENERGY},
        {"is_charging", ABRP_CHARGING},
        {"is_parked", ABRP_PARKED},
    };

    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (values->is_known[plain[i].value])
            abrp_put(out, plain[i].name, values->value[plain[i].value]);
}

void abrp_values_write(const struct abrp_values *values, struct fr_text_buffer *out)
{
    const double *value = values->value;
    const bool *known = values->is_known;

    fr_text_buffer_printf(out, "{\"tlm\":{\"utc\":%lld", (long long)(values->utc_ms / 1000));
    if (known[ABRP_SOC] || known[ABRP_LEVEL])
        abrp_put(out, "soc", value[known[ABRP_SOC] ? ABRP_SOC : ABRP_LEVEL]);
    if (known[ABRP_VOLTAGE] && known[ABRP_CURRENT])
        abrp_put(out, "power", value[ABRP_VOLTAGE] * value[ABRP_CURRENT] / 1000);
    if (known[ABRP_CHARGING] && known[ABRP_FAST_CHARGER])
        abrp_put(out, "is_dcfc", value[ABRP_CHARGING] != 0 && value[ABRP_FAST_CHARGER] != 0);
    if (known[ABRP_MODULE_MIN] && known[ABRP_MODULE_MAX])
        abrp_put(out, "batt_temp", (value[ABRP_MODULE_MIN] + value[ABRP_MODULE_MAX]) / 2);
    else if (known[ABRP_MODULE_MIN] || known[ABRP_MODULE_MAX])
        abrp_put(out, "batt_temp",
                 value[known[ABRP_MODULE_MIN] ? ABRP_MODULE_MIN : ABRP_MODULE_MAX]);
    abrp_put_known(values, out);
    fr_text_buffer_add(out, "}}");
}
