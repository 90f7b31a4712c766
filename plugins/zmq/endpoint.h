/*
 * The address that a sink binds, in libzmq's form tcp://ADDRESS:PORT. The functions have no state;
 * any thread may call them.
 */
#ifndef FR_ZMQ_ENDPOINT_H
#define FR_ZMQ_ENDPOINT_H

#include <stdbool.h>

/* Check an address of the configuration. Returns NULL if it is valid, else a static message with a
 * valid example. */
const char *endpoint_mistake(const char *endpoint);

/* Whether a valid address is one of IPv6: [ADDRESS]. */
bool endpoint_is_ipv6(const char *endpoint);

/* Whether only programs of this machine reach a valid address. */
bool endpoint_is_loopback(const char *endpoint);

/* The port of a valid address. */
int endpoint_port(const char *endpoint);

/* What an administrator can do about zmq_bind(3) that failed with `code` (an errno value): a static
 * text in the imperative, without a full stop. */
const char *endpoint_remedy(int code);

#endif
