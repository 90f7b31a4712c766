/*
 * What follows from several values of a vehicle, in the terms of TeslaMate and of Tesla's
 * vehicle_data. Each function returns false or NULL if the values are unknown. Units: km, km/h, kW,
 * kWh, hours, bar, °C.
 *
 * Used on the sink's thread.
 */
#ifndef FR_CAR_DERIVED_H
#define FR_CAR_DERIVED_H

#include "car_state/car.h"
#include "car_state/car_charging.h"

#define FR_CAR_KM_PER_MILE 1.609344

/* The state in a word, such as "driving"; NULL for FR_CAR_STATE_UNKNOWN. A static text. */
const char *fr_car_state_name(enum fr_car_state state);

/*
 * Derive `state` and `state_since_ms` again, and return whether the state has changed. `at_ms` is the
 * time of the cause. fr_cars_receive() does this for each delivery. The state also depends on the
 * time, so that a plugin calls this every few seconds: an installation ends after two hours without
 * progress, and a vehicle with only restored values and an unknown connection has
 * FR_CAR_STATE_UNKNOWN for FR_CAR_SETTLE_MS and later counts as not connected.
 */
bool fr_car_update(struct fr_car *car, int64_t at_ms, int64_t now_ms);

/* Connected, and so not asleep or offline. */
bool fr_car_is_awake(const struct fr_car *car);

/* "P", "R", "N" or "D"; NULL: unknown, or the vehicle is off. */
const char *fr_car_shift_state(const struct fr_car *car);

/* In D, R or N. */
bool fr_car_in_gear(const struct fr_car *car);

/* km/h; 0 while the vehicle is known to be parked. */
bool fr_car_speed(const struct fr_car *car, double *km_per_h);

/* Whole degrees, 0 to 359. */
bool fr_car_heading(const struct fr_car *car, double *degrees);

/*
 * Power of the battery in kW, as TeslaMate has it: positive when the vehicle consumes, negative
 * when it charges or recuperates; 0 when it is awake and parked. Derived from PackVoltage and
 * PackCurrent (which is positive when the battery is charged: fleet-telemetry issue 186); while
 * charging without them, from the charging power. Unknown while the vehicle is not connected.
 */
bool fr_car_power(const struct fr_car *car, double *kw);

/* Name from routing.yaml, else the vehicle's own name; NULL: none. */
const char *fr_car_display_name(const struct fr_car *car);

/* "S", "3", "X", "Y", "Cybertruck" or "Semi", from CarType or else the VIN; NULL: unknown. A static
 * text. */
const char *fr_car_model(const struct fr_car *car);

/* Installed firmware without its build: "2026.32.1". Writes at most `size` bytes with the NUL. */
bool fr_car_version(const struct fr_car *car, char *version, size_t size);

/* The version of an available update; NULL: none. */
const char *fr_car_update_version(const struct fr_car *car);

/* Whether an update is available. */
bool fr_car_update_available(const struct fr_car *car, bool *available);

/* Percent: of the usable capacity (Soc), and of the total capacity (BatteryLevel). Each stands in
 * for the other if that is unknown. */
bool fr_car_usable_level(const struct fr_car *car, double *percent);
bool fr_car_battery_level(const struct fr_car *car, double *percent);

/* ---- body and climate ------------------------------------------------------------ */

/* Whether one of these doors (FR_DOOR_*) is open. */
bool fr_car_door_open(const struct fr_car *car, uint32_t doors, bool *open);

/* Whether a window is open (FR_CAR_FD_WINDOW …). */
bool fr_car_window_open(const struct fr_car *car, enum fr_car_field window, bool *open);

/* Whether any window is open. */
bool fr_car_windows_open(const struct fr_car *car, bool *open);

/* Sentry mode is armed or active. */
bool fr_car_sentry(const struct fr_car *car, bool *active);

/* The climate control is on; the cabin is preconditioned. */
bool fr_car_climate_on(const struct fr_car *car, bool *on);
bool fr_car_preconditioning(const struct fr_car *car, bool *on);

/* Somebody sits in the driver's seat. */
bool fr_car_user_present(const struct fr_car *car, bool *present);

/* The name of the place of the driver's profile where the vehicle is: "Home", "Work" or "Favorite";
 * "": none of them. */
const char *fr_car_located_at(const struct fr_car *car);

/* A route is active: it has a destination, and time or distance to it. */
bool fr_car_has_route(const struct fr_car *car);

#endif
