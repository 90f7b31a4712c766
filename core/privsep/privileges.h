/*
 * privileges.h - drop root, all capabilities and the ability to regain them.
 *
 * capset(2) and prctl(2) act on the calling thread only, and new threads inherit the result. So
 * privileges are dropped before the first thread starts.
 */
#ifndef FR_PRIVILEGES_H
#define FR_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "util/error.h"

struct fr_user {
    const char *name; /* borrowed from the caller of fr_user_find() */
    uid_t uid;
    gid_t gid;
};

/* Look up the user `name` in the system's user database. `user` keeps the pointer `name`.
 * Returns 0, or -1 with `error` set: there is no such user. */
int fr_user_find(const char *name, struct fr_user *user, struct fr_error *error);

/* Switch to `user` (NULL: keep the current user) and drop all capabilities, except
 * CAP_DAC_READ_SEARCH if `may_read` is set and the process has it. Sets no_new_privs, so that
 * execve(2) grants nothing back. Call before any thread is started.
 * Returns 0, or -1 with `error` set; privileges may then be partly dropped. */
int fr_privileges_drop(const struct fr_user *user, bool may_read, struct fr_error *error);

/* Whether this process has CAP_DAC_READ_SEARCH: file permissions do not restrict reading. */
bool fr_privileges_can_read_all(void);

#endif
