/* Networks of IP addresses: parsed from a configuration, compared with the address of a peer. */
#ifndef FR_NETWORK_H
#define FR_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "util/error.h"

/* An IPv4 network is kept as the network of its IPv4-mapped IPv6 addresses: 10.0.0.0/8 as
 * ::ffff:10.0.0.0/104. */
struct fr_network {
    uint8_t address[16]; /* network order; the bits after the prefix are 0 */
    uint8_t bits;        /* length of the prefix, 0 to 128 */
};

/* Parse an address ("10.0.0.5", "fd00::1") or a network ("10.1.0.0/16", "fd00::/8"). -1 and the cause
 * with its remedy in *error: the text is neither, or an address bit after the prefix is set. Any
 * thread. */
int fr_network_parse(const char *text, struct fr_network *network, struct fr_error *error);

/* Whether one of `count` networks has the address. An IPv4-mapped IPv6 address, which is how a
 * socket of "::" names an IPv4 peer, is the IPv4 address; a network of IPv6 does not have it. Other
 * address families are in no network. Any thread. */
bool fr_networks_contain(const struct fr_network *networks, size_t count,
                         const struct sockaddr_storage *address);

/* Whether the network has all addresses of IPv4 or of IPv6. */
bool fr_network_is_everything(const struct fr_network *network);

#endif
