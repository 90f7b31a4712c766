/*
 * Reads the JSON of Tesla's answers into the structs of fleet_api/api_types.h. The answers are
 * hostile: each text is cleaned, each number range-checked, each list bounded, in linear time. Pure
 * functions; any thread. All return 0, or -1 with FR_API_MALFORMED in `error`; members of the result
 * are then undefined, and nothing is to be freed. `what` names the call in messages.
 */
#ifndef FR_API_ANSWER_H
#define FR_API_ANSWER_H

#include <jansson.h>

#include "fleet_api/api_error.h"
#include "fleet_api/api_types.h"

#define FR_API_URL_SIZE 256

/* users/region: the region and "https://HOST[:PORT]". The host is not checked here. */
int fr_answer_region(const json_t *root, char region[16], char base_url[FR_API_URL_SIZE],
                     const char *what, struct fr_api_error *error);

/* A page of vehicles: append those with a VIN that is not in `seen` (an object, VIN → true), up to
 * FR_API_VEHICLES_MAX. *next gets the number of the next page; 0: this is the last one. */
int fr_answer_vehicles(const json_t *root, struct fr_api_vehicles *vehicles, json_t *seen,
                       int64_t *next, const char *what, struct fr_api_error *error);

/* fleet_status of `count` vehicles. */
int fr_answer_fleet_status(const json_t *root, const char *const *vins, size_t count,
                           struct fr_api_vehicle_status *status, const char *what,
                           struct fr_api_error *error);

/* fleet_telemetry_config_jws, as fr_api_push() returns it. */
int fr_answer_push(const json_t *root, const char *const *vins, size_t count,
                   enum fr_api_skip *skips, int64_t *updated, char other[64], const char *what,
                   struct fr_api_error *error);

/* fleet_telemetry_config. The caller frees state->config. */
int fr_answer_config(const json_t *root, struct fr_api_config_state *state, const char *what,
                     struct fr_api_error *error);

/* fleet_telemetry_errors: a list, or an object with the list. The caller frees errors->list. */
int fr_answer_errors(const json_t *root, struct fr_api_vehicle_errors *errors, const char *what,
                     struct fr_api_error *error);

/* fleet_telemetry_error_vins: a list, or an object with the list. The caller frees vins->list. */
int fr_answer_error_vins(const json_t *root, struct fr_api_vins *vins, const char *what,
                         struct fr_api_error *error);

/* partner_accounts/public_key. The caller frees *key. */
int fr_answer_public_key(const json_t *root, char **key, const char *what,
                         struct fr_api_error *error);

#endif
