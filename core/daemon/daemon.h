/* daemon.h - run fleetrouted: start, serve until a signal, drain, stop. */
#ifndef FR_DAEMON_H
#define FR_DAEMON_H

#include "daemon/setup.h"
#include "util/error.h"

/* Run until SIGTERM or SIGINT. Takes ownership of `setup`, also on failure; a reload replaces it.
 * ready(ctx) is called once, when vehicles can connect. Main thread, once in a process.
 * Returns 0 after a signal, or -1 with `error` set: the daemon could not start. */
int fr_daemon_run(struct fr_setup *setup, void (*ready)(void *ctx), void *ctx,
                  struct fr_error *error);

#endif
