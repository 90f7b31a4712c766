/* admin_token.h - the token of the admin listener, which may be readable for root alone. Main thread. */
#ifndef FR_ADMIN_TOKEN_H
#define FR_ADMIN_TOKEN_H

#include "daemon/daemon_state.h"

/* Read the token (16 to 512 characters): the first line of the file, which the key_reader opens if this
 * process may not. The caller wipes and frees the result. Returns NULL with `error` set on failure. */
char *fr_daemon_read_admin_token(const char *path, struct fr_error *error);

/* Read the token file of the configuration in force again, after a reload. A changed token ends all
 * sessions. Returns 0; or -1 with `error` set, and the token in force stays. */
int fr_daemon_refresh_admin_token(struct fr_daemon *d, struct fr_error *error);

#endif
