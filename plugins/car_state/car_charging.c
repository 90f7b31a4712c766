#include "car_state/car_charging.h"

#include <string.h>

/* Whether a cable is plugged in, without regard to the charge state. False: unknown. */
static bool charging_has_cable(const struct fr_car *car, bool *has_cable)
{
    const char *latch = fr_car_choice(car, FR_CAR_CHARGE_PORT_LATCH);
    bool open;

    if (latch != NULL && fr_car_boolean(car, FR_CAR_CHARGE_PORT_DOOR_OPEN, &open)) {
        *has_cable = open && strcmp(latch, "Engaged") == 0;
        return true;
    }
    *has_cable = fr_car_choice(car, FR_CAR_CHARGING_CABLE_TYPE) != NULL;
    return fr_car_time(car, FR_CAR_CHARGING_CABLE_TYPE) != 0;
}

/* ChargeState of firmware without DetailedChargeState. It is Idle while a DC charger charges
 * (fleet-telemetry issue 186). */
static const char *charging_state_before_detailed(const struct fr_car *car)
{
    static const struct {
        const char *sent, *state;
    } states[] = {
        {"Enable", "Charging"},           {"QualifyLineConfig", "Starting"},
        {"SystemConfig", "Starting"},     {"Charging", "Charging"},
        {"Starting", "Starting"},         {"Complete", "Complete"},
        {"Stopped", "Stopped"},           {"NoPower", "NoPower"},
        {"Disconnected", "Disconnected"},
    };
    const char *sent = fr_car_text(car, FR_CAR_CHARGE_STATE);
    double power;
    bool has_cable;

    if (fr_car_is_fast_charging(car) && fr_car_number(car, FR_CAR_DC_CHARGING_POWER, &power) &&
        power > 0)
        return "Charging";
    for (size_t i = 0; sent != NULL && i < sizeof states / sizeof *states; i++)
        if (strcmp(sent, states[i].sent) == 0)
            return states[i].state;
    if (!charging_has_cable(car, &has_cable))
        return NULL;
    return has_cable ? "Stopped" : "Disconnected";
}

const char *fr_car_charging_state(const struct fr_car *car)
{
    const char *state = fr_car_choice(car, FR_CAR_DETAILED_CHARGE_STATE);

    return state != NULL ? state : charging_state_before_detailed(car);
}

bool fr_car_is_charging(const struct fr_car *car)
{
    const char *state = fr_car_charging_state(car);

    return state != NULL && (strcmp(state, "Charging") == 0 || strcmp(state, "Starting") == 0);
}

bool fr_car_is_fast_charging(const struct fr_car *car)
{
    double dc, ac;
    bool present;

    if (fr_car_boolean(car, FR_CAR_FAST_CHARGER_PRESENT, &present))
        return present;
    return fr_car_number(car, FR_CAR_DC_CHARGING_POWER, &dc) && dc > 0 &&
           !(fr_car_number(car, FR_CAR_AC_CHARGING_POWER, &ac) && ac > 0);
}

bool fr_car_plugged_in(const struct fr_car *car, bool *plugged_in)
{
    const char *state = fr_car_charging_state(car);

    if (state == NULL)
        return charging_has_cable(car, plugged_in);
    *plugged_in = strcmp(state, "Disconnected") != 0;
    return true;
}

/* Set 0 if the vehicle is known not to charge. */
static bool charging_is_off(const struct fr_car *car, double *number)
{
    if (fr_car_charging_state(car) == NULL || fr_car_is_charging(car))
        return false;
    *number = 0;
    return true;
}

bool fr_car_charger_power(const struct fr_car *car, double *kw)
{
    return charging_is_off(car, kw) ||
           fr_car_number(car,
                         fr_car_is_fast_charging(car) ? FR_CAR_DC_CHARGING_POWER
                                                      : FR_CAR_AC_CHARGING_POWER,
                         kw);
}

bool fr_car_charger_current(const struct fr_car *car, double *amperes)
{
    if (charging_is_off(car, amperes))
        return true;
    return !fr_car_is_fast_charging(car) &&
           (fr_car_number(car, FR_CAR_CHARGE_AMPS, amperes) ||
            fr_car_number(car, FR_CAR_CHARGE_CURRENT_REQUEST, amperes));
}

bool fr_car_charger_voltage(const struct fr_car *car, double *volts)
{
    return charging_is_off(car, volts) ||
           (!fr_car_is_fast_charging(car) && fr_car_number(car, FR_CAR_CHARGER_VOLTAGE, volts));
}

bool fr_car_charger_phases(const struct fr_car *car, double *phases)
{
    return fr_car_is_charging(car) && !fr_car_is_fast_charging(car) &&
           fr_car_number(car, FR_CAR_CHARGER_PHASES, phases) && *phases >= 1;
}

/* DCChargingEnergyIn is measured at the battery, ACChargingEnergyIn at the AC charger. The newer one
 * belongs to the last session. */
bool fr_car_energy_added(const struct fr_car *car, double *kwh)
{
    int64_t dc_ms = fr_car_time(car, FR_CAR_DC_CHARGING_ENERGY_IN);
    int64_t ac_ms = fr_car_time(car, FR_CAR_AC_CHARGING_ENERGY_IN);
    double dc, ac;
    bool has_dc = fr_car_number(car, FR_CAR_DC_CHARGING_ENERGY_IN, &dc);
    bool has_ac = fr_car_number(car, FR_CAR_AC_CHARGING_ENERGY_IN, &ac);

    if (!has_dc && !has_ac)
        return false;
    if (has_dc && has_ac)
        *kwh = dc_ms != ac_ms ? (dc_ms > ac_ms ? dc : ac) : (dc > ac ? dc : ac);
    else
        *kwh = has_dc ? dc : ac;
    return true;
}

bool fr_car_time_to_full(const struct fr_car *car, double *hours)
{
    return charging_is_off(car, hours) || fr_car_number(car, FR_CAR_TIME_TO_FULL_CHARGE, hours) ||
           fr_car_number(car, FR_CAR_ESTIMATED_HOURS_TO_CHARGE_TERMINATION, hours);
}
