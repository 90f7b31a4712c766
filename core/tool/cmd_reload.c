/* fleetroute reload: ask the daemon to follow its changed configuration, and tell the outcome. */
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "tool/commands.h"
#include "tool/control_client.h"

static const char help[] =
    "usage: fleetroute reload [-s SOCKET] [--json]\n"
    "Asks the daemon to read its configuration again. Exits with 0 when it is followed, with 1\n"
    "when it has mistakes: then the one in force stays.\n"
    "\n"
    "  -s, --socket PATH  the daemon's control socket (" FR_CONTROL_PATH ")\n"
    "      --json         the daemon's answer as it is\n"
    "  -h, --help         show this\n";

int fr_cmd_reload(int argc, char **argv)
{
    static const struct option longs[] = {
        {"socket", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *path = FR_CONTROL_PATH;
    bool as_json = false, done;
    int option;
    json_t *answer;

    while ((option = getopt_long(argc, argv, "s:h", longs, NULL)) != -1) {
        switch (option) {
        case 's':
            path = optarg;
            break;
        case 'j':
            as_json = true;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_SUCCESS;
        default:
            return EXIT_FAILURE;
        }
    }
    answer = fr_control_order("fleetroute reload", path, "reload");
    if (answer == NULL)
        return EXIT_FAILURE;
    done = json_is_true(json_object_get(answer, "reloaded"));
    if (as_json) {
        json_dumpf(answer, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        fputs(json_string_value(json_object_get(answer, "said")), done ? stdout : stderr);
        if (done)
            puts("the configuration is followed");
    }
    json_decref(answer);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
