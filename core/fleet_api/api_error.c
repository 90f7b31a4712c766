#include "fleet_api/api_error.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "fleet_api/clean_text.h"
#include "util/buffer.h"

#define TEXT_SIZE 300

const char *fr_api_cause_name(enum fr_api_cause cause)
{
    static const char *const names[] = {
        [FR_API_OK] = "ok",
        [FR_API_LOCAL] = "local",
        [FR_API_NETWORK] = "network",
        [FR_API_CLOCK] = "clock",
        [FR_API_TOKEN_EXPIRED] = "token_expired",
        [FR_API_LOGIN_REQUIRED] = "login_required",
        [FR_API_CLIENT] = "client_refused",
        [FR_API_SCOPE] = "missing_scope",
        [FR_API_LIMIT] = "exceeded_limit",
        [FR_API_NOT_FOUND] = "not_found",
        [FR_API_ASLEEP] = "asleep",
        [FR_API_UNREGISTERED] = "unregistered",
        [FR_API_WRONG_REGION] = "wrong_region",
        [FR_API_KEY_NOT_SERVED] = "key_not_served",
        [FR_API_KEY_TAKEN] = "key_taken",
        [FR_API_RATE] = "rate_limit",
        [FR_API_SERVER] = "server",
        [FR_API_REFUSED] = "refused",
        [FR_API_MALFORMED] = "malformed",
    };

    return (unsigned)cause < sizeof names / sizeof *names ? names[cause] : "?";
}

bool fr_api_cause_is_temporary(enum fr_api_cause cause)
{
    switch (cause) {
    case FR_API_NETWORK:
    case FR_API_TOKEN_EXPIRED:
    case FR_API_ASLEEP:
    case FR_API_WRONG_REGION:
    case FR_API_RATE:
    case FR_API_SERVER:
    case FR_API_MALFORMED:
        return true;
    default:
        return false;
    }
}

bool fr_api_cause_may_be_of_vehicle(enum fr_api_cause cause)
{
    return cause == FR_API_NOT_FOUND || cause == FR_API_ASLEEP || cause == FR_API_SCOPE ||
           cause == FR_API_REFUSED || cause == FR_API_MALFORMED;
}

int fr_api_error_set(struct fr_api_error *error, enum fr_api_cause cause, const char *format, ...)
{
    va_list ap;

    memset(error, 0, sizeof *error);
    error->cause = cause;
    error->retry_after_s = -1;
    va_start(ap, format);
    vsnprintf(error->error.text, sizeof error->error.text, format, ap);
    va_end(ap);
    return -1;
}

/* ---- the text of an answer ------------------------------------------------------- */

/* What Tesla writes about an error, cleaned. */
struct error_text {
    char text[TEXT_SIZE];
    bool is_json;
};

/* Append a member that is a text, or the member `message` of one that is an object. */
static void error_append(struct fr_buffer *to, const json_t *value)
{
    if (json_is_object(value))
        value = json_object_get(value, "message");
    if (!json_is_string(value) || json_string_length(value) == 0)
        return;
    if (to->len > 0)
        fr_buffer_text(to, ": ");
    fr_buffer_printf(to, "%.500s", json_string_value(value));
}

static void error_read(struct error_text *text, const struct fr_http_response *response)
{
    static const char *const members[] = {"error", "error_description", "message", "response"};
    const char *from = response->body != NULL ? response->body : "";
    size_t len = response->body != NULL ? response->len : 0;
    struct fr_buffer joined = {0};
    json_error_t problem;
    json_t *root = fr_http_response_is_dense(response)
                       ? NULL
                       : json_loadb(from, len, JSON_ALLOW_NUL, &problem);

    text->is_json = json_is_object(root);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        error_append(&joined, json_object_get(root, members[i]));
    if (text->is_json) {
        from = fr_buffer_string(&joined);
        len = joined.len;
    }
    fr_clean_message(text->text, sizeof text->text, from, len);
    if (!text->is_json &&
        (strncasecmp(text->text, "<!doctype", 9) == 0 || strncasecmp(text->text, "<html", 5) == 0))
        snprintf(text->text, sizeof text->text, "a web page instead of an answer of the API");
    fr_buffer_free(&joined);
    json_decref(root);
}

static bool error_has(const struct error_text *text, const char *part)
{
    return strcasestr(text->text, part) != NULL;
}

/* ---- causes and remedies --------------------------------------------------------- */

/* A row fits an answer with this status (0: any from 400 to 499) and this part in its text (NULL:
 * any text). The first row that fits counts. */
struct error_row {
    int status;
    const char *part;
    enum fr_api_cause cause;
    const char *meaning;
    const char *remedy;
};

#define LOGIN "run `fleetroute setup` to log in again"
#define PORTAL                                                                                     \
    "compare `tesla: client_id` and the file of the client secret with developer.tesla.com"

static const struct error_row rows[] = {
    {0, "EXCEEDED_LIMIT", FR_API_LIMIT,
     "the billing limit of the Tesla developer account is reached, and Tesla has removed the "
     "telemetry configurations",
     "raise the limit or add a payment method on developer.tesla.com, then run `fleetroute push`"},
    {0, "login_required", FR_API_LOGIN_REQUIRED,
     "the owner's consent was revoked, or the refresh token has ended", LOGIN},
    {0, "invalid_grant", FR_API_LOGIN_REQUIRED,
     "the refresh token or the code is not valid any more", LOGIN},
    {0, "invalid_auth_code", FR_API_LOGIN_REQUIRED, "the code was used before or is too old",
     "open the link again, and paste the new address within ten minutes"},
    {0, "unauthorized_client", FR_API_CLIENT,
     "Tesla does not accept the client id and the client secret", PORTAL},
    {0, "invalid_client", FR_API_CLIENT,
     "Tesla does not accept the client id and the client secret", PORTAL},
    {0, "unsupported_grant_type", FR_API_CLIENT, "the application does not have this grant type",
     "select the grant type \"Authorization Code and Machine-to-Machine\" on developer.tesla.com"},
    {0, "invalid_redirect", FR_API_CLIENT, "the redirect URI is not one of the application",
     "enter the same redirect URI on developer.tesla.com and in `tesla: redirect_uri`"},
    {0, "invalid_scope", FR_API_CLIENT, "the application does not have a scope that is needed",
     "add the scopes vehicle_device_data and vehicle_location to the application on "
     "developer.tesla.com; Tesla needs some ten minutes"},
    {0, "has already been taken", FR_API_KEY_TAKEN,
     "the public key is registered with another application",
     "make a new command key (`fleetroute key` after the old file was moved away), or remove the "
     "other application on developer.tesla.com"},
    {0, "registration was rejected", FR_API_REFUSED,
     "Tesla rejected the registration; the domain may be registered with another key",
     "serve the public key that was registered first, or use another domain"},
    {401, NULL, FR_API_TOKEN_EXPIRED, "Tesla does not accept the access token",
     "try again; if it remains, " LOGIN},
    {403, "scope", FR_API_SCOPE, "the owner has not granted a scope that the call needs",
     "run `fleetroute setup` and tick all scopes on Tesla's page"},
    {403, "account disabled", FR_API_LIMIT, "the Tesla developer account is disabled",
     "check billing on developer.tesla.com"},
    {403, NULL, FR_API_SCOPE, "Tesla refuses the call for this account",
     "check the scopes and the application on developer.tesla.com"},
    {404, NULL, FR_API_NOT_FOUND,
     "Tesla does not find the vehicle or the domain: it was sold or removed, the account is a "
     "driver's and not the owner's, or it is in another region",
     "check the VIN, the account and `tesla: region`"},
    {408, NULL, FR_API_ASLEEP, "the vehicle is asleep or offline", "wait until it is awake"},
    {412, NULL, FR_API_UNREGISTERED,
     "the domain or its key is not registered in this region, or the domain does not fit the "
     "allowed origin of the application",
     "run `fleetroute setup`, which registers it; check the allowed origin on developer.tesla.com"},
    {421, NULL, FR_API_WRONG_REGION, "the account belongs to another region",
     "remove `tesla: region`, or set it to the region of the account"},
    {424, NULL, FR_API_KEY_NOT_SERVED, "Tesla cannot fetch the public key from the domain",
     "check that https://DOMAIN/.well-known/appspecific/com.tesla.3p.public-key.pem answers from "
     "the internet; `fleetroute doctor` does"},
    {429, "in progress", FR_API_RATE, "Tesla is still working on an earlier update",
     "try again in a minute"},
    {429, NULL, FR_API_RATE, "too many requests", "try again later"},
    {0, "unknown user", FR_API_REFUSED, "Tesla does not know the user",
     "log in to the Tesla app on a phone once"},
    {0, "unknown field", FR_API_REFUSED, "Tesla does not know a field of the configuration",
     "remove the field from routing.yaml"},
    {0, NULL, FR_API_REFUSED, "Tesla refuses the request",
     "check the configuration with `fleetroute doctor`"},
};

static const struct error_row *error_find(int status, const struct error_text *text)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct error_row *row = &rows[i];

        if ((row->status == status || (row->status == 0 && status >= 400 && status < 500)) &&
            (row->part == NULL || error_has(text, row->part)))
            return row;
    }
    return NULL;
}

/* An answer with a status that is no error of the client. */
static void error_other(struct fr_api_error *error, const char *what,
                        const struct fr_http_response *response, const struct error_text *text)
{
    if (response->status >= 500)
        fr_api_error_set(error, FR_API_SERVER,
                         "%s: Tesla's server failed (HTTP %d%s%s); try again later", what,
                         response->status, text->text[0] != '\0' ? ": " : "", text->text);
    else if (response->status >= 300 && response->status < 400)
        fr_api_error_set(error, FR_API_MALFORMED,
                         "%s: the server redirects to %s (HTTP %d), which is not followed; check "
                         "`tesla: base_url`, and for a proxy between here and Tesla",
                         what,
                         response->redirect[0] != '\0' ? response->redirect : "another address",
                         response->status);
    else
        fr_api_error_set(error, FR_API_MALFORMED,
                         "%s: unexpected answer (HTTP %d); try again later", what,
                         response->status);
}

int fr_api_error_from(struct fr_api_error *error, const char *what,
                      const struct fr_http_response *response)
{
    const struct error_row *row;
    struct error_text text;

    error_read(&text, response);
    row = error_find(response->status, &text);
    if (row == NULL)
        error_other(error, what, response, &text);
    else if (!text.is_json && row->part == NULL &&
             (response->status == 403 || response->status == 404))
        /* A firewall or a wrong address answers, and not the API. */
        fr_api_error_set(error, FR_API_REFUSED,
                         "%s: no answer of the API (HTTP %d%s%s); check `tesla: base_url`, and for "
                         "a proxy or a firewall between here and Tesla",
                         what, response->status, text.text[0] != '\0' ? ": " : "", text.text);
    else
        fr_api_error_set(error, row->cause, "%s: %s (HTTP %d%s%s); %s", what, row->meaning,
                         response->status, text.text[0] != '\0' ? ": " : "", text.text,
                         row->remedy);
    error->status = response->status;
    error->retry_after_s = response->retry_after_s;
    return -1;
}
