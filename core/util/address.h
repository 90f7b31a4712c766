/* address.h - what an IP address means. */
#ifndef FR_ADDRESS_H
#define FR_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* Whether an address, as text, is reached from this machine only. */
bool fr_is_loopback(const char *address);

/* What stands for a peer's address: an IPv4 address, or the /64 network of an IPv6 address, which
 * is what one subscriber has. An IPv4 address mapped into IPv6 is the IPv4 address. */
uint64_t fr_address_source(const struct sockaddr_storage *address);

/* Whether a peer is on this machine: a loopback address or a Unix socket. */
bool fr_address_is_local(const struct sockaddr_storage *address);

#endif
