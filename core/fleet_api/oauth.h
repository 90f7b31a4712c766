/*
 * OAuth with Tesla: the link with which the owner grants access, and the three grants of the token
 * endpoint. Token requests are not billed.
 */
#ifndef FR_OAUTH_H
#define FR_OAUTH_H

#include <stddef.h>
#include <stdint.h>

#include "fleet_api/api_error.h"
#include "fleet_api/http_client.h"
#include "fleet_api/tokens.h"

/* Scopes that fleetroute asks for. */
#define FR_OAUTH_SCOPES "openid offline_access vehicle_device_data vehicle_location"

/* Application of the owner. Texts belong to the caller. */
struct fr_oauth_app {
    const char *token_url;     /* https://…/oauth2/v3/token */
    const char *authorize_url; /* https://…/oauth2/v3/authorize */
    const char *client_id;
    const char *client_secret; /* secret */
    const char *redirect_uri;
};

/* The link to open in a browser. `state` is the random text that must come back. The caller frees
 * it. */
char *fr_oauth_link(const struct fr_oauth_app *app, const char *state);

/* 32 random hexadecimal digits. The caller frees the text. */
char *fr_oauth_state(void);

/* Read the address that the browser displays at the end: check the redirect URI and the state, return
 * the code, which is a secret and which the caller erases and frees. `region` gets the prefix of the
 * code in lower case ("eu"), or "". An answer with error=… is translated. NULL: `error` is set. */
char *fr_oauth_code(const struct fr_oauth_app *app, const char *pasted, const char *state,
                    char region[8], struct fr_error *error);

/* The grants. `audience` is the base URL of the region. The result is written to *tokens, whose
 * former content is freed; base_url is set to `audience`, or to the audience that the access token
 * names. A refresh that is refused is tried again with the previous refresh token; `*requests` is
 * increased for each request. Returns 0, or -1 with `error` set and *tokens unchanged. */
int fr_oauth_exchange(struct fr_http_client *client, const struct fr_oauth_app *app,
                      const char *code, const char *audience, struct fr_tokens *tokens,
                      uint64_t *requests, struct fr_api_error *error);
int fr_oauth_refresh(struct fr_http_client *client, const struct fr_oauth_app *app,
                     struct fr_tokens *tokens, uint64_t *requests, struct fr_api_error *error);
/* A partner token, valid for some hours; secret. The caller erases and frees it. */
char *fr_oauth_partner(struct fr_http_client *client, const struct fr_oauth_app *app,
                       const char *audience, uint64_t *requests, struct fr_api_error *error);

#endif
