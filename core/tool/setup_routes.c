#include "tool/setup_routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/vehicle_config.h"
#include "fleet_api/vehicle_cost.h"
#include "tool/setup_daemon.h"
#include "tool/setup_files.h"
#include "util/memory.h"

/* What interests an owner, with the intervals that keep a car within Tesla's credit. The same as in
 * etc/home-assistant/routing.yaml. */
static const char *const routes_fields[][2] = {
    {"Location", "every: 500 ms"},
    {"VehicleSpeed", "every: 1 s, unit: km/h"},
    {"GpsHeading", "every: 1 s, min_change: 1"},
    {"Gear", ""},
    {"[Soc, EstBatteryRange, ChargeLimitSoc, TimeToFullCharge]", "every: 60 s, unit: metric"},
    {"[ACChargingPower, DCChargingPower, ChargeAmps, ChargerVoltage]", "every: 10 s"},
    {"[DetailedChargeState, ChargePortDoorOpen, ChargingCableType]", "every: 1 s"},
    {"[DoorState, Locked, FdWindow, FpWindow, RdWindow, RpWindow, SentryMode, DriverSeatOccupied]",
     ""},
    {"[InsideTemp, OutsideTemp]", "every: 60 s, min_change: 0.2, unit: metric"},
    {"[HvacPower, DefrostMode, ClimateKeeperMode]", "every: 1 s"},
    {"[TpmsPressureFl, TpmsPressureFr, TpmsPressureRl, TpmsPressureRr]", "every: 10 min"},
    {"[TpmsHardWarnings, TpmsSoftWarnings]", ""},
    {"Odometer", "every: 5 min, unit: metric"},
    {"[Version, SoftwareUpdateVersion, DestinationName, MilesToArrival, MinutesToArrival]",
     "every: 60 s, unit: metric"},
};

/* Whether a sink displays single values; the others store whole records. */
static bool routes_displays(const struct fr_sink_config *sink)
{
    return strcmp(sink->plugin, "ha_websocket") == 0 || strcmp(sink->plugin, "mqtt") == 0;
}

/* The sinks that at least one route names. */
static uint64_t routes_sinks(const struct fr_routing *routing)
{
    uint64_t sinks = 0;

    for (size_t i = 0; i < routing->record_count; i++)
        sinks |= routing->records[i].sinks;
    for (size_t i = 0; i < routing->field_count; i++)
        sinks |= routing->fields[i].sinks;
    return sinks;
}

static enum fr_setup_result routes_check(struct fr_setup_env *env, struct fr_error *note)
{
    struct fr_routing *routing = fr_setup_routing(env, note);
    size_t records, fields;
    uint64_t sinks;
    bool is_packaged;

    if (routing == NULL)
        return FR_SETUP_FAILED;
    records = routing->record_count;
    fields = routing->field_count;
    sinks = routes_sinks(routing);
    is_packaged = fr_setup_section(env, true, "records") == FR_YAML_SECTION_EMPTY && fields == 0;
    fr_routing_unref(routing);
    if (records + fields == 0 || is_packaged)
        return fr_setup_note(FR_SETUP_TODO, note, "there are no routes");
    for (size_t i = 0; i < env->config->sink_count; i++)
        if ((sinks & (UINT64_C(1) << i)) == 0)
            return fr_setup_note(FR_SETUP_TODO, note, "no route leads to the sink %s",
                                 env->config->sinks[i].name);
    return fr_setup_note(FR_SETUP_DONE, note, "%zu routes of records and %zu of fields", records,
                         fields);
}

/* The names of the sinks of one kind, as a YAML list; false: there is none. */
static bool routes_list(const struct fr_setup_env *env, bool displays, struct fr_buffer *list)
{
    size_t count = 0;

    fr_buffer_byte(list, '[');
    for (size_t i = 0; i < env->config->sink_count; i++)
        if (routes_displays(&env->config->sinks[i]) == displays)
            fr_buffer_printf(list, "%s%s", count++ > 0 ? ", " : "", env->config->sinks[i].name);
    fr_buffer_byte(list, ']');
    return count > 0;
}

static void routes_write_fields(struct fr_buffer *value, const char *to)
{
    fr_buffer_byte(value, '[');
    for (size_t i = 0; i < sizeof routes_fields / sizeof *routes_fields; i++)
        fr_buffer_printf(value, "%s{field: %s, to: %s%s%s}", i > 0 ? ", " : "", routes_fields[i][0],
                         to, routes_fields[i][1][0] != '\0' ? ", " : "", routes_fields[i][1]);
    fr_buffer_byte(value, ']');
}

/* Sinks that display values get presence and alerts, the others whole records or, alone, all but the
 * vehicle data: whole records without a route of fields would make the car send every field. */
static void routes_write_records(const struct fr_setup_env *env, struct fr_buffer *value,
                                 const char *shown, const char *stored)
{
    fr_buffer_byte(value, '[');
    if (stored != NULL)
        fr_buffer_printf(value, "{type: %s, to: %s}",
                         shown != NULL ? "\"*\"" : "[alerts, errors, connectivity, presence]",
                         stored);
    if (shown != NULL)
        fr_buffer_printf(value, "%s{type: presence, to: %s}", stored != NULL ? ", " : "", shown);
    for (size_t i = 0; i < env->config->sink_count; i++) {
        const struct fr_sink_config *sink = &env->config->sinks[i];

        /* `as: notification` is an instruction for this plugin, and a topic for mqtt. */
        if (routes_displays(sink))
            fr_buffer_printf(value, ", {type: alerts, to: %s%s}", sink->name,
                             strcmp(sink->plugin, "ha_websocket") == 0 ? ", as: notification" : "");
    }
    fr_buffer_byte(value, ']');
}

static int routes_run(struct fr_setup_env *env, struct fr_error *error)
{
    struct fr_buffer display = {0}, store = {0}, records = {0}, fields = {0};
    const char *shown = routes_list(env, true, &display) ? fr_buffer_string(&display) : NULL;
    const char *stored = routes_list(env, false, &store) ? fr_buffer_string(&store) : NULL;
    int status;

    routes_write_records(env, &records, shown, stored);
    routes_write_fields(&fields, shown != NULL ? shown : stored);
    status = fr_setup_set_routing(env, "records", fr_buffer_string(&records), error);
    if (status == 0)
        status = fr_setup_set_routing(env, "fields", fr_buffer_string(&fields), error);
    if (status == 0)
        printf("Wrote the routes of a usual set of fields to %s; change them as you like.\n",
               env->config->routing);
    fr_buffer_free(&display);
    fr_buffer_free(&store);
    fr_buffer_free(&records);
    fr_buffer_free(&fields);
    return status == 0 ? fr_setup_reload_daemon(env, error) : -1;
}

const struct fr_setup_step fr_setup_step_routes = {"routes", "the routes", routes_check,
                                                   routes_run};

/* ---- cost ---------------------------------------------------------------------------- */

/* The estimate of a month in US$, all vehicles; -1: `error` is set. */
static double cost_estimate(struct fr_setup_env *env, struct fr_error *error)
{
    struct fr_routing *routing = fr_setup_routing(env, error);
    struct fr_vehicle_config config;
    double usd;

    if (routing == NULL)
        return -1;
    fr_vehicle_config_derive(&config, routing);
    usd = fr_vehicle_cost_usd(fr_vehicle_cost_total(&config, FR_VEHICLE_AWAKE_HOURS_MONTH)) *
          (double)routing->vehicle_count;
    fr_vehicle_config_free(&config);
    fr_routing_unref(routing);
    return usd;
}

static enum fr_setup_result cost_check(struct fr_setup_env *env, struct fr_error *note)
{
    const struct fr_yaml *set = fr_yaml_get(fr_yaml_get(env->config->root, "tesla"), "budget");
    double usd = cost_estimate(env, note), budget = env->config->tesla.budget_usd;

    if (usd < 0)
        return FR_SETUP_FAILED;
    if (set == NULL)
        return fr_setup_note(FR_SETUP_TODO, note, "no budget is set");
    if (usd > budget)
        return fr_setup_note(FR_SETUP_TODO, note,
                             "the estimate of US$ %.2f a month is above the budget of US$ %.2f; "
                             "raise the budget, or use longer intervals in routing.yaml",
                             usd, budget);
    return fr_setup_note(FR_SETUP_DONE, note,
                         "about US$ %.2f a month, budget US$ %.2f, Tesla's credit US$ %d", usd,
                         budget, FR_CREDIT_USD_MONTH);
}

static int cost_valid(char *answer, void *ctx, struct fr_error *error)
{
    double usd = *(const double *)ctx;
    char *end;
    double budget = strtod(answer, &end);

    if (*end != '\0' || !(budget >= 0 && budget <= 1e6))
        return fr_error_set(error, "a budget is a number of US$ a month from 0 to 1000000");
    if (budget < usd)
        return fr_error_set(error,
                            "the estimate is US$ %.2f; give more, or change the intervals in "
                            "routing.yaml first",
                            usd);
    return 0;
}

static int cost_run(struct fr_setup_env *env, struct fr_error *error)
{
    double usd = cost_estimate(env, error);
    char now[32], *budget;
    struct fr_setup_question question = {
        "budget", "Max US$ a month; above it nothing is sent to the car", now, false, cost_valid,
        &usd};
    int status = -1;

    if (usd < 0)
        return -1;
    printf(
        "The routes cost about US$ %.2f a month, with %d hours in which the car is awake. Tesla's\n"
        "credit is US$ %d a month. `fleetroute vehicle-config` prints the price of each field.\n",
        usd, FR_VEHICLE_AWAKE_HOURS_MONTH, FR_CREDIT_USD_MONTH);
    snprintf(now, sizeof now, "%g", env->config->tesla.budget_usd);
    budget = fr_setup_ask(env->prompt, &question, error);
    if (budget != NULL)
        status = fr_setup_put(env, "tesla", "budget", budget, error);
    free(budget);
    return status;
}

const struct fr_setup_step fr_setup_step_cost = {"cost", "the cost", cost_check, cost_run};
