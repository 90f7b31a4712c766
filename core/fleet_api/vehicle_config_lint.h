/*
 * Checks a derived telemetry configuration against what is known of Tesla's API and of vehicles,
 * before it is sent: neither the signing proxy nor the API reports these mistakes.
 */
#ifndef FR_VEHICLE_CONFIG_LINT_H
#define FR_VEHICLE_CONFIG_LINT_H

#include "config/diagnostics.h"
#include "fleet_api/vehicle_config.h"

/* Append errors and warnings with their positions in the routing file `path`. Unknown names, notes
 * and firmware of fields are reported when the routing file is read. */
void fr_vehicle_config_lint(const struct fr_vehicle_config *config,
                            const struct fr_routing *routing, const char *path,
                            struct fr_diagnostics *diagnostics);

/* Append a diagnostic for each field that needs a scope which the owner did not grant. `scopes` are the
 * granted ones, separated by spaces. */
void fr_vehicle_config_lint_scopes(const struct fr_vehicle_config *config, const char *scopes,
                                   const char *path, enum fr_severity severity,
                                   struct fr_diagnostics *diagnostics);

#endif
