/* drop_privileges.h - drop the privileges that the daemon needs only to start. */
#ifndef FR_DROP_PRIVILEGES_H
#define FR_DROP_PRIVILEGES_H

#include "daemon/daemon_state.h"
#include "util/error.h"

/* Switch to the configured user, drop all capabilities and enter the sandbox. Call when the sockets
 * are bound and the TLS files are read, before any thread is started.
 * Returns 0, or -1 with `error` set. */
int fr_daemon_drop_privileges(struct fr_daemon *daemon, struct fr_error *error);

#endif
