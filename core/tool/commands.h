/* commands.h - the subcommands of fleetroute(1). Each gets its own arguments, argv[0] being
 * its name, and returns an exit status. */
#ifndef FR_COMMANDS_H
#define FR_COMMANDS_H

int fr_cmd_check(int argc, char **argv);
int fr_cmd_journal(int argc, char **argv);
int fr_cmd_reload(int argc, char **argv);
int fr_cmd_replay(int argc, char **argv);
int fr_cmd_simulate(int argc, char **argv);
int fr_cmd_status(int argc, char **argv);
int fr_cmd_tail(int argc, char **argv);
int fr_cmd_values(int argc, char **argv);

#endif
