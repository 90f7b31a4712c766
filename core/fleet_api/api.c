#include "fleet_api/api.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/api_session.h"
#include "fleet_api/secret_file.h"
#include "fleet_api/tesla_hosts.h"
#include "util/clock.h"
#include "util/memory.h"

#define SECRET_BYTES_MAX 4096

/* ---- a session ------------------------------------------------------------------- */

/* Read the client secret: the first line of its file. */
static int api_read_secret(struct fr_api *api, const char *path, struct fr_api_error *error)
{
    struct fr_error problem;
    char *text;

    if (path == NULL)
        return 0;
    switch (fr_secret_file_read(path, SECRET_BYTES_MAX, &text, NULL, &problem)) {
    case FR_SECRET_FILE_MISSING:
        return fr_api_error_set(error, FR_API_LOCAL,
                                "%s (`tesla: client_secret_file`) does not exist; write the client "
                                "secret of developer.tesla.com to it, with mode 0600",
                                path);
    case FR_SECRET_FILE_REFUSED:
        return fr_api_error_set(error, FR_API_LOCAL, "%s", problem.text);
    case FR_SECRET_FILE_READ:
        break;
    }
    text[strcspn(text, " \t\r\n")] = '\0';
    api->client_secret = fr_strdup(text);
    fr_secret_free(text);
    if (api->client_secret[0] != '\0')
        return 0;
    return fr_api_error_set(
        error, FR_API_LOCAL,
        "%s (`tesla: client_secret_file`) has no secret in its first line; write "
        "the client secret of developer.tesla.com to it",
        path);
}

/* The URL of an endpoint of the token host: Tesla's, or one of `tesla: auth_url`. */
static char *api_auth_url(const struct fr_tesla_config *tesla, const char *of_tesla,
                          const char *path)
{
    size_t len = tesla->auth_url != NULL ? strlen(tesla->auth_url) : 0;

    if (len == 0)
        return fr_strdup(of_tesla);
    while (len > 0 && tesla->auth_url[len - 1] == '/')
        len--;
    return fr_asprintf("%.*s%s", (int)len, tesla->auth_url, path);
}

static char *api_lower(const char *text)
{
    char *copy = fr_strdup(text);

    for (char *at = copy; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    return copy;
}

/* The base URL to begin with; a 421 and users/region correct it. */
static void api_set_base_url(struct fr_api *api, const struct fr_tesla_config *tesla)
{
    const char *url = tesla->base_url != NULL ? tesla->base_url : fr_tesla_base_url(tesla->region);
    char host[FR_HTTP_HOST_SIZE];
    size_t len;

    if (!api->region_is_fixed && api->tokens.base_url != NULL) {
        fr_http_host(api->tokens.base_url, host);
        if (fr_api_session_trusts(api, host))
            url = api->tokens.base_url;
    }
    len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    api->base_url = fr_strndup(url, len);
}

static int api_open(struct fr_api *api, const struct fr_tesla_config *tesla,
                    struct fr_api_error *error)
{
    struct fr_error problem;

    if (tesla->client_id == NULL)
        return fr_api_error_set(
            error, FR_API_LOCAL,
            "`tesla: client_id` is not set; copy it from developer.tesla.com to "
            "fleetroute.yaml");
    if (api_read_secret(api, tesla->client_secret_file, error) != 0)
        return -1;
    if (fr_tokens_read(api->folder, &api->tokens, &problem) == FR_TOKENS_REFUSED)
        return fr_api_error_set(error, FR_API_LOCAL, "%s", problem.text);
    api->client = fr_http_client_new(tesla->api_ca, &problem);
    if (api->client == NULL)
        return fr_api_error_set(error, FR_API_LOCAL, "%s", problem.text);
    return 0;
}

struct fr_api *fr_api_new(const struct fr_tesla_config *tesla, const char *domain, bool locked,
                          struct fr_api_error *error)
{
    struct fr_api *api = fr_calloc(1, sizeof *api);

    api->locked = locked;
    api->folder = fr_strdup(tesla->folder);
    api->domain = domain != NULL ? api_lower(domain) : NULL;
    api->test_base_url = tesla->base_url != NULL ? fr_strdup(tesla->base_url) : NULL;
    api->has_test_ca = tesla->api_ca != NULL;
    api->region_is_fixed = tesla->region != FR_TESLA_REGION_AUTO;
    if (api_open(api, tesla, error) != 0) {
        fr_api_free(api);
        return NULL;
    }
    api->token_url = api_auth_url(tesla, fr_tesla_token_url(tesla->region), "/oauth2/v3/token");
    api->authorize_url =
        api_auth_url(tesla, fr_tesla_authorize_url(tesla->region), "/oauth2/v3/authorize");
    api->redirect_uri = tesla->redirect_uri != NULL
                            ? fr_strdup(tesla->redirect_uri)
                            : fr_asprintf("https://%s/callback", domain != NULL ? domain : "");
    api_set_base_url(api, tesla);
    api->app = (struct fr_oauth_app){.token_url = api->token_url,
                                     .authorize_url = api->authorize_url,
                                     .client_id = tesla->client_id,
                                     .client_secret = api->client_secret,
                                     .redirect_uri = api->redirect_uri};
    return api;
}

void fr_api_free(struct fr_api *api)
{
    if (api == NULL)
        return;
    fr_http_client_free(api->client);
    fr_tokens_free(&api->tokens);
    fr_secret_free(api->partner);
    fr_secret_free(api->client_secret);
    free(api->token_url);
    free(api->authorize_url);
    free(api->redirect_uri);
    free(api->domain);
    free(api->folder);
    free(api->base_url);
    free(api->test_base_url);
    free(api);
}

void fr_api_set_limit(struct fr_api *api, int64_t total_ms)
{
    fr_http_client_set_limit(api->client, total_ms);
}

uint64_t fr_api_requests(const struct fr_api *api)
{
    return api->requests;
}

uint64_t fr_api_token_requests(const struct fr_api *api)
{
    return api->token_requests;
}

int64_t fr_api_clock_offset_ms(const struct fr_api *api)
{
    return fr_http_client_clock_offset_ms(api->client);
}

/* ---- consent and tokens ---------------------------------------------------------- */

char *fr_api_authorize_link(struct fr_api *api, const char *state)
{
    return fr_oauth_link(&api->app, state);
}

static int api_cannot_save(struct fr_api_error *error, const struct fr_error *problem)
{
    return fr_api_error_set(error, FR_API_LOCAL,
                            "the tokens cannot be saved: %s; then log in again", problem->text);
}

/* Exchange a code for tokens and write them. A code is used once: the tokens so far are written
 * first, so that a full disk is found before. The lock is held. */
static int api_exchange_locked(struct fr_api *api, const char *code, const char *audience,
                               struct fr_api_error *error)
{
    struct fr_error problem, ignored;
    struct fr_tokens stored;
    enum fr_tokens_result result = fr_tokens_read(api->folder, &stored, &problem);
    int status = 0;

    if (result == FR_TOKENS_REFUSED || fr_tokens_write(api->folder, &stored, &problem) != 0)
        status = api_cannot_save(error, &problem);
    fr_tokens_free(&stored);
    if (status == 0)
        status = fr_oauth_exchange(api->client, &api->app, code, audience, &api->tokens,
                                   &api->token_requests, error);
    if (status == 0 && fr_tokens_write(api->folder, &api->tokens, &problem) != 0)
        status = api_cannot_save(error, &problem);
    if (status != 0 && result == FR_TOKENS_MISSING)
        fr_tokens_remove(api->folder, &ignored);
    return status;
}

static int api_exchange(struct fr_api *api, const char *code, const char *audience,
                        struct fr_api_error *error)
{
    struct fr_error problem;
    int lock = api->locked ? -1 : fr_tokens_lock(api->folder, FR_HTTP_TOTAL_MS, &problem);
    int status;

    if (!api->locked && lock < 0)
        return api_cannot_save(error, &problem);
    status = api_exchange_locked(api, code, audience, error);
    fr_tokens_unlock(lock);
    return status;
}

int fr_api_authorize(struct fr_api *api, const char *pasted, const char *state,
                     struct fr_api_error *error)
{
    char region[16], *code, *audience;
    struct fr_api_error ignored;
    struct fr_error problem;
    enum fr_tesla_region named;
    int status;

    code = fr_oauth_code(&api->app, pasted, state, region, &problem);
    if (code == NULL)
        return fr_api_error_set(error, FR_API_LOGIN_REQUIRED, "%s", problem.text);
    named = fr_tesla_region_named(region);
    audience = fr_strdup(api->test_base_url == NULL && !api->region_is_fixed &&
                                 named != FR_TESLA_REGION_AUTO
                             ? fr_tesla_base_url(named)
                             : api->base_url);
    status = api_exchange(api, code, audience, error);
    if (status == 0) {
        char *base_url = fr_strdup(api->region_is_fixed ? audience : api->tokens.base_url);

        fr_api_session_drop_partner(api);
        fr_api_session_move(api, base_url);
        free(base_url);
        /* A failure here is found, with its remedy, by the next call. */
        if (!api->region_is_fixed)
            fr_api_region(api, region, &ignored);
    }
    fr_secret_free(code);
    free(audience);
    return status;
}

int fr_api_refresh(struct fr_api *api, struct fr_api_error *error)
{
    return fr_api_session_renew(api, api->tokens.access, error);
}

bool fr_api_has_tokens(const struct fr_api *api)
{
    return (api->tokens.refresh != NULL || api->tokens.access != NULL) &&
           (api->tokens.client_id == NULL ||
            strcmp(api->tokens.client_id, api->app.client_id) == 0);
}

int64_t fr_api_refresh_issued_ms(const struct fr_api *api)
{
    return api->tokens.refresh != NULL ? api->tokens.refresh_issued_ms : 0;
}

int fr_api_has_scope(const struct fr_api *api, const char *scope)
{
    const char *at = api->tokens.scopes;
    size_t len = strlen(scope);

    if (at == NULL)
        return -1;
    for (; *at != '\0'; at += strspn(at, " ")) {
        size_t size = strcspn(at, " ");

        if (size == len && memcmp(at, scope, len) == 0)
            return 1;
        at += size;
    }
    return 0;
}

const char *fr_api_base_url(const struct fr_api *api)
{
    return api->base_url;
}
