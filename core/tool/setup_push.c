#include "tool/setup_push.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/push.h"
#include "fleet_api/push_ca.h"
#include "fleet_api/tokens.h"
#include "tool/fleet_job.h"
#include "tool/served_certificate.h"
#include "util/clock.h"
#include "util/memory.h"
#include "util/redact.h"

#define LOCK_WAIT_MS 60000

/* One use of the API under the lock that push, setup and keep share. */
struct push_session {
    struct fr_setup_env *env;
    struct fr_push_plan plan;
    struct fr_state state;
    struct fr_api *api;
    int lock; /* -1: none */
};

static int push_load_plan(struct push_session *s, struct fr_error *error)
{
    struct fr_diagnostics diagnostics = {0};
    int status = fr_push_plan_load(&s->plan, s->env->path, 0, &diagnostics);

    for (size_t i = 0; i < diagnostics.count && status != 0; i++)
        if (diagnostics.list[i].severity == FR_SEVERITY_ERROR) {
            fr_error_set(error, "%s", diagnostics.list[i].text);
            break;
        }
    fr_diagnostics_free(&diagnostics);
    return status;
}

static int push_begin(struct push_session *s, struct fr_setup_env *env, struct fr_error *error)
{
    const char *folder = env->config->tesla.folder;
    struct fr_api_error cause;

    *s = (struct push_session){.env = env, .lock = -1};
    fr_setup_forget_api(env); /* it has tokens that another process may have replaced */
    if (push_load_plan(s, error) != 0)
        return -1;
    s->lock = fr_tokens_lock(folder, LOCK_WAIT_MS, error);
    if (s->lock < 0 || fr_state_read(folder, &s->state, error) != 0)
        return -1;
    fr_served_certificate_keep(&s->plan, &s->state, fr_wall_ms());
    s->api = fr_api_new(&env->config->tesla, fr_setup_domain(env), true, &cause);
    if (s->api != NULL)
        return 0;
    *error = cause.error;
    return -1;
}

/* Write the state and release everything. `status` is the outcome so far. */
static int push_end(struct push_session *s, int status, struct fr_error *error)
{
    const struct fr_server_config *config = s->env->config;
    int64_t now_ms = fr_wall_ms();
    struct fr_error cause;

    if (s->api != NULL) {
        fr_push_count_requests(&s->state, fr_api_requests(s->api), now_ms);
        if (fr_push_ca_save(&s->plan, &s->state, now_ms, fr_fleet_group(config), &cause) != 0 &&
            status == 0) {
            *error = cause;
            status = -1;
        }
    }
    fr_api_free(s->api);
    if (s->lock >= 0)
        fr_tokens_unlock(s->lock);
    fr_state_free(&s->state);
    fr_push_plan_free(&s->plan);
    return status;
}

/* What the vehicles have, from the best to the worst. */
struct push_view {
    size_t streaming, waiting, open, impossible;
    size_t absent;        /* of `open`: without a configuration */
    struct fr_error note; /* of the first vehicle that is not streaming */
};

static bool push_is_impossible(enum fr_vehicle_state state)
{
    return state == FR_VEHICLE_NOT_FOUND || state == FR_VEHICLE_NO_HARDWARE ||
           state == FR_VEHICLE_OLD_FIRMWARE;
}

static void push_count(struct push_view *view, const char *vin,
                       const struct fr_vehicle_verdict *verdict)
{
    char shown[FR_REDACTED_VIN_SIZE];

    view->streaming += verdict->state == FR_VEHICLE_STREAMING_CONFIG;
    view->waiting += verdict->state == FR_VEHICLE_WAITING;
    view->absent += verdict->state == FR_VEHICLE_NO_CONFIG;
    view->impossible += push_is_impossible(verdict->state);
    view->open += verdict->state != FR_VEHICLE_STREAMING_CONFIG &&
                  verdict->state != FR_VEHICLE_WAITING && !push_is_impossible(verdict->state);
    if (verdict->state != FR_VEHICLE_STREAMING_CONFIG && view->note.text[0] == '\0')
        fr_error_set(&view->note, "%s: %s%s%s", fr_display_vin(vin, shown), verdict->cause,
                     verdict->remedy[0] != '\0' ? ". " : "", verdict->remedy);
}

/* Read back what each vehicle has. `missing` (NULL: not wanted) gets the VINs that need a push. */
static int push_look(struct push_session *s, struct push_view *view, const char **missing,
                     size_t *count, struct fr_error *error)
{
    struct fr_vehicle_verdict verdict;
    struct fr_api_error cause;

    *view = (struct push_view){0};
    for (size_t i = 0; i < s->plan.vin_count; i++) {
        size_t open = view->open;

        if (fr_push_check(s->api, &s->plan, &s->state, s->plan.vins[i], fr_wall_ms(), &verdict,
                          &cause) != 0) {
            if (cause.cause != FR_API_NOT_FOUND) {
                *error = cause.error;
                return -1;
            }
            verdict.state = FR_VEHICLE_NOT_FOUND;
            snprintf(verdict.cause, sizeof verdict.cause, "%.250s", cause.error.text);
            verdict.remedy[0] = '\0';
        }
        push_count(view, s->plan.vins[i], &verdict);
        if (missing != NULL && view->open > open)
            missing[(*count)++] = s->plan.vins[i];
    }
    return 0;
}

static enum fr_setup_result push_judge(const struct push_view *view, struct fr_error *note)
{
    if (view->streaming > 0 && view->open + view->waiting == 0)
        return fr_setup_note(
            FR_SETUP_DONE, note, "%zu vehicle%s the configuration of the routes%s%s",
            view->streaming, view->streaming == 1 ? " has" : "s have",
            view->impossible > 0 ? "; " : "", view->impossible > 0 ? view->note.text : "");
    *note = view->note;
    return view->open + view->waiting > 0 ? FR_SETUP_TODO : FR_SETUP_FAILED;
}

/* Read back what the vehicles have now. */
static int push_view_now(struct fr_setup_env *env, struct push_view *view, struct fr_error *error)
{
    struct push_session s;
    int status = push_begin(&s, env, error);

    if (status == 0)
        status = push_look(&s, view, NULL, NULL, error);
    return push_end(&s, status, error);
}

static enum fr_setup_result push_step_check(struct fr_setup_env *env, struct fr_error *note)
{
    struct push_view view;

    if (push_view_now(env, &view, note) != 0)
        return FR_SETUP_FAILED;
    if (view.absent > 0 && view.absent == view.open)
        return fr_setup_note(FR_SETUP_TODO, note,
                             "%zu vehicle%s no configuration of this application", view.absent,
                             view.absent == 1 ? " has" : "s have");
    return push_judge(&view, note);
}

static int push_post_missing(struct push_session *s, const char *const *vins, size_t count,
                             struct fr_error *error)
{
    struct fr_vehicle_verdict *verdicts = fr_calloc(count + 1, sizeof *verdicts);
    char shown[FR_REDACTED_VIN_SIZE];
    struct fr_api_error cause;
    size_t accepted = 0;
    int status =
        fr_push_post(s->api, &s->plan, &s->state, vins, count, fr_wall_ms(), verdicts, &cause);

    if (status != 0)
        *error = cause.error;
    for (size_t i = 0; i < count && status == 0; i++) {
        bool is_accepted = verdicts[i].state == FR_VEHICLE_WAITING;

        accepted += is_accepted;
        printf("%s: %s%s%s\n", fr_display_vin(vins[i], shown),
               is_accepted ? "Tesla accepted the configuration" : verdicts[i].cause,
               is_accepted ? "" : ". ", is_accepted ? "" : verdicts[i].remedy);
        if (!is_accepted)
            fr_error_set(error, "%s: %s. %s", fr_display_vin(vins[i], shown), verdicts[i].cause,
                         verdicts[i].remedy);
    }
    free(verdicts);
    return status == 0 && accepted > 0 ? 0 : -1;
}

/* Vehicles that wait take the configuration by themselves; any other state needs the owner. */
static int push_is_synced(struct fr_setup_env *env, void *ctx, struct fr_error *error)
{
    struct push_view view;

    (void)ctx;
    if (push_view_now(env, &view, error) != 0)
        return -1;
    if (push_judge(&view, error) == FR_SETUP_DONE)
        return 1;
    return view.open > 0 || view.waiting == 0 ? -1 : 0;
}

static int push_run(struct fr_setup_env *env, struct fr_error *error)
{
    struct push_session s;
    struct push_view view;
    const char **missing = NULL;
    size_t count = 0;
    int status = push_begin(&s, env, error);

    if (status == 0) {
        missing = fr_calloc(s.plan.vin_count + 1, sizeof *missing);
        status = push_look(&s, &view, missing, &count, error);
    }
    if (status == 0 && count > 0)
        status = push_post_missing(&s, missing, count, error);
    free(missing);
    if (push_end(&s, status, error) != 0)
        return -1;
    puts("Waiting until the car has taken the configuration. It does so when it is awake and "
         "online:\n"
         "open a door, or wake it in the Tesla app. Ctrl-C ends, a later run continues here.");
    return fr_setup_wait(env, "the car takes the configuration", push_is_synced, NULL, error);
}

const struct fr_setup_step fr_setup_step_push = {"push", "the configuration of the car",
                                                 push_step_check, push_run};
