/*
 * The login at a Redis server: AUTH and SELECT as configured, then PING, all sent at once.
 *
 * All functions run on the sink's thread.
 */
#ifndef FR_REDIS_CONNECTION_LOGIN_H
#define FR_REDIS_CONNECTION_LOGIN_H

#include "redis/connection_state.h"

/* Send the requests of the login. False, with the reason in `why`: the password cannot be read, or
 * no memory. */
bool connection_begin_login(struct connection *connection, char *why, size_t why_size);

/* Handle the answer to a request of the login; `step` becomes LOGIN_DONE with the last one. False,
 * with the reason in `why`: the server refused it. */
bool connection_continue_login(struct connection *connection, const struct redis_reply *reply,
                               char *why, size_t why_size);

/* Send PING. False: no memory. */
bool connection_ping(struct connection *connection);

#endif
