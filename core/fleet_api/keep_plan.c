#include "fleet_api/keep_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/memory.h"

#define ACTIONS_PER_VEHICLE 2

/* A vehicle whose configuration is to be read back. */
struct keep_candidate {
    size_t index; /* in the input's `vins` */
    int64_t checked_ms;
    enum fr_keep_reason reason;
};

/* ---- actions --------------------------------------------------------------------- */

static void keep_add(struct fr_keep_plan *plan, enum fr_keep_kind kind, enum fr_keep_reason reason,
                     const char *vin)
{
    struct fr_keep_action *action = &plan->actions[plan->count++];

    action->kind = kind;
    action->reason = reason;
    snprintf(action->vin, sizeof action->vin, "%s", vin);
}

static bool keep_has_problem(const struct fr_state_vehicle *vehicle, const char *problem)
{
    return strcmp(vehicle->problem, problem) == 0;
}

/* Whether nothing is known that a push would change: what cannot be read back may be in order. */
static bool keep_has_no_problem(const struct fr_state_vehicle *vehicle)
{
    return vehicle->problem[0] == '\0' || keep_has_problem(vehicle, FR_KEEP_PROBLEM_CHECK);
}

/* ---- push ------------------------------------------------------------------------ */

static bool keep_expiry_is_near(const struct fr_keep_input *in, const struct fr_state_vehicle *v)
{
    int64_t renew_ms = in->expires_ms / 2;

    if (renew_ms > FR_KEEP_RENEW_MAX_MS)
        renew_ms = FR_KEEP_RENEW_MAX_MS;
    return v->exp_s - in->now_ms / 1000 < renew_ms / 1000;
}

/* Whether a vehicle has a `ca` of the owner's present choice that verifies this server. It may have
 * more certificates than a push would send now. */
static bool keep_has_ca(const struct fr_keep_input *in, const struct fr_state_vehicle *v)
{
    if (strcmp(v->ca_file, in->ca_file) != 0)
        return false;
    for (size_t i = 0; i < in->accepted_count; i++)
        if (strcmp(v->ca, in->accepted[i]) == 0)
            return true;
    return false;
}

/* The change that needs a push, if the last one was accepted and taken. */
static bool keep_changed(const struct fr_keep_input *in, const struct fr_state_vehicle *v,
                         enum fr_keep_reason *reason)
{
    if (strcmp(v->key, in->key) != 0)
        *reason = FR_KEEP_KEY;
    else if (!keep_has_ca(in, v))
        *reason = FR_KEEP_CA;
    else if (strcmp(v->config, in->config) != 0)
        *reason = FR_KEEP_ROUTES;
    else if (keep_expiry_is_near(in, v))
        *reason = FR_KEEP_EXPIRY;
    else
        return false;
    return true;
}

/* Whether a vehicle needs a push now. A configuration that was seen in the vehicle and that Tesla
 * removed is pushed at once. One that Tesla or the vehicle refused is pushed once a day, but not
 * while the vehicle, perhaps asleep, has yet to answer the last one. */
static bool keep_needs_push(const struct fr_keep_input *in, const struct fr_state_vehicle *v,
                            enum fr_keep_reason *reason)
{
    if (!fr_keep_is_due(v->tried_ms, in->push_every_ms, in->now_ms) ||
        !fr_keep_is_due(v->pushed_ms, in->push_every_ms, in->now_ms) ||
        keep_has_problem(v, FR_KEEP_PROBLEM_NOT_FOUND) ||
        keep_has_problem(v, FR_KEEP_PROBLEM_BY_OWNER))
        return false;
    if (keep_has_problem(v, FR_KEEP_PROBLEM_REMOVED)) {
        *reason = FR_KEEP_WAS_REMOVED;
        return true;
    }
    if (keep_has_problem(v, FR_KEEP_PROBLEM_UNKNOWN)) {
        *reason = FR_KEEP_UNKNOWN;
        return true;
    }
    if (keep_has_problem(v, FR_KEEP_PROBLEM_OVER_BUDGET) ||
        (keep_has_no_problem(v) && v->pushed_ms == 0)) {
        *reason = FR_KEEP_NEW;
        return true;
    }
    if (!keep_has_no_problem(v) && !keep_has_problem(v, FR_KEEP_PROBLEM_UNLISTED)) {
        *reason = FR_KEEP_REFUSED;
        return !v->waiting &&
               fr_keep_is_due(v->tried_ms > v->pushed_ms ? v->tried_ms : v->pushed_ms,
                              FR_KEEP_REFUSED_MS, in->now_ms);
    }
    return keep_changed(in, v, reason);
}

/* ---- check ----------------------------------------------------------------------- */

static bool keep_check_is_due(const struct fr_keep_input *in, const struct fr_state_vehicle *v)
{
    bool failed = keep_has_problem(v, FR_KEEP_PROBLEM_CHECK);

    return fr_keep_is_due(v->checked_ms, failed ? FR_KEEP_CHECK_FAILED_MS : FR_KEEP_CHECK_MS,
                          in->now_ms);
}

/* Whether the configuration of a vehicle is to be read back. */
static bool keep_needs_check(const struct fr_keep_input *in, const struct fr_state_vehicle *v,
                             enum fr_keep_reason *reason)
{
    *reason = FR_KEEP_DAILY;
    if (keep_has_problem(v, FR_KEEP_PROBLEM_NOT_FOUND))
        return fr_keep_is_due(v->checked_ms, FR_KEEP_CHECK_MS, in->now_ms);
    if (v->pushed_ms == 0 || keep_has_problem(v, FR_KEEP_PROBLEM_REMOVED) ||
        keep_has_problem(v, FR_KEEP_PROBLEM_OVER_BUDGET))
        return false;
    if (v->checked_ms <= v->pushed_ms && !keep_has_problem(v, FR_KEEP_PROBLEM_CHECK)) {
        *reason = FR_KEEP_AFTER_PUSH;
        return fr_keep_is_due(v->pushed_ms, FR_KEEP_CHECK_PUSHED_MS, in->now_ms);
    }
    return keep_check_is_due(in, v);
}

/* ---- the plan -------------------------------------------------------------------- */

/* Whether `setup` received tokens since the last run. */
static bool keep_has_new_tokens(const struct fr_keep_input *in)
{
    return in->refresh_issued_ms > in->state->refresh_ms;
}

static enum fr_keep_hold keep_hold(const struct fr_keep_input *in, int64_t *until_ms)
{
    const struct fr_state *state = in->state;

    *until_ms = 0;
    if (!in->has_tokens)
        return FR_KEEP_NO_TOKENS;
    if (keep_has_new_tokens(in) && state->login_required)
        return FR_KEEP_FREE;
    if (state->login_required && !fr_keep_is_due(state->tried_ms, FR_KEEP_LOGIN_MS, in->now_ms)) {
        *until_ms = state->tried_ms + FR_KEEP_LOGIN_MS;
        return FR_KEEP_NEEDS_LOGIN;
    }
    if (!state->login_required && state->blocked_until_ms > in->now_ms &&
        state->blocked_until_ms <= in->now_ms + FR_KEEP_BLOCK_MAX_MS) {
        *until_ms = state->blocked_until_ms;
        return FR_KEEP_BLOCKED;
    }
    return FR_KEEP_FREE;
}

static bool keep_over_budget(const struct fr_keep_input *in)
{
    return fr_keep_month_usd(in->state) > in->budget_usd;
}

static bool keep_expects_too_much(const struct fr_keep_input *in)
{
    return in->config != NULL && in->expected_usd > in->budget_usd;
}

/* Remove what vehicles have, listed or not. */
static void keep_plan_removal(struct fr_keep_plan *plan, const struct fr_keep_input *in)
{
    const struct fr_state *state = in->state;

    for (size_t i = 0; i < state->vehicle_count; i++) {
        const struct fr_state_vehicle *v = &state->vehicles[i];

        if (v->pushed_ms != 0 && !keep_has_problem(v, FR_KEEP_PROBLEM_REMOVED) &&
            !keep_has_problem(v, FR_KEEP_PROBLEM_OVER_BUDGET) &&
            !keep_has_problem(v, FR_KEEP_PROBLEM_NOT_FOUND))
            keep_add(plan, FR_KEEP_REMOVE, FR_KEEP_OVER_BUDGET, v->vin);
    }
}

static int keep_compare_checks(const void *a, const void *b)
{
    const struct keep_candidate *left = a, *right = b;

    if (left->checked_ms != right->checked_ms)
        return left->checked_ms < right->checked_ms ? -1 : 1;
    return left->index < right->index ? -1 : left->index > right->index;
}

/* Add read-backs, max FR_KEEP_CHECKS_MAX of them, the oldest first. */
static void keep_add_checks(struct fr_keep_plan *plan, const struct fr_keep_input *in,
                            struct keep_candidate *list, size_t count)
{
    if (count > FR_KEEP_CHECKS_MAX) {
        qsort(list, count, sizeof *list, keep_compare_checks);
        count = FR_KEEP_CHECKS_MAX;
    }
    for (size_t i = 0; i < count; i++)
        keep_add(plan, FR_KEEP_CHECK, list[i].reason, in->vins[list[i].index]);
}

static void keep_plan_vehicles(struct fr_keep_plan *plan, const struct fr_keep_input *in)
{
    static const struct fr_state_vehicle none;
    struct keep_candidate *checks = fr_calloc(in->vin_count + 1, sizeof *checks);
    enum fr_keep_reason reason;
    size_t count = 0;

    for (size_t i = 0; i < in->vin_count; i++) {
        const struct fr_state_vehicle *v = fr_state_find(in->state, in->vins[i]);

        if (v != NULL && keep_needs_check(in, v, &reason))
            checks[count++] = (struct keep_candidate){i, v->checked_ms, reason};
    }
    keep_add_checks(plan, in, checks, count);
    free(checks);
    for (size_t i = 0; in->config != NULL && !keep_expects_too_much(in) && i < in->vin_count; i++) {
        const struct fr_state_vehicle *v = fr_state_find(in->state, in->vins[i]);

        if (keep_needs_push(in, v != NULL ? v : &none, &reason))
            keep_add(plan, FR_KEEP_PUSH, reason, in->vins[i]);
    }
}

bool fr_keep_has_begun(const struct fr_state *state)
{
    for (size_t i = 0; i < state->vehicle_count; i++)
        if (state->vehicles[i].pushed_ms != 0 ||
            keep_has_problem(&state->vehicles[i], FR_KEEP_PROBLEM_UNKNOWN) ||
            keep_has_problem(&state->vehicles[i], FR_KEEP_PROBLEM_OVER_BUDGET))
            return true;
    return false;
}

/* Without a push in the state: read back what vehicles have, because the state may have been lost. */
static void keep_plan_search(struct fr_keep_plan *plan, const struct fr_keep_input *in)
{
    struct keep_candidate *checks = fr_calloc(in->vin_count + 1, sizeof *checks);
    size_t count = 0;

    plan->hold = FR_KEEP_NEVER_PUSHED;
    for (size_t i = 0; i < in->vin_count; i++) {
        const struct fr_state_vehicle *v = fr_state_find(in->state, in->vins[i]);

        if (v == NULL ||
            (!keep_has_problem(v, FR_KEEP_PROBLEM_BY_OWNER) && keep_check_is_due(in, v)))
            checks[count++] =
                (struct keep_candidate){i, v != NULL ? v->checked_ms : 0, FR_KEEP_DAILY};
    }
    keep_add_checks(plan, in, checks, count);
    free(checks);
}

void fr_keep_plan_make(struct fr_keep_plan *plan, const struct fr_keep_input *in)
{
    size_t max = 1 + in->state->vehicle_count + ACTIONS_PER_VEHICLE * in->vin_count;
    bool login = in->state->login_required && !keep_has_new_tokens(in);

    *plan = (struct fr_keep_plan){0};
    plan->hold = keep_hold(in, &plan->until_ms);
    if (plan->hold != FR_KEEP_FREE)
        return;
    plan->actions = fr_calloc(max, sizeof *plan->actions);
    if (login || in->refresh_issued_ms == 0 ||
        fr_keep_is_due(in->refresh_issued_ms, FR_KEEP_REFRESH_MS, in->now_ms))
        keep_add(plan, FR_KEEP_REFRESH, login ? FR_KEEP_LOGIN : FR_KEEP_TOKEN_AGE, "");
    if (login)
        return;
    if (!fr_keep_has_begun(in->state))
        keep_plan_search(plan, in);
    else if (keep_over_budget(in))
        keep_plan_removal(plan, in);
    else
        keep_plan_vehicles(plan, in);
    plan->over_budget = keep_over_budget(in) || keep_expects_too_much(in);
}

void fr_keep_plan_free(struct fr_keep_plan *plan)
{
    free(plan->actions);
    *plan = (struct fr_keep_plan){0};
}

/* ---- problems -------------------------------------------------------------------- */

void fr_keep_set_problem(struct fr_state_vehicle *vehicle, const char *problem, const char *remedy)
{
    snprintf(vehicle->problem, sizeof vehicle->problem, "%s", problem != NULL ? problem : "");
    snprintf(vehicle->remedy, sizeof vehicle->remedy, "%s", problem != NULL ? remedy : "");
}

void fr_keep_mark_removed(struct fr_state *state, const char *remedy)
{
    for (size_t i = 0; i < state->vehicle_count; i++) {
        struct fr_state_vehicle *v = &state->vehicles[i];

        if (v->pushed_ms != 0 && !keep_has_problem(v, FR_KEEP_PROBLEM_NOT_FOUND) &&
            !keep_has_problem(v, FR_KEEP_PROBLEM_OVER_BUDGET))
            fr_keep_set_problem(v, FR_KEEP_PROBLEM_REMOVED, remedy);
    }
}

void fr_keep_mark_unlisted(struct fr_state *state, const char *const *vins, size_t count)
{
    bool *listed = fr_calloc(state->vehicle_count + 1, sizeof *listed);
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        const struct fr_state_vehicle *v = fr_state_find(state, vins[i]);

        if (v != NULL)
            listed[v - state->vehicles] = true;
    }
    for (size_t i = 0; i < state->vehicle_count; i++) {
        struct fr_state_vehicle *v = &state->vehicles[i];

        if (!listed[i] && (v->pushed_ms == 0 || keep_has_problem(v, FR_KEEP_PROBLEM_NOT_FOUND)))
            continue;
        if (listed[i] && keep_has_problem(v, FR_KEEP_PROBLEM_UNLISTED))
            fr_keep_set_problem(v, NULL, NULL);
        else if (!listed[i])
            fr_keep_set_problem(v, FR_KEEP_PROBLEM_UNLISTED,
                                "It is no longer in routing.yaml but has a configuration; run "
                                "`fleetroute push --remove --vin` with its VIN.");
        state->vehicles[kept++] = *v;
    }
    state->vehicle_count = kept;
    free(listed);
}

const char *fr_keep_reason_text(enum fr_keep_reason reason)
{
    static const char *const texts[] = {
        [FR_KEEP_TOKEN_AGE] = "the refresh token is 30 days old",
        [FR_KEEP_LOGIN] = "consent may have been granted again",
        [FR_KEEP_DAILY] = "daily check",
        [FR_KEEP_AFTER_PUSH] = "check after the push",
        [FR_KEEP_OVER_BUDGET] = "the signals of this month cost more than the budget",
        [FR_KEEP_UNKNOWN] = "the vehicle has a configuration that is unknown here",
        [FR_KEEP_NEW] = "the vehicle has no configuration",
        [FR_KEEP_WAS_REMOVED] = "Tesla removed the configuration",
        [FR_KEEP_REFUSED] = "the last configuration was refused",
        [FR_KEEP_KEY] = "the command key changed",
        [FR_KEEP_CA] = "the CA of the server changed",
        [FR_KEEP_ROUTES] = "routing.yaml changed",
        [FR_KEEP_EXPIRY] = "the configuration expires soon",
    };

    return texts[reason];
}
