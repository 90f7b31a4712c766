/* commands.h - the subcommands of fleetroute(1). Each gets its own arguments, argv[0] being
 * its name, and returns an exit status. */
#ifndef FR_COMMANDS_H
#define FR_COMMANDS_H

#include "config/server_config.h"

int fr_cmd_check(int argc, char **argv);
int fr_cmd_journal(int argc, char **argv);

/* cmd_journal_check.c: `journal check` and `journal salvage`. Return the exit status. */
int fr_cmd_journal_check(const struct fr_server_config *config);
int fr_cmd_journal_salvage(const struct fr_server_config *config);
int fr_cmd_reload(int argc, char **argv);
int fr_cmd_replay(int argc, char **argv);
int fr_cmd_simulate(int argc, char **argv);
int fr_cmd_status(int argc, char **argv);
int fr_cmd_tail(int argc, char **argv);
int fr_cmd_values(int argc, char **argv);

#endif
