#include "tool/command_line.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

bool fr_has_argument(const char *command, int argc, char **argv)
{
    if (optind >= argc)
        return false;
    fprintf(stderr, "fleetroute %s: unexpected argument \"%.80s\"; see --help\n", command,
            argv[optind]);
    return true;
}

int fr_flush_output(const char *command, int status, int failure)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "fleetroute %s: standard output: %s\n", command, strerror(errno));
    return failure;
}
