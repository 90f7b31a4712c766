/* fleetroute values: prints the newest value of each field of a vehicle. */
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "tool/commands.h"
#include "tool/control_client.h"
#include "tool/daemon_options.h"
#include "tool/value_text.h"
#include "util/memory.h"

static const char help[] =
    "usage: fleetroute values [-s SOCKET] [--json] VIN\n"
    "Prints the newest known value of each field of a vehicle and the time of its measurement.\n"
    "\n"
    "  -s, --socket PATH  the daemon's control socket (" FR_CONTROL_PATH ")\n"
    "      --json         print one JSON object\n"
    "  -h, --help         print this help and exit\n";

static void values_print(const json_t *reply)
{
    const json_t *presence = json_object_get(reply, "presence"), *value;
    const char *name;

    if (presence != NULL)
        printf("%-40s %s since %s\n", "(the vehicle)",
               json_string_value(json_object_get(presence, "status")),
               json_string_value(json_object_get(presence, "createdAt")));
    json_object_foreach(json_object_get(reply, "values"), name, value)
    {
        const char *unit = json_string_value(json_object_get(value, "unit"));
        const char *state = json_string_value(json_object_get(value, "state"));

        printf("%-40s ", name);
        if (state != NULL)
            fputs(state, stdout);
        else
            fr_value_print(json_object_get(value, "value"));
        printf("%s%s  (%s)\n", unit != NULL && state == NULL ? " " : "",
               unit != NULL && state == NULL ? unit : "",
               json_string_value(json_object_get(value, "created_at")));
    }
}

int fr_cmd_values(int argc, char **argv)
{
    struct fr_daemon_options options;
    char *request;
    json_t *reply;

    if (!fr_daemon_options(argc, argv, help, &options))
        return options.status;
    if (optind + 1 != argc) {
        fputs("fleetroute values: one VIN is required\n", stderr);
        return EXIT_FAILURE;
    }
    request = fr_asprintf("values %s", argv[optind]);
    reply = fr_control_command("fleetroute values", options.socket, request);
    free(request);
    if (reply == NULL)
        return EXIT_FAILURE;
    if (options.as_json)
        fr_print_json(reply);
    else
        values_print(reply);
    json_decref(reply);
    return EXIT_SUCCESS;
}
