/*
 * The life of a connection: opened, timed out, closed, freed.
 *
 * All functions are called on the worker's thread. A connection belongs to its worker until
 * fr_connection_free().
 */
#ifndef FR_CONNECTION_H
#define FR_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/ingest_state.h"

/* Take over an accepted socket; it is closed when memory is exhausted. `peer` is the text for the
 * log, `source` is fr_address_source() of the peer's address. `proxied`: the peer is a load balancer and
 * sends a PROXY header first. */
void fr_connection_open(struct fr_worker *worker, int fd, const char *peer, uint64_t source,
                        bool proxied);

/* Close the socket and free the connection at once. An open WebSocket makes a DISCONNECTED
 * record. */
void fr_connection_free(struct fr_connection *connection);

/* Send `replies` and the TLS close alert, then wait up to 2 s for the peer to close. The
 * connection is in state FR_CONNECTION_CLOSING afterwards and is not freed here. */
void fr_connection_end(struct fr_connection *connection);

/* Send a WebSocket close frame with the code, then fr_connection_end(). */
void fr_connection_close(struct fr_connection *connection, enum fr_ws_code code);

/* Send the replies of an open WebSocket. Frees the connection when it is broken. */
void fr_connection_send_replies(struct fr_connection *connection);

/* Reply to a message whose record the sinks have confirmed or refused. */
void fr_connection_complete(struct fr_connection *connection, const struct fr_record *record);

/* Apply a changed peer_timeout_ms of the worker to an existing connection. */
void fr_connection_update_peer_timeout(struct fr_connection *connection);

/* Ping a silent peer, and check the timeouts at now_ms (monotonic). `elapsed_ms` is the time since
 * the last tick in which the worker ran. May free the connection. */
void fr_connection_tick(struct fr_connection *connection, int64_t now_ms, int64_t elapsed_ms);

#endif
