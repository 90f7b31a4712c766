/* Requests of setup to the running daemon. Main thread. */
#ifndef FR_SETUP_DAEMON_H
#define FR_SETUP_DAEMON_H

#include <jansson.h>

#include "tool/setup.h"

/* Send a request to the control socket of the configuration. Returns the reply, which the caller
 * releases; NULL: no daemon answers, or the reply is an error; `error` is set. */
json_t *fr_setup_ask_daemon(struct fr_setup_env *env, const char *request, struct fr_error *error);

#endif
