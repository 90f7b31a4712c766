/* fleetroute reload: makes the daemon read its configuration again; prints the outcome. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "tool/commands.h"
#include "tool/control_client.h"
#include "tool/daemon_options.h"

static const char help[] =
    "usage: fleetroute reload [-s SOCKET] [--json]\n"
    "Makes the daemon read its configuration again. The exit status is 0 if the new configuration\n"
    "is in use. The exit status is 1 if the configuration has errors, and the previous one stays "
    "in\n"
    "use, or if a sink or a source could not be started.\n"
    "\n"
    "  -s, --socket PATH  the daemon's control socket (" FR_CONTROL_PATH ")\n"
    "      --json         print the reply of the daemon as JSON\n"
    "  -h, --help         print this help and exit\n";

int fr_cmd_reload(int argc, char **argv)
{
    struct fr_daemon_options options;
    json_t *reply;
    bool done, complete;

    if (!fr_daemon_options(argc, argv, help, &options))
        return options.status;
    reply = fr_control_command("fleetroute reload", options.socket, "reload");
    if (reply == NULL)
        return EXIT_FAILURE;
    done = json_is_true(json_object_get(reply, "reloaded"));
    complete = json_is_true(json_object_get(reply, "complete"));
    if (options.as_json)
        fr_print_json(reply);
    else {
        const char *report = json_string_value(json_object_get(reply, "report"));

        fputs(report != NULL ? report : "", complete ? stdout : stderr);
        if (done)
            puts(complete ? "the new configuration is in use"
                          : "the new configuration is in use, but a sink or a source could not be "
                            "started");
    }
    json_decref(reply);
    return complete ? EXIT_SUCCESS : EXIT_FAILURE;
}
