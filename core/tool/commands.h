/*
 * The subcommands of fleetroute(1), one file each. A subcommand runs in the main thread, the only
 * one of the program. Its argv[0] is its name. It prints errors to standard error and returns the
 * exit status of the program.
 */
#ifndef FR_COMMANDS_H
#define FR_COMMANDS_H

#include <stdint.h>

#include "config/server_config.h"
#include "journal/store_read.h"

int fr_cmd_check(int argc, char **argv);
int fr_cmd_doctor(int argc, char **argv);
int fr_cmd_history(int argc, char **argv);
int fr_cmd_journal(int argc, char **argv);
int fr_cmd_keep(int argc, char **argv);
int fr_cmd_key(int argc, char **argv);
int fr_cmd_pair(int argc, char **argv);
int fr_cmd_push(int argc, char **argv);
int fr_cmd_reload(int argc, char **argv);
int fr_cmd_replay(int argc, char **argv);
int fr_cmd_setup(int argc, char **argv);
int fr_cmd_simulate(int argc, char **argv);
int fr_cmd_status(int argc, char **argv);
int fr_cmd_tail(int argc, char **argv);
int fr_cmd_values(int argc, char **argv);
int fr_cmd_vehicle_config(int argc, char **argv);

/* `journal check` and `journal salvage` of the journal of a configuration, in cmd_journal_check.c.
 * Return the exit status. */
int fr_cmd_journal_check(const struct fr_server_config *config);
int fr_cmd_journal_salvage(const struct fr_server_config *config);

/* `journal dump` in cmd_journal_dump.c: print the records `first` to `end` - 1, max `count` of them
 * (-1: no limit). Returns the exit status. */
int fr_cmd_journal_dump(struct fr_store_reader *reader, uint64_t first, uint64_t end,
                        long long count);

#endif
