/*
 * connection_log.h - one log line for each vehicle's connection that opens or ends.
 *
 * A fleet that reconnects, or a vehicle that does so all the time, must not fill the log: the lines
 * of one minute are limited, and the number of suppressed lines is logged. Any worker's thread.
 */
#ifndef FR_CONNECTION_LOG_H
#define FR_CONNECTION_LOG_H

#include "ingest/ingest_state.h"

/* Lines a minute, of all workers. */
#define FR_CONNECTION_LOG_MAX 300

/* Log that the WebSocket of a connection is open. Sets c->opened_ms. `user_agent`: of its request. */
void fr_connection_log_opened(struct fr_connection *c, const char *user_agent);

/* Log that a connection whose WebSocket was open has ended. */
void fr_connection_log_ended(const struct fr_connection *c);

#endif
