/*
 * Typed calls of Tesla's Fleet API. A call refreshes the access token when needed, under the lock of
 * the folder, follows 421 to the named host if it is Tesla's (or, with base_url, the same origin or
 * one that base_url's CA covers), and translates each error. Answers are bounded and checked. A call
 * blocks; it returns 0, or -1 with `error` set, unless its comment has something else. Here are the
 * session and the owner's consent; the calls are in api_partner.h, api_user.h and
 * api_telemetry.h.
 */
#ifndef FR_API_H
#define FR_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/server_types.h"
#include "fleet_api/api_error.h"
#include "fleet_api/api_partner.h"
#include "fleet_api/api_telemetry.h"
#include "fleet_api/api_types.h"
#include "fleet_api/api_user.h"

struct fr_api;

/* Create from the section `tesla:`. Reads the secret's file and the tokens (missing tokens are not an
 * error here). `locked`: the caller holds the lock of the folder (fr_tokens_lock()); otherwise a
 * refresh takes it. NULL: `error` is set. The caller frees it with fr_api_free(). One thread. */
struct fr_api *fr_api_new(const struct fr_tesla_config *tesla, const char *domain, bool locked,
                          struct fr_api_error *error);
void fr_api_free(struct fr_api *api);

/* Change the time limit of each request; before the first call it is FR_HTTP_TOTAL_MS. */
void fr_api_set_limit(struct fr_api *api, int64_t total_ms);

/* Number of requests to the Fleet API (billed ones, answered below 500) and to the token endpoint. */
uint64_t fr_api_requests(const struct fr_api *api);
uint64_t fr_api_token_requests(const struct fr_api *api);

/* How far the clock here is ahead of the last answer's Date, in ms; 0 before the first answer. */
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

#endif
