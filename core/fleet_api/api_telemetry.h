/* Calls on the telemetry configuration of vehicles. Part of fleet_api/api.h. */
#ifndef FR_API_TELEMETRY_H
#define FR_API_TELEMETRY_H

#include "fleet_api/api_error.h"
#include "fleet_api/api_types.h"

struct fr_api;

/* Post a signed configuration for these VINs. skips[i] is the reason for vins[i]; *updated the number
 * that Tesla names; `other` gets the unknown reason, cleaned. */
int fr_api_push(struct fr_api *api, const char *const *vins, size_t count, const char *token,
                enum fr_api_skip *skips, int64_t *updated, char other[64],
                struct fr_api_error *error);

/* The configuration that Tesla has for a vehicle; the caller frees state->config. The second call
 * removes it. */
int fr_api_config_get(struct fr_api *api, const char *vin, struct fr_api_config_state *state,
                      struct fr_api_error *error);
int fr_api_config_delete(struct fr_api *api, const char *vin, struct fr_api_error *error);

/* Recent errors of all vehicles (partner token), or of one (`vin`, user token). The caller frees
 * `list`. */
int fr_api_errors(struct fr_api *api, const char *vin, struct fr_api_vehicle_errors *errors,
                  struct fr_api_error *error);

/* The VINs that have recent errors (partner token), each once. The caller frees `list`. */
int fr_api_error_vins(struct fr_api *api, struct fr_api_vins *vins, struct fr_api_error *error);

#endif
