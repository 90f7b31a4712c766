/*
 * A connection from its first byte to its open WebSocket: TLS handshake, identity, HTTP upgrade.
 *
 * All functions are called on the worker's thread.
 */
#ifndef FR_HANDSHAKE_H
#define FR_HANDSHAKE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ingest/ingest_state.h"

enum fr_handshake_status {
    FR_HANDSHAKE_DONE,
    FR_HANDSHAKE_INCOMPLETE, /* more bytes are needed */
    FR_HANDSHAKE_CLOSING,    /* failed; the alert is sent, the connection is closing */
    FR_HANDSHAKE_BROKEN,     /* failed without a reply; the caller frees the connection */
};

/* Create the connection's TLS object once the first TLS record is complete; tls.in holds the bytes
 * of this read. DONE: the object exists and tls.in is the whole record. BROKEN: also if the peer has
 * closed the connection. */
enum fr_handshake_status fr_handshake_begin(struct fr_connection *connection);

/* Continue the TLS handshake with the bytes in tls.in. DONE: the identity is set and the state is
 * FR_CONNECTION_UPGRADE, or the peer has no certificate and the state is
 * FR_CONNECTION_WITHOUT_CERTIFICATE. */
enum fr_handshake_status fr_handshake_continue(struct fr_connection *connection);

/* Read plaintext bytes of the HTTP request. Returns the number of bytes that belong to the request
 * (the rest is WebSocket frames), or -1: the connection is closing. */
ssize_t fr_handshake_upgrade(struct fr_connection *connection, const uint8_t *bytes, size_t len);

#endif
