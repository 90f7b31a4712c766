/* start.h - start the parts of the daemon in the order of their dependencies. */
#ifndef FR_START_H
#define FR_START_H

#include "daemon/daemon_state.h"
#include "util/error.h"

/* Bind the sockets and read the secrets, drop privileges, then start the journal, the sinks, the
 * ingest and the sources of daemon->setup. Blocks until vehicles can connect. Main thread, once.
 * Returns 0, or -1 with `error` set; fr_daemon_stop() then stops the parts that were started. */
int fr_daemon_start(struct fr_daemon *daemon, struct fr_error *error);

#endif
