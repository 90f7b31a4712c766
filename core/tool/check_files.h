/*
 * check_files.h - the part of `fleetroute check` that tests the files of the configuration as the
 * daemon will use them: as its user, and under the restrictions of its systemd unit.
 */
#ifndef FR_CHECK_FILES_H
#define FR_CHECK_FILES_H

#include "daemon/setup.h"

/* Check each file that the configuration names for the user and the unit that the daemon will have.
 * `unit`: path of a unit file; NULL: the installed fleetroute.service, if systemd runs and
 * `is_default` (the configuration is the one that this unit reads). Without a unit the user is the
 * one of `user:`. */
void fr_check_files(struct fr_setup *setup, const char *unit, bool is_default);

#endif
