/*
 * The values of a vehicle as A Better Route Planner (ABRP) takes them, from the values that the vehicle
 * sends. Source: the documentation of Iternio's telemetry API.
 *
 * Units of ABRP: km/h, km, kW (positive: out of the battery), V, A (positive: out), kWh, °C, kPa, %,
 * degrees, seconds since 1970. The functions have no state; any thread may call them.
 */
#ifndef FR_HTTP_ABRP_VALUES_H
#define FR_HTTP_ABRP_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text_buffer.h"

/* What is known of a vehicle, in the units of ABRP. */
enum abrp_value {
    ABRP_SOC,
    ABRP_LEVEL, /* sent as soc if ABRP_SOC is not known */
    ABRP_SPEED,
    ABRP_LATITUDE,
    ABRP_LONGITUDE,
    ABRP_CHARGING,
    ABRP_FAST_CHARGER,
    ABRP_PARKED,
    ABRP_CHARGED,
    ABRP_HEADING,
    ABRP_OUTSIDE,
    ABRP_MODULE_MIN,
    ABRP_MODULE_MAX,
    ABRP_VOLTAGE,
    ABRP_CURRENT, /* positive: out of the battery */
    ABRP_ODOMETER,
    ABRP_RANGE,
    ABRP_TIRE_FL,
    ABRP_TIRE_FR,
    ABRP_TIRE_RL,
    ABRP_TIRE_RR,
    ABRP_SETPOINT,
    ABRP_ENERGY,
    ABRP_VALUES,
};

struct abrp_values {
    double value[ABRP_VALUES];
    bool is_known[ABRP_VALUES];
    int64_t utc_ms; /* of the newest value */
};

/* A value that a vehicle sent. */
struct abrp_input {
    enum { ABRP_INPUT_NONE, ABRP_INPUT_NUMBER, ABRP_INPUT_BOOLEAN, ABRP_INPUT_TEXT } kind;
    double number;
    bool boolean;
    const char *text; /* with `len` bytes */
    size_t len;
    const char *unit; /* of a number; "": that of the vehicle's protocol */
};

/* Take one value of the field with this name (not a location). A value without content makes what is
 * known of it unknown. Returns whether ABRP takes the field. */
bool abrp_values_take(struct abrp_values *values, const char *field,
                      const struct abrp_input *input);

/* Take a location, in degrees. */
void abrp_values_take_location(struct abrp_values *values, double latitude, double longitude);

/* Append {"tlm":{…}}. */
void abrp_values_write(const struct abrp_values *values, struct fr_text_buffer *out);

#endif
