/*
 * Decides from Tesla's answers what keeps a vehicle from streaming and what the owner does about it.
 * Pure functions. Source: Tesla's pages on the endpoints fleet_status, fleet_telemetry_config and
 * fleet_telemetry_errors.
 */
#ifndef FR_VEHICLE_STATE_H
#define FR_VEHICLE_STATE_H

#include <stdbool.h>

#include "fleet_api/api.h"

enum fr_vehicle_state {
    FR_VEHICLE_READY,            /* the key is paired, or none is needed */
    FR_VEHICLE_PAIR,             /* the owner pairs the key: link and QR code */
    FR_VEHICLE_TOGGLE,           /* Intel Atom Model S and X: the switch in the Safety screen */
    FR_VEHICLE_NO_HARDWARE,      /* MCU1: cannot stream */
    FR_VEHICLE_OLD_FIRMWARE,     /* update the vehicle first */
    FR_VEHICLE_SLOTS_FULL,       /* other applications hold the slots */
    FR_VEHICLE_NOT_FOUND,        /* sold, driver's account, or another region */
    FR_VEHICLE_WAITING,          /* accepted; the vehicle takes it when it is awake */
    FR_VEHICLE_NO_CONFIG,        /* no configuration was pushed, or Tesla removed it */
    FR_VEHICLE_OTHER_CONFIG,     /* a configuration of another key, host or routing */
    FR_VEHICLE_STREAMING_CONFIG, /* the configuration of the routes is in the vehicle */
    FR_VEHICLE_REFUSED,          /* skipped or rejected for another reason */
    FR_VEHICLE_UNREACHABLE,      /* the vehicle cannot connect to this server */
};

struct fr_vehicle_verdict {
    enum fr_vehicle_state state;
    char cause[256];  /* one sentence */
    char remedy[512]; /* one or two sentences; "" if none is needed */
};

/* The word of a state, e.g. "pair"; static text. */
const char *fr_vehicle_state_name(enum fr_vehicle_state state);

/* From fleet_status: READY, PAIR, TOGGLE, NO_HARDWARE, OLD_FIRMWARE or NOT_FOUND. A Model 3, Y or
 * Cybertruck (fourth character of the VIN) needs the key even if protocol_required is 0: the flag is
 * sometimes wrong. `domain` is for the pairing link in the remedy. */
void fr_vehicle_verdict_status(const struct fr_api_vehicle_status *status, const char *domain,
                               struct fr_vehicle_verdict *verdict);

/* From the reason in skipped_vehicles; FR_API_SKIP_NONE is READY. */
void fr_vehicle_verdict_skip(enum fr_api_skip skip, const char *vin, const char *other,
                             const char *domain, struct fr_vehicle_verdict *verdict);

/* From GET fleet_telemetry_config. `routes` is the configuration of the routes (JSON) and `issuer`
 * the claim `iss` of the key here (NULL: not compared). `pushed`: a push of it was accepted, and the
 * vehicle was not seen with it since. Then a null configuration was refused by the vehicle, usually
 * because its slots are full; otherwise there never was one, or Tesla removed it (NO_CONFIG). */
void fr_vehicle_verdict_config(const struct fr_api_config_state *config, const char *routes,
                               const char *issuer, bool pushed, struct fr_vehicle_verdict *verdict);

/* An entry of fleet_telemetry_errors: cause and remedy by its name and text (cloud_manager_error,
 * handshake_error, config_manager_error, …): UNREACHABLE or REFUSED. */
void fr_vehicle_verdict_error(const struct fr_api_vehicle_error *entry,
                              struct fr_vehicle_verdict *verdict);

#endif
