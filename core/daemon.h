/* daemon.h - fleetrouted: start from a setup, run, drain, end. */
#ifndef FR_DAEMON_H
#define FR_DAEMON_H

#include "setup.h"
#include "util/error.h"

/* Run until SIGTERM or SIGINT; the setup passes to the daemon, which replaces it when it
 * reloads. ready(ctx) is called when vehicles can connect. Returns 0, or
 * -1 and why it could not start. */
int fr_daemon_run(struct fr_setup *setup, void (*ready)(void *ctx), void *ctx,
                  struct fr_error *error);

#endif
