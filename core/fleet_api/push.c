#include "fleet_api/push.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/config_compare.h"
#include "fleet_api/jws.h"
#include "fleet_api/keep_plan.h"
#include "fleet_api/push_ca.h"
#include "fleet_api/secret_file.h"
#include "util/memory.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define WISHES_MAX 3 /* failures in a row after which a Retry-After does not shorten the back-off */

/* ---- back-off --------------------------------------------------------------------- */

/* The first pause after a failure, and the longest. */
static void push_pauses(enum fr_api_cause cause, int64_t *first_ms, int64_t *longest_ms)
{
    *longest_ms = 6 * HOUR_MS;
    *first_ms = 5 * MINUTE_MS;
    if (cause == FR_API_LIMIT) {
        *first_ms = HOUR_MS;
        *longest_ms = FR_PUSH_BLOCK_MAX_MS;
    } else if (cause == FR_API_RATE || cause == FR_API_SERVER) {
        *first_ms = MINUTE_MS;
    }
}

/* The pause that the server asks for. After some failures in a row it is at least the back-off: a
 * short pause, asked for again and again, would cost a billed request each time. */
static int64_t push_wished_pause(int64_t wish_s, int64_t backoff_ms, int64_t longest_ms,
                                 unsigned failures)
{
    int64_t wish_ms = wish_s < longest_ms / SECOND_MS ? wish_s * SECOND_MS : longest_ms;

    return failures >= WISHES_MAX && wish_ms < backoff_ms ? backoff_ms : wish_ms;
}

void fr_push_record_failure(struct fr_state *state, const struct fr_api_error *error,
                            int64_t now_ms)
{
    int64_t pause_ms, longest_ms;

    push_pauses(error->cause, &pause_ms, &longest_ms);
    for (unsigned i = 0; i < state->failures && pause_ms < longest_ms; i++)
        pause_ms *= 2;
    /* The billing limit has no Retry-After of its own. */
    if (error->retry_after_s >= 0 && error->cause != FR_API_LIMIT)
        pause_ms = push_wished_pause(error->retry_after_s, pause_ms, longest_ms, state->failures);
    if (pause_ms > longest_ms)
        pause_ms = longest_ms;
    if (pause_ms < SECOND_MS)
        pause_ms = SECOND_MS;
    if (state->failures < UINT32_MAX)
        state->failures++;
    state->blocked_until_ms = now_ms + pause_ms;
    if (error->cause == FR_API_LOGIN_REQUIRED)
        state->login_required = true;
    snprintf(state->blocked, sizeof state->blocked, "%s", fr_api_cause_name(error->cause));
    snprintf(state->failure, sizeof state->failure, "%.*s", (int)sizeof state->failure - 1,
             error->error.text);
}

void fr_push_record_success(struct fr_state *state)
{
    state->failures = 0;
    state->blocked_until_ms = 0;
    state->login_required = false;
    state->blocked[0] = '\0';
    state->failure[0] = '\0';
}

int64_t fr_push_blocked_until(const struct fr_state *state, int64_t now_ms)
{
    if (state->blocked_until_ms <= now_ms)
        return 0;
    return state->blocked_until_ms < now_ms + FR_PUSH_BLOCK_MAX_MS ? state->blocked_until_ms
                                                                   : now_ms + FR_PUSH_BLOCK_MAX_MS;
}

void fr_push_count_requests(struct fr_state *state, uint64_t requests, int64_t now_ms)
{
    fr_keep_month_begin(state, now_ms);
    state->requests += requests;
}

/* ---- checks before a post --------------------------------------------------------- */

static int push_check_blocked(const struct fr_state *state, int64_t now_ms,
                              struct fr_api_error *error)
{
    int64_t until_ms = fr_push_blocked_until(state, now_ms);

    if (until_ms == 0)
        return 0;
    fr_api_error_set(error, FR_API_RATE,
                     "no request is made for another %" PRId64 " min after the last failure: %s",
                     (until_ms - now_ms + MINUTE_MS - 1) / MINUTE_MS, state->failure);
    error->retry_after_s = (until_ms - now_ms + SECOND_MS - 1) / SECOND_MS;
    return -1;
}

/* Compare the clock here with Tesla's. Makes a request if there was no answer yet. */
static int push_check_clock(struct fr_api *api, const char *const *vins, size_t count,
                            struct fr_api_error *error)
{
    struct fr_api_vehicle_status *status;
    int64_t offset_ms;
    int result = 0;

    if (fr_api_requests(api) == 0 && count > 0) {
        status = fr_calloc(count, sizeof *status);
        result = fr_api_fleet_status(api, vins, count, status, error);
        free(status);
        if (result != 0 && error->cause != FR_API_NOT_FOUND)
            return -1;
    }
    offset_ms = fr_api_clock_offset_ms(api);
    if (offset_ms >= -FR_PUSH_CLOCK_MAX_MS && offset_ms <= FR_PUSH_CLOCK_MAX_MS)
        return 0;
    return fr_api_error_set(error, FR_API_CLOCK,
                            "the clock of this computer is %" PRId64
                            " min %s Tesla's, so the configuration would end "
                            "at a wrong time; correct it, e.g. with `timedatectl set-ntp true`",
                            (offset_ms < 0 ? -offset_ms : offset_ms) / MINUTE_MS,
                            offset_ms < 0 ? "behind" : "ahead of");
}

/* ---- post ------------------------------------------------------------------------- */

struct push_job {
    struct fr_api *api;
    const struct fr_push_plan *plan;
    struct fr_state *state;
    const char *token;
    int64_t now_ms, exp_s;
};

static const char *push_skip_word(enum fr_api_skip skip)
{
    switch (skip) {
    case FR_API_SKIP_NONE:
        break;
    case FR_API_SKIP_MISSING_KEY:
        return "missing_key";
    case FR_API_SKIP_HARDWARE:
        return "unsupported_hardware";
    case FR_API_SKIP_FIRMWARE:
        return "unsupported_firmware";
    case FR_API_SKIP_MAX_CONFIGS:
        return "max_configs";
    case FR_API_SKIP_OTHER:
        return "skipped";
    }
    return "";
}

/* Set the problem of a vehicle from a verdict; "": none. */
static void push_set_problem(struct fr_state_vehicle *vehicle, const char *problem,
                             const struct fr_vehicle_verdict *verdict)
{
    snprintf(vehicle->problem, sizeof vehicle->problem, "%s", problem);
    snprintf(vehicle->remedy, sizeof vehicle->remedy, "%.*s", (int)sizeof vehicle->remedy - 1,
             problem[0] != '\0' ? verdict->remedy : "");
}

/* Record that Tesla has the configuration of the plan for a vehicle. */
static void push_set_pushed(struct fr_state_vehicle *vehicle, const struct fr_push_plan *plan,
                            int64_t exp_s)
{
    vehicle->exp_s = exp_s;
    memcpy(vehicle->config, plan->config_sha, sizeof vehicle->config);
    memcpy(vehicle->ca, plan->ca_sha, sizeof vehicle->ca);
    memcpy(vehicle->ca_file, plan->ca_file_sha, sizeof vehicle->ca_file);
    memcpy(vehicle->key, plan->key_sha, sizeof vehicle->key);
}

static void push_accept(const struct push_job *job, const char *vin,
                        struct fr_vehicle_verdict *verdict)
{
    struct fr_state_vehicle *vehicle = fr_state_vehicle(job->state, vin, true);
    const struct fr_api_config_state none = {.key_paired = -1};

    fr_vehicle_verdict_config(&none, job->plan->json, NULL, true, verdict);
    vehicle->pushed_ms = vehicle->tried_ms = job->now_ms;
    if (vehicle->synced_ms != 0)
        memcpy(vehicle->former_ca, vehicle->ca, sizeof vehicle->former_ca);
    vehicle->synced_ms = 0;
    push_set_pushed(vehicle, job->plan, job->exp_s);
    push_set_problem(vehicle, "", verdict);
}

/* One request. Vehicles that Tesla skipped have a verdict too. */
static int push_request(const struct push_job *job, const char *const *vins, size_t count,
                        struct fr_vehicle_verdict *verdicts, struct fr_api_error *error)
{
    enum fr_api_skip *skips = fr_calloc(count, sizeof *skips);
    struct fr_state_vehicle *vehicle;
    char other[64] = "";
    int64_t updated = 0;
    int status = fr_api_push(job->api, vins, count, job->token, skips, &updated, other, error);

    for (size_t i = 0; status == 0 && i < count; i++) {
        if (skips[i] == FR_API_SKIP_NONE && updated == 0) {
            skips[i] = FR_API_SKIP_OTHER;
            snprintf(other, sizeof other, "%s", "updated_vehicles is 0 and no reason is given");
        }
        if (skips[i] == FR_API_SKIP_NONE) {
            push_accept(job, vins[i], &verdicts[i]);
            continue;
        }
        fr_vehicle_verdict_skip(skips[i], vins[i], other, job->plan->domain, &verdicts[i]);
        vehicle = fr_state_vehicle(job->state, vins[i], true);
        vehicle->tried_ms = job->now_ms;
        push_set_problem(vehicle, push_skip_word(skips[i]), &verdicts[i]);
    }
    free(skips);
    return status;
}

static void push_not_found(const struct push_job *job, const char *vin,
                           struct fr_vehicle_verdict *verdict)
{
    struct fr_api_vehicle_status missing = {.known = false};

    fr_vehicle_verdict_status(&missing, job->plan->domain, verdict);
    push_set_problem(fr_state_vehicle(job->state, vin, true), "not_found", verdict);
}

/* One request for each vehicle, so that one that was sold does not stop the others. */
static int push_each(const struct push_job *job, const char *const *vins, size_t count,
                     struct fr_vehicle_verdict *verdicts, struct fr_api_error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (push_request(job, &vins[i], 1, &verdicts[i], error) == 0)
            continue;
        if (error->cause != FR_API_NOT_FOUND)
            return -1;
        push_not_found(job, vins[i], &verdicts[i]);
    }
    return 0;
}

static int push_send(const struct push_job *job, const char *const *vins, size_t count,
                     struct fr_vehicle_verdict *verdicts, struct fr_api_error *error)
{
    int status = push_request(job, vins, count, verdicts, error);

    if (status != 0 && error->cause == FR_API_NOT_FOUND)
        status = count > 1 ? push_each(job, vins, count, verdicts, error)
                           : (push_not_found(job, vins[0], &verdicts[0]), 0);
    return status;
}

int fr_push_post(struct fr_api *api, const struct fr_push_plan *plan, struct fr_state *state,
                 const char *const *vins, size_t count, int64_t now_ms,
                 struct fr_vehicle_verdict *verdicts, struct fr_api_error *error)
{
    struct push_job job = {.api = api, .plan = plan, .state = state, .now_ms = now_ms};
    struct fr_error cause;
    char *token;
    int status;

    for (size_t i = 0; i < count; i++)
        verdicts[i] = (struct fr_vehicle_verdict){.state = FR_VEHICLE_NO_CONFIG};
    if (count == 0)
        return 0;
    if (push_check_blocked(state, now_ms, error) != 0)
        return -1;
    job.exp_s = (now_ms + plan->server->tesla.expires_ms) / SECOND_MS;
    token = fr_push_plan_token(plan, job.exp_s, &cause);
    if (token == NULL)
        return fr_api_error_set(error, FR_API_LOCAL, "%s", cause.text);
    job.token = token;
    status = push_check_clock(api, vins, count, error);
    if (status == 0)
        status = push_send(&job, vins, count, verdicts, error);
    fr_secret_free(token);
    if (status == 0)
        fr_push_record_success(state);
    else
        fr_push_record_failure(state, error, now_ms);
    if (status != 0 && error->cause == FR_API_LIMIT)
        fr_keep_mark_removed(state, "Raise the billing limit on developer.tesla.com, then run "
                                    "`fleetroute push --now`.");
    return status;
}

/* ---- read back -------------------------------------------------------------------- */

/* Replace the verdict if the configuration in the vehicle has ended. */
static void push_check_end(const struct fr_api_config_state *config, int64_t now_ms,
                           struct fr_vehicle_verdict *verdict)
{
    int64_t exp_s = fr_config_exp(config->config);

    if (exp_s == 0 || exp_s > now_ms / SECOND_MS || verdict->state == FR_VEHICLE_OTHER_CONFIG)
        return;
    verdict->state = FR_VEHICLE_OTHER_CONFIG;
    snprintf(verdict->cause, sizeof verdict->cause,
             "the configuration of the vehicle ended %" PRId64 " h ago, so the vehicle stopped",
             (now_ms / SECOND_MS - exp_s) / 3600);
    snprintf(verdict->remedy, sizeof verdict->remedy,
             "Run `fleetroute push`, and check that `fleetroute keep` runs.");
}

/* Record what a vehicle has. Its `ca` may be an earlier one than that of the plan. */
static void push_set_read(struct fr_state_vehicle *vehicle, const struct fr_push_plan *plan,
                          const char *config, int64_t exp_s)
{
    char ca[65], ca_file[65];

    fr_push_ca_digest(config, ca);
    memcpy(ca_file, vehicle->ca_file, sizeof ca_file);
    push_set_pushed(vehicle, plan, exp_s != 0 ? exp_s : vehicle->exp_s);
    if (strcmp(ca, plan->ca_sha) != 0) {
        memcpy(vehicle->ca, ca, sizeof vehicle->ca);
        memcpy(vehicle->ca_file, ca_file, sizeof vehicle->ca_file);
    }
    vehicle->former_ca[0] = '\0';
}

static void push_update(struct fr_state_vehicle *vehicle, const struct fr_push_plan *plan,
                        const struct fr_api_config_state *config, int64_t now_ms,
                        const struct fr_vehicle_verdict *verdict)
{
    int64_t exp_s = fr_config_exp(config->config);
    const char *problem = "";

    switch (verdict->state) {
    case FR_VEHICLE_STREAMING_CONFIG:
        push_set_read(vehicle, plan, config->config, exp_s);
        vehicle->checked_ms = now_ms;
        if (vehicle->synced_ms == 0)
            vehicle->synced_ms = now_ms;
        break;
    case FR_VEHICLE_SLOTS_FULL:
        problem = "limit_reached";
        break;
    case FR_VEHICLE_NO_CONFIG:
        problem = vehicle->pushed_ms != 0 ? "removed" : "";
        break;
    case FR_VEHICLE_OTHER_CONFIG:
        problem = "other_config";
        break;
    default:
        break;
    }
    push_set_problem(vehicle, problem, verdict);
}

int fr_push_check(struct fr_api *api, const struct fr_push_plan *plan, struct fr_state *state,
                  const char *vin, int64_t now_ms, struct fr_vehicle_verdict *verdict,
                  struct fr_api_error *error)
{
    const struct push_job job = {.plan = plan, .state = state};
    struct fr_api_config_state config = {0};
    struct fr_state_vehicle *vehicle;
    struct fr_error ignored;
    char *issuer, *expected;

    if (fr_api_config_get(api, vin, &config, error) != 0) {
        if (error->cause != FR_API_NOT_FOUND)
            return -1;
        push_not_found(&job, vin, verdict);
        return 0;
    }
    vehicle = fr_state_vehicle(state, vin, true);
    issuer = plan->key != NULL ? fr_jws_issuer(plan->key, &ignored) : NULL;
    expected =
        fr_push_ca_expected(plan, config.config, vehicle->pushed_ms != 0 ? vehicle->ca : NULL);
    fr_vehicle_verdict_config(&config, expected, issuer,
                              vehicle->pushed_ms != 0 && vehicle->synced_ms == 0, verdict);
    push_check_end(&config, now_ms, verdict);
    if (strcmp(vehicle->problem, FR_PUSH_REMOVED_BY_OWNER) != 0 || config.config != NULL)
        push_update(vehicle, plan, &config, now_ms, verdict);
    free(issuer);
    free(expected);
    free(config.config);
    return 0;
}

int fr_push_remove(struct fr_api *api, struct fr_state *state, const char *vin,
                   struct fr_api_error *error)
{
    struct fr_state_vehicle *vehicle, empty = {0};

    if (fr_api_config_delete(api, vin, error) != 0)
        return -1;
    vehicle = fr_state_vehicle(state, vin, true);
    memcpy(empty.vin, vehicle->vin, sizeof empty.vin);
    snprintf(empty.problem, sizeof empty.problem, "%s", FR_PUSH_REMOVED_BY_OWNER);
    snprintf(empty.remedy, sizeof empty.remedy, "Run `fleetroute push` to stream again.");
    *vehicle = empty;
    return 0;
}
