/*
 * check_unit.h - the restrictions of a systemd unit that decide which files a daemon can use
 * (systemd.exec(5)). Other settings are ignored.
 */
#ifndef FR_CHECK_UNIT_H
#define FR_CHECK_UNIT_H

#include <stdbool.h>
#include <stddef.h>

#include "util/error.h"

#define FR_CHECK_UNIT_PATHS 32

struct fr_check_unit {
    char *user;          /* User=; NULL: root */
    bool private_tmp;    /* PrivateTmp= */
    bool hides_home;     /* ProtectHome=yes or tmpfs */
    bool home_read_only; /* ProtectHome=read-only */
    bool strict;         /* ProtectSystem=strict: only `writable` can be written */
    bool reads_all;      /* AmbientCapabilities= has CAP_DAC_READ_SEARCH */
    char *writable[FR_CHECK_UNIT_PATHS];
    size_t writable_count;
};

/* Read one unit file. Returns 0, or -1 with `error` set. The caller frees the unit. */
int fr_check_unit_read(struct fr_check_unit *unit, const char *path, struct fr_error *error);

/* Read the installed unit NAME (such as "fleetroute.service") with its drop-ins. False: systemd does
 * not run on this machine, or the unit is not installed. The caller frees the unit. */
bool fr_check_unit_find(struct fr_check_unit *unit, const char *name);

void fr_check_unit_free(struct fr_check_unit *unit);

/* Whether `path` is `folder` or below it. */
bool fr_path_is_below(const char *path, const char *folder);

/* Whether the daemon sees the files of this machine at `path`. If not, `why` is the setting. */
bool fr_check_unit_sees(const struct fr_check_unit *unit, const char *path, const char **why);

/* Whether the unit permits writing at `path`; permissions are not considered. If not, `why` is the
 * setting. */
bool fr_check_unit_writes(const struct fr_check_unit *unit, const char *path, const char **why);

#endif
