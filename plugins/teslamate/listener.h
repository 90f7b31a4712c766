/*
 * The listening socket: accepts connections, with TLS if a certificate is configured, and passes them to
 * the list of clients. Used on the sink's thread.
 */
#ifndef FR_TESLAMATE_LISTENER_H
#define FR_TESLAMATE_LISTENER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "teslamate/client.h"
#include "teslamate/tls_server.h"

struct listener;

/* Check an address of the configuration, such as 127.0.0.1:8185 or [::]:8185. Returns NULL if it is
 * valid, else a static message with a valid example. */
const char *listener_mistake(const char *address);

/* Whether only programs of this machine reach a valid address. */
bool listener_is_loopback(const char *address);

/* Make a listener that is not bound. `address` is valid, and outlives it, as `tls` (NULL: none) and
 * `clients`. NULL: no memory. */
struct listener *listener_new(struct event_base *base, const char *address, struct tls_server *tls,
                              struct clients *clients);

void listener_free(struct listener *listener);

/* Bind the socket unless it is bound, and accept again after descriptors were exhausted. To be called
 * every second. False: `why` has the cause and the remedy. */
bool listener_listen(struct listener *listener, char *why, size_t why_size);

#endif
