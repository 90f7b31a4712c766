/* fleetroute reload: ask the daemon to follow its changed configuration, and tell the outcome. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "tool/commands.h"
#include "tool/control_client.h"
#include "tool/daemon_options.h"

static const char help[] =
    "usage: fleetroute reload [-s SOCKET] [--json]\n"
    "Asks the daemon to read its configuration again. Exits with 0 when it is followed, with 1\n"
    "when it has mistakes: then the one in force stays; or when a sink or a source of it could\n"
    "not be started.\n"
    "\n"
    "  -s, --socket PATH  the daemon's control socket (" FR_CONTROL_PATH ")\n"
    "      --json         the daemon's answer as it is\n"
    "  -h, --help         show this\n";

int fr_cmd_reload(int argc, char **argv)
{
    struct fr_daemon_options options;
    json_t *answer;
    bool done, complete;

    if (!fr_daemon_options(argc, argv, help, &options))
        return options.status;
    answer = fr_control_order("fleetroute reload", options.socket, "reload");
    if (answer == NULL)
        return EXIT_FAILURE;
    done = json_is_true(json_object_get(answer, "reloaded"));
    complete = json_is_true(json_object_get(answer, "complete"));
    if (options.as_json)
        fr_show_json(answer);
    else {
        fputs(json_string_value(json_object_get(answer, "said")), complete ? stdout : stderr);
        if (done)
            puts(complete ? "the configuration is followed"
                          : "the configuration is followed, but not everything could be started");
    }
    json_decref(answer);
    return complete ? EXIT_SUCCESS : EXIT_FAILURE;
}
