/*
 * The session of fleet_api/api.h: application, tokens and base URL. Internal to fleet_api/api*.
 */
#ifndef FR_API_SESSION_H
#define FR_API_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "config/server_types.h"
#include "fleet_api/api_error.h"
#include "fleet_api/oauth.h"
#include "fleet_api/tokens.h"

struct fr_api {
    struct fr_http_client *client;
    struct fr_oauth_app app; /* its texts belong to the members below and to the configuration */
    char *token_url, *authorize_url, *redirect_uri;
    char *client_secret; /* NULL: none */
    char *domain;        /* lower case; NULL: none */
    char *folder;
    char *base_url;
    char *test_base_url; /* `tesla: base_url`; NULL: Tesla's */
    bool has_test_ca;    /* `tesla: api_ca` is set: its CA decides which hosts are trusted */
    bool region_is_fixed;
    bool locked; /* the caller of fr_api_new() has the lock of the folder */
    struct fr_tokens tokens;
    char *partner; /* partner token for base_url; secret; NULL: none */
    uint64_t requests, token_requests;
};

/* Ensure that api->tokens.access is valid for a minute; refresh it if needed. -1: `error` is set. */
int fr_api_session_user(struct fr_api *api, struct fr_api_error *error);

/* Replace the access token `used`, which Tesla did not accept: by that of tokens.json if another
 * process has refreshed it, otherwise by a refresh under the lock. -1: `error` is set. */
int fr_api_session_renew(struct fr_api *api, const char *used, struct fr_api_error *error);

/* Ensure that api->partner is set. -1: `error` is set. */
int fr_api_session_partner(struct fr_api *api, struct fr_api_error *error);
void fr_api_session_drop_partner(struct fr_api *api);

/* Whether a host may get the tokens: Tesla's, that of `tesla: base_url`, or any host if `tesla:
 * api_ca` names the CA that its certificate must have. `host` is as in http_client.h. */
bool fr_api_session_trusts(const struct fr_api *api, const char *host);

/* Change to a base URL, which was checked, and drop the partner token of the former one. The URL is
 * stored with the tokens if possible. */
void fr_api_session_move(struct fr_api *api, const char *base_url);

#endif
