/*
 * The command line options of the subcommands that send one request to a running daemon.
 */
#ifndef FR_DAEMON_OPTIONS_H
#define FR_DAEMON_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>

struct fr_daemon_options {
    const char *socket; /* path of the control socket; not owned */
    bool as_json;
    int status; /* the exit status, if fr_daemon_options() returns false */
};

/* Read -s, --json and --help, which prints `help`. The first argument after the options is
 * argv[optind]. False: the command ends with options->status. */
bool fr_daemon_options(int argc, char **argv, const char *help, struct fr_daemon_options *options);

/* Print a reply of the daemon as indented JSON to standard output. */
void fr_print_json(const json_t *answer);

#endif
