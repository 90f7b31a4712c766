/*
 * reload.h - apply a changed configuration while the daemon runs.
 *
 * The new files are read and checked completely before a running part is changed. A sink whose
 * configuration has not changed keeps its thread, its plugin and its batch, and gets the new
 * routing. A changed sink ends, and a new one starts at its cursor. Main thread.
 */
#ifndef FR_RELOAD_H
#define FR_RELOAD_H

#include "daemon/daemon_state.h"
#include "util/error.h"

/* Create daemon->reload_timer. Returns 0, or -1 with `error` set. */
int fr_daemon_init_reload(struct fr_daemon *daemon, struct fr_error *error);

/* Request a reload; returns at once. The event loop runs while sinks end and start. Requests during
 * a reload are combined into one that follows. Returns the number of the requested reload;
 * fr_control_answer() passes its outcome to the clients that wait for this number. */
uint64_t fr_daemon_request_reload(struct fr_daemon *daemon);

#endif
