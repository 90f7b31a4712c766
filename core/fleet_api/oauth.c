#include "fleet_api/oauth.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fleet_api/access_token.h"
#include "fleet_api/clean_text.h"
#include "fleet_api/form.h"
#include "fleet_api/secret_file.h"
#include "fleet_api/tesla_hosts.h"
#include "fleet_api/token_answer.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/memory.h"

/* A partner token does not take offline_access. */
#define PARTNER_SCOPES "openid vehicle_device_data vehicle_location"
#define PASTED_MAX 8192

/* ---- the link and its answer ----------------------------------------------------- */

char *fr_oauth_link(const struct fr_oauth_app *app, const char *state)
{
    struct fr_buffer link = {0};
    char *text;

    fr_buffer_text(&link, app->authorize_url);
    fr_buffer_byte(&link, '?');
    fr_form_put(&link, "response_type", "code");
    fr_form_put(&link, "client_id", app->client_id);
    fr_form_put(&link, "redirect_uri", app->redirect_uri);
    fr_form_put(&link, "scope", FR_OAUTH_SCOPES);
    fr_form_put(&link, "state", state);
    fr_form_put(&link, "prompt_missing_scopes", "true");
    text = fr_strdup(fr_buffer_string(&link));
    fr_buffer_free(&link);
    return text;
}

char *fr_oauth_state(void)
{
    unsigned char bytes[16];
    struct fr_buffer text = {0};
    char *state;

    if (RAND_bytes(bytes, sizeof bytes) != 1)
        abort(); /* without random bytes nothing here is safe */
    for (size_t i = 0; i < sizeof bytes; i++)
        fr_buffer_printf(&text, "%02x", bytes[i]);
    state = fr_strdup(fr_buffer_string(&text));
    fr_buffer_free(&text);
    return state;
}

/* The query of the pasted address, if it begins with the redirect URI. A browser may hide https://.
 * NULL: it is another address. */
static const char *oauth_query(const struct fr_oauth_app *app, const char *at, size_t len)
{
    const char *wanted = app->redirect_uri;
    size_t size = strlen(wanted);

    if (strncmp(wanted, "https://", 8) == 0 && strncasecmp(at, "https://", 8) != 0) {
        wanted += 8;
        size -= 8;
    }
    if (len <= size || strncasecmp(at, wanted, size) != 0)
        return NULL;
    at += size;
    if (*at == '/' && size > 0 && wanted[size - 1] != '/')
        at++; /* a browser completes https://example.com to https://example.com/ */
    return *at == '?' || *at == '&' ? at + 1 : NULL;
}

/* Translate the answer of an owner who did not grant access. */
static void oauth_refusal(const char *query, size_t len, const char *name, struct fr_error *error)
{
    char *description = fr_form_get(query, len, "error_description");
    char text[200], word[64];

    fr_clean_message(word, sizeof word, name, strlen(name));
    fr_clean_message(text, sizeof text, description != NULL ? description : "",
                     description != NULL ? strlen(description) : 0);
    if (strcmp(word, "access_denied") == 0)
        fr_error_set(error,
                     "access was not granted on Tesla's page; open the link again, log in as "
                     "the owner of the vehicle, and accept");
    else
        fr_error_set(
            error,
            "Tesla's page ended with the error %s%s%s; compare the client id, the redirect "
            "URI and the scopes with developer.tesla.com",
            word, text[0] != '\0' ? ": " : "", text);
    free(description);
}

static bool oauth_is_code(const char *code)
{
    size_t len = strlen(code);

    for (size_t i = 0; i < len; i++)
        if (!isgraph((unsigned char)code[i]))
            return false;
    return len > 0 && len <= PASTED_MAX;
}

/* The prefix of the code names the region: "EU_…". */
static void oauth_region(const char *code, char region[8])
{
    const char *end = strchr(code, '_');
    size_t len = end != NULL ? (size_t)(end - code) : 0;

    region[0] = '\0';
    if (len == 0 || len > 3)
        return;
    for (size_t i = 0; i < len; i++)
        region[i] = (char)tolower((unsigned char)code[i]);
    region[len] = '\0';
}

/* Check the parameters of the address, and return its code. */
static char *oauth_read_query(const char *query, size_t len, const char *state,
                              struct fr_error *error)
{
    char *name = fr_form_get(query, len, "error");
    char *returned = fr_form_get(query, len, "state");
    char *code = fr_form_get(query, len, "code");

    if (returned == NULL || strcmp(returned, state) != 0)
        fr_error_set(error, "the address belongs to another log-in (its `state` differs); open the "
                            "newest link, and paste the address that follows it");
    else if (name != NULL)
        oauth_refusal(query, len, name, error);
    else if (code == NULL || !oauth_is_code(code))
        fr_error_set(error, "the address has no code; paste the whole address from the browser's "
                            "address bar");
    else {
        free(name);
        free(returned);
        return code;
    }
    free(name);
    free(returned);
    fr_secret_free(code);
    return NULL;
}

char *fr_oauth_code(const struct fr_oauth_app *app, const char *pasted, const char *state,
                    char region[8], struct fr_error *error)
{
    const char *query, *end;
    size_t len;
    char *code;

    region[0] = '\0';
    while (isspace((unsigned char)*pasted) || *pasted == '"' || *pasted == '\'' || *pasted == '<')
        pasted++;
    len = strcspn(pasted, " \t\r\n\"'<>");
    if (len > PASTED_MAX) {
        fr_error_set(error,
                     "the address has more than %d characters; paste the address from the "
                     "browser's address bar",
                     PASTED_MAX);
        return NULL;
    }
    query = oauth_query(app, pasted, len);
    if (query == NULL) {
        fr_error_set(error,
                     "the address does not begin with %s?; paste the whole address that the "
                     "browser shows after the log-in",
                     app->redirect_uri);
        return NULL;
    }
    end = memchr(query, '#', (size_t)(pasted + len - query));
    if (end == NULL)
        end = pasted + len;
    code = oauth_read_query(query, (size_t)(end - query), state, error);
    if (code != NULL)
        oauth_region(code, region);
    return code;
}

/* ---- the grants ------------------------------------------------------------------ */

/* Post a form to the token endpoint. */
static int oauth_post(struct fr_http_client *client, const struct fr_oauth_app *app,
                      const struct fr_buffer *form, uint64_t *requests,
                      struct fr_token_answer *answer, struct fr_api_error *error)
{
    struct fr_http_request request = {.method = "POST",
                                      .url = app->token_url,
                                      .content_type = "application/x-www-form-urlencoded",
                                      .body = (const char *)form->bytes,
                                      .len = form->len};
    struct fr_http_response response;
    struct fr_error problem;
    int status;

    ++*requests;
    if (form->failed)
        return fr_api_error_set(error, FR_API_LOCAL, "get a token: no memory; free memory");
    if (fr_http_request(client, &request, &response, &problem) != 0)
        return fr_api_error_set(error,
                                fr_http_client_clock_failed(client) ? FR_API_CLOCK : FR_API_NETWORK,
                                "get a token: %s", problem.text);
    if (response.status == 200)
        status = fr_token_answer_read(answer, response.body, response.len, error);
    else
        status = fr_api_error_from(error, "get a token", &response);
    /* 401 without a known word: neither the application nor the token is accepted. */
    if (status != 0 && error->cause == FR_API_TOKEN_EXPIRED)
        error->cause = FR_API_LOGIN_REQUIRED;
    fr_http_response_free(&response);
    return status;
}

/* Begin a form, with memory for all its values, so that no copy of a secret is left behind. */
static void oauth_begin(struct fr_buffer *form, const struct fr_oauth_app *app, const char *grant,
                        const char *secret)
{
    fr_buffer_reserve(form, 3 * (strlen(secret) + strlen(app->client_id) +
                                 (app->client_secret != NULL ? strlen(app->client_secret) : 0) +
                                 strlen(app->redirect_uri)) +
                                4096);
    fr_form_put(form, "grant_type", grant);
    fr_form_put(form, "client_id", app->client_id);
}

static void oauth_end(struct fr_buffer *form)
{
    if (form->bytes != NULL)
        OPENSSL_cleanse(form->bytes, form->len);
    fr_buffer_free(form);
}

static int oauth_need_secret(const struct fr_oauth_app *app, struct fr_api_error *error)
{
    if (app->client_secret != NULL)
        return 0;
    return fr_api_error_set(error, FR_API_CLIENT,
                            "the client secret is missing; write it to a file with mode 0600, and "
                            "name the file in `tesla: client_secret_file`");
}

/* Put the tokens of an answer and what the access token states into *tokens. */
static void oauth_store(struct fr_tokens *tokens, const struct fr_oauth_app *app,
                        const struct fr_token_answer *answer, const char *audience)
{
    int64_t now_ms = fr_wall_ms();
    struct fr_access_claims claims;
    char host[FR_HTTP_HOST_SIZE];

    fr_tokens_replace(tokens, answer->access, now_ms + answer->lifetime_s * 1000, answer->refresh,
                      now_ms);
    fr_access_claims_read(&claims, answer->access);
    if (claims.scopes != NULL) {
        free(tokens->scopes);
        tokens->scopes = fr_strdup(claims.scopes);
    }
    if (claims.base_url != NULL && audience != NULL) {
        /* Tesla's address for Tesla's address; a test's address stays. */
        fr_http_host(claims.base_url, host);
        if (fr_tesla_is_api_host(host)) {
            fr_http_host(audience, host);
            audience = fr_tesla_is_api_host(host) ? claims.base_url : audience;
        }
    }
    if (audience != NULL) {
        char *copy = fr_strdup(audience); /* it may be tokens->base_url itself */

        free(tokens->base_url);
        tokens->base_url = copy;
    }
    free(tokens->client_id);
    tokens->client_id = fr_strdup(app->client_id);
    fr_access_claims_free(&claims);
}

int fr_oauth_exchange(struct fr_http_client *client, const struct fr_oauth_app *app,
                      const char *code, const char *audience, struct fr_tokens *tokens,
                      uint64_t *requests, struct fr_api_error *error)
{
    struct fr_token_answer answer = {0};
    struct fr_buffer form = {0};
    int status;

    if (oauth_need_secret(app, error) != 0)
        return -1;
    oauth_begin(&form, app, "authorization_code", code);
    fr_form_put(&form, "client_secret", app->client_secret);
    fr_form_put(&form, "code", code);
    fr_form_put(&form, "redirect_uri", app->redirect_uri);
    fr_form_put(&form, "audience", audience);
    status = oauth_post(client, app, &form, requests, &answer, error);
    if (status == 0 && answer.refresh == NULL)
        status = fr_api_error_set(error, FR_API_MALFORMED,
                                  "get a token: the answer has no refresh token; add the scope "
                                  "offline_access to the application on developer.tesla.com");
    if (status == 0) {
        fr_tokens_free(tokens);
        oauth_store(tokens, app, &answer, audience);
    }
    fr_token_answer_free(&answer);
    oauth_end(&form);
    return status;
}

static int oauth_refresh_with(struct fr_http_client *client, const struct fr_oauth_app *app,
                              const char *refresh, struct fr_tokens *tokens, uint64_t *requests,
                              struct fr_api_error *error)
{
    struct fr_token_answer answer = {0};
    struct fr_buffer form = {0};
    int status;

    oauth_begin(&form, app, "refresh_token", refresh);
    fr_form_put(&form, "refresh_token", refresh);
    status = oauth_post(client, app, &form, requests, &answer, error);
    if (status == 0)
        oauth_store(tokens, app, &answer, tokens->base_url);
    fr_token_answer_free(&answer);
    oauth_end(&form);
    return status;
}

int fr_oauth_refresh(struct fr_http_client *client, const struct fr_oauth_app *app,
                     struct fr_tokens *tokens, uint64_t *requests, struct fr_api_error *error)
{
    struct fr_api_error second;
    char *used;

    if (tokens->refresh == NULL)
        return fr_api_error_set(error, FR_API_LOGIN_REQUIRED,
                                "there is no refresh token; run `fleetroute setup` to log in");
    if (oauth_refresh_with(client, app, tokens->refresh, tokens, requests, error) == 0)
        return 0;
    if (error->cause != FR_API_LOGIN_REQUIRED || tokens->refresh_previous == NULL ||
        fr_wall_ms() >= tokens->previous_until_ms)
        return -1;
    used = fr_strdup(tokens->refresh_previous);
    if (oauth_refresh_with(client, app, used, tokens, requests, &second) != 0) {
        fr_secret_free(used);
        return -1; /* the first answer counts */
    }
    fr_secret_free(tokens->refresh_previous);
    tokens->refresh_previous = used;
    return 0;
}

char *fr_oauth_partner(struct fr_http_client *client, const struct fr_oauth_app *app,
                       const char *audience, uint64_t *requests, struct fr_api_error *error)
{
    struct fr_token_answer answer = {0};
    struct fr_buffer form = {0};
    char *token = NULL;

    if (oauth_need_secret(app, error) != 0)
        return NULL;
    oauth_begin(&form, app, "client_credentials", audience);
    fr_form_put(&form, "client_secret", app->client_secret);
    fr_form_put(&form, "scope", PARTNER_SCOPES);
    fr_form_put(&form, "audience", audience);
    if (oauth_post(client, app, &form, requests, &answer, error) == 0)
        token = fr_strdup(answer.access);
    fr_token_answer_free(&answer);
    oauth_end(&form);
    return token;
}
