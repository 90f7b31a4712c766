/* Step and requests of setup for the daemon. Main thread. */
#ifndef FR_SETUP_DAEMON_H
#define FR_SETUP_DAEMON_H

#include <jansson.h>

#include "tool/setup.h"

/* Send a request to the control socket of the configuration. Returns the reply, which the caller
 * releases; NULL: no daemon answers, or the reply is an error; `error` is set. */
json_t *fr_setup_ask_daemon(struct fr_setup_env *env, const char *request, struct fr_error *error);

/* Make a running daemon read its configuration again. Returns 0, also if no daemon runs, or -1 with
 * the daemon's report in `error`. */
int fr_setup_reload_daemon(struct fr_setup_env *env, struct fr_error *error);

/* Run systemctl, which starts `unit`, and wait for it; after a failure print the end of the unit's log.
 * `words` are the program and its arguments; NULL ends them. Returns 0, or -1 with `error` set. */
int fr_setup_run_systemctl(const char *const *words, const char *unit, struct fr_error *error);

/* The step: the daemon runs with the present configuration and serves the public key. */
extern const struct fr_setup_step fr_setup_step_daemon;

#endif
