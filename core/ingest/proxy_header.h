/*
 * Connections of the load balancers in listen.proxy_protocol: the PROXY header before the first byte
 * of TLS, and the vehicle's address that it has.
 *
 * Until the header is read, and without an address in it, c->source is FR_SOURCE_NONE, so that the limits
 * for each source address never refuse a balancer. All functions are called on the worker's thread.
 */
#ifndef FR_PROXY_HEADER_H
#define FR_PROXY_HEADER_H

#include "ingest/handshake.h"
#include "ingest/ingest_state.h"

/* Read the header from tls.in, which then has the bytes after it. DONE: the state is
 * FR_CONNECTION_HANDSHAKE, and tls.in is not empty. INCOMPLETE: more bytes are needed, for the
 * header or after it. BROKEN: the header is not valid, or the address in it has too many half-open
 * connections. */
enum fr_handshake_status fr_proxy_header_receive(struct fr_connection *connection);

#endif
