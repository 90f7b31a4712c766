#include "fleet_api/push_plan.h"

#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/routing_config.h"
#include "fleet_api/ca_verify.h"
#include "fleet_api/command_key.h"
#include "fleet_api/config_compare.h"
#include "fleet_api/jws.h"
#include "fleet_api/public_key.h"
#include "fleet_api/text_digest.h"
#include "fleet_api/vehicle_ca.h"
#include "fleet_api/vehicle_config_load.h"
#include "fleet_api/vehicle_cost.h"
#include "util/memory.h"
#include "util/plural.h"

/* ---- routes ----------------------------------------------------------------------- */

static void push_plan_load_vins(struct fr_push_plan *plan, struct fr_diagnostics *diagnostics)
{
    const struct fr_routing *routing = plan->routing;

    plan->vin_count = routing->vehicle_count;
    plan->vins = fr_calloc(plan->vin_count + 1, sizeof *plan->vins);
    for (size_t i = 0; i < plan->vin_count; i++)
        plan->vins[i] = routing->vehicles[i].vin;
    if (plan->vin_count == 0)
        fr_diagnose(diagnostics, FR_SEVERITY_ERROR, plan->server->routing, 0, 0,
                    "there is no vehicle to push to; list the VINs in `vehicles:`");
}

static void push_plan_check_budget(const struct fr_push_plan *plan,
                                   struct fr_diagnostics *diagnostics)
{
    double budget = plan->server->tesla.budget_usd;

    if (plan->usd > budget)
        fr_diagnose(diagnostics, FR_SEVERITY_ERROR, plan->server->path, 0, 0,
                    "the estimate of US$ %.2f a month for %zu vehicle%s is over `tesla: budget:` "
                    "(US$ %.2f); " FR_BUDGET_REMEDY,
                    plan->usd, plan->vin_count, fr_plural(plan->vin_count), budget);
}

static void push_plan_load_routes(struct fr_push_plan *plan, unsigned flags,
                                  struct fr_diagnostics *diagnostics)
{
    plan->routing = fr_vehicle_config_load(&plan->config, plan->server, diagnostics);
    if (plan->routing == NULL)
        return;
    fr_vehicle_config_check_scopes(&plan->config, plan->server, FR_SEVERITY_ERROR, diagnostics);
    push_plan_load_vins(plan, diagnostics);
    plan->signals = fr_vehicle_cost_total(&plan->config, FR_VEHICLE_AWAKE_HOURS_MONTH) *
                    (double)plan->vin_count;
    plan->usd = fr_vehicle_cost_usd(plan->signals);
    if ((flags & FR_PUSH_PLAN_NO_BUDGET) == 0)
        push_plan_check_budget(plan, diagnostics);
}

/* ---- certificates ----------------------------------------------------------------- */

static void push_plan_digest_file(struct fr_push_plan *plan)
{
    const char *path = plan->server->tesla.ca;
    struct fr_error ignored; /* fr_vehicle_ca_make() has reported it */
    STACK_OF(X509) *list = path != NULL ? fr_server_chain_read(path, &ignored) : NULL;
    char *text = fr_ca_text(list);

    if (text != NULL)
        fr_text_digest(text, plan->ca_file_sha);
    free(text);
    sk_X509_pop_free(list, X509_free);
}

static void push_plan_load_chain(struct fr_push_plan *plan, struct fr_diagnostics *diagnostics)
{
    const struct fr_tesla_config *tesla = &plan->server->tesla;
    size_t errors = diagnostics->errors;
    struct fr_error cause;

    plan->hostname = fr_vehicle_config_load_chain(&plan->chain, plan->server, NULL, diagnostics);
    plan->domain = tesla->domain != NULL ? tesla->domain : plan->chain.host;
    if (plan->hostname == NULL || diagnostics->errors != errors)
        return;
    if (plan->domain == NULL)
        fr_diagnose(diagnostics, FR_SEVERITY_ERROR, plan->server->path, 0, 0,
                    "`tesla: domain:` is missing, and the certificate does not have exactly one "
                    "host name; set it to the domain that serves the public key");
    plan->ca = fr_vehicle_ca_make(&plan->chain, tesla->ca, plan->hostname, &cause);
    if (plan->ca != NULL)
        fr_text_digest(plan->ca, plan->ca_sha);
    else
        fr_diagnose(diagnostics, FR_SEVERITY_ERROR, plan->server->certificate, 0, 0, "%s",
                    cause.text);
    push_plan_digest_file(plan);
}

/* ---- key -------------------------------------------------------------------------- */

/* Check that a key that was read is none of the TLS server, and take it. */
static int push_plan_take_key(struct fr_push_plan *plan, EVP_PKEY *key, struct fr_error *error)
{
    const struct fr_server_config *server = plan->server;
    char *fingerprint = NULL;

    if (fr_public_key_check_tls(key, server->tesla.key, server->key, server->certificate, error) ==
        0) {
        fingerprint = fr_public_key_fingerprint(key);
        if (fingerprint == NULL)
            fr_error_set(error, "%s: OpenSSL cannot encode the public key", server->tesla.key);
    }
    if (fingerprint == NULL) {
        EVP_PKEY_free(key);
        return -1;
    }
    snprintf(plan->key_sha, sizeof plan->key_sha, "%s", fingerprint);
    free(fingerprint);
    plan->key = key;
    return 0;
}

static int push_plan_read_key(struct fr_push_plan *plan, struct fr_error *error)
{
    const struct fr_server_config *server = plan->server;
    const char *path = server->tesla.key;
    const struct passwd *user = server->user != NULL ? getpwnam(server->user) : NULL;
    struct fr_file_owner owner;
    EVP_PKEY *key = NULL;

    if (user != NULL)
        owner = (struct fr_file_owner){user->pw_uid, user->pw_gid};
    if (fr_public_key_check_path(path, server->key, error) != 0)
        return -1;
    switch (
        fr_command_key_read(path, geteuid() == 0 && user != NULL ? &owner : NULL, &key, error)) {
    case FR_COMMAND_KEY_READ:
        return push_plan_take_key(plan, key, error);
    case FR_COMMAND_KEY_MISSING:
        return fr_error_set(error, "there is no command key %s; make it with `fleetroute key`",
                            path);
    case FR_COMMAND_KEY_REFUSED:
        break;
    }
    return -1;
}

/* ---- the plan --------------------------------------------------------------------- */

static void push_plan_make_json(struct fr_push_plan *plan, struct fr_diagnostics *diagnostics)
{
    struct fr_vehicle_config_server server = {plan->hostname, plan->server->tesla.port, plan->ca};
    struct fr_error cause;

    plan->json = fr_vehicle_config_object(&plan->config, &server, &cause);
    if (plan->json == NULL || !fr_config_digest(plan->json, plan->config_sha))
        fr_diagnose(diagnostics, FR_SEVERITY_ERROR, plan->server->path, 0, 0, "%s",
                    plan->json == NULL ? cause.text : "the configuration is no JSON object");
}

int fr_push_plan_load(struct fr_push_plan *plan, const char *path, unsigned flags,
                      struct fr_diagnostics *diagnostics)
{
    struct fr_error cause;

    *plan = (struct fr_push_plan){0};
    plan->server = fr_server_config_load(path, diagnostics);
    if (plan->server == NULL)
        return -1;
    if (plan->server->routing != NULL)
        push_plan_load_routes(plan, flags, diagnostics);
    if (plan->server->certificate != NULL)
        push_plan_load_chain(plan, diagnostics);
    if (plan->server->tesla.key != NULL && push_plan_read_key(plan, &cause) != 0 &&
        (flags & FR_PUSH_PLAN_NO_KEY) == 0)
        fr_diagnose(diagnostics, FR_SEVERITY_ERROR, plan->server->path, 0, 0, "tesla: key: %s",
                    cause.text);
    if (plan->routing != NULL && plan->ca != NULL)
        push_plan_make_json(plan, diagnostics);
    return diagnostics->errors == 0 ? 0 : -1;
}

void fr_push_plan_free(struct fr_push_plan *plan)
{
    free(plan->vins);
    free(plan->json);
    free(plan->ca);
    EVP_PKEY_free(plan->key);
    fr_vehicle_config_free(&plan->config);
    fr_server_chain_free(&plan->chain);
    fr_routing_unref(plan->routing);
    fr_server_config_unref(plan->server);
    *plan = (struct fr_push_plan){0};
}

char *fr_push_plan_claims(const struct fr_push_plan *plan, int64_t exp_s)
{
    json_t *claims = json_loads(plan->json, 0, NULL);
    char *dump, *text;

    json_object_set_new(claims, "exp", json_integer(exp_s));
    dump = json_dumps(claims, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(15));
    json_decref(claims);
    text = fr_strdup(dump != NULL ? dump : "{}");
    free(dump);
    return text;
}

char *fr_push_plan_token(const struct fr_push_plan *plan, int64_t exp_s, struct fr_error *error)
{
    char *claims, *token;

    if (plan->key == NULL || plan->json == NULL) {
        fr_error_set(error, "the configuration cannot be signed: %s",
                     plan->key == NULL ? "there is no command key; make it with `fleetroute key`"
                                       : "it has errors; see `fleetroute vehicle-config`");
        return NULL;
    }
    claims = fr_push_plan_claims(plan, exp_s);
    token = fr_jws_sign_config(plan->key, claims, FR_JWS_AUDIENCE_FLEET, error);
    free(claims);
    return token;
}
