#include "tool/doctor_vehicle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fleet_api/config_compare.h"
#include "fleet_api/jws.h"
#include "fleet_api/push.h"
#include "fleet_api/push_ca.h"
#include "fleet_api/vehicle_cost.h"
#include "fleet_api/vehicle_state.h"
#include "util/clock.h"
#include "util/memory.h"

#define EXP_WARNING_DAYS 7
#define ERRORS_MAX 3 /* lines of a vehicle */

/* ---- the vehicles that are checked ----------------------------------------------- */

/* The VINs of routing.yaml that are to be checked. The caller frees the list, not the VINs. */
static const char **vehicle_list(const struct fr_doctor *doctor, size_t *count)
{
    size_t all = doctor->routing != NULL ? doctor->routing->vehicle_count : 0;
    const char **vins = fr_calloc(all + 1, sizeof *vins);

    *count = 0;
    for (size_t i = 0; i < all; i++)
        if (fr_doctor_wants_vehicle(doctor, i))
            vins[(*count)++] = doctor->routing->vehicles[i].vin;
    return vins;
}

/* Run `check` for each vehicle, as long as there is time. */
static void vehicle_each(struct fr_doctor *doctor,
                         void (*check)(struct fr_doctor *doctor, const char *vin))
{
    size_t count;
    const char **vins = vehicle_list(doctor, &count);

    for (size_t i = 0; i < count; i++)
        if (fr_doctor_has_time(doctor))
            check(doctor, vins[i]);
        else
            fr_doctor_report(doctor, FR_DOCTOR_SKIPPED, vins[i], "use --vin",
                             "the earlier links took longer than %d s", FR_DOCTOR_TOTAL_MS / 1000);
    free(vins);
}

static void vehicle_report_error(struct fr_doctor *doctor, const char *vin,
                                 const struct fr_api_error *error)
{
    fr_doctor_report(doctor, FR_DOCTOR_FAILURE, vin, NULL, "%s", error->error.text);
}

static void vehicle_report_verdict(struct fr_doctor *doctor, const char *vin,
                                   enum fr_doctor_level level,
                                   const struct fr_vehicle_verdict *verdict)
{
    fr_doctor_report(doctor, level, vin, verdict->remedy, "%s", verdict->cause);
}

/* ---- plan ------------------------------------------------------------------------ */

/* Whether the link `config` has reported a diagnostic. */
static bool vehicle_is_reported(const struct fr_doctor *doctor, const struct fr_diagnostic *d)
{
    const struct fr_diagnostics *reported = &doctor->setup->diagnostics;

    for (size_t i = 0; i < reported->count; i++)
        if (reported->list[i].line == d->line && strcmp(reported->list[i].text, d->text) == 0)
            return true;
    return false;
}

static void vehicle_check_plan(struct fr_doctor *doctor)
{
    const struct fr_tesla_config *tesla = &doctor->server->tesla;
    const struct fr_push_plan *plan = &doctor->plan;
    struct fr_diagnostics diagnostics = {0};
    bool is_good =
        fr_push_plan_load(&doctor->plan, doctor->options.path,
                          FR_PUSH_PLAN_NO_KEY | FR_PUSH_PLAN_NO_BUDGET, &diagnostics) == 0;

    for (size_t i = 0; i < diagnostics.count; i++)
        if (!vehicle_is_reported(doctor, &diagnostics.list[i]))
            fr_doctor_report_diagnostic(doctor, &diagnostics.list[i]);
    fr_diagnostics_free(&diagnostics);
    if (is_good && plan->usd > tesla->budget_usd)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL, FR_BUDGET_REMEDY,
                         "US$ %.2f a month are estimated, more than the budget of US$ %.2f",
                         plan->usd, tesla->budget_usd);
    else if (is_good)
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL,
                         "the routes need %zu fields, about US$ %.2f a month of US$ %.2f",
                         plan->config.count, plan->usd, tesla->budget_usd);
    else if (fr_doctor_level_of(doctor, "plan") != FR_DOCTOR_FAILURE)
        fr_doctor_report(doctor, FR_DOCTOR_SKIPPED, NULL, NULL, "needs the link config");
}

/* ---- account --------------------------------------------------------------------- */

static void vehicle_find(struct fr_doctor *doctor, const struct fr_api_vehicles *vehicles,
                         const char *vin)
{
    const struct fr_api_vehicle *found = NULL;

    for (size_t i = 0; i < vehicles->count && found == NULL; i++)
        if (strcmp(vehicles->list[i].vin, vin) == 0)
            found = &vehicles->list[i];
    if (found == NULL)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, vin,
                         "remove it from routing.yaml if it was sold; else correct the VIN, or log "
                         "in with the account of its owner: fleetroute setup",
                         "is not in the account, in this region");
    else if (!found->owner)
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, vin,
                         "log in with the account of the owner: fleetroute setup",
                         "this account is a driver's, and Tesla may refuse configurations of it");
    else
        fr_doctor_report(doctor, FR_DOCTOR_OK, vin, NULL, "is in the account%s%s%s",
                         found->state[0] != '\0' ? ", " : "", found->state,
                         strcmp(found->state, "asleep") == 0 ? ": it takes a configuration when it "
                                                               "wakes"
                                                             : "");
}

static void vehicle_check_account(struct fr_doctor *doctor)
{
    struct fr_api_vehicles vehicles = {0};
    struct fr_api_error error;
    size_t count;
    const char **vins = vehicle_list(doctor, &count);

    if (fr_api_vehicles(doctor->api, &vehicles, &error) != 0)
        vehicle_report_error(doctor, NULL, &error);
    else
        for (size_t i = 0; i < count; i++)
            vehicle_find(doctor, &vehicles, vins[i]);
    if (doctor->options.vin == NULL && doctor->routing != NULL &&
        doctor->routing->vehicle_count > count)
        fr_doctor_report(doctor, FR_DOCTOR_SKIPPED, NULL, "use --vin",
                         "%zu more vehicles are not checked",
                         doctor->routing->vehicle_count - count);
    free(vehicles.list);
    free(vins);
}

/* ---- status ---------------------------------------------------------------------- */

static void vehicle_check_status(struct fr_doctor *doctor)
{
    size_t count;
    const char **vins = vehicle_list(doctor, &count);
    struct fr_api_vehicle_status *status = fr_calloc(count + 1, sizeof *status);
    struct fr_api_error error;

    if (count != 0 && fr_api_fleet_status(doctor->api, vins, count, status, &error) != 0) {
        vehicle_report_error(doctor, NULL, &error);
        count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        struct fr_vehicle_verdict verdict;

        fr_vehicle_verdict_status(&status[i], doctor->domain, &verdict);
        if (verdict.state == FR_VEHICLE_READY)
            fr_doctor_report(doctor, FR_DOCTOR_OK, vins[i], NULL, "%s%s%s", verdict.cause,
                             status[i].firmware[0] != '\0' ? "; firmware " : "",
                             status[i].firmware);
        else
            vehicle_report_verdict(doctor, vins[i], FR_DOCTOR_FAILURE, &verdict);
    }
    free(status);
    free(vins);
}

/* ---- config, exp ----------------------------------------------------------------- */

static void vehicle_report_exp(struct fr_doctor *doctor, const char *vin, const char *config)
{
    int64_t exp_s = fr_config_exp(config), left_s = exp_s - fr_wall_ms() / 1000;

    if (exp_s == 0)
        fr_doctor_report(doctor, FR_DOCTOR_OK, vin, NULL, "the configuration does not expire");
    else if (left_s <= 0)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, vin,
                         "push it again: fleetroute push; then check that `fleetroute keep` runs",
                         "the configuration has expired, and the vehicle sends nothing");
    else if (left_s < EXP_WARNING_DAYS * FR_DOCTOR_DAY_S)
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, vin,
                         "check that `fleetroute keep` runs, or push it again: fleetroute push",
                         "the configuration expires in %" PRId64 " days", left_s / FR_DOCTOR_DAY_S);
    else
        fr_doctor_report(doctor, FR_DOCTOR_OK, vin, NULL,
                         "the configuration is valid for %" PRId64 " days",
                         left_s / FR_DOCTOR_DAY_S);
}

static enum fr_doctor_level vehicle_config_level(enum fr_vehicle_state state)
{
    return state == FR_VEHICLE_STREAMING_CONFIG ? FR_DOCTOR_OK
           : state == FR_VEHICLE_WAITING        ? FR_DOCTOR_WARNING
                                                : FR_DOCTOR_FAILURE;
}

/* The reason why Tesla skipped the vehicle at the last push, as `fleetroute push` recorded it. */
static void vehicle_report_problem(struct fr_doctor *doctor, const struct fr_state_vehicle *vehicle)
{
    if (vehicle != NULL && vehicle->problem[0] != '\0')
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, vehicle->vin, vehicle->remedy,
                         "the last push did not succeed: %s", vehicle->problem);
}

static void vehicle_judge_config(struct fr_doctor *doctor, const char *vin,
                                 const struct fr_api_config_state *config)
{
    const struct fr_state_vehicle *vehicle = fr_state_vehicle(&doctor->state, vin, false);
    bool is_pushed = vehicle != NULL && vehicle->pushed_ms != 0 && vehicle->synced_ms == 0;
    struct fr_vehicle_verdict verdict;
    char *expected;

    expected = fr_push_ca_expected(&doctor->plan, config->config, NULL);
    fr_vehicle_verdict_config(config, expected, doctor->issuer, is_pushed, &verdict);
    free(expected);
    if (verdict.state == FR_VEHICLE_NO_CONFIG && vehicle != NULL &&
        strcmp(vehicle->problem, FR_PUSH_REMOVED_BY_OWNER) == 0) {
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, vin, "push it again: fleetroute push",
                         "the configuration was removed with `fleetroute push --remove`");
        return;
    }
    vehicle_report_verdict(doctor, vin, vehicle_config_level(verdict.state), &verdict);
    if (verdict.state != FR_VEHICLE_STREAMING_CONFIG && verdict.state != FR_VEHICLE_WAITING)
        vehicle_report_problem(doctor, vehicle);
    if (config->config != NULL)
        vehicle_report_exp(doctor, vin, config->config);
}

static void vehicle_check_one_config(struct fr_doctor *doctor, const char *vin)
{
    struct fr_api_config_state config = {0};
    struct fr_api_error error;

    if (fr_api_config_get(doctor->api, vin, &config, &error) != 0) {
        vehicle_report_error(doctor, vin, &error);
        return;
    }
    vehicle_judge_config(doctor, vin, &config);
    free(config.config);
}

static void vehicle_check_config(struct fr_doctor *doctor)
{
    struct fr_error error;

    if (doctor->command_key != NULL)
        doctor->issuer = fr_jws_issuer(doctor->command_key, &error);
    if (doctor->plan.json != NULL)
        vehicle_each(doctor, vehicle_check_one_config);
    else
        fr_doctor_report(doctor, FR_DOCTOR_SKIPPED, NULL, NULL, "needs the link plan");
}

/* ---- errors ---------------------------------------------------------------------- */

/* Whether an error is of the last day. One without a readable time counts. */
static bool vehicle_is_recent(const struct fr_api_vehicle_error *entry)
{
    struct tm time = {0};
    const char *end = strptime(entry->created_at, "%Y-%m-%dT%H:%M:%S", &time);

    return end == NULL || timegm(&time) > fr_wall_ms() / 1000 - FR_DOCTOR_DAY_S;
}

static bool vehicle_is_repeated(const struct fr_api_vehicle_errors *errors, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (vehicle_is_recent(&errors->list[i]) &&
            strcmp(errors->list[i].error_name, errors->list[index].error_name) == 0 &&
            strcmp(errors->list[i].error, errors->list[index].error) == 0)
            return true;
    return false;
}

static void vehicle_check_one_errors(struct fr_doctor *doctor, const char *vin)
{
    struct fr_api_vehicle_errors errors = {0};
    struct fr_api_error error;
    size_t reported = 0;

    if (fr_api_errors(doctor->api, vin, &errors, &error) != 0) {
        vehicle_report_error(doctor, vin, &error);
        return;
    }
    for (size_t i = 0; i < errors.count && reported < ERRORS_MAX; i++) {
        struct fr_vehicle_verdict verdict;

        if (!vehicle_is_recent(&errors.list[i]) || vehicle_is_repeated(&errors, i))
            continue;
        fr_vehicle_verdict_error(&errors.list[i], &verdict);
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, vin, verdict.remedy, "%s (%s: %s)",
                         verdict.cause, errors.list[i].error_name, errors.list[i].error);
        reported++;
    }
    if (reported == 0)
        fr_doctor_report(doctor, FR_DOCTOR_OK, vin, NULL, "no errors in the last day");
    free(errors.list);
}

static void vehicle_check_errors(struct fr_doctor *doctor)
{
    vehicle_each(doctor, vehicle_check_one_errors);
}

const struct fr_doctor_check fr_doctor_vehicle[] = {
    {"plan",
     "the configuration of the routes is complete",
     {FR_DOCTOR_SECTION_TESLA},
     false,
     vehicle_check_plan},
    {"vehicle_account", "the vehicle is in the account", {"region"}, true, vehicle_check_account},
    {"vehicle_status", "the vehicle is ready", {"partner"}, true, vehicle_check_status},
    {"vehicle_config",
     "the vehicle has the configuration of the routes",
     {"partner"},
     true,
     vehicle_check_config},
    {"vehicle_errors", "the vehicle reports no errors", {"partner"}, true, vehicle_check_errors},
    {0},
};
