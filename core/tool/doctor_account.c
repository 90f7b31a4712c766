#include "tool/doctor_account.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/keep_health.h"
#include "fleet_api/public_key.h"
#include "fleet_api/push.h"
#include "fleet_api/state.h"
#include "fleet_api/tokens.h"
#include "fleet_api/vehicle_cost.h"
#include "tool/doctor_request.h"
#include "util/clock.h"
#include "util/memory.h"

#define CLOCK_WARNING_MS 30000
#define REFRESH_WARNING_DAYS 60

/* ---- clock ----------------------------------------------------------------------- */

static void account_report_clock(struct fr_doctor *doctor, int64_t offset_ms)
{
    int64_t size_ms = offset_ms < 0 ? -offset_ms : offset_ms;

    if (size_ms <= CLOCK_WARNING_MS)
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL,
                         "Tesla's token server answers, and the clock differs from its clock by "
                         "less than %d s",
                         CLOCK_WARNING_MS / 1000);
    else
        fr_doctor_report(doctor,
                         size_ms > FR_PUSH_CLOCK_MAX_MS ? FR_DOCTOR_FAILURE : FR_DOCTOR_WARNING,
                         NULL, "set the clock: timedatectl set-ntp true",
                         "the clock of this machine is %" PRId64 " s %s that of Tesla's server",
                         size_ms / 1000, offset_ms < 0 ? "behind" : "ahead of");
}

/* Any answer of the token server has the header Date. Requests to it are not billed. */
static void account_check_clock(struct fr_doctor *doctor)
{
    const struct fr_tesla_config *tesla = &doctor->server->tesla;
    const char *base = tesla->auth_url != NULL ? tesla->auth_url
                       : tesla->region == FR_TESLA_REGION_CN
                           ? "https://auth.tesla.cn"
                           : "https://fleet-auth.prd.vn.cloud.tesla.com";
    char *url = fr_asprintf("%s/oauth2/v3/thirdparty/.well-known/openid-configuration", base);
    const struct fr_http_request request = {.method = "GET", .url = url};
    struct fr_http_response response;
    struct fr_error error;

    if (fr_doctor_request(tesla->api_ca, false, &request, &response, &error) != 0) {
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL, NULL,
                         "Tesla's token server does not answer: %s", error.text);
    } else {
        if (response.date_ms > 0)
            account_report_clock(doctor, fr_wall_ms() - response.date_ms);
        else
            fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL, NULL,
                             "Tesla's token server answers without the time");
        fr_http_response_free(&response);
    }
    free(url);
}

/* ---- tokens ---------------------------------------------------------------------- */

static void account_report_age(struct fr_doctor *doctor, int64_t issued_ms)
{
    int64_t age_ms = fr_wall_ms() - issued_ms;
    long long days = (long long)(age_ms / 1000 / FR_DOCTOR_DAY_S);

    if (age_ms > FR_TOKENS_REFRESH_LIFE_MS)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "give consent again: fleetroute setup; then check that `fleetroute keep` "
                         "runs",
                         "the refresh token is %lld days old, and Tesla refuses it after %lld",
                         days, (long long)(FR_TOKENS_REFRESH_LIFE_MS / 1000 / FR_DOCTOR_DAY_S));
    else if (days >= REFRESH_WARNING_DAYS)
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL,
                         "check that the timer of `fleetroute keep` runs: systemctl list-timers",
                         "the refresh token is %lld days old, and ends after %lld", days,
                         (long long)(FR_TOKENS_REFRESH_LIFE_MS / 1000 / FR_DOCTOR_DAY_S));
    else
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL, "the refresh token is %lld days old",
                         days < 0 ? 0 : days);
}

static void account_judge_tokens(struct fr_doctor *doctor, const struct fr_tokens *tokens)
{
    const char *client_id = doctor->server->tesla.client_id;

    if (tokens->refresh == NULL)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL, "give consent again: fleetroute setup",
                         "there is no refresh token");
    else if (tokens->client_id != NULL && client_id != NULL &&
             strcmp(tokens->client_id, client_id) != 0)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "correct `tesla: client_id:`, or give consent again: fleetroute setup",
                         "the tokens are of another application than `tesla: client_id:`");
    else if (doctor->state.login_required)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL, "give consent again: fleetroute setup",
                         "Tesla refuses the refresh token: consent was revoked or ran out");
    else
        account_report_age(doctor, tokens->refresh_issued_ms);
}

static void account_check_tokens(struct fr_doctor *doctor)
{
    const char *folder = doctor->server->tesla.folder;
    struct fr_tokens tokens = {0};
    struct fr_error error;

    if (fr_state_read(folder, &doctor->state, &error) != 0)
        doctor->state_error = error;
    switch (fr_tokens_read(folder, &tokens, &error)) {
    case FR_TOKENS_MISSING:
        fr_doctor_report(doctor, FR_DOCTOR_SKIPPED, NULL, "give consent: fleetroute setup",
                         "there are no tokens in %s, so Tesla's account is not checked", folder);
        return;
    case FR_TOKENS_REFUSED:
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL, NULL, "%s", error.text);
        return;
    case FR_TOKENS_READ:
        break;
    }
    account_judge_tokens(doctor, &tokens);
    fr_tokens_free(&tokens);
}

/* ---- scopes ---------------------------------------------------------------------- */

/* The first routed field that needs vehicle_location; NULL: none. */
static const char *account_location_field(const struct fr_routing *routing)
{
    struct fr_vehicle_config config;
    const char *name = NULL;

    if (routing == NULL)
        return NULL;
    fr_vehicle_config_derive(&config, routing);
    for (size_t i = 0; i < config.count && name == NULL; i++)
        if (strcmp(config.fields[i].field->scope, "vehicle_location") == 0)
            name = config.fields[i].field->name;
    fr_vehicle_config_free(&config);
    return name;
}

static void account_check_scope(struct fr_doctor *doctor, const char *scope, const char *field)
{
    switch (fr_api_has_scope(doctor->api, scope)) {
    case 1:
        fr_doctor_report(doctor, FR_DOCTOR_OK, scope, NULL, "granted");
        break;
    case 0:
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, scope,
                         "add the scope to the application at developer.tesla.com, and tick it: "
                         "fleetroute setup",
                         "not granted, and %s needs it", field);
        break;
    default:
        fr_doctor_report(doctor, FR_DOCTOR_SKIPPED, scope, NULL,
                         "the tokens do not name their scopes");
    }
}

static void account_check_scopes(struct fr_doctor *doctor)
{
    const char *field = account_location_field(doctor->routing);
    struct fr_api_error error;

    doctor->api = fr_api_new(&doctor->server->tesla, doctor->domain, false, &error);
    if (doctor->api == NULL) {
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL, NULL, "%s", error.error.text);
        return;
    }
    fr_api_set_limit(doctor->api, FR_DOCTOR_REQUEST_MS);
    account_check_scope(doctor, "vehicle_device_data", "each field");
    if (field != NULL)
        account_check_scope(doctor, "vehicle_location", field);
}

/* ---- region, partner ------------------------------------------------------------- */

static void account_check_region(struct fr_doctor *doctor)
{
    static const char *const regions[] = {"", "na", "eu", "cn"};
    const char *configured = regions[doctor->server->tesla.region];
    struct fr_api_error error;
    char region[16];

    if (fr_api_region(doctor->api, region, &error) != 0)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL, NULL, "%s", error.error.text);
    else if (configured[0] != '\0' && strcmp(configured, region) != 0)
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL, "remove `tesla: region:`",
                         "the account is in the region %s, and `tesla: region:` is %s", region,
                         configured);
    else
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL, "the account is in the region %s: %s",
                         region, fr_api_base_url(doctor->api));
}

static void account_check_partner(struct fr_doctor *doctor)
{
    struct fr_api_error error;
    struct fr_error ignored;
    char *registered = fr_api_registered_key(doctor->api, &error);
    char *own =
        doctor->command_key != NULL ? fr_public_key_point(doctor->command_key, &ignored) : NULL;

    if (registered == NULL && error.cause == FR_API_NOT_FOUND)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL, "register it: fleetroute setup",
                         "%s is not registered with Tesla in this region", doctor->domain);
    else if (registered == NULL)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL, NULL, "%s", error.error.text);
    else if (own == NULL)
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL, "see the link command_key",
                         "%s is registered; its key cannot be compared with the command key",
                         doctor->domain);
    else if (strcmp(registered, own) != 0)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "register the command key and pair it again (fleetroute setup), or "
                         "restore the command key from a backup",
                         "%s is registered in this region with another key than the command key",
                         doctor->domain);
    else
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL,
                         "%s is registered in this region with the command key", doctor->domain);
    free(own);
    free(registered);
}

const struct fr_doctor_check fr_doctor_account[] = {
    {"clock",
     "Tesla answers, and the clock is right",
     {FR_DOCTOR_SECTION_TESLA},
     true,
     account_check_clock},
    {"tokens", "there are tokens", {FR_DOCTOR_SECTION_TESLA}, false, account_check_tokens},
    {"scopes", "the scopes are granted", {"tesla", "tokens"}, false, account_check_scopes},
    {"region", "the region is known", {"scopes", "clock"}, true, account_check_region},
    {"partner", "the domain is registered", {"region"}, true, account_check_partner},
    {0},
};

/* ---- keep ------------------------------------------------------------------------ */

static void account_report_run(struct fr_doctor *doctor, long long age_s)
{
    const struct fr_state *state = &doctor->state;
    char usd[64] = "";

    if (state->projected_usd >= 0)
        snprintf(usd, sizeof usd, "; US$ %.2f of US$ %.2f a month are projected",
                 state->projected_usd, doctor->server->tesla.budget_usd);
    fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL,
                     "`fleetroute keep` has last run %lld min ago%s", age_s < 0 ? 0 : age_s / 60,
                     usd);
}

static void account_judge_keep(struct fr_doctor *doctor)
{
    const struct fr_state *state = &doctor->state;
    int64_t now_ms = fr_wall_ms(), blocked_ms = fr_push_blocked_until(state, now_ms);
    long long age_s = (long long)((now_ms - state->run_ms) / 1000);

    if (state->run_ms == 0)
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL,
                         "its timer runs it within an hour (systemctl enable --now "
                         "fleetroute-keep.timer); or run `fleetroute keep`",
                         "`fleetroute keep` has never run: tokens and configuration will end");
    else if (now_ms - state->run_ms > FR_KEEP_HEALTH_RUN_MS)
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL,
                         "check its timer: systemctl status fleetroute-keep.timer",
                         "`fleetroute keep` has last run %lld h ago", age_s / 3600);
    else
        account_report_run(doctor, age_s);
    if (state->over_budget)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL, FR_BUDGET_REMEDY,
                         "the budget of US$ %.2f a month is exceeded: US$ %.2f projected",
                         doctor->server->tesla.budget_usd, state->projected_usd);
    if (blocked_ms > now_ms)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL, state->failure,
                         "no requests to Tesla for %lld min: %s",
                         (long long)((blocked_ms - now_ms) / 60000 + 1), state->blocked);
    else if (state->failures != 0)
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL, NULL, "%u runs in a row failed: %s",
                         state->failures, state->failure);
    else if (state->failure[0] != '\0') /* of this computer: no request failed */
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL, NULL,
                         "the last run of `fleetroute keep` failed: %s", state->failure);
}

static void account_check_keep(struct fr_doctor *doctor)
{
    if (doctor->state_error.text[0] != '\0')
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL, NULL, "%s", doctor->state_error.text);
    else
        account_judge_keep(doctor);
}

const struct fr_doctor_check fr_doctor_keep[] = {
    {"keep", "fleetroute keep runs", {"tokens"}, false, account_check_keep},
    {0},
};
