#include "fleet_api/api_session.h"

#include <stdlib.h>
#include <string.h>

#include "fleet_api/secret_file.h"
#include "fleet_api/tesla_hosts.h"
#include "util/clock.h"
#include "util/memory.h"

/* An access token is refreshed this long before its end, in ms. */
#define MARGIN_MS 60000
/* An access token whose end is further away was stored while the clock was wrong. */
#define FAR_MS (INT64_C(31) * 24 * 3600 * 1000)
/* Another process that refreshes makes at most two requests. In ms. */
#define LOCK_WAIT_MS (3 * FR_HTTP_TOTAL_MS)

static bool session_is_fresh(const struct fr_tokens *tokens)
{
    int64_t left_ms = tokens->access_expires_ms - fr_wall_ms();

    return tokens->access != NULL && left_ms > MARGIN_MS && left_ms < FAR_MS;
}

static int session_need_login(struct fr_api_error *error)
{
    return fr_api_error_set(error, FR_API_LOGIN_REQUIRED,
                            "there are no tokens: the owner has not logged in, or for another "
                            "client id; run `fleetroute setup`");
}

/* Whether the tokens are those of the application. */
static bool session_has_tokens(const struct fr_api *api)
{
    return (api->tokens.access != NULL || api->tokens.refresh != NULL) &&
           (api->tokens.client_id == NULL ||
            strcmp(api->tokens.client_id, api->app.client_id) == 0);
}

/* Read tokens.json again: another process may have changed it. */
static int session_reread(struct fr_api *api, struct fr_api_error *error)
{
    struct fr_tokens tokens;
    struct fr_error problem;
    enum fr_tokens_result result = fr_tokens_read(api->folder, &tokens, &problem);

    if (result == FR_TOKENS_REFUSED)
        return fr_api_error_set(error, FR_API_LOCAL, "%s", problem.text);
    fr_tokens_free(&api->tokens);
    api->tokens = tokens;
    return session_has_tokens(api) ? 0 : session_need_login(error);
}

static bool session_has_other(const struct fr_api *api, const char *used)
{
    return api->tokens.access != NULL && (used == NULL || strcmp(api->tokens.access, used) != 0) &&
           session_is_fresh(&api->tokens);
}

/* Refresh and write the new pair before anything uses it. The tokens so far are written first: a full
 * disk or a folder without access is found before the refresh token is used. */
static int session_refresh_locked(struct fr_api *api, struct fr_api_error *error)
{
    struct fr_error problem, ignored;

    if (fr_tokens_write(api->folder, &api->tokens, &problem) != 0)
        return fr_api_error_set(error, FR_API_LOCAL, "the tokens cannot be refreshed: %s",
                                problem.text);
    if (fr_oauth_refresh(api->client, &api->app, &api->tokens, &api->token_requests, error) != 0)
        return -1;
    if (fr_tokens_write(api->folder, &api->tokens, &problem) == 0)
        return 0;
    /* The file has the refresh token so far, which Tesla accepts for 24 h after its first use. */
    fr_tokens_free(&api->tokens);
    fr_tokens_read(api->folder, &api->tokens, &ignored);
    return fr_api_error_set(
        error, FR_API_LOCAL,
        "the new tokens cannot be saved: %s; then run this command again within "
        "24 hours, in which Tesla accepts the saved token",
        problem.text);
}

int fr_api_session_renew(struct fr_api *api, const char *used, struct fr_api_error *error)
{
    char *copy = used != NULL ? fr_strdup(used) : NULL; /* it may belong to api->tokens */
    struct fr_error problem;
    int lock = -1, status = session_reread(api, error);

    if (status == 0 && !session_has_other(api, copy)) {
        if (!api->locked) {
            lock = fr_tokens_lock(api->folder, LOCK_WAIT_MS, &problem);
            status = lock >= 0 ? session_reread(api, error)
                               : fr_api_error_set(error, FR_API_LOCAL, "%s", problem.text);
        }
        if (status == 0 && !session_has_other(api, copy))
            status = session_refresh_locked(api, error);
        fr_tokens_unlock(lock);
    }
    fr_secret_free(copy);
    return status;
}

int fr_api_session_user(struct fr_api *api, struct fr_api_error *error)
{
    if (session_has_tokens(api) && session_is_fresh(&api->tokens))
        return 0;
    return fr_api_session_renew(api, api->tokens.access, error);
}

int fr_api_session_partner(struct fr_api *api, struct fr_api_error *error)
{
    if (api->partner == NULL)
        api->partner =
            fr_oauth_partner(api->client, &api->app, api->base_url, &api->token_requests, error);
    return api->partner != NULL ? 0 : -1;
}

void fr_api_session_drop_partner(struct fr_api *api)
{
    fr_secret_free(api->partner);
    api->partner = NULL;
}

/* ---- base URL -------------------------------------------------------------------- */

bool fr_api_session_trusts(const struct fr_api *api, const char *host)
{
    char own[FR_HTTP_HOST_SIZE];

    if (host[0] == '\0')
        return false;
    if (api->test_base_url == NULL)
        return fr_tesla_is_api_host(host);
    fr_http_host(api->test_base_url, own);
    return api->has_test_ca || fr_tesla_is_api_host(host) || strcmp(own, host) == 0;
}

/* Store the base URL with the tokens, for the next command. A failure does no harm: Tesla answers 421
 * again. */
static void session_store_base_url(struct fr_api *api)
{
    struct fr_error ignored;
    struct fr_tokens tokens;
    int lock = api->locked ? -1 : fr_tokens_lock(api->folder, 0, &ignored);

    if (!api->locked && lock < 0)
        return;
    if (fr_tokens_read(api->folder, &tokens, &ignored) == FR_TOKENS_READ) {
        free(tokens.base_url);
        tokens.base_url = fr_strdup(api->base_url);
        fr_tokens_write(api->folder, &tokens, &ignored);
    }
    fr_tokens_free(&tokens);
    fr_tokens_unlock(lock);
}

void fr_api_session_move(struct fr_api *api, const char *base_url)
{
    char *copy;

    if (strcmp(api->base_url, base_url) == 0)
        return;
    copy = fr_strdup(base_url);
    free(api->base_url);
    api->base_url = copy;
    fr_api_session_drop_partner(api);
    if (api->tokens.access != NULL || api->tokens.refresh != NULL) {
        free(api->tokens.base_url);
        api->tokens.base_url = fr_strdup(copy);
        session_store_base_url(api);
    }
}
