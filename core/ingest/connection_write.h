/*
 * The sending side of a connection: replies -> OpenSSL -> the worker's buffer -> socket, and the
 * libevent events of the socket.
 *
 * All functions are called on the worker's thread. None of them frees or closes a connection; a
 * caller that gets -1 does.
 */
#ifndef FR_CONNECTION_WRITE_H
#define FR_CONNECTION_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/ingest_state.h"

/* A connection with this many bytes of unsent ciphertext is not read (backpressure). */
#define FR_UNSENT_MAX (256 * 1024)

/* Whether the daemon does not read an open WebSocket for reasons of its own: the worker is paused, or
 * limits.max_unacknowledged is reached. */
bool fr_connection_paused(const struct fr_connection *connection);

/* Wait for the events that the state of the worker and the connection asks for. An open WebSocket
 * is not read while fr_connection_paused(), or while FR_UNSENT_MAX bytes are unsent; a handshake
 * not while it is queued. */
void fr_connection_update_events(struct fr_connection *connection);

/* Encrypt bytes into the worker's `out`. -1: the TLS connection is broken. */
int fr_connection_encrypt(struct fr_connection *connection, const uint8_t *bytes, size_t len);

/* Send the worker's `out` and clear it. Ciphertext for which the socket has no capacity goes to
 * `unsent`. -1: the connection is broken, or out of memory. */
int fr_connection_write_out(struct fr_connection *connection);

/* Send `unsent`; called when the socket has capacity again. -1: the connection is broken. */
int fr_connection_write_unsent(struct fr_connection *connection);

/* Encrypt, send and free `replies`. -1: the connection is broken, or out of memory. */
int fr_connection_write_replies(struct fr_connection *connection);

/* Put the connection on the worker's list of those whose replies are sent at the end of the pass. */
void fr_connection_reply_later(struct fr_connection *connection);

#endif
