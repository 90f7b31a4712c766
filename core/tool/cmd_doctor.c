/* fleetroute doctor: checks the chain from the configuration to Home Assistant, link by link. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "tool/command_line.h"
#include "tool/commands.h"
#include "tool/doctor.h"
#include "tool/doctor_result.h"
#include "util/redact.h"

#ifndef FR_CONFIG_DIR
#define FR_CONFIG_DIR "/etc/fleetroute"
#endif

/* Also for a wrong command line and an output that failed: 1 is a warning. */
#define DOCTOR_FAILURE 2

static const char help[] =
    "usage: fleetroute doctor [-c FILE] [--vin VIN] [--json] [--redact]\n"
    "Checks the chain from the configuration to the vehicle and to Home Assistant, and prints one\n"
    "line for each link: ok, skipped, warning or failure, with the cause and the remedy. The exit\n"
    "status is 0 if nothing is wrong, 1 with a warning, 2 with a failure. The pages of fleetrouted "
    "show\n"
    "the last result without --vin.\n"
    "\n"
    "  -c, --config FILE     the configuration (" FR_CONFIG_DIR "/fleetroute.yaml)\n"
    "      --vin VIN         check this vehicle alone\n"
    "      --json            print one JSON object\n"
    "      --redact          redact VINs in the output\n"
    "  -h, --help            print this help and exit\n";

static void doctor_print(const struct fr_doctor *doctor, void *ctx)
{
    (void)ctx;
    fr_doctor_print_link(doctor, stdout);
    fflush(stdout);
}

static int doctor_run(const struct fr_doctor_options *options, bool json)
{
    struct fr_doctor *doctor = fr_doctor_run(options, json ? NULL : doctor_print, NULL);
    int status = fr_doctor_status(doctor);
    struct fr_buffer out = {0};
    struct fr_error error;

    if (json) {
        fr_doctor_put_json(doctor, &out);
        fputs(fr_buffer_string(&out), stdout);
        fr_buffer_free(&out);
    } else
        fr_doctor_print_summary(doctor, stdout);
    if (fr_doctor_store(doctor, &error) != 0)
        fprintf(stderr, "fleetroute doctor: the pages keep the former result: %s\n", error.text);
    fr_doctor_free(doctor);
    return fr_flush_output("doctor", status, DOCTOR_FAILURE);
}

int fr_cmd_doctor(int argc, char **argv)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'}, {"vin", required_argument, NULL, 'v'},
        {"json", no_argument, NULL, 'j'},         {"redact", no_argument, NULL, 'R'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    struct fr_doctor_options options = {FR_CONFIG_DIR "/fleetroute.yaml", NULL};
    bool json = false;
    int option;

    while ((option = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
        switch (option) {
        case 'c':
            options.path = optarg;
            break;
        case 'v':
            options.vin = optarg;
            break;
        case 'j':
            json = true;
            break;
        case 'R':
            fr_redact_set(true);
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_SUCCESS;
        default:
            return DOCTOR_FAILURE;
        }
    }
    if (fr_has_argument("doctor", argc, argv))
        return DOCTOR_FAILURE;
    return doctor_run(&options, json);
}
