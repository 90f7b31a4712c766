/*
 * What follows from the values of a vehicle about charging, in the terms of Tesla's vehicle_data.
 * Each function returns false or NULL if the values are unknown.
 *
 * Used on the sink's thread.
 */
#ifndef FR_CAR_CHARGING_H
#define FR_CAR_CHARGING_H

#include "car_state/car.h"

/* "Disconnected", "NoPower", "Starting", "Charging", "Complete" or "Stopped": DetailedChargeState,
 * or else what follows from ChargeState and the charging power. */
const char *fr_car_charging_state(const struct fr_car *car);

/* Starting or Charging. */
bool fr_car_is_charging(const struct fr_car *car);

/* At a DC charger. False also if unknown. */
bool fr_car_is_fast_charging(const struct fr_car *car);

/* A cable is plugged in. */
bool fr_car_plugged_in(const struct fr_car *car, bool *plugged_in);

/* Power of the charger in kW; 0 when not charging. */
bool fr_car_charger_power(const struct fr_car *car, double *kw);

/* Current in A and voltage in V at the AC charger; 0 when not charging. With DC: unknown. */
bool fr_car_charger_current(const struct fr_car *car, double *amperes);
bool fr_car_charger_voltage(const struct fr_car *car, double *volts);

/* Phases at the AC charger, 1 to 3; unknown when not charging, and with DC. */
bool fr_car_charger_phases(const struct fr_car *car, double *phases);

/* Energy of this or the last charging session in kWh. */
bool fr_car_energy_added(const struct fr_car *car, double *kwh);

/* Hours until charging ends; 0 when not charging. */
bool fr_car_time_to_full(const struct fr_car *car, double *hours);

#endif
