#include "fleet_api/keep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/api.h"
#include "fleet_api/keep_plan.h"
#include "fleet_api/push.h"
#include "fleet_api/push_ca.h"
#include "util/memory.h"
#include "util/redact.h"

/* Vehicles that fail one after the other in a run before the account is taken for the cause. */
#define REFUSALS_MAX 3

struct keep_job {
    const struct fr_keep_settings *settings;
    const struct fr_tesla_config *tesla;
    struct fr_state *state;
    struct fr_api *api;
    uint64_t counted;  /* requests that are in the state */
    unsigned refusals; /* requests about vehicles that failed since the last one that succeeded */
    struct fr_api_error refusal; /* the last of them */
    bool answered;               /* a request about a vehicle succeeded */
    bool failed;
    bool requested; /* a request succeeded */
    bool saved;     /* the state was written before the first request */
};

/* ---- reports --------------------------------------------------------------------- */

static void keep_report(const struct keep_job *job, bool failure, const char *vin, const char *text)
{
    char buffer[FR_REDACTED_VIN_SIZE], *line;

    line = fr_asprintf("%s%s%s", vin != NULL ? fr_display_vin(vin, buffer) : "",
                       vin != NULL ? ": " : "", text);
    job->settings->report(job->settings->ctx, failure, line);
    free(line);
}

/* Record a failure of this computer: no back-off, because no request failed. */
static void keep_fail_here(struct keep_job *job, const char *text)
{
    job->failed = true;
    keep_report(job, true, NULL, text);
    snprintf(job->state->failure, sizeof job->state->failure, "%.*s",
             (int)sizeof job->state->failure - 1, text);
}

/* A problem that `keep` solves itself in the same run is no failure. */
static void keep_report_verdict(const struct keep_job *job, const char *vin, const char *problem,
                                const struct fr_vehicle_verdict *verdict)
{
    bool own = problem[0] == '\0' || strcmp(problem, FR_KEEP_PROBLEM_UNKNOWN) == 0 ||
               strcmp(problem, FR_KEEP_PROBLEM_REMOVED) == 0;
    char *text = own || verdict->remedy[0] == '\0'
                     ? fr_strdup(verdict->cause)
                     : fr_asprintf("%s: %s", verdict->cause, verdict->remedy);

    keep_report(job, !own, vin, text);
    free(text);
}

/* ---- the state ------------------------------------------------------------------- */

static int keep_save(struct keep_job *job)
{
    const struct fr_keep_settings *s = job->settings;
    uint64_t requests = job->api != NULL ? fr_api_requests(job->api) : 0;
    struct fr_error error;

    fr_push_count_requests(job->state, requests - job->counted, s->now_ms);
    job->counted = requests;
    if (fr_push_ca_save(s->plan, job->state, s->now_ms, s->group, &error) == 0)
        return 0;
    job->failed = true;
    keep_report(job, true, NULL, error.text);
    return -1;
}

/* Before the first request, so that a run that is killed is counted too. */
static bool keep_may_request(struct keep_job *job)
{
    if (job->saved)
        return true;
    job->state->tried_ms = job->settings->now_ms;
    job->saved = keep_save(job) == 0;
    return job->saved;
}

/* ---- failures of requests -------------------------------------------------------- */

/* Record a failed request. At the billing limit and without consent Tesla removes all
 * configurations. `recorded`: the failure is in the state already. */
static void keep_fail(struct keep_job *job, const struct fr_api_error *error, bool recorded)
{
    job->failed = true;
    if (!recorded)
        fr_push_record_failure(job->state, error, job->settings->now_ms);
    if (error->cause == FR_API_LIMIT)
        fr_keep_mark_removed(job->state, "Raise the billing limit on developer.tesla.com; "
                                         "`fleetroute keep` then pushes again.");
    if (error->cause == FR_API_LOGIN_REQUIRED)
        fr_keep_mark_removed(job->state, "Run `fleetroute setup` to grant access again.");
    keep_report(job, true, NULL, error->error.text);
}

/* Whether the run goes on with the other vehicles after a failed request about one: a vehicle whose
 * answers are refused or malformed must not stop their upkeep. */
static bool keep_is_of_vehicle(struct keep_job *job, const struct fr_api_error *error)
{
    return fr_api_cause_may_be_of_vehicle(error->cause) && ++job->refusals < REFUSALS_MAX;
}

static void keep_succeed_vehicle(struct keep_job *job)
{
    job->requested = job->answered = true;
    job->refusals = 0;
}

/* ---- actions --------------------------------------------------------------------- */

static int keep_refresh(struct keep_job *job, const struct fr_keep_action *action)
{
    struct fr_api_error error;
    char text[128];

    if (fr_api_refresh(job->api, &error) != 0) {
        keep_fail(job, &error, false);
        return -1;
    }
    job->requested = true;
    job->state->refresh_ms = fr_api_refresh_issued_ms(job->api);
    if (action->reason == FR_KEEP_LOGIN)
        fr_push_record_success(job->state);
    snprintf(text, sizeof text, "refreshed the tokens: %s", fr_keep_reason_text(action->reason));
    keep_report(job, false, NULL, text);
    return 0;
}

/* Note whether the vehicle has yet to take the configuration. One that it refused is not better because
 * Tesla accepted it again: the problem stands until the vehicle has it. */
static void keep_set_waiting(struct fr_state_vehicle *vehicle,
                             const struct fr_state_vehicle *before,
                             const struct fr_vehicle_verdict *verdict)
{
    vehicle->waiting = verdict->state == FR_VEHICLE_WAITING;
    if (vehicle->waiting && strcmp(before->problem, FR_KEEP_PROBLEM_REFUSED) == 0)
        fr_keep_set_problem(vehicle, before->problem, before->remedy);
}

/* What a read-back means for the upkeep, beyond what fr_push_check() records. */
static void keep_judge(struct keep_job *job, struct fr_state_vehicle *vehicle,
                       const struct fr_vehicle_verdict *verdict)
{
    bool other = verdict->state == FR_VEHICLE_OTHER_CONFIG;

    vehicle->checked_ms = job->settings->now_ms;
    if (vehicle->pushed_ms == 0 && verdict->state == FR_VEHICLE_STREAMING_CONFIG)
        vehicle->pushed_ms = job->settings->now_ms;
    else if (vehicle->pushed_ms == 0 && (other || verdict->state == FR_VEHICLE_WAITING))
        fr_keep_set_problem(vehicle, FR_KEEP_PROBLEM_UNKNOWN, verdict->remedy);
    else if (other && strcmp(vehicle->config, job->settings->plan->config_sha) != 0)
        fr_keep_set_problem(vehicle, NULL, NULL); /* the change of the routes was not pushed yet */
}

/* No back-off yet: the next read-back of this vehicle is hours away. */
static int keep_cannot_check(struct keep_job *job, const char *vin,
                             const struct fr_api_error *error)
{
    struct fr_state_vehicle *vehicle = fr_state_vehicle(job->state, vin, true);

    job->failed = true;
    job->refusal = *error;
    keep_report(job, true, vin, error->error.text);
    vehicle->checked_ms = job->settings->now_ms;
    if (vehicle->problem[0] == '\0')
        fr_keep_set_problem(vehicle, FR_KEEP_PROBLEM_CHECK, error->error.text);
    return 0;
}

static int keep_check(struct keep_job *job, const char *vin)
{
    const struct fr_state_vehicle before = *fr_state_vehicle(job->state, vin, true);
    struct fr_state_vehicle *vehicle;
    struct fr_vehicle_verdict verdict;
    struct fr_api_error error;

    if (fr_push_check(job->api, job->settings->plan, job->state, vin, job->settings->now_ms,
                      &verdict, &error) != 0) {
        if (keep_is_of_vehicle(job, &error))
            return keep_cannot_check(job, vin, &error);
        keep_fail(job, &error, false);
        return -1;
    }
    keep_succeed_vehicle(job);
    vehicle = fr_state_vehicle(job->state, vin, true);
    keep_judge(job, vehicle, &verdict);
    keep_set_waiting(vehicle, &before, &verdict);
    if (strcmp(vehicle->problem, before.problem) != 0)
        keep_report_verdict(job, vin, vehicle->problem, &verdict);
    return 0;
}

static int keep_remove(struct keep_job *job, const char *vin)
{
    struct fr_state_vehicle *vehicle;
    struct fr_api_error error;

    if (fr_push_remove(job->api, job->state, vin, &error) != 0 && error.cause != FR_API_NOT_FOUND) {
        keep_fail(job, &error, false);
        return keep_is_of_vehicle(job, &error) ? 0 : -1;
    }
    keep_succeed_vehicle(job);
    vehicle = fr_state_vehicle(job->state, vin, true);
    vehicle->pushed_ms = 0;
    fr_keep_set_problem(vehicle, FR_KEEP_PROBLEM_OVER_BUDGET,
                        "Route fewer fields, set longer intervals, or raise `tesla: budget`; "
                        "otherwise the next month begins with a push.");
    keep_report(job, true, vin, "removed the configuration: the month is over the budget");
    return 0;
}

/* ---- push ------------------------------------------------------------------------ */

static void keep_report_push(struct keep_job *job, const struct fr_keep_action *action,
                             const struct fr_vehicle_verdict *verdict)
{
    char text[128];

    if (verdict->state == FR_VEHICLE_WAITING) {
        snprintf(text, sizeof text, "pushed the configuration: %s",
                 fr_keep_reason_text(action->reason));
        keep_report(job, false, action->vin, text);
    } else {
        keep_report_verdict(job, action->vin, "refused", verdict);
    }
}

static bool keep_is_other_config(enum fr_keep_reason reason)
{
    return reason == FR_KEEP_ROUTES || reason == FR_KEEP_NEW || reason == FR_KEEP_UNKNOWN;
}

/* Push to the vehicles of these actions in one request. The attempt is saved first. */
static void keep_push(struct keep_job *job, const struct fr_keep_action *actions, size_t count)
{
    const struct fr_keep_settings *s = job->settings;
    struct fr_vehicle_verdict *verdicts = fr_calloc(count, sizeof *verdicts);
    struct fr_state_vehicle *before = fr_calloc(count, sizeof *before), *vehicle;
    const char **vins = fr_calloc(count, sizeof *vins);
    struct fr_api_error error;
    bool other = false;

    for (size_t i = 0; i < count; i++) {
        vins[i] = actions[i].vin;
        vehicle = fr_state_vehicle(job->state, vins[i], true);
        vehicle->tried_ms = s->now_ms;
        before[i] = *vehicle;
    }
    if (keep_save(job) == 0) {
        if (fr_push_post(job->api, s->plan, job->state, vins, count, s->now_ms, verdicts, &error) !=
            0) {
            keep_fail(job, &error, true);
        } else {
            job->requested = true;
            for (size_t i = 0; i < count; i++) {
                keep_report_push(job, &actions[i], &verdicts[i]);
                keep_set_waiting(fr_state_vehicle(job->state, vins[i], true), &before[i],
                                 &verdicts[i]);
                other = other || keep_is_other_config(actions[i].reason);
            }
            if (other)
                fr_keep_measure_again(job->state, s->now_ms);
        }
    }
    free(vins);
    free(before);
    free(verdicts);
}

/* ---- the run --------------------------------------------------------------------- */

static void keep_make_plan(const struct keep_job *job, struct fr_keep_plan *plan)
{
    const struct fr_push_plan *push = job->settings->plan;
    bool valid = job->settings->plan_error == NULL;
    struct fr_pushed_ca_list accepted;
    struct fr_keep_input input = {
        .state = job->state,
        .now_ms = job->settings->now_ms,
        .has_tokens = fr_api_has_tokens(job->api),
        .refresh_issued_ms = fr_api_refresh_issued_ms(job->api),
        .expires_ms = job->tesla->expires_ms,
        .push_every_ms = job->tesla->push_every_ms,
        .budget_usd = job->tesla->budget_usd,
        .expected_usd = valid ? fr_keep_expected_usd(job->state, push->config_sha, push->usd) : 0,
        .config = valid ? push->config_sha : NULL,
        .ca_file = push->ca_file_sha,
        .accepted = accepted.digests,
        .key = push->key_sha,
        .vins = push->vins,
        .vin_count = valid ? push->vin_count : 0,
    };

    fr_push_ca_accepted(push, job->state, job->settings->now_ms, &accepted);
    input.accepted_count = accepted.count;
    fr_keep_plan_make(plan, &input);
}

/* Refresh and read back. Returns false if the rest of the run is cancelled. */
static bool keep_do_first(struct keep_job *job, const struct fr_keep_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct fr_keep_action *action = &plan->actions[i];

        if (action->kind != FR_KEEP_REFRESH && action->kind != FR_KEEP_CHECK)
            continue;
        if (!keep_may_request(job) ||
            (action->kind == FR_KEEP_REFRESH ? keep_refresh(job, action)
                                             : keep_check(job, action->vin)) != 0)
            return false;
    }
    /* No vehicle was answered: the account or the connection can be the cause. */
    if (job->refusals > 0 && !job->answered)
        fr_push_record_failure(job->state, &job->refusal, job->settings->now_ms);
    return job->refusals == 0 || job->answered;
}

/* Remove and push, which come last in a plan. */
static void keep_do_second(struct keep_job *job, const struct fr_keep_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct fr_keep_action *action = &plan->actions[i];

        if (action->kind == FR_KEEP_PUSH) {
            if (keep_may_request(job))
                keep_push(job, action, plan->count - i);
            return;
        }
        if (action->kind == FR_KEEP_REMOVE &&
            (!keep_may_request(job) || keep_remove(job, action->vin) != 0))
            return;
    }
}

static void keep_report_budget(struct keep_job *job, const struct fr_keep_plan *plan)
{
    const struct fr_push_plan *push = job->settings->plan;
    double expected = fr_keep_expected_usd(job->state, push->config_sha, push->usd);
    char text[512];

    job->state->over_budget = plan->over_budget;
    if (!plan->over_budget)
        return;
    fr_keep_budget_text(job->state, expected, job->tesla->budget_usd, text, sizeof text);
    keep_fail_here(job, text);
}

/* New tokens of `setup` end what the old ones caused. */
static void keep_take_tokens(struct keep_job *job)
{
    int64_t issued_ms = fr_api_refresh_issued_ms(job->api);

    if (issued_ms > job->state->refresh_ms && job->state->login_required)
        fr_push_record_success(job->state);
    job->state->refresh_ms = issued_ms;
}

static enum fr_keep_result keep_do(struct keep_job *job)
{
    struct fr_keep_plan plan;
    enum fr_keep_hold hold;

    keep_make_plan(job, &plan);
    hold = plan.hold;
    if (hold == FR_KEEP_FREE || hold == FR_KEEP_NEVER_PUSHED) {
        bool go_on = keep_do_first(job, &plan);

        fr_keep_plan_free(&plan);
        keep_take_tokens(job);
        keep_make_plan(job, &plan);
        if (go_on && plan.hold == FR_KEEP_FREE)
            keep_do_second(job, &plan);
        if (go_on && !job->failed)
            keep_report_budget(job, &plan);
    }
    fr_keep_plan_free(&plan);
    return hold == FR_KEEP_FREE || hold == FR_KEEP_NEVER_PUSHED ? FR_KEEP_DONE : FR_KEEP_HELD;
}

static enum fr_keep_result keep_connect_and_do(struct keep_job *job)
{
    const struct fr_push_plan *plan = job->settings->plan;
    enum fr_keep_result result = FR_KEEP_DONE;
    struct fr_api_error error;

    job->api = fr_api_new(job->tesla, plan->domain != NULL ? plan->domain : job->tesla->domain,
                          true, &error);
    if (job->api == NULL) {
        keep_fail_here(job, error.error.text);
        return FR_KEEP_FAILED;
    }
    keep_take_tokens(job);
    result = keep_do(job);
    if (job->requested && !job->failed)
        fr_push_record_success(job->state);
    return result;
}

enum fr_keep_result fr_keep_run(const struct fr_keep_settings *settings, struct fr_state *state)
{
    struct keep_job job = {
        .settings = settings, .tesla = &settings->plan->server->tesla, .state = state};
    const struct fr_push_plan *plan = settings->plan;
    enum fr_keep_result result;

    fr_keep_month_begin(state, settings->now_ms);
    state->blocked_until_ms = fr_push_blocked_until(state, settings->now_ms);
    if (settings->plan_error == NULL) {
        fr_keep_mark_unlisted(state, plan->vins, plan->vin_count);
        if (!state->measured)
            state->projected_usd = plan->usd;
    }
    if (strcmp(state->blocked, fr_api_cause_name(FR_API_LIMIT)) == 0)
        fr_keep_mark_removed(state, "Raise the billing limit on developer.tesla.com; "
                                    "`fleetroute keep` then pushes again.");
    result = keep_connect_and_do(&job);
    state->run_ms = settings->now_ms;
    if (!job.failed && settings->plan_error == NULL && result == FR_KEEP_DONE) {
        state->success_ms = settings->now_ms;
        if (state->blocked[0] == '\0')
            state->failure[0] = '\0';
    }
    if (settings->plan_error != NULL) {
        job.failed = true;
        snprintf(state->failure, sizeof state->failure, "%s", settings->plan_error);
    }
    keep_save(&job);
    fr_api_free(job.api);
    return job.failed ? FR_KEEP_FAILED : result;
}
