/* fleetroute vehicle-config: prints the telemetry configuration that the routes need, and its price.
 * No network connection is made. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/routing_config.h"
#include "config/server_config.h"
#include "fleet_api/server_chain.h"
#include "fleet_api/vehicle_ca.h"
#include "fleet_api/vehicle_config.h"
#include "fleet_api/vehicle_config_load.h"
#include "fleet_api/vehicle_cost.h"
#include "tool/commands.h"
#include "tool/field_counts.h"
#include "util/memory.h"
#include "util/plural.h"

#ifndef FR_CONFIG_DIR
#define FR_CONFIG_DIR "/etc/fleetroute"
#endif

#define DAY_MS 86400000
#define MONTH_DAYS 30

static const char help[] =
    "usage: fleetroute vehicle-config [-c FILE] [--json] [--host NAME] [--measured]\n"
    "Prints the telemetry configuration that vehicles need for the routes of routing.yaml, and an\n"
    "estimate of its price. No network connection is made.\n"
    "\n"
    "  -c, --config FILE     the configuration (" FR_CONFIG_DIR "/fleetroute.yaml)\n"
    "      --json            print the body of the request to Tesla's fleet_telemetry_config\n"
    "      --host NAME       the host name of this server (the only name in its certificate)\n"
    "      --measured        instead of the estimate, project what the journal has of each field\n"
    "  -h, --help            print this help and exit\n";

struct vehicle_config_job {
    struct fr_server_config *server;
    struct fr_routing *routing;
    struct fr_vehicle_config config;
    struct fr_server_chain chain;
    struct fr_diagnostics diagnostics;
    char *ca; /* for the vehicles; NULL: without the section `tesla:`, or refused by `push` */
    const char *host;
    bool measured;
    struct fr_field_counts counts; /* if `measured` */
};

/* Count what the journal has. A projection needs a journal that covers some time. */
static void vehicle_config_count(struct vehicle_config_job *job)
{
    const struct fr_server_config *server = job->server;
    struct fr_error cause;

    if (!server->journal_on) {
        fr_diagnose(&job->diagnostics, FR_SEVERITY_ERROR, server->path, 0, 0,
                    "--measured needs a journal; the configuration has `journal: off`");
        return;
    }
    if (fr_field_counts_read(&job->counts, server->journal_path, 0, &cause) != 0)
        fr_diagnose(&job->diagnostics, FR_SEVERITY_ERROR, server->path, 0, 0, "--measured: %s",
                    cause.text);
    else if (job->counts.last_ms <= job->counts.first_ms)
        fr_diagnose(
            &job->diagnostics, FR_SEVERITY_ERROR, server->path, 0, 0,
            "--measured: the journal has too few records; without it, prices are estimates");
    else if (job->counts.last_ms - job->counts.first_ms < DAY_MS)
        fr_diagnose(&job->diagnostics, FR_SEVERITY_WARNING, server->path, 0, 0,
                    "--measured: the journal covers less than a day, so a month is uncertain");
    if (job->counts.damaged != 0)
        fr_diagnose(&job->diagnostics, FR_SEVERITY_WARNING, server->path, 0, 0,
                    "--measured: %llu damaged or missing records do not count",
                    (unsigned long long)job->counts.damaged);
}

/* ---- the table ------------------------------------------------------------------- */

/* A number of counted values as signals of a month. */
static double vehicle_config_project(const struct fr_field_counts *counts, uint64_t values)
{
    double days = (double)(counts->last_ms - counts->first_ms) / DAY_MS;

    return (double)values * MONTH_DAYS / days;
}

static double vehicle_config_signals(const struct vehicle_config_job *job,
                                     const struct fr_vehicle_config_field *field)
{
    if (job->measured)
        return vehicle_config_project(&job->counts, job->counts.values[field->field->number]);
    return fr_vehicle_cost_signals(field, FR_VEHICLE_AWAKE_HOURS_MONTH);
}

static void vehicle_config_print_field(const struct vehicle_config_job *job,
                                       const struct fr_vehicle_config_field *field)
{
    double signals = vehicle_config_signals(job, field);
    char delta[32] = "-", resend[16] = "-";

    if (field->minimum_delta > 0)
        snprintf(delta, sizeof delta, "%.4g", field->minimum_delta);
    if (field->resend_s > 0)
        snprintf(resend, sizeof resend, "%d", field->resend_s);
    printf("%-40s %8d %8s %8s %10.0f %9.3f  ", field->field->name, field->interval_s, delta, resend,
           signals, fr_vehicle_cost_usd(signals));
    if (job->config.from_records)
        fputs("record routes", stdout);
    else
        printf("%s:%d:%d", job->server->routing, field->line, field->column);
    printf("%s%s%s\n", field->field->models[0] != '\0' ? " (only " : "", field->field->models,
           field->field->models[0] != '\0' ? ")" : "");
}

/* The fields that need a scope beside vehicle_device_data. */
static void vehicle_config_print_scopes(const struct fr_vehicle_config *config)
{
    const char *separator = ", vehicle_location for ";

    fputs("scopes: vehicle_device_data", stdout);
    for (size_t i = 0; i < config->count; i++)
        if (strcmp(config->fields[i].field->scope, "vehicle_location") == 0) {
            printf("%s%s", separator, config->fields[i].field->name);
            separator = ", ";
        }
    putchar('\n');
}

static void vehicle_config_print_firmware(const struct fr_vehicle_config *config)
{
    const struct fr_vehicle_config_field *newest = NULL;

    for (size_t i = 0; i < config->count; i++)
        if (newest == NULL || fr_firmware_compare(config->fields[i].firmware, newest->firmware) > 0)
            newest = &config->fields[i];
    if (newest != NULL && fr_firmware_compare(newest->firmware, FR_VEHICLE_FIRMWARE_MIN) > 0)
        printf("firmware: " FR_VEHICLE_FIRMWARE_MIN " or newer; %s for all of it (%s)\n",
               newest->firmware, newest->field->name);
    else
        puts("firmware: " FR_VEHICLE_FIRMWARE_MIN " or newer");
}

static void vehicle_config_print_total(double signals, const char *of)
{
    printf("%-40s %8s %8s %8s %10.0f %9.3f  a month%s\n\n", "total", "", "", "", signals,
           fr_vehicle_cost_usd(signals), of);
}

/* What the journal has, also of fields that are not in the configuration. */
static void vehicle_config_print_measured(const struct vehicle_config_job *job)
{
    const struct fr_field_counts *counts = &job->counts;
    uint64_t all = counts->others, asked = 0;

    for (size_t i = 0; i < fr_field_count(); i++)
        all += counts->values[i];
    for (size_t i = 0; i < job->config.count; i++)
        asked += counts->values[job->config.fields[i].field->number];
    if (all != asked)
        printf("%-40s %8s %8s %8s %10.0f %9.3f\n", "fields that are not in the configuration", "",
               "", "", vehicle_config_project(counts, all - asked),
               fr_vehicle_cost_usd(vehicle_config_project(counts, all - asked)));
    vehicle_config_print_total(vehicle_config_project(counts, all), ", all vehicles");
    printf("counted: %llu signal%s in %.1f hours of the journal\n", (unsigned long long)all,
           fr_plural(all), (double)(counts->last_ms - counts->first_ms) / 3600e3);
}

static void vehicle_config_print_estimate(const struct vehicle_config_job *job)
{
    double signals = fr_vehicle_cost_total(&job->config, FR_VEHICLE_AWAKE_HOURS_MONTH);

    vehicle_config_print_total(signals, " and vehicle");
    if (job->routing->vehicle_count > 1)
        printf("price: US$ %.2f a month for %zu vehicles\n",
               fr_vehicle_cost_usd(signals) * (double)job->routing->vehicle_count,
               job->routing->vehicle_count);
    printf(
        "The estimate counts %d hours a month in which a vehicle is awake. Numbers and positions\n"
        "change in each interval, other values %d times an hour.\n",
        FR_VEHICLE_AWAKE_HOURS_MONTH, FR_VEHICLE_STATE_CHANGES_HOUR);
}

static void vehicle_config_print(const struct vehicle_config_job *job)
{

    printf("%-40s %8s %8s %8s %10s %9s  %s\n", "FIELD", "INTERVAL", "DELTA", "RESEND", "SIGNALS",
           "US$", "ROUTE");
    for (size_t i = 0; i < job->config.count; i++)
        vehicle_config_print_field(job, &job->config.fields[i]);
    if (job->measured)
        vehicle_config_print_measured(job);
    else
        vehicle_config_print_estimate(job);
    printf(
        "Tesla's price is US$ 1 for %d signals, with a credit of US$ %d a month for each account.\n"
        "host: %s:%u\n",
        FR_SIGNALS_PER_USD, FR_CREDIT_USD_MONTH, job->host, job->server->tesla.port);
    vehicle_config_print_scopes(&job->config);
    vehicle_config_print_firmware(&job->config);
    printf("alerts: %s\n",
           job->config.alerts ? "service" : "none, because no record route has them");
}

/* ---- the command ----------------------------------------------------------------- */

static int vehicle_config_print_json(const struct vehicle_config_job *job)
{
    struct fr_vehicle_config_server server = {job->host, job->server->tesla.port,
                                              job->ca != NULL ? job->ca : job->chain.ca};
    struct fr_error error;
    char *text = fr_vehicle_config_json(&job->config, job->routing, &server, &error);

    if (text == NULL) {
        fprintf(stderr, "fleetroute vehicle-config: %s\n", error.text);
        return EXIT_FAILURE;
    }
    fputs(text, stdout);
    free(text);
    return EXIT_SUCCESS;
}

/* Read the routes and the certificate. */
static void vehicle_config_load(struct vehicle_config_job *job)
{
    const struct fr_server_config *server = job->server;
    struct fr_error cause;

    if (server->routing != NULL) {
        job->routing = fr_vehicle_config_load(&job->config, server, &job->diagnostics);
        fr_vehicle_config_check_scopes(&job->config, server, FR_SEVERITY_WARNING,
                                       &job->diagnostics);
    }
    if (server->certificate != NULL)
        job->host = fr_vehicle_config_load_chain(&job->chain, server, job->host, &job->diagnostics);
    if (job->diagnostics.errors != 0 || job->host == NULL || !server->tesla.present)
        return;
    job->ca = fr_vehicle_ca_make(&job->chain, server->tesla.ca, job->host, &cause);
    if (job->ca == NULL)
        fr_diagnose(&job->diagnostics, FR_SEVERITY_WARNING, server->certificate, 0, 0,
                    "`fleetroute push` refuses this: %s", cause.text);
}

static int vehicle_config_run(const char *path, struct vehicle_config_job job, bool json)
{
    int status = EXIT_FAILURE;

    job.server = fr_server_config_load(path, &job.diagnostics);
    if (job.server != NULL)
        vehicle_config_load(&job);
    if (job.server != NULL && job.measured && job.diagnostics.errors == 0)
        vehicle_config_count(&job);
    fr_diagnostics_print(&job.diagnostics, stderr);
    if (job.diagnostics.errors == 0 && job.routing != NULL && job.chain.ca != NULL) {
        status = EXIT_SUCCESS;
        if (json)
            status = vehicle_config_print_json(&job);
        else
            vehicle_config_print(&job);
    }
    free(job.ca);
    fr_vehicle_config_free(&job.config);
    fr_field_counts_free(&job.counts);
    fr_server_chain_free(&job.chain);
    fr_routing_unref(job.routing);
    fr_server_config_unref(job.server);
    fr_diagnostics_free(&job.diagnostics);
    if (status == EXIT_SUCCESS && fflush(stdout) != 0) {
        perror("fleetroute vehicle-config: standard output");
        status = EXIT_FAILURE;
    }
    return status;
}

int fr_cmd_vehicle_config(int argc, char **argv)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'},
        {"measured", no_argument, NULL, 'm'},     {"host", required_argument, NULL, 'H'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    const char *path = FR_CONFIG_DIR "/fleetroute.yaml";
    struct vehicle_config_job job = {0};
    bool json = false;
    int option;

    while ((option = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
        switch (option) {
        case 'c':
            path = optarg;
            break;
        case 'j':
            json = true;
            break;
        case 'H':
            job.host = optarg;
            break;
        case 'm':
            job.measured = true;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_SUCCESS;
        default:
            return EXIT_FAILURE;
        }
    }
    if (json && job.measured) {
        fputs("fleetroute vehicle-config: --json prints no price; use --measured without it\n",
              stderr);
        return EXIT_FAILURE;
    }
    if (optind < argc) {
        fprintf(stderr, "fleetroute vehicle-config: unexpected argument \"%s\"\n", argv[optind]);
        return EXIT_FAILURE;
    }
    return vehicle_config_run(path, job, json);
}
