/* Begin and end that the subcommands share: the check of the arguments, the flush of the output. */
#ifndef FR_TOOL_COMMAND_LINE_H
#define FR_TOOL_COMMAND_LINE_H

#include <stdbool.h>

/* Whether an argument remains behind the options, after getopt_long(3); then an error that names the
 * subcommand `command` is printed. Main thread. */
bool fr_has_argument(const char *command, int argc, char **argv);

/* Flush standard output. Returns `status`, or `failure` after an error was printed, e.g. because the
 * disk is full. Main thread. */
int fr_flush_output(const char *command, int status, int failure);

#endif
