/*
 * The list of connections, with its bounds and time-outs.
 *
 * A client is freed only by clients_is_full(), clients_free() and the reaper event, so that no handler
 * invalidates a client that its caller uses. Everything runs on the sink's thread.
 */
#ifndef FR_TESLAMATE_CLIENTS_H
#define FR_TESLAMATE_CLIENTS_H

#include <event2/bufferevent.h>
#include <sys/socket.h>

#include "teslamate/client.h"

/* Make an empty list. NULL: no memory. */
struct clients *clients_new(struct event_base *base, const struct clients_limits *limits,
                            const struct clients_handlers *handlers, void *ctx);

/* Close all connections; NULL is allowed. */
void clients_free(struct clients *clients);

/* Add an accepted connection, and own `socket`. False: no memory; the socket was freed. */
bool clients_add(struct clients *clients, struct bufferevent *socket,
                 const struct sockaddr_storage *peer);

/* Whether a connection from this address is over a bound. At the bound of all connections, the oldest
 * client that has not presented a token is freed to make capacity. Not to be called by a handler. */
bool clients_is_full(struct clients *clients, const struct sockaddr_storage *peer);

/* Close late and slow connections. To be called every second. `now_ms`: monotonic. */
void clients_check(struct clients *clients, int64_t now_ms);

/* End all WebSockets that have presented a token, so that it is checked again. */
void clients_end_streams(struct clients *clients);

/* The counters, which each function of client.h and of this file may change. */
struct clients_counts *clients_counts(struct clients *clients);

#endif
