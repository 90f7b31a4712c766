/*
 * Clients without a certificate: Tesla, and phones at pairing, fetch the public half of the command
 * key from the vehicles' listener. Such a client gets the key or status 401, and nothing else.
 *
 * Until the end of the TLS handshake a client counts as any half-open connection. Then it takes one
 * of few places that vehicles do not use. All functions are called on the worker's thread.
 */
#ifndef FR_WITHOUT_CERTIFICATE_H
#define FR_WITHOUT_CERTIFICATE_H

#include <stddef.h>
#include <stdint.h>

#include "ingest/ingest_state.h"

/* Max connections of one source address and worker. */
#define FR_WITHOUT_CERTIFICATE_PER_SOURCE 8
/* Max bytes of the head of a request. */
#define FR_WITHOUT_CERTIFICATE_HEAD_MAX 4096
/* Max time from the end of the TLS handshake to the end of the connection, in ms. */
#define FR_WITHOUT_CERTIFICATE_MS 5000

/* Move a connection whose TLS handshake is complete from the half-open connections to the clients
 * without a certificate; its state is FR_CONNECTION_WITHOUT_CERTIFICATE then. An older client, from
 * 1 s on, is closed for it if there is no place. -1: there is none, and the caller frees the
 * connection. */
int fr_without_certificate_begin(struct fr_connection *connection);

/* Read plaintext bytes of the request. 0: more are needed; -1: the connection is closing. */
int fr_without_certificate_receive(struct fr_connection *connection, const uint8_t *bytes,
                                   size_t len);

#endif
