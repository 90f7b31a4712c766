/*
 * Sessions: drives and charges of a vehicle, derived from the values that it sends.
 *
 * A drive begins when Gear leaves P, and ends when Gear has been P (or unknown, as in a sleeping
 * vehicle) for 5 minutes, when a charge begins in P, or when the vehicle has sent nothing for 15
 * minutes. A charge begins with DetailedChargeState Charging (firmware before 2024.38: ChargeState
 * Charging or Enable), and ends with Disconnected, after 10 minutes of another state, with a drive,
 * or after 2 hours without a value. The end is the time of the change, not of its detection.
 *
 * Sources: facts/fields.csv. DCChargingEnergyIn is the energy at the battery of AC and DC sessions;
 * ACChargingEnergyIn is the energy at the charger and is ignored with DC. Both restart at 0 with each
 * session of the vehicle.
 *
 * The functions have no state of their own and are thread-safe.
 */
#ifndef FR_HISTORY_SESSION_H
#define FR_HISTORY_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "fleetroute/plugin.h"

/* The fields that are read (vehicle_data.proto). */
enum {
    FR_SESSION_CHARGE_STATE = 2,
    FR_SESSION_SPEED = 4,
    FR_SESSION_ODOMETER = 5,
    FR_SESSION_SOC = 8,
    FR_SESSION_GEAR = 10,
    FR_SESSION_LOCATION = 21,
    FR_SESSION_DC_ENERGY = 34,
    FR_SESSION_DC_POWER = 35,
    FR_SESSION_AC_ENERGY = 36,
    FR_SESSION_AC_POWER = 37,
    FR_SESSION_LIFETIME_ENERGY = 102,
    FR_SESSION_ENERGY_REMAINING = 158,
    FR_SESSION_DETAILED_CHARGE = 179,
};

enum fr_session_kind {
    FR_SESSION_DRIVE = 1,
    FR_SESSION_CHARGE = 2,
};

/* Numbers are NAN while they are unknown. */
struct fr_session {
    enum fr_session_kind kind;
    bool open;                        /* it has not ended */
    int64_t begin_ms, end_ms;         /* since 1970; open: end_ms is the time of the last value */
    double odometer[2];               /* miles at begin and end */
    double soc[2];                    /* percent */
    double remaining[2];              /* EnergyRemaining, kWh */
    double lifetime[2];               /* LifetimeEnergyUsed, kWh */
    double dc_energy[2];              /* DCChargingEnergyIn, kWh; [0] is 0 after a restart at 0 */
    double ac_energy[2];              /* ACChargingEnergyIn, kWh */
    double latitude[2], longitude[2]; /* degrees */
    double max_speed;                 /* mph */
    double max_power;                 /* kW, of a charge */
    bool dc;                          /* of a charge: DC power was seen */
};

/* A value of a vehicle and its time. */
struct fr_session_latest {
    int64_t ms; /* 0: none */
    double number;
};

/* The state of one vehicle. fr_session_reset() sets it up. */
struct fr_session_state {
    struct fr_session drive, charge; /* `open`: in progress */
    int64_t parked_ms;               /* when Gear became P in the drive; 0: it is not P */
    int64_t idle_ms;                 /* when the charge was interrupted; 0: it charges */
    int64_t last_ms;                 /* newest time of a value */
    int64_t last_received_ms;        /* its receipt */
    bool detailed;                   /* the vehicle sends DetailedChargeState */
    struct fr_session_latest odometer, soc, remaining, lifetime, dc_energy, ac_energy, latitude,
        longitude;
};

/* Receives each session that has ended. keep: false for a drive too short to be one, such as
 * changing the parking space. */
typedef void fr_session_ended(void *ctx, const struct fr_session *session, bool keep);

void fr_session_reset(struct fr_session_state *state);

/* Returns whether values of the field are read. */
bool fr_session_wants(uint32_t field);

/* Read one value of the vehicle. `ms` is the time of its creation and received_ms that of its
 * receipt, both in ms since 1970. A value older than one before is ignored. */
void fr_session_feed(struct fr_session_state *state, uint32_t field, const struct fr_value *value,
                     int64_t ms, int64_t received_ms, fr_session_ended *ended, void *ctx);

/* End sessions of a vehicle that has sent nothing for too long. `received_ms` is the present, in the
 * same clock as that of fr_session_feed(). */
void fr_session_tick(struct fr_session_state *state, int64_t received_ms, fr_session_ended *ended,
                     void *ctx);

/* The distance of a drive in miles; NAN: unknown or impossible. */
double fr_session_distance(const struct fr_session *session);

/* The energy in kWh that a drive used or a charge added to the battery; NAN: unknown. */
double fr_session_energy(const struct fr_session *session);

/* The energy in kWh that the charger of an AC charge took from the grid; NAN: unknown, or DC. */
double fr_session_charger_energy(const struct fr_session *session);

#endif
