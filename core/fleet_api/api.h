/*
 * Typed calls of Tesla's Fleet API. A call refreshes the access token when needed, under the lock of
 * the folder, follows 421 to the named host if it is Tesla's (or, with base_url, the same origin or
 * one that base_url's CA covers), and translates each error. Answers are bounded and checked.
 */
#ifndef FR_API_H
#define FR_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/server_types.h"
#include "fleet_api/api_error.h"

#define FR_API_VEHICLES_MAX 100000
#define FR_API_ERRORS_MAX 1000

struct fr_api;

/* Create from the section `tesla:`. Reads the secret's file and the tokens (missing tokens are not an
 * error here). `locked`: the caller holds the lock of the folder (fr_tokens_lock()); otherwise a
 * refresh takes it. NULL: `error` is set. The caller frees it with fr_api_free(). One thread. */
struct fr_api *fr_api_new(const struct fr_tesla_config *tesla, const char *domain, bool locked,
                          struct fr_api_error *error);
void fr_api_free(struct fr_api *api);

/* Number of requests to the Fleet API (billed ones, answered below 500) and to the token endpoint. */
uint64_t fr_api_requests(const struct fr_api *api);
uint64_t fr_api_token_requests(const struct fr_api *api);

/* Difference of the clock here to the last answer's Date, in ms; 0 before the first answer. */
int64_t fr_api_clock_offset_ms(const struct fr_api *api);

/* ---- consent and tokens ------------------------------------------------------------ */

/* The link to open; `state` as fr_oauth_state() makes it. The caller frees it. */
char *fr_api_authorize_link(struct fr_api *api, const char *state);
/* Take the pasted address, exchange the code, ask users/region, write the tokens. */
int fr_api_authorize(struct fr_api *api, const char *pasted, const char *state,
                     struct fr_api_error *error);
/* Refresh the tokens now, e.g. long before three months pass. */
int fr_api_refresh(struct fr_api *api, struct fr_api_error *error);
/* Whether there are tokens; when the refresh token was received (ms since 1970, 0: none); whether a
 * scope was granted (1, 0; -1: unknown). */
bool fr_api_has_tokens(const struct fr_api *api);
int64_t fr_api_refresh_issued_ms(const struct fr_api *api);
int fr_api_has_scope(const struct fr_api *api, const char *scope);
/* The base URL in use; valid until the next call. */
const char *fr_api_base_url(const struct fr_api *api);

/* ---- partner ----------------------------------------------------------------------- */

/* Register the domain in the region in use. */
int fr_api_register(struct fr_api *api, struct fr_api_error *error);
/* The public key that Tesla has for the domain, as lower-case hexadecimal digits of the point (130).
 * The caller frees it. NULL: `error` is set. */
char *fr_api_registered_key(struct fr_api *api, struct fr_api_error *error);

struct fr_api_vehicle_error {
    char vin[18];
    char created_at[40];
    char name[64];       /* client id, as Tesla gives it */
    char error_name[64]; /* "": none */
    char error[512];     /* control characters removed */
};

struct fr_api_vehicle_errors {
    struct fr_api_vehicle_error *list;
    size_t count;
};

/* Recent errors of all vehicles (partner token), or of one (`vin`, user token). The caller frees
 * `list`. */
int fr_api_errors(struct fr_api *api, const char *vin, struct fr_api_vehicle_errors *errors,
                  struct fr_api_error *error);

/* ---- user -------------------------------------------------------------------------- */

/* Ask users/region and change to its base URL. `region` gets "na", "eu", … */
int fr_api_region(struct fr_api *api, char region[16], struct fr_api_error *error);

struct fr_api_vehicle {
    char vin[18];
    char name[64];  /* cleaned; "": none */
    char state[16]; /* "online", "asleep", "offline" or "" */
    bool owner;     /* access_type is not DRIVER */
};

struct fr_api_vehicles {
    struct fr_api_vehicle *list;
    size_t count;
};

/* All pages. The caller frees `list`. */
int fr_api_vehicles(struct fr_api *api, struct fr_api_vehicles *vehicles,
                    struct fr_api_error *error);

/* fleet_status of one vehicle. Tristates: 1, 0; -1: null or absent. */
struct fr_api_vehicle_status {
    char vin[18];
    bool known; /* the answer names the vehicle */
    bool key_paired;
    int protocol_required;
    int toggle; /* safety_screen_streaming_toggle_enabled */
    int total_keys;
    char firmware[32];          /* "": unknown */
    char telemetry_version[32]; /* "": null or absent */
};

/* One status for each VIN, in the same order; `status` has `count` places. */
int fr_api_fleet_status(struct fr_api *api, const char *const *vins, size_t count,
                        struct fr_api_vehicle_status *status, struct fr_api_error *error);

enum fr_api_skip {
    FR_API_SKIP_NONE,
    FR_API_SKIP_MISSING_KEY,
    FR_API_SKIP_HARDWARE,
    FR_API_SKIP_FIRMWARE,
    FR_API_SKIP_MAX_CONFIGS,
    FR_API_SKIP_OTHER, /* a reason that is not known here */
};

/* Post a signed configuration for these VINs. skips[i] is the reason for vins[i]; *updated the number
 * that Tesla names; `other` gets the unknown reason, cleaned. */
int fr_api_push(struct fr_api *api, const char *const *vins, size_t count, const char *token,
                enum fr_api_skip *skips, int64_t *updated, char other[64],
                struct fr_api_error *error);

struct fr_api_config_state {
    bool synced;
    bool limit_reached;
    int key_paired; /* -1: absent */
    char *config;   /* compact JSON with sorted keys; NULL: null or absent */
};

/* The caller frees state->config. */
int fr_api_config_get(struct fr_api *api, const char *vin, struct fr_api_config_state *state,
                      struct fr_api_error *error);
int fr_api_config_delete(struct fr_api *api, const char *vin, struct fr_api_error *error);

#endif
