#include "tool/daemon_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "tool/control_client.h"

bool fr_daemon_options(int argc, char **argv, const char *help, struct fr_daemon_options *options)
{
    static const struct option longs[] = {
        {"socket", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    *options = (struct fr_daemon_options){FR_CONTROL_PATH, false, EXIT_FAILURE};
    while ((option = getopt_long(argc, argv, "s:h", longs, NULL)) != -1) {
        switch (option) {
        case 's':
            options->socket = optarg;
            break;
        case 'j':
            options->as_json = true;
            break;
        case 'h':
            fputs(help, stdout);
            options->status = EXIT_SUCCESS;
            return false;
        default:
            return false;
        }
    }
    return true;
}

void fr_print_json(const json_t *reply)
{
    json_dumpf(reply, stdout, JSON_INDENT(2));
    putchar('\n');
}
