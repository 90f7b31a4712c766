/*
 * The receiving side of a connection: socket -> OpenSSL -> HTTP upgrade or WebSocket -> message,
 * and the action on each message's verdict.
 */
#ifndef FR_CONNECTION_READ_H
#define FR_CONNECTION_READ_H

#include "ingest/ingest_state.h"

/* The socket is readable (EV_READ) or has capacity (EV_WRITE). May free the connection. Replies are
 * left for the end of the pass. Called on the worker's thread. */
void fr_connection_ready(struct fr_connection *connection, short events);

#endif
