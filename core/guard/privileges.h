/* privileges.h - becoming nobody in particular. */
#ifndef FR_PRIVILEGES_H
#define FR_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "util/error.h"

struct fr_user {
    const char *name;
    uid_t uid;
    gid_t gid;
};

/* Look a user up. -1 and why. */
int fr_user_find(const char *name, struct fr_user *user, struct fr_error *error);

/* Become that user (NULL: stay who we are) with no capability, or with CAP_DAC_READ_SEARCH alone
 * (`may_read`), and with no way to get another. Before any thread is started. -1 and why. */
int fr_privileges_drop(const struct fr_user *user, bool may_read, struct fr_error *error);

/* Whether this process may read files that are not its user's. */
bool fr_privileges_can_read_all(void);

#endif
