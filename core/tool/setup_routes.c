#include "tool/setup_routes.h"

#include <math.h>
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
    status = fr_setup_set_routes(env, fr_buffer_string(&records), fr_buffer_string(&fields), error);
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

/* The estimate of a month in US$. */
struct cost_estimate {
    double vehicle_usd; /* of one vehicle */
    double usd;         /* of all vehicles */
    size_t vehicles;
};

/* Returns 0, or -1 with `error` set. */
static int cost_calculate(struct fr_setup_env *env, struct cost_estimate *cost,
                          struct fr_error *error)
{
    struct fr_routing *routing = fr_setup_routing(env, error);
    struct fr_vehicle_config config;

    if (routing == NULL)
        return -1;
    fr_vehicle_config_derive(&config, routing);
    cost->vehicle_usd =
        fr_vehicle_cost_usd(fr_vehicle_cost_total(&config, FR_VEHICLE_AWAKE_HOURS_MONTH));
    cost->vehicles = routing->vehicle_count;
    cost->usd = cost->vehicle_usd * (double)cost->vehicles;
    fr_vehicle_config_free(&config);
    fr_routing_unref(routing);
    return 0;
}

static enum fr_setup_result cost_check(struct fr_setup_env *env, struct fr_error *note)
{
    const struct fr_yaml *set = fr_yaml_get(fr_yaml_get(env->config->root, "tesla"), "budget");
    double budget = env->config->tesla.budget_usd;
    struct cost_estimate cost;

    if (cost_calculate(env, &cost, note) != 0)
        return FR_SETUP_FAILED;
    if (set == NULL)
        return fr_setup_note(FR_SETUP_TODO, note, "no budget is set");
    if (cost.usd > budget)
        return fr_setup_note(FR_SETUP_TODO, note,
                             "the estimate of US$ %.2f a month is above the budget of US$ %.2f",
                             cost.usd, budget);
    return fr_setup_note(FR_SETUP_DONE, note,
                         "about US$ %.2f a month, budget US$ %.2f, Tesla's credit US$ %d%s",
                         cost.usd, budget, FR_CREDIT_USD_MONTH,
                         cost.usd > FR_CREDIT_USD_MONTH
                             ? ": the billing limit at developer.tesla.com must cover the rest"
                             : "");
}

static int cost_valid(char *answer, void *ctx, struct fr_error *error)
{
    const struct cost_estimate *cost = ctx;
    char *end;
    double budget = strtod(answer, &end);

    if (*end != '\0' || !(budget >= 0 && budget <= 1e6))
        return fr_error_set(error, "a budget is a number of US$ a month from 0 to 1000000");
    if (budget < cost->usd)
        return fr_error_set(error,
                            "the estimate is US$ %.2f a month for %zu vehicle%s; give more, or "
                            "set longer intervals in routing.yaml or choose fewer vehicles first",
                            cost->usd, cost->vehicles, cost->vehicles == 1 ? "" : "s");
    return 0;
}

static void cost_explain(const struct cost_estimate *cost)
{
    printf(
        "Estimate: US$ %.2f a month for each vehicle that is awake for %d hours, US$ %.2f for\n"
        "%zu vehicle%s. Tesla's credit is US$ %d a month. `fleetroute vehicle-config` prints the\n"
        "price of each field.\n",
        cost->vehicle_usd, FR_VEHICLE_AWAKE_HOURS_MONTH, cost->usd, cost->vehicles,
        cost->vehicles == 1 ? "" : "s", FR_CREDIT_USD_MONTH);
    if (cost->usd <= FR_CREDIT_USD_MONTH)
        return;
    printf("\nThis is more than the credit. There are two remedies:\n"
           "  - a higher budget: enter it below, and raise the billing limit of the application\n"
           "    at https://developer.tesla.com too, which needs a payment method there. Tesla\n"
           "    charges what is above the credit, and at its billing limit it removes the\n"
           "    configurations of all vehicles.\n"
           "  - a lower price: end with Ctrl-C, set a longer `every:` for the fields with the\n"
           "    highest price in routing.yaml, or remove a vehicle from its `vehicles:`, and run\n"
           "    `fleetroute setup` again.\n\n");
}

static int cost_run(struct fr_setup_env *env, struct fr_error *error)
{
    struct cost_estimate cost;
    char now[32], text[96], *budget;
    struct fr_setup_question question = {"budget", text, now, false, cost_valid, &cost};
    int status = -1;

    if (cost_calculate(env, &cost, error) != 0)
        return -1;
    cost_explain(&cost);
    snprintf(text, sizeof text, "Max US$ a month; above it nothing is sent to the car");
    snprintf(now, sizeof now, "%g", env->config->tesla.budget_usd);
    /* To spend more than the budget is a decision of the owner: there is no default for it. */
    if (cost.usd > env->config->tesla.budget_usd && fr_setup_prompt_is_terminal(env->prompt)) {
        question.default_value = NULL;
        snprintf(text, sizeof text, "Max US$ a month, at least %.2f", ceil(cost.usd * 100) / 100);
    }
    budget = fr_setup_ask(env->prompt, &question, error);
    if (budget != NULL)
        status = fr_setup_put(env, "tesla", "budget", budget, error);
    free(budget);
    return status;
}

const struct fr_setup_step fr_setup_step_cost = {"cost", "the cost", cost_check, cost_run};
