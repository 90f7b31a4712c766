/* daemon_options.h - the command line of the commands that ask a running daemon. */
#ifndef FR_DAEMON_OPTIONS_H
#define FR_DAEMON_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>

struct fr_daemon_options {
    const char *socket;
    bool as_json;
    int status; /* of the command, when fr_daemon_options says that it is over */
};

/* Read -s, --json and --help (which shows `help`). False: the command is over. What stands
 * behind the options is at optind. */
bool fr_daemon_options(int argc, char **argv, const char *help, struct fr_daemon_options *options);

/* Show an answer as it is. */
void fr_show_json(const json_t *answer);

#endif
