/*
 * backpressure.h - notifies the producers of records that the journal or a sink's queue has
 * capacity again.
 */
#ifndef FR_BACKPRESSURE_H
#define FR_BACKPRESSURE_H

#include "daemon/daemon_state.h"

/* Notify the ingest, the sources and the control socket. `ctx` is the daemon. Any thread. */
void fr_daemon_on_writable(void *ctx);

/* Set the sources to notify: those of `setup`; NULL: none. Returns when no other thread notifies a
 * former source any more, so that the source can be freed. Main thread. */
void fr_daemon_set_sources(struct fr_daemon *daemon, const struct fr_setup *setup);

#endif
