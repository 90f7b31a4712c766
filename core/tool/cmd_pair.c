/* fleetroute pair: prints for each vehicle what the owner does so that it accepts a configuration, and
 * waits until it is done. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet_api/pairing_link.h"
#include "fleet_api/public_key.h"
#include "tool/command_key_file.h"
#include "tool/command_line.h"
#include "tool/commands.h"
#include "tool/fleet_job.h"
#include "tool/qr_code.h"
#include "util/clock.h"
#include "util/memory.h"
#include "util/redact.h"

#ifndef FR_CONFIG_DIR
#define FR_CONFIG_DIR "/etc/fleetroute"
#endif

/* Pauses between two requests, which are billed, and the time after which the command ends. */
#define POLL_MIN_MS 2000
#define POLL_MAX_MS 15000
#define WAIT_MS (15 * 60 * 1000)

static const char help[] =
    "usage: fleetroute pair [-c FILE] [--vin VIN]... [--no-wait]\n"
    "Prints the link and the QR code that add the public key to each vehicle that needs it, or "
    "what\n"
    "else the owner does, and waits until it is done.\n"
    "\n"
    "  -c, --config FILE     the configuration (" FR_CONFIG_DIR "/fleetroute.yaml)\n"
    "      --vin VIN         this vehicle only; may be repeated\n"
    "      --no-wait         do not wait\n"
    "      --redact          redact VINs in the output, also in the link\n"
    "  -h, --help            print this help and exit\n"
    "\n"
    "Exit status: 0 all vehicles are ready, 1 failure, 2 a vehicle is not.\n";

struct pair_job {
    struct fr_fleet_job fleet;
    struct fr_vehicle_verdict *verdicts; /* one for each VIN */
    bool *printed;                       /* the link of this vehicle was printed */
};

/* ---- one vehicle ------------------------------------------------------------------ */

static void pair_print_link(const char *domain, const char *vin)
{
    struct fr_error error;
    char *link = fr_pairing_link(domain, fr_redacting() ? NULL : vin, &error);

    if (link == NULL) {
        printf("    %s\n", error.text);
        return;
    }
    printf("\n%s\n", link);
    fr_qr_code_draw(stdout, link, isatty(STDOUT_FILENO));
    puts("Open this link on the phone that has the Tesla app, or scan the QR code with it. The app "
         "does not\nreport back to this command; the vehicle must be awake.\n");
    free(link);
}

/* Print a new verdict, with the link once. */
static void pair_print(struct pair_job *job, size_t i)
{
    const char *vin = job->fleet.vins[i];

    fr_fleet_print_verdict(vin, &job->verdicts[i]);
    if (job->verdicts[i].state == FR_VEHICLE_PAIR && !job->printed[i]) {
        pair_print_link(job->fleet.plan.domain, vin);
        job->printed[i] = true;
    }
    fflush(stdout);
}

/* ---- all vehicles ----------------------------------------------------------------- */

/* Whether an action of the owner can still change the state. */
static bool pair_is_open(enum fr_vehicle_state state)
{
    return state == FR_VEHICLE_PAIR || state == FR_VEHICLE_TOGGLE;
}

static size_t pair_count_open(const struct pair_job *job)
{
    size_t count = 0;

    for (size_t i = 0; i < job->fleet.vin_count; i++)
        count += pair_is_open(job->verdicts[i].state);
    return count;
}

/* Take the answer for vehicle `i`. A changed state is printed. */
static void pair_take(struct pair_job *job, size_t i, const struct fr_api_vehicle_status *status,
                      bool first)
{
    enum fr_vehicle_state before = job->verdicts[i].state;

    fr_vehicle_verdict_status(status, job->fleet.plan.domain, &job->verdicts[i]);
    if (first || job->verdicts[i].state != before)
        pair_print(job, i);
}

/* Ask for the status of all vehicles in one request, under the lock. A temporary failure is none,
 * unless it is the first request. */
static int pair_poll(struct pair_job *job, bool first)
{
    struct fr_fleet_job *fleet = &job->fleet;
    struct fr_api_vehicle_status *status = fr_calloc(fleet->vin_count, sizeof *status);
    struct fr_api_error error;
    int result = -1;

    if (fr_fleet_job_lock(fleet) == 0) {
        if (fleet->api != NULL || fr_fleet_job_connect(fleet) == 0) {
            result = fr_api_fleet_status(fleet->api, fleet->vins, fleet->vin_count, status, &error);
            for (size_t i = 0; result == 0 && i < fleet->vin_count; i++)
                pair_take(job, i, &status[i], first);
            if (result != 0 && !first && fr_api_cause_is_temporary(error.cause))
                result = 0;
            if (result != 0)
                fr_fleet_job_error(fleet, error.error.text);
        }
        if (fr_fleet_job_unlock(fleet) != 0)
            result = -1;
    }
    free(status);
    return result;
}

static int pair_wait(struct pair_job *job)
{
    int64_t end_ms = fr_monotonic_ms() + WAIT_MS, pause_ms = POLL_MIN_MS;
    int status = 0;

    fr_fleet_catch_interrupt();
    if (pair_count_open(job) > 0)
        puts("waiting for the vehicles; Ctrl-C ends the wait");
    fflush(stdout);
    while (status == 0 && pair_count_open(job) > 0 && fr_monotonic_ms() < end_ms &&
           !fr_fleet_interrupted()) {
        fr_fleet_wait_ms(pause_ms);
        pause_ms = pause_ms * 3 / 2 < POLL_MAX_MS ? pause_ms * 3 / 2 : POLL_MAX_MS;
        if (!fr_fleet_interrupted())
            status = pair_poll(job, false);
    }
    if (status == 0 && pair_count_open(job) > 0)
        puts("The wait has ended. Run `fleetroute pair` again when the vehicles are ready, then "
             "`fleetroute push`.");
    return status;
}

static int pair_vehicles(struct pair_job *job, bool no_wait)
{
    int status = pair_poll(job, true);

    if (status == 0 && !no_wait)
        status = pair_wait(job);
    if (status != 0)
        return EXIT_FAILURE;
    for (size_t i = 0; i < job->fleet.vin_count; i++)
        if (job->verdicts[i].state != FR_VEHICLE_READY)
            return FR_EXIT_REFUSED;
    puts("All vehicles accept a configuration; `fleetroute push` sends it.");
    return EXIT_SUCCESS;
}

/* ---- the command ------------------------------------------------------------------ */

static int pair_open_key(struct fr_fleet_job *fleet)
{
    const struct fr_server_config *server = fleet->plan.server;
    struct fr_file_owner service_user;
    struct fr_error error;
    EVP_PKEY *key = fr_command_key_open(
        server->tesla.key, fr_command_key_owner(server, &service_user), server, &error);
    char *fingerprint = key != NULL ? fr_public_key_fingerprint(key) : NULL;

    if (key == NULL)
        fr_fleet_job_error(fleet, error.text);
    if (fingerprint != NULL)
        printf("key: %s, SHA-256 %s; `fleetroute key` prints its public half\n", server->tesla.key,
               fingerprint);
    free(fingerprint);
    EVP_PKEY_free(key);
    return key != NULL ? 0 : -1;
}

/* Pairing needs the account, the domain and the VINs. Mistakes in the routes or an expired certificate
 * do not prevent it. */
static int pair_load(struct fr_fleet_job *fleet, const char *path, const struct fr_fleet_vins *vins)
{
    fr_fleet_job_load(fleet, "pair", path, FR_PUSH_PLAN_NO_KEY | FR_PUSH_PLAN_NO_BUDGET);
    if (fleet->plan.server == NULL || !fleet->plan.server->tesla.present ||
        fleet->plan.server->tesla.key == NULL || fleet->plan.routing == NULL ||
        fleet->plan.domain == NULL) {
        fr_diagnostics_print(&fleet->diagnostics, stderr);
        return -1;
    }
    return fr_fleet_job_choose(fleet, vins, false);
}

static int pair_run(const char *path, const struct fr_fleet_vins *vins, bool no_wait)
{
    struct pair_job job = {0};
    int status = EXIT_FAILURE;

    if (pair_load(&job.fleet, path, vins) == 0 && pair_open_key(&job.fleet) == 0) {
        job.verdicts = fr_calloc(job.fleet.vin_count, sizeof *job.verdicts);
        job.printed = fr_calloc(job.fleet.vin_count, sizeof *job.printed);
        status = pair_vehicles(&job, no_wait);
    }
    free(job.printed);
    free(job.verdicts);
    fr_fleet_job_close(&job.fleet);
    return fr_flush_output("pair", status, EXIT_FAILURE);
}

int fr_cmd_pair(int argc, char **argv)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'}, {"vin", required_argument, NULL, 'v'},
        {"no-wait", no_argument, NULL, 'w'},      {"redact", no_argument, NULL, 'R'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    const char *path = FR_CONFIG_DIR "/fleetroute.yaml";
    struct fr_fleet_vins vins = {.count = 0};
    bool no_wait = false;
    int option;

    while ((option = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
        switch (option) {
        case 'c':
            path = optarg;
            break;
        case 'v':
            if (fr_fleet_vins_add(&vins, "pair", optarg) != 0)
                return EXIT_FAILURE;
            break;
        case 'w':
            no_wait = true;
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
    if (fr_has_argument("pair", argc, argv))
        return EXIT_FAILURE;
    return pair_run(path, &vins, no_wait);
}
