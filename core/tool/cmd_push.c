/* fleetroute push: signs the telemetry configuration of the routes, posts it to vehicles, and waits
 * until they have it. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fleet_api/jws.h"
#include "fleet_api/push.h"
#include "fleet_api/vehicle_ca.h"
#include "tool/command_line.h"
#include "tool/commands.h"
#include "tool/fleet_job.h"
#include "tool/served_certificate.h"
#include "util/clock.h"
#include "util/memory.h"
#include "util/redact.h"

#ifndef FR_CONFIG_DIR
#define FR_CONFIG_DIR "/etc/fleetroute"
#endif

/* Pauses between two read-backs, and the time after which the command ends. */
#define POLL_MIN_MS 2000
#define POLL_MAX_MS 30000
#define WAIT_MS (5 * 60 * 1000)
/* Each read-back of a vehicle is a billed request: with more vehicles the command does not wait. */
#define WAIT_VEHICLES_MAX 20

static const char help[] =
    "usage: fleetroute push [-c FILE] [--vin VIN]... [--no-wait] [--now]\n"
    "       fleetroute push [-c FILE] [--vin VIN]... --dry-run\n"
    "       fleetroute push [-c FILE] [--vin VIN]... --remove\n"
    "Signs the telemetry configuration that the routes of routing.yaml need, posts it to the\n"
    "vehicles, and waits until they have it.\n"
    "\n"
    "  -c, --config FILE     the configuration (" FR_CONFIG_DIR "/fleetroute.yaml)\n"
    "      --vin VIN         this vehicle only; may be repeated\n"
    "      --dry-run         make no request; print the body without its signature\n"
    "      --remove          remove the configuration from the vehicles\n"
    "      --no-wait         do not wait until the vehicles have the configuration\n"
    "      --now             also before the end of the pause that follows a failure\n"
    "      --redact          redact VINs in the output\n"
    "  -h, --help            print this help and exit\n"
    "\n"
    "Exit status: 0 success, 1 failure, 2 a vehicle was refused.\n";

struct push_options {
    const char *path;
    struct fr_fleet_vins vins;
    bool dry_run, remove, no_wait, now;
};

/* ---- what is asked ---------------------------------------------------------------- */

static const char *push_time(int64_t s, char text[32])
{
    time_t time = (time_t)s;
    struct tm utc;

    if (gmtime_r(&time, &utc) == NULL || strftime(text, 32, "%Y-%m-%d %H:%M UTC", &utc) == 0)
        snprintf(text, 32, "an unknown time");
    return text;
}

static void push_print_ca(FILE *to, const char *ca)
{
    struct fr_vehicle_ca_entry entries[FR_VEHICLE_CA_MAX];
    size_t count = fr_vehicle_ca_entries(ca, entries);
    char time[32];

    for (size_t i = 0; i < count; i++)
        fprintf(to, "ca: %s%s, valid until %s\n", entries[i].name,
                entries[i].is_root ? " (root)" : "", push_time(entries[i].expires_s, time));
}

static void push_print_plan(FILE *to, const struct fr_fleet_job *job, int64_t exp_s)
{
    const struct fr_push_plan *plan = &job->plan;
    double part = (double)job->vin_count / (double)plan->vin_count;
    char time[32], shown[FR_REDACTED_VIN_SIZE];

    fprintf(to, "fields: %zu%s\n", plan->config.count,
            plan->config.alerts ? ", and alerts for the service" : "");
    fprintf(to, "estimate: %.0f signals, US$ %.2f a month for %zu vehicle%s\n",
            plan->signals * part, plan->usd * part, job->vin_count, job->vin_count == 1 ? "" : "s");
    fprintf(to, "host: %s:%u\n", plan->hostname, plan->server->tesla.port);
    push_print_ca(to, plan->ca);
    fprintf(to, "key: SHA-256 %s\n", plan->key_sha);
    fprintf(to, "exp: %s; `fleetroute keep` pushes again before\n", push_time(exp_s, time));
    for (size_t i = 0; i < job->vin_count; i++)
        fprintf(to, "vehicle: %s\n", fr_display_vin(job->vins[i], shown));
    fflush(to);
}

/* ---- dry run ---------------------------------------------------------------------- */

static int push_dry_run(const struct fr_fleet_job *job, int64_t exp_s)
{
    char shown[FR_REDACTED_VIN_SIZE];
    struct fr_error error;
    char *issuer = fr_jws_issuer(job->plan.key, &error), *claims_text, *dump;
    json_t *vins = json_array(), *claims, *body;

    if (issuer == NULL) {
        json_decref(vins);
        fr_fleet_job_error(job, error.text);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < job->vin_count; i++)
        json_array_append_new(vins, json_string(fr_display_vin(job->vins[i], shown)));
    claims_text = fr_push_plan_claims(&job->plan, exp_s);
    claims = json_loads(claims_text, 0, NULL);
    json_object_set_new(claims, "iss", json_string(issuer));
    json_object_set_new(claims, "aud", json_string(FR_JWS_AUDIENCE_FLEET));
    body = json_pack("{s:o, s:{s:o}}", "vins", vins, "token_without_signature", "claims", claims);
    dump = json_dumps(body, JSON_SORT_KEYS | JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    puts(dump != NULL ? dump : "{}");
    free(dump);
    json_decref(body);
    free(claims_text);
    free(issuer);
    return EXIT_SUCCESS;
}

/* ---- remove ----------------------------------------------------------------------- */

static int push_remove_all(struct fr_fleet_job *job)
{
    char shown[FR_REDACTED_VIN_SIZE];
    struct fr_api_error error;
    int status = EXIT_SUCCESS;

    for (size_t i = 0; i < job->vin_count; i++) {
        if (fr_push_remove(job->api, &job->state, job->vins[i], &error) == 0) {
            printf("%s: removed; the vehicle stops when it is next online\n",
                   fr_display_vin(job->vins[i], shown));
            continue;
        }
        fprintf(stderr, "fleetroute push: %s: %s\n", fr_display_vin(job->vins[i], shown),
                error.error.text);
        status = EXIT_FAILURE;
        if (error.cause != FR_API_NOT_FOUND)
            break;
    }
    return status;
}

static int push_remove(struct fr_fleet_job *job)
{
    int status = EXIT_FAILURE;

    if (fr_fleet_job_lock(job) != 0)
        return status;
    if (fr_fleet_job_connect(job) == 0)
        status = push_remove_all(job);
    if (fr_fleet_job_unlock(job) != 0)
        status = EXIT_FAILURE;
    return status;
}

/* ---- push ------------------------------------------------------------------------- */

/* The vehicles that are read back. */
struct push_wait {
    struct fr_fleet_job *job;
    struct fr_vehicle_verdict *verdicts; /* one for each VIN of the job */
    struct fr_vehicle_verdict *last;     /* the last read-back of each that is not final */
};

static bool push_is_done(enum fr_vehicle_state state)
{
    return state != FR_VEHICLE_WAITING;
}

static size_t push_count_waiting(const struct push_wait *wait)
{
    size_t count = 0;

    for (size_t i = 0; i < wait->job->vin_count; i++)
        count += !push_is_done(wait->verdicts[i].state);
    return count;
}

/* Read back one vehicle and print the verdict if it is final. An answer just after the push may still
 * be the old one, so another configuration is waited for, and full slots count the second time. */
static int push_read_back(struct push_wait *wait, size_t i, struct fr_api_error *error)
{
    struct fr_fleet_job *job = wait->job;
    enum fr_vehicle_state before = wait->last[i].state;
    struct fr_vehicle_verdict *verdict = &wait->last[i];

    if (fr_push_check(job->api, &job->plan, &job->state, job->vins[i], fr_wall_ms(), verdict,
                      error) != 0)
        return fr_api_cause_is_temporary(error->cause) ? 0 : -1;
    if (verdict->state == FR_VEHICLE_WAITING || verdict->state == FR_VEHICLE_OTHER_CONFIG ||
        verdict->state == FR_VEHICLE_NO_CONFIG ||
        (verdict->state == FR_VEHICLE_SLOTS_FULL && before != FR_VEHICLE_SLOTS_FULL))
        return 0;
    wait->verdicts[i] = *verdict;
    fr_fleet_print_verdict(job->vins[i], verdict);
    return 0;
}

/* Read back all vehicles that wait, under the lock. */
static int push_poll(struct push_wait *wait)
{
    struct fr_api_error error;
    int status = 0;

    if (fr_fleet_job_lock(wait->job) != 0)
        return -1;
    for (size_t i = 0; status == 0 && i < wait->job->vin_count; i++)
        if (!push_is_done(wait->verdicts[i].state))
            status = push_read_back(wait, i, &error);
    if (status != 0)
        fr_fleet_job_error(wait->job, error.error.text);
    if (fr_fleet_job_unlock(wait->job) != 0)
        status = -1;
    return status;
}

/* At the end of the wait: another configuration did not come from this push. */
static void push_end_wait(struct push_wait *wait)
{
    char shown[FR_REDACTED_VIN_SIZE];

    for (size_t i = 0; i < wait->job->vin_count; i++) {
        if (push_is_done(wait->verdicts[i].state))
            continue;
        if (wait->last[i].state == FR_VEHICLE_OTHER_CONFIG) {
            wait->verdicts[i] = wait->last[i];
            fr_fleet_print_verdict(wait->job->vins[i], &wait->last[i]);
        } else {
            printf("%s: waiting: the vehicle takes the configuration when it is awake and online; "
                   "`fleetroute doctor` displays whether it has it\n",
                   fr_display_vin(wait->job->vins[i], shown));
        }
    }
}

/* Wait until the vehicles have the configuration. The lock is free between the requests. */
static int push_wait(struct push_wait *wait)
{
    int64_t end_ms = fr_monotonic_ms() + WAIT_MS, pause_ms = POLL_MIN_MS;
    int status = 0;

    fr_fleet_catch_interrupt();
    if (push_count_waiting(wait) > 0)
        puts("waiting until the vehicles have the configuration; Ctrl-C ends the wait, not the "
             "push");
    fflush(stdout);
    while (status == 0 && push_count_waiting(wait) > 0 && fr_monotonic_ms() < end_ms &&
           !fr_fleet_interrupted()) {
        fr_fleet_wait_ms(pause_ms);
        pause_ms = pause_ms * 3 / 2 < POLL_MAX_MS ? pause_ms * 3 / 2 : POLL_MAX_MS;
        if (!fr_fleet_interrupted())
            status = push_poll(wait);
    }
    return status;
}

/* Post under the lock. Vehicles that Tesla skipped are printed. */
static int push_post(struct fr_fleet_job *job, bool now, struct fr_vehicle_verdict *verdicts)
{
    struct fr_api_error error;
    int status = -1;

    if (fr_fleet_job_lock(job) != 0)
        return -1;
    if (now)
        job->state.blocked_until_ms = 0;
    if (fr_fleet_job_connect(job) == 0) {
        status = fr_push_post(job->api, &job->plan, &job->state, job->vins, job->vin_count,
                              fr_wall_ms(), verdicts, &error);
        if (status != 0)
            fr_fleet_job_error(job, error.error.text);
    }
    if (fr_fleet_job_unlock(job) != 0)
        status = -1;
    for (size_t i = 0; status == 0 && i < job->vin_count; i++)
        fr_fleet_print_verdict(job->vins[i], &verdicts[i]);
    return status;
}

static int push_result(const struct push_wait *wait)
{
    for (size_t i = 0; i < wait->job->vin_count; i++)
        if (wait->verdicts[i].state != FR_VEHICLE_WAITING &&
            wait->verdicts[i].state != FR_VEHICLE_STREAMING_CONFIG)
            return FR_EXIT_REFUSED;
    return EXIT_SUCCESS;
}

static int push_push(struct fr_fleet_job *job, const struct push_options *options)
{
    struct push_wait wait = {.job = job};
    int status;

    wait.verdicts = fr_calloc(job->vin_count, sizeof *wait.verdicts);
    wait.last = fr_calloc(job->vin_count, sizeof *wait.last);
    status = push_post(job, options->now, wait.verdicts);
    if (status == 0 && !options->no_wait && push_count_waiting(&wait) <= WAIT_VEHICLES_MAX) {
        status = push_wait(&wait);
        push_end_wait(&wait);
    } else if (status == 0 && !options->no_wait) {
        puts("These are too many vehicles to wait for: `fleetroute doctor` displays which have the "
             "configuration.");
    }
    status = status == 0 ? push_result(&wait) : EXIT_FAILURE;
    free(wait.last);
    free(wait.verdicts);
    return status;
}

/* ---- the command ------------------------------------------------------------------ */

/* Removing needs the account and the VINs alone: mistakes elsewhere do not prevent it. */
static int push_load(struct fr_fleet_job *job, const struct push_options *options)
{
    unsigned flags = options->remove ? FR_PUSH_PLAN_NO_KEY | FR_PUSH_PLAN_NO_BUDGET : 0;
    int status = fr_fleet_job_load(job, "push", options->path, flags);

    if (options->remove && job->plan.server != NULL && job->plan.server->tesla.present)
        status = 0;
    else
        fr_diagnostics_print(&job->diagnostics, stderr);
    if (status == 0)
        status = fr_fleet_job_choose(job, &options->vins, options->remove);
    return status;
}

/* Before the plan is printed; without the lock, because the state is replaced in one step. */
static void push_keep_served(struct fr_fleet_job *job)
{
    struct fr_error ignored; /* reported with the lock */
    struct fr_state state;

    if (fr_state_read(job->plan.server->tesla.folder, &state, &ignored) == 0)
        fr_served_certificate_keep(&job->plan, &state, fr_wall_ms());
    fr_state_free(&state);
}

static int push_run(const struct push_options *options)
{
    struct fr_fleet_job job;
    int64_t exp_s;
    int status = EXIT_FAILURE;

    if (push_load(&job, options) != 0) {
        fr_fleet_job_close(&job);
        return status;
    }
    push_keep_served(&job);
    exp_s = (fr_wall_ms() + job.plan.server->tesla.expires_ms) / 1000;
    if (!options->remove)
        push_print_plan(options->dry_run ? stderr : stdout, &job, exp_s);
    if (options->dry_run)
        status = push_dry_run(&job, exp_s);
    else if (options->remove)
        status = push_remove(&job);
    else
        status = push_push(&job, options);
    fr_fleet_job_close(&job);
    return fr_flush_output("push", status, EXIT_FAILURE);
}

static int push_check_options(const struct push_options *options)
{
    if (options->remove && (options->dry_run || options->no_wait || options->now)) {
        fputs("fleetroute push: --remove takes none of --dry-run, --no-wait and --now\n", stderr);
        return -1;
    }
    return 0;
}

int fr_cmd_push(int argc, char **argv)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"vin", required_argument, NULL, 'v'},
        {"dry-run", no_argument, NULL, 'd'},
        {"remove", no_argument, NULL, 'r'},
        {"no-wait", no_argument, NULL, 'w'},
        {"now", no_argument, NULL, 'n'},
        {"redact", no_argument, NULL, 'R'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct push_options options = {.path = FR_CONFIG_DIR "/fleetroute.yaml"};
    int option;

    while ((option = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
        switch (option) {
        case 'c':
            options.path = optarg;
            break;
        case 'v':
            if (fr_fleet_vins_add(&options.vins, "push", optarg) != 0)
                return EXIT_FAILURE;
            break;
        case 'd':
            options.dry_run = true;
            break;
        case 'r':
            options.remove = true;
            break;
        case 'w':
            options.no_wait = true;
            break;
        case 'n':
            options.now = true;
            break;
        case 'R':
            fr_redact_set(true);
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_SUCCESS;
        default:
            return EXIT_FAILURE;
        }
    }
    if (fr_has_argument("push", argc, argv))
        return EXIT_FAILURE;
    return push_check_options(&options) == 0 ? push_run(&options) : EXIT_FAILURE;
}
